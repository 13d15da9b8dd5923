//! What the recipes have in common: arguments, words, and how they end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::domain::policy::protected::Protected;
use crate::inside::files::Unreadable;

/// Lines that are printed of all there are to print; the end says how many more there were.
const LINES: usize = 200;

/// Why a recipe changed nothing, or not all that it could.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The command line is not one of the server's.
    #[error("the arguments are not the server's: {0}")]
    Arguments(String),
    /// What a person wrote cannot be used.
    #[error("{0}")]
    Wrong(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] Unreadable),
    /// Nobody listens.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// What a recipe prints: a line for each thing that it did, bounded, and a last one.
pub(super) struct Told<'o> {
    out: &'o mut dyn Write,
    lines: usize,
}

impl<'o> Told<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self { out, lines: 0 }
    }

    /// Tells of one thing. Paths and words are a stranger's: what would act on a terminal is shown
    /// escaped.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines += 1;
        if self.lines <= LINES {
            writeln!(self.out, "{}", printable(text))?;
        }
        Ok(())
    }

    /// Tells the sum.
    pub(super) fn end(self, sum: &str) -> io::Result<()> {
        if let Some(more @ 1..) = self.lines.checked_sub(LINES) {
            writeln!(self.out, "… and {more} more")?;
        }
        writeln!(self.out, "{}", printable(sum))
    }
}

/// A recipe: it works on the working directory, and spares what is protected.
pub(super) type Recipe = fn(&Protected, &mut Told<'_>) -> Result<String, Trouble>;

/// Runs a recipe; what it returns is the last line.
pub(super) fn run(args: Vec<OsString>, recipe: Recipe) -> ExitCode {
    let done = spared(args).and_then(|protected| {
        let mut out = io::stdout().lock();
        let mut told = Told::new(&mut out);
        let sum = recipe(&protected, &mut told)?;
        Ok(told.end(&sum)?)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            // Where nobody listens, the exit code is all there is.
            let _ = writeln!(io::stderr(), "{trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Reads `--exclude PATTERN`, any number of times.
fn spared(args: Vec<OsString>) -> Result<Protected, Trouble> {
    let mut patterns = Vec::new();
    let mut args = args.into_iter();
    while let Some(option) = args.next() {
        let pattern = args.next().map(OsString::into_string);
        match (option.to_str(), pattern) {
            (Some("--exclude"), Some(Ok(pattern))) => patterns.push(pattern),
            (_, _) => return Err(Trouble::Arguments(option.display().to_string())),
        }
    }
    Protected::new(patterns)
        .map_err(|(pattern, why)| Trouble::Arguments(format!("{pattern}: {why}")))
}

fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| {
        if c.is_control() && c != '\n' {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    });
    shown.collect()
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        let mut out = Vec::new();
        let mut told = Told::new(&mut out);
        for number in 0..LINES + 5 {
            told.line(&format!("{number}\u{1b}[2J")).unwrap();
        }
        told.end("all in all").unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("0\\u{1b}[2J\n1\\u{1b}"), "{out}");
        assert!(out.ends_with("\n… and 5 more\nall in all\n"), "{out}");
        assert_eq!(out.lines().count(), LINES + 2);
    }

    #[test]
    fn arguments_are_the_servers() {
        let read = |words: &[&str]| spared(words.iter().map(OsString::from).collect());
        let protected = read(&["--exclude", "docs/**", "--exclude", "LICENSE"]).unwrap();
        assert_eq!(protected.matches(b"a/LICENSE"), Some("LICENSE"));
        assert_eq!(protected.matches(b"README"), None);
        for wrong in [&["docs"][..], &["--exclude"], &["--exclude", "!x"]] {
            read(wrong).unwrap_err();
        }
    }
}
