//! The issue that `prova run` works on: a file of Markdown.

use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest issue that is read, in bytes; GitHub takes 65,536 characters.
const MAX_BYTES: u64 = 1024 * 1024;

/// An issue without its GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    /// Its title, one line.
    pub(crate) title: String,
    /// The rest, as it was written.
    pub(crate) body: String,
}

/// Why a file is no issue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadIssue {
    /// It cannot be read.
    #[error("cannot read the issue {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It is larger than any issue.
    #[error("the issue {0} has more than {MAX_BYTES} bytes; no agent would read it whole")]
    TooLarge(PathBuf),
    /// It is not text.
    #[error("the issue {0} is not UTF-8 text; save it as UTF-8")]
    NotUtf8(PathBuf),
    /// It says nothing.
    #[error("the issue {0} has no title; its first heading or first line says what is to be done")]
    NoTitle(PathBuf),
}

/// Reads an issue from a file, or from standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Issue, BadIssue> {
    let unreadable = |error| BadIssue::Unreadable(path.to_owned(), error);
    let mut bytes = Vec::new();
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(unreadable)?)
    };
    let limited = source.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes);
    if u64::try_from(limited.map_err(unreadable)?).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(BadIssue::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| BadIssue::NotUtf8(path.to_owned()))?;
    parse(&text).ok_or_else(|| BadIssue::NoTitle(path.to_owned()))
}

/// Takes the first heading or line for the title and what follows for the body.
fn parse(text: &str) -> Option<Issue> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let title = heading(first);
    if title.is_empty() {
        return None;
    }
    Some(Issue {
        title: title.to_owned(),
        body: without_underline(rest).trim().to_owned(),
    })
}

/// Returns the text of an ATX heading, or the line itself when it is none.
fn heading(line: &str) -> &str {
    let line = line.trim();
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    if !(1..=6).contains(&level) || !(text.is_empty() || text.starts_with([' ', '\t'])) {
        return line;
    }
    let text = text.trim();
    let closed = text.trim_end_matches('#');
    if closed.is_empty() || closed.ends_with([' ', '\t']) {
        closed.trim_end()
    } else {
        text
    }
}

/// Drops the line of `===` or `---` that makes a heading of the line before it.
fn without_underline(rest: &str) -> &str {
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let line = line.trim();
    let underline = |c: char| line.len() >= 2 && line.chars().all(|other| other == c);
    if underline('=') || underline('-') {
        after
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let issue = parse(text).unwrap();
        (issue.title, issue.body)
    }

    #[test]
    fn the_first_heading_or_line_is_the_title() {
        for (text, title, body) in [
            ("# Fix it\n\nIt is `broken`.\n", "Fix it", "It is `broken`."),
            ("\n\n## Fix it ##\nnow", "Fix it", "now"),
            ("Fix it", "Fix it", ""),
            ("Fix it\n===\n\nnow", "Fix it", "now"),
            ("\u{feff}# C# is sharp #\r\nx\r\n", "C# is sharp", "x"),
            ("#1 is broken\n\n# not this", "#1 is broken", "# not this"),
            ("# About C#", "About C#", ""),
            ("####### seven", "####### seven", ""),
        ] {
            let found = parsed(text);
            assert_eq!(
                (found.0.as_str(), found.1.as_str()),
                (title, body),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_says_nothing_is_no_issue() {
        for text in ["", " \n\t\n", "#", "# \n\nbody", "###   ###"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
