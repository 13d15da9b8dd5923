//! The end of a log, fit for people.

/// Longest excerpt, in characters.
const CHARS: usize = 4_000;
/// Most lines of an excerpt.
const LINES: usize = 60;

/// Returns the last lines of a log as text: terminal escapes and control characters are gone,
/// progress bars that overwrite their line leave only what was last shown.
#[must_use]
pub fn excerpt(log: &[u8]) -> String {
    let lines = lines(log);
    let end = lines
        .iter()
        .rposition(|line| !line.is_empty())
        .map_or(0, |last| last + 1);
    let kept = lines
        .get(end.saturating_sub(LINES)..end)
        .unwrap_or_default()
        .join("\n");
    let skip = kept.chars().count().saturating_sub(CHARS);
    kept.chars().skip(skip).collect()
}

/// Returns a log as text, cleaned as an excerpt is.
#[must_use]
pub fn plain(log: &[u8]) -> String {
    lines(log).join("\n")
}

fn lines(log: &[u8]) -> Vec<String> {
    let text = without_escapes(&String::from_utf8_lossy(log));
    text.lines().map(shown).collect()
}

/// Returns what a terminal would show of a line at its end.
fn shown(line: &str) -> String {
    let last = line
        .trim_end_matches('\r')
        .rsplit('\r')
        .next()
        .unwrap_or_default();
    last.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Removes ANSI control sequences (ECMA-48): `ESC [ … final` and `ESC ] … BEL`, and single ones.
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' {
                        break;
                    }
                    if c == '\u{1b}' {
                        chars.next_if_eq(&'\\');
                        break;
                    }
                }
            }
            Some(_) | None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_reads_as_its_last_screen() {
        let log =
            b"\x1b[1mCompiling\x1b[0m x\r\n 10%\r 50%\r100%\ndone \x1b]0;title\x07ok\x00\n\n\n";
        assert_eq!(excerpt(log), "Compiling x\n100%\ndone ok");
    }

    #[test]
    fn only_the_end_is_kept() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let log = lines.join("\n");
        let shown = excerpt(log.as_bytes());
        assert_eq!(
            (shown.lines().count(), shown.lines().last()),
            (LINES, Some("line 999"))
        );
        assert_eq!(excerpt("x".repeat(100_000).as_bytes()).len(), CHARS);
    }

    proptest! {
        #[test]
        fn nothing_invisible_remains(log in proptest::collection::vec(any::<u8>(), 0..400)) {
            let shown = excerpt(&log);
            prop_assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{shown:?}");
        }
    }
}
