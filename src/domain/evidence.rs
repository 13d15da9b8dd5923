//! What the server observed, and, kept apart from it, what the agent said.

use serde::{Deserialize, Serialize};

use crate::domain::annotation::Place;
use crate::domain::time::Span;

/// How a command in a sandbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was killed at the end of its wall clock.
    TimedOut,
    /// It was killed because a person or the server stopped the job.
    Cancelled,
    /// It failed after the kernel had killed something of it for using too much memory.
    OutOfMemory,
    /// It was killed because it wrote more than it may, or as much as the server's disk can bear.
    DiskFull,
}

impl Ending {
    /// Returns whether it ended by itself with exit code 0.
    #[must_use]
    pub const fn succeeded(self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signalled(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("stopped"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::DiskFull => f.write_str("out of disk"),
        }
    }
}

/// One command that the server ran on the harvested tree in a clean sandbox, and what it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The command as policy gives it.
    pub command: String,
    /// How it ended.
    pub ending: Ending,
    /// Wall clock.
    pub took: Span,
    /// SHA-256 of the kept output, in hexadecimal.
    pub log_digest: String,
    /// The end of its output, redacted, for people.
    pub excerpt: String,
    /// The places in files that the end of its output names, where it failed; redacted as well. They are
    /// of use until the check run is there, and no report keeps them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

impl Evidence {
    /// Returns it as a report keeps it.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self {
            places: Vec::new(),
            ..self.clone()
        }
    }
}

/// The largest `PROVA_RESULT` that is read, in bytes.
pub const RESULT_BYTES: usize = 64 * 1024;
/// The most answers to comments of reviews that are taken of it.
pub const REPLIES: usize = 100;
/// The most characters of one.
pub const REPLY_CHARS: usize = 2_000;
/// The most findings of a review that are taken of it.
pub const FINDINGS: usize = 50;
/// The most characters of one.
pub const FINDING_CHARS: usize = 4_000;
/// The most characters of the path of one.
pub const PATH_CHARS: usize = 1_000;

/// What the agent says of its own work: the file at `PROVA_RESULT`. Shown, never counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claim {
    /// A title for the pull request.
    pub title: Option<String>,
    /// What it did.
    pub summary: Option<String>,
    /// Anything a reviewer should know.
    pub notes: Option<String>,
    /// What it says to the comments of a review, each by the number that the brief gives it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<(usize, String)>,
    /// The comments of a review of which it says that it did nothing about them, by the same numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<usize>,
    /// What it found in a review, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Something that an agent found in a review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line of the file as it is after the change, counted from 1; 0 where the agent names none.
    pub line: u64,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub body: String,
}

/// How bad something is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must not be merged so.
    High,
    /// It should be mended.
    Medium,
    /// A detail.
    Low,
}

impl Severity {
    /// Returns the severity of a word; one that is not known lies in the middle.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "high" => Self::High,
            "low" => Self::Low,
            _ => Self::Medium,
        }
    }

    /// Returns the word for it, as a sentence begins.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::High => "High",
            Self::Medium => "Medium",
            Self::Low => "Low",
        }
    }
}
