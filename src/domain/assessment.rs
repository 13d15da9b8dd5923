//! A review of a pull request by us: what an agent found, as one review that nobody is told twice.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::evidence::Finding;
use crate::domain::ids::CommitSha;
use crate::domain::suggested::Suggestion;

/// A review to post. It has no verdict: it neither approves nor asks for changes, and cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The commit that was read.
    pub commit: CommitSha,
    /// Who reviewed it for whom, as Markdown.
    pub heading: String,
    /// What the agent says of the whole; may be empty.
    pub summary: String,
    /// What it says of single places, the worst first.
    pub points: Vec<Point>,
    /// What is to stand in the place of lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
    /// The same as a patch, for where the lines are not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// What and where, as the agent says.
    pub finding: Finding,
    /// Whether the diff shows that line, so that a comment can stand there.
    pub on_line: bool,
}

impl Point {
    /// Returns the hidden marker by which it is known again wherever it was said.
    #[must_use]
    pub fn marker(&self) -> String {
        marker(&self.finding.path, &self.finding.body)
    }
}

impl Assessment {
    /// Returns the marker of what it says of the whole.
    #[must_use]
    pub fn marker(&self) -> String {
        marker("", &self.summary)
    }

    /// Returns it without what was said before; `None` when nothing of it is new.
    #[must_use]
    pub fn news(&self, said: &[&str]) -> Option<Self> {
        let is_new = |marker: &str| !said.iter().any(|text| text.contains(marker));
        let points = self.points.iter().filter(|point| is_new(&point.marker()));
        let summary = Some(&self.summary).filter(|_| is_new(&self.marker()));
        let news = Self {
            summary: summary.cloned().unwrap_or_default(),
            points: points.cloned().collect(),
            ..self.clone()
        };
        let quiet = news.summary.is_empty() && news.points.is_empty();
        (!quiet || !news.suggestions.is_empty()).then_some(news)
    }

    /// Returns it with nothing on lines, for where GitHub does not take that.
    #[must_use]
    pub fn off_lines(mut self) -> Self {
        for point in &mut self.points {
            point.on_line = false;
        }
        self.suggestions.clear();
        self
    }
}

/// The line is no part of it: what was said once stays said when lines above it come or go.
fn marker(path: &str, text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    let digest = Sha256::digest(format!("{path}\n{}", words.join(" ")));
    let short = hex::encode(digest.get(..8).unwrap_or_default());
    format!("<!-- prova:found:{short} -->")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::Severity;

    fn point(path: &str, line: u64, body: &str) -> Point {
        Point {
            finding: Finding {
                path: path.to_owned(),
                line,
                severity: Severity::Low,
                body: body.to_owned(),
            },
            on_line: true,
        }
    }

    #[test]
    fn what_was_said_of_a_file_is_known_whatever_its_line_and_spaces() {
        let said = point("a.rs", 3, "Off by  one.\n").marker();
        for (other, same) in [
            (point("a.rs", 9, "off by one."), true),
            (point("b.rs", 3, "Off by one."), false),
            (point("a.rs", 3, "Off by two."), false),
        ] {
            assert_eq!(other.marker() == said, same, "{other:?}");
        }
    }

    #[test]
    fn only_what_is_new_is_left() {
        let all = Assessment {
            commit: CommitSha::new("a".repeat(40)),
            heading: "Review".to_owned(),
            summary: "Two things.".to_owned(),
            points: vec![point("a", 1, "One."), point("b", 1, "Two.")],
            suggestions: Vec::new(),
            patch: None,
        };
        assert_eq!(all.news(&[]), Some(all.clone()));
        let (whole, first) = (all.marker(), all.points[0].marker());
        let left = all.news(&[&format!("x{first}"), &whole]).unwrap();
        assert_eq!((left.summary.as_str(), left.points.len()), ("", 1));
        assert_eq!(left.points, all.points[1..]);
        assert_eq!(left.news(&[&all.points[1].marker()]), None);
        let quiet = Assessment {
            summary: String::new(),
            points: Vec::new(),
            ..all
        };
        assert_eq!(quiet.news(&[]), None);
    }
}
