//! The one place that writes to standard output and error.
//!
//! Results go to standard output, everything else (progress, notes, errors) to standard error, so
//! that a result can be piped on. A closed pipe ends nothing: what was asked for is still done.

use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::sanitize::invisible::is_invisible;
use crate::domain::time::Timestamp;
use crate::ports::live::LiveSecrets;

/// Columns of a live line: it must never wrap, or it could not be erased again.
const LIVE_COLUMNS: usize = 78;

/// Goes to the start of the line and erases it.
const ERASE: &str = "\r\x1b[2K";

/// Where a command's words go.
#[derive(Debug)]
pub struct Output {
    out: Stream,
    err: Stream,
    /// Whether a live line stands on the terminal, which both streams would write behind.
    live: Mutex<bool>,
    /// What neither stream may say.
    secrets: Arc<LiveSecrets>,
}

/// One of the two streams, and what it can show.
struct Stream {
    sink: Mutex<Box<dyn Write + Send>>,
    looks: Looks,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.looks.fmt(f)
    }
}

/// What a stream can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Whether a person watches: a line may be drawn over.
    pub terminal: bool,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// How a word is set off from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Green.
    Good,
    /// Red.
    Bad,
    /// Bold.
    Strong,
    /// Dim.
    Aside,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Strong => "1",
            Self::Aside => "2",
        }
    }
}

impl Output {
    /// Looks at what the process's streams are. `NO_COLOR`, when it is not empty, and a terminal
    /// that calls itself `dumb` are honoured.
    #[must_use]
    pub fn new() -> Self {
        let says = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = says("TERM").is_none_or(|term| term == "dumb");
        let colour = !dumb && says("NO_COLOR").is_none();
        let looks = |terminal: bool| Looks {
            terminal: terminal && !dumb,
            colour: terminal && colour,
        };
        Self::to(
            (
                Box::new(std::io::stdout()),
                looks(std::io::stdout().is_terminal()),
            ),
            (
                Box::new(std::io::stderr()),
                looks(std::io::stderr().is_terminal()),
            ),
        )
    }

    /// Writes to other places than the process's streams.
    #[must_use]
    pub fn to(
        (out, out_looks): (Box<dyn Write + Send>, Looks),
        (err, err_looks): (Box<dyn Write + Send>, Looks),
    ) -> Self {
        let stream = |sink, looks| Stream {
            sink: Mutex::new(sink),
            looks,
        };
        Self {
            out: stream(out, out_looks),
            err: stream(err, err_looks),
            live: Mutex::default(),
            secrets: Arc::default(),
        }
    }

    /// Returns what is taken out of everything that is written; whoever learns a secret adds it.
    #[must_use]
    pub fn secrets(&self) -> Arc<LiveSecrets> {
        Arc::clone(&self.secrets)
    }

    /// Returns whether a person watches standard output.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.out.looks.terminal
    }

    /// Returns whether a person watches standard error, where progress goes.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.err.looks.terminal
    }

    /// Writes one line.
    pub fn line(&self, text: &str) {
        self.write(&self.out, &format!("{text}\n"));
    }

    /// Writes text as it is.
    pub fn text(&self, text: &str) {
        self.write(&self.out, text);
    }

    /// Writes a value as JSON.
    pub fn json(&self, value: &serde_json::Value) {
        self.line(&format!("{value:#}"));
    }

    /// Writes one line to standard error, as an error.
    pub fn error(&self, text: &str) {
        let word = paint(self.err.looks, Style::Bad, "error:");
        self.write(&self.err, &format!("{word} {text}\n"));
    }

    /// Writes one line to standard error.
    pub fn note(&self, text: &str) {
        self.write(&self.err, &format!("{text}\n"));
    }

    /// Draws a line on standard error that the next write replaces. Only a terminal shows it.
    pub fn live(&self, text: &str) {
        if !self.err.looks.terminal {
            return;
        }
        let text = self.secrets.redact(text);
        let cut: String = printable(&text).chars().take(LIVE_COLUMNS).collect();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        self.err.write(&format!("{ERASE}{cut}"));
        *live = true;
    }

    /// Takes the live line away.
    pub fn still(&self) {
        self.write(&self.err, "");
    }

    /// Sets a word off on standard output, where colours are wanted.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.out.looks, style, text)
    }

    /// Sets a word off on standard error, where colours are wanted.
    #[must_use]
    pub fn paint_note(&self, style: Style, text: &str) -> String {
        paint(self.err.looks, style, text)
    }

    /// Writes rows in columns, the header first. Cells are made one line each, and control
    /// characters in them harmless: they may come from anybody.
    pub fn table(&self, header: &[&str], rows: &[Vec<String>]) {
        for line in columns(header, rows) {
            self.line(&line);
        }
    }

    fn write(&self, stream: &Stream, text: &str) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *live) {
            self.err.write(ERASE);
        }
        stream.write(&self.secrets.redact(text));
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    fn write(&self, text: &str) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(text.as_bytes());
        let _ = sink.flush();
    }
}

fn paint(looks: Looks, style: Style, text: &str) -> String {
    if looks.colour {
        format!("\x1b[{}m{text}\x1b[0m", style.code())
    } else {
        text.to_owned()
    }
}

/// Lays cells out in columns, a line for the header and one for each row.
#[must_use]
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let header = header.iter().map(|&cell| cell.to_owned()).collect();
    let cleaned = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(cleaned).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells: Vec<String> = (row.iter().zip(&widths))
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect()
}

/// Returns the text with everything escaped that a terminal would obey or a reader not see; line
/// feeds and tabs stay. Text of agents, issues and repositories passes through here.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns the text as [`printable`] does, on one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Returns a time as people and programs read it, in UTC.
#[must_use]
pub fn when(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
        |_| at.as_millis().to_string(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn screen(looks: Looks) -> (Output, Shared) {
        let shared = Shared::default();
        let sink = || Box::new(shared.clone()) as Box<dyn Write + Send>;
        (Output::to((sink(), looks), (sink(), looks)), shared)
    }

    const WATCHED: Looks = Looks {
        terminal: true,
        colour: true,
    };

    #[test]
    fn a_live_line_gives_way_to_what_is_written_next_on_either_stream() {
        let (output, shown) = screen(WATCHED);
        output.live("one");
        output.live("two");
        output.line("result");
        output.note("note");
        let expected = "\r\x1b[2Kone\r\x1b[2Ktwo\r\x1b[2Kresult\nnote\n";
        assert_eq!(shown.text(), expected);
    }

    #[test]
    fn neither_stream_says_a_secret() {
        let (output, shown) = screen(WATCHED);
        output.secrets().learn("the-key-of-this-server");
        output.live("the-key-of-this-server");
        output.line("a the-key-of-this-server");
        output.error("the-key-of-this-server");
        output.json(&serde_json::json!({ "a": "the-key-of-this-server" }));
        assert_eq!(shown.text().matches("[redacted]").count(), 4);
        assert!(!shown.text().contains("the-key"), "{}", shown.text());
    }

    #[test]
    fn nothing_is_drawn_or_coloured_where_nobody_watches() {
        let (output, shown) = screen(Looks::default());
        output.live("one");
        output.error(&output.paint(Style::Bad, "red"));
        assert_eq!(shown.text(), "error: red\n");
    }

    #[test]
    fn a_live_line_never_wraps_and_never_obeys_what_it_shows() {
        let (output, shown) = screen(WATCHED);
        output.live(&"\x1b]0;x".repeat(50));
        let text = shown.text();
        let drawn = text.strip_prefix(ERASE).unwrap();
        assert_eq!(drawn.chars().count(), LIVE_COLUMNS);
        assert!(!drawn.contains('\x1b'), "{drawn:?}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(
            printable("a\x1b[2Jb\u{202e}c\nd\té"),
            "a\\u{1b}[2Jb\\u{202e}c\nd\té"
        );
        assert_eq!(one_line("a\nb"), "a\\nb");
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows = [["a", "bb"], ["ccc\n", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            columns(&["X", "Y"], &rows),
            ["X      Y", "a      bb", "ccc\\n"]
        );
    }
}
