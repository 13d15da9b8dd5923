//! Names of things, each its own type so that one cannot be passed for another.

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

number_id! {
    /// An installation of the App on an account.
    InstallationId
}
number_id! {
    /// A repository; stable across renames and transfers, unlike [`RepoName`].
    RepoId
}
number_id! {
    /// All check runs of an App on a commit.
    CheckSuiteId
}
number_id! {
    /// A comment on a thread, or an inline comment of a review.
    CommentId
}
number_id! {
    /// A review of a pull request.
    ReviewId
}
number_id! {
    /// The number of an issue or a pull request in its repository.
    ThreadNumber
}
number_id! {
    /// A check run.
    CheckRunId
}
number_id! {
    /// One attempt of GitHub to bring a delivery.
    AttemptId
}
number_id! {
    /// An entry in what GitHub remembers of a thread: who put a label on, and when.
    ActId
}

text_id! {
    /// `X-GitHub-Delivery`: the same for every redelivery of one webhook.
    DeliveryId
}
text_id! {
    /// An account's name as GitHub spells it; `someone`, or `slug[bot]` for an App.
    Login
}
text_id! {
    /// A commit's object id in hexadecimal.
    CommitSha
}
text_id! {
    /// A tree's object id in hexadecimal.
    TreeSha
}

impl CommitSha {
    /// Returns as much of it as people read.
    #[must_use]
    pub fn short(&self) -> String {
        self.as_str().chars().take(10).collect()
    }
}

/// A repository's `owner/name` as it was called when it was read; renames change it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepoName {
    /// The account that owns it.
    pub owner: String,
    /// The name below the owner.
    pub name: String,
}

/// Why a text is not a repository's full name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a repository: expected owner/name")]
pub struct NotARepoName(String);

impl std::str::FromStr for RepoName {
    type Err = NotARepoName;

    /// Parses `owner/name`.
    ///
    /// Only the characters GitHub allows pass, and neither part may be `.` or `..`: both become
    /// parts of URLs and of paths on disk.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |s: &str| {
            !s.is_empty()
                && s != "."
                && s != ".."
                && s.len() <= 100
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) => Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(NotARepoName(text.chars().take(120).collect())),
        }
    }
}

impl std::fmt::Display for RepoName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// A thread: an issue or a pull request. Work is serial within one, parallel across them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThreadKey {
    /// The repository it is in.
    pub repo: RepoId,
    /// Its number there.
    pub number: ThreadNumber,
}

impl ThreadKey {
    /// Returns the key of what is written to a suite, beside all threads: suites are in nobody's way, and
    /// in none of each other's. Their numbers are far beyond those of threads; what had the same would
    /// only take turns.
    #[must_use]
    pub const fn of_suite(repo: RepoId, suite: CheckSuiteId) -> Self {
        Self {
            repo,
            number: ThreadNumber(suite.0),
        }
    }
}

impl std::fmt::Display for ThreadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.repo, self.number)
    }
}

/// A task: the work on one thread. Written `REPO-NUMBER-ORDINAL`, where the ordinal counts the
/// thread's tasks from 1, so that the same request computes the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The thread it works on.
    pub thread: ThreadKey,
    /// How many tasks the thread has had, this one included.
    pub ordinal: u32,
}

/// A job: one agent run for a task. Written `TASK.ORDINAL`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// The task it works for.
    pub task: TaskId,
    /// How many jobs the task has had, this one included.
    pub ordinal: u32,
}

/// Why a text is not the id of a task or job.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a {what} id: expected {form}, as `prova tasks ls` prints it")]
pub struct NotAnId {
    what: &'static str,
    form: &'static str,
    text: String,
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}-{}-{}",
            self.thread.repo, self.thread.number, self.ordinal
        )
    }
}

impl std::str::FromStr for TaskId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || NotAnId {
            what: "task",
            form: "REPO-NUMBER-ORDINAL",
            text: text.to_owned(),
        };
        let mut parts = text.split('-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let id = (|| {
            Some(Self {
                thread: ThreadKey {
                    repo: RepoId(number()?),
                    number: ThreadNumber(number()?),
                },
                ordinal: u32::try_from(number()?).ok()?,
            })
        })();
        match (id, parts.next()) {
            (Some(id), None) => Ok(id),
            _ => Err(bad()),
        }
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.task, self.ordinal)
    }
}

impl std::str::FromStr for JobId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text
            .split_once('.')
            .and_then(|(task, ordinal)| Some((task.parse().ok()?, ordinal.parse().ok()?)));
        match id {
            Some((task, ordinal)) => Ok(Self { task, ordinal }),
            None => Err(NotAnId {
                what: "job",
                form: "REPO-NUMBER-ORDINAL.JOB",
                text: text.to_owned(),
            }),
        }
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(TaskId, JobId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_they_are_written() {
        let task = TaskId {
            thread: ThreadKey {
                repo: RepoId(77),
                number: ThreadNumber(12),
            },
            ordinal: 2,
        };
        let job = JobId { task, ordinal: 3 };
        assert_eq!(job.to_string(), "77-12-2.3");
        assert_eq!(job.to_string().parse(), Ok(job));
        assert_eq!(task.to_string().parse(), Ok(task));
        for bad in ["", "1", "1-2", "1-2-3-4", "a-b-c", "1-2--3", "1-2-3.x"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_repository_name_cannot_carry_a_path() {
        assert_eq!(
            "octo/hello-world.rs"
                .parse::<RepoName>()
                .unwrap()
                .to_string(),
            "octo/hello-world.rs"
        );
        for bad in [
            "", "octo", "octo/", "/x", "a/b/c", "../x", "a/..", "a/b c", "a/b\n", "a/é",
        ] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
        }
    }
}
