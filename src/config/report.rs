//! What is wrong with a file of settings, told to the person who wrote it.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::sanitize::invisible;
use crate::domain::sanitize::neutral::inline;

/// Problems shown in a thread; who has more of them starts with these.
const MAX_SHOWN: usize = 20;

/// Characters of a parser's message that are shown.
const MAX_MESSAGE: usize = 200;

/// Characters of a bad value that are shown.
const MAX_FOUND: usize = 60;

/// Everything that is wrong with one file, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the person knows it.
    pub file: String,
    /// Line and column, both from 1; `None` when it is about the whole file.
    pub place: Option<(usize, usize)>,
    /// The dotted key, such as `recipes.fmt.run` or `checks[2]`; empty when it is about the whole file.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a key or its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text is not TOML.
    Syntax(String),
    /// The file cannot be a file of settings at all.
    File(String),
    /// A key that nothing reads.
    UnknownKey {
        /// The key that it resembles.
        nearest: Option<String>,
        /// All keys that are read there.
        known: Vec<String>,
    },
    /// A value of the wrong type.
    WrongType {
        /// What it is, such as `a number`.
        found: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A value of the right type that cannot be used.
    BadValue {
        /// The value as it was written.
        found: String,
        /// Why not, and what is expected.
        why: String,
    },
    /// A key that must be there and is not.
    Missing {
        /// What it must say.
        expected: Cow<'static, str>,
    },
}

impl Problems {
    /// Orders problems by their place; `None` when there are none.
    #[must_use]
    pub fn new(file: &str, mut list: Vec<Problem>) -> Option<Self> {
        list.sort_by(|a, b| (a.place, &a.key).cmp(&(b.place, &b.key)));
        (!list.is_empty()).then(|| Self {
            file: file.to_owned(),
            list,
        })
    }

    /// Returns the file, as the person knows it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the problems in the order of their lines.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Writes the problems as a Markdown list for a thread. Nothing in it mentions, links or closes.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut lines: Vec<String> = self
            .list
            .iter()
            .take(MAX_SHOWN)
            .map(Problem::markdown)
            .collect();
        let more = self.list.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            lines.push(format!("- and {more} more"));
        }
        lines.join("\n")
    }
}

impl std::fmt::Display for Problems {
    /// Writes one line for each problem.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problem {
    /// Writes the problem as an item of a Markdown list.
    fn markdown(&self) -> String {
        let mut out = String::from("- ");
        if let Some((line, _)) = self.place {
            let _ = write!(out, "line {line}: ");
        }
        if !self.key.is_empty() {
            let _ = write!(out, "{}: ", inline(&self.key, MAX_FOUND));
        }
        out.push_str(&self.fault.told(|text| inline(text, MAX_FOUND)));
        out
    }
}

impl std::fmt::Display for Problem {
    /// Writes `file:line:column: key: what is wrong`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", plain(&self.key, MAX_FOUND))?;
        }
        f.write_str(
            &self
                .fault
                .told(|text| format!("`{}`", plain(text, MAX_FOUND))),
        )
    }
}

impl Fault {
    /// Tells what is wrong; `show` makes foreign text fit for where it is told.
    fn told(&self, show: impl Fn(&str) -> String) -> String {
        match self {
            // The parser's own words, none of the file's.
            Self::Syntax(message) => format!("not TOML: {}", plain(message, MAX_MESSAGE)),
            Self::File(message) => message.clone(),
            Self::UnknownKey {
                nearest: Some(nearest),
                ..
            } => format!("unknown key; did you mean {}?", show(nearest)),
            Self::UnknownKey {
                nearest: None,
                known,
            } if known.is_empty() => "unknown key; expected none here".to_owned(),
            Self::UnknownKey {
                nearest: None,
                known,
            } => {
                let known: Vec<String> = known.iter().map(|key| show(key)).collect();
                format!("unknown key; expected one of {}", known.join(", "))
            }
            Self::WrongType { found, expected } => format!("found {found}, expected {expected}"),
            Self::BadValue { found, why } if found.trim().is_empty() => {
                format!("found an empty text: {why}")
            }
            Self::BadValue { found, why } => format!("found {}: {why}", show(found)),
            Self::Missing { expected } => format!("missing; expected {expected}"),
        }
    }
}

/// Makes foreign text one line that moves no terminal's cursor.
fn plain(text: &str, max_chars: usize) -> String {
    let text = invisible::strip(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(key: &str, fault: Fault) -> Problem {
        Problem {
            file: "x.toml".to_owned(),
            place: Some((3, 7)),
            key: key.to_owned(),
            fault,
        }
    }

    #[test]
    fn foreign_text_has_no_effect_in_thread_or_terminal() {
        let hostile = problem(
            "@octo",
            Fault::BadValue {
                found: "\u{1b}[2J@octo\nCloses #1".to_owned(),
                why: "expected a name".to_owned(),
            },
        );
        let problems = Problems::new("x.toml", vec![hostile]).unwrap();
        assert_eq!(
            problems.to_string(),
            "x.toml:3:7: @octo: found `[2J@octo Closes #1`: expected a name"
        );
        assert_eq!(
            problems.markdown(),
            "- line 3: `@octo`: found `[2J@octo Closes #1`: expected a name"
        );
    }

    #[test]
    fn a_thread_gets_the_first_twenty() {
        let missing = || {
            problem(
                "a",
                Fault::Missing {
                    expected: "a text".into(),
                },
            )
        };
        let problems = Problems::new("x.toml", (0..25).map(|_| missing()).collect()).unwrap();
        assert_eq!(problems.markdown().lines().count(), 21);
        assert!(problems.markdown().ends_with("\n- and 5 more"));
        assert_eq!(problems.to_string().lines().count(), 25);
        assert_eq!(Problems::new("x.toml", vec![]), None);
    }
}
