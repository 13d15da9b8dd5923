//! Continuous integration: what the checks of other Apps say of a commit, and what was done about it.
//! All of their words are text of programs, and never an order.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::domain::excerpt::excerpt;
use crate::domain::ids::{CheckRunId, CommitSha, Login};
use crate::domain::surroundings::Annotation;

/// Most rounds between two words of a person, however many failures there are: an agent that breaks
/// something else each time ends here.
pub const MOST_ROUNDS: u32 = 10;

/// Longest signature, in characters.
const SIGNATURE_CHARS: usize = 400;

/// A check run of another App on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// Its id.
    pub id: CheckRunId,
    /// Which check it is of.
    pub check: Check,
    /// How it stands.
    pub state: CheckState,
    /// Its title; may be empty.
    pub title: String,
    /// Whether it says something of single lines.
    pub annotated: bool,
    /// The run of a workflow that it is a job of, when GitHub Actions made it.
    pub workflow: Option<u64>,
}

/// A check, whatever the commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Check {
    /// The slug of the App that runs it.
    pub app: String,
    /// What it is called.
    pub name: String,
}

/// How a check run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// It has not ended.
    Running,
    /// It has found nothing wrong.
    Passed,
    /// It has found something wrong, or did not come to an end in its time.
    Failed,
    /// It says neither: it was skipped, cancelled, or has no opinion.
    Aside,
}

impl CheckState {
    /// Reads GitHub's two words. A word that is not known says neither.
    #[must_use]
    pub fn of(status: &str, conclusion: Option<&str>) -> Self {
        match (status, conclusion) {
            ("completed", Some("success")) => Self::Passed,
            ("completed", Some("failure" | "timed_out" | "startup_failure")) => Self::Failed,
            ("completed", _) => Self::Aside,
            _ => Self::Running,
        }
    }
}

/// What a failure is known by: two runs that fail for the same reason have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(String);

impl Signature {
    /// Makes it of what a run says, without what differs from run to run: numbers, and where files are.
    #[must_use]
    pub fn of(check: &Check, title: &str, notes: &[Annotation]) -> Self {
        let mut said: Vec<_> = notes.iter().map(|note| plain(&note.message)).collect();
        said.sort_unstable();
        said.dedup();
        said.insert(0, plain(title));
        let whole = format!("{}/{}: {}", check.app, check.name, said.join("; "));
        Self(whole.chars().take(SIGNATURE_CHARS).collect())
    }
}

/// Paths, and words with a digit: times, sizes, ids, line numbers.
static VARYING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:[\w.+-]*/)+[\w.+-]*|\b\w*\d\w*(?:\.\d\w*)*").ok());

fn plain(text: &str) -> String {
    let text = match &*VARYING {
        Some(varying) => varying.replace_all(text, "#").into_owned(),
        None => text.to_owned(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A check that fails on a commit of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Which one.
    pub check: Check,
    /// What its failure is known by.
    pub signature: Signature,
    /// Whether it fails at the base, too.
    pub on_base: bool,
    /// The run of a workflow that can be asked to run it once more.
    pub workflow: Option<u64>,
}

/// What the checks of others found on a commit, once all of them have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The commit.
    pub commit: CommitSha,
    /// Those that fail.
    pub failing: Vec<Failing>,
    /// Those that pass.
    pub passing: Vec<Check>,
}

/// What was done about failing checks, and for bots, since a person last said something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mending {
    /// How many jobs each failure has had.
    pub rounds: BTreeMap<Signature, u32>,
    /// How many jobs there were in all.
    pub jobs: u32,
    /// The checks that were run once more, and on which commit.
    pub again: Option<Again>,
    /// What people are told of the head.
    pub seen: Option<Seen>,
    /// What was done for bots.
    pub bots: Bots,
}

/// What was done for bots that policy lists, since a person last said something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bots {
    /// How many of their requests had a job.
    pub rounds: u32,
    /// Who has asked once more, when there were as many as policy lets them have.
    pub held: Option<Login>,
}

impl Mending {
    /// Returns whether there was nothing to be done.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// Returns how many jobs a failure has had.
    #[must_use]
    pub fn spent(&self, signature: &Signature) -> u32 {
        self.rounds.get(signature).copied().unwrap_or_default()
    }

    /// Returns whether a check was run once more on a commit.
    #[must_use]
    pub fn was_rerun(&self, commit: &CommitSha, check: &Check) -> bool {
        let again = self.again.as_ref().filter(|again| again.commit == *commit);
        again.is_some_and(|again| again.checks.contains(check))
    }
}

/// Checks that were run once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// On which commit.
    pub commit: CommitSha,
    /// Which ones.
    pub checks: Vec<Check>,
}

/// What people are told of the checks of others on the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The head.
    pub commit: CommitSha,
    /// Those that a person has to look at, with how many jobs each has had.
    pub asked: Vec<(Check, u32)>,
    /// Those that fail at the base, too, and are left alone.
    pub on_base: Vec<Check>,
    /// Those that have failed and run once more.
    pub again: Vec<Check>,
    /// Those that failed, and passed when they ran once more on the same commit.
    pub flaky: Vec<Check>,
}

/// Why there is a job that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// The commit on which checks fail.
    pub commit: CommitSha,
    /// The checks that are to pass.
    pub checks: Vec<Check>,
    /// Which round it is for the one that has had most, counted from one.
    pub round: u32,
    /// How many policy allows.
    pub rounds: u32,
}

/// The mark of GitHub Actions before what made a step fail.
const ERROR: &str = "##[error]";

/// Returns the end of a job's log of GitHub Actions: up to the last error, since what follows it only
/// cleans up, and without the time before each line.
#[must_use]
pub fn log_end(log: &str) -> String {
    let lines: Vec<&str> = log.lines().map(without_time).collect();
    let error = lines.iter().rposition(|line| line.starts_with(ERROR));
    let end = error.map_or(lines.len(), |at| at + 1);
    let kept = lines.get(..end).unwrap_or_default();
    excerpt(kept.join("\n").as_bytes())
}

/// Takes `2026-11-29T20:27:46.1234567Z ` off a line.
fn without_time(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}');
    match line.split_once(' ') {
        Some((time, rest)) if is_time(time) => rest,
        Some(_) | None => line,
    }
}

fn is_time(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    word.ends_with('Z') && word.contains('T') && digits >= 14 && word.len() < 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Check {
        Check {
            app: "github-actions".to_owned(),
            name: name.to_owned(),
        }
    }

    fn signature(title: &str, messages: &[&str]) -> Signature {
        let note = |message: &&str| Annotation {
            path: "src/a.rs".to_owned(),
            line: 3,
            message: (*message).to_owned(),
        };
        let notes: Vec<_> = messages.iter().map(note).collect();
        Signature::of(&check("test"), title, &notes)
    }

    #[test]
    fn a_failure_is_known_whatever_its_numbers_and_paths() {
        let failed = signature("3 of 120 failed in 4.25s", &["boom at /tmp/x1/y.rs:17"]);
        for (title, messages, same) in [
            (
                "3 of 120 failed in 4.25s",
                vec!["boom at /tmp/x1/y.rs:17"],
                true,
            ),
            (
                "1 of 119 failed in 17.5s",
                vec!["boom at ../z/q.rs:9"],
                true,
            ),
            (
                "1  of 119 failed in 17.5s",
                vec!["boom at a/q.rs:9", "boom at b/r.rs:1"],
                true,
            ),
            (
                "1 of 119 failed in 17.5s",
                vec!["bang at ../z/q.rs:9"],
                false,
            ),
            ("1 of 119 failed in 17.5s", vec![], false),
        ] {
            assert_eq!(
                signature(title, &messages) == failed,
                same,
                "{title} {messages:?}"
            );
        }
        assert_ne!(
            Signature::of(&check("lint"), "", &[]),
            Signature::of(&check("test"), "", &[])
        );
        let long = Signature::of(&check("test"), &"word ".repeat(1_000), &[]);
        assert_eq!(long.0.chars().count(), SIGNATURE_CHARS);
    }

    #[test]
    fn githubs_words_say_whether_somebody_has_to_look() {
        for (status, conclusion, state) in [
            ("queued", None, CheckState::Running),
            ("in_progress", None, CheckState::Running),
            ("completed", Some("success"), CheckState::Passed),
            ("completed", Some("failure"), CheckState::Failed),
            ("completed", Some("timed_out"), CheckState::Failed),
            ("completed", Some("neutral"), CheckState::Aside),
            ("completed", Some("skipped"), CheckState::Aside),
            ("completed", Some("cancelled"), CheckState::Aside),
            ("completed", Some("action_required"), CheckState::Aside),
            ("completed", Some("something new"), CheckState::Aside),
            ("completed", None, CheckState::Aside),
        ] {
            assert_eq!(
                CheckState::of(status, conclusion),
                state,
                "{status} {conclusion:?}"
            );
        }
    }

    #[test]
    fn a_log_ends_with_its_last_error() {
        let log = "\u{feff}2026-11-29T20:27:46.1234567Z one\n\
                   2026-11-29T20:27:47.1234567Z \u{1b}[31mtwo\u{1b}[0m\n\
                   2026-11-29T20:27:47.1234567Z ##[error]Process completed with exit code 1.\n\
                   2026-11-29T20:27:48.1234567Z Post job cleanup.\n";
        assert_eq!(
            log_end(log),
            "one\ntwo\n##[error]Process completed with exit code 1."
        );
        assert_eq!(log_end("no time\nand no error\n"), "no time\nand no error");
        assert_eq!(log_end(""), "");
    }
}
