//! Deliveries in our own words. Names are past tense: an event is something that happened.

use serde::{Deserialize, Serialize};

use crate::domain::button::{Button, Press};
use crate::domain::ids::{
    CheckRunId, CheckSuiteId, CommentId, CommitSha, InstallationId, Login, RepoId, RepoName,
    ThreadKey, ThreadNumber,
};
use crate::domain::repo::{Actor, Repo};
use crate::domain::review::Review;
use crate::domain::time::Timestamp;

/// What a delivery said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something happened on an issue or a pull request.
    Thread(Box<ThreadEvent>),
    /// All checks of a suite on a commit have ended.
    Checked(Box<Checked>),
    /// A button of a check run was pressed.
    Pressed(Box<Pressed>),
    /// The App lost an installation: removed or suspended.
    InstallationLost(InstallationId),
    /// The App lost single repositories of an installation, or they were deleted.
    RepositoriesLost(Vec<RepoId>),
    /// A repository was renamed or moved to another owner.
    RepositoryRenamed {
        /// Which one.
        repo: RepoId,
        /// What it is called now.
        to: RepoName,
    },
    /// A branch was pushed to, created or deleted.
    Pushed(Box<Push>),
    /// A pull request was given another base.
    Retargeted(Box<Repo>),
    /// Nothing that Prova acts on.
    NotOurs(NotOurs),
}

/// The end of a suite of checks on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The repository.
    pub repo: Repo,
    /// The slug of the App that has run them; empty when the payload does not tell.
    pub app: String,
    /// The branch whose head the commit was; none for one of a fork.
    pub branch: Option<String>,
    /// The commit.
    pub commit: CommitSha,
    /// Whether a run of the suite has failed; not, when the payload does not tell.
    pub failed: bool,
}

/// A button of a check run that was pressed, or GitHub's `Re-run` of one or of all of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressed {
    /// The repository.
    pub repo: Repo,
    /// Who did it.
    pub actor: Actor,
    /// The slug of the App that has made the run; empty when the payload does not tell.
    pub app: String,
    /// The key that the App has given to the run; none of a suite.
    pub key: Option<String>,
    /// The branch whose head the commit was.
    pub branch: Option<String>,
    /// The run, or the suite.
    pub on: CheckRunId,
    /// The suite of which GitHub shows no conclusion until something is reported to it; none of a button,
    /// which leaves it as it is.
    pub suite: Option<CheckSuiteId>,
    /// Which button.
    pub button: Button,
    /// The commit.
    pub commit: CommitSha,
    /// When, by our clock: no payload tells.
    pub at: Timestamp,
}

/// A delivery that Prova does not act on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOurs {
    /// Event and action: `push`, `issues.pinned`.
    pub what: String,
    /// Why nothing is done.
    pub why: &'static str,
}

/// A branch that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The repository.
    pub repo: Repo,
    /// Who did it.
    pub actor: Actor,
    /// The branch.
    pub branch: String,
    /// Where it points now; `None` when it was deleted.
    pub head: Option<CommitSha>,
    /// Whether commits were taken off it.
    pub forced: bool,
}

/// Something that happened on a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadEvent {
    /// The repository.
    pub repo: Repo,
    /// Who did it.
    pub actor: Actor,
    /// The thread as it was then.
    pub thread: Thread,
    /// What was done.
    pub what: Happening,
    /// When, by GitHub's clock where the payload tells, else when the delivery was received.
    pub at: Timestamp,
}

impl ThreadEvent {
    /// Returns the key of the thread.
    #[must_use]
    pub fn key(&self) -> ThreadKey {
        ThreadKey {
            repo: self.repo.id,
            number: self.thread.number,
        }
    }
}

/// What was done on a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The issue was opened, perhaps with labels.
    Opened,
    /// A label was added.
    Labeled(String),
    /// A label was taken off.
    Unlabeled(String),
    /// Someone was assigned.
    Assigned(Login),
    /// Someone is assigned no more.
    Unassigned(Login),
    /// A comment was written.
    Commented(Comment),
    /// The pull request was reviewed, which may be no more than a comment on a line.
    Reviewed(Review),
    /// A button of a check run of ours was pressed.
    Pressed(Press),
    /// The issue was closed, or the pull request was closed without merging.
    Closed,
    /// The pull request was merged.
    Merged,
    /// The issue or pull request was opened again.
    Reopened,
    /// The issue was deleted or moved to another repository.
    Gone,
}

impl Happening {
    /// Returns the comment that was written.
    #[must_use]
    pub const fn comment(&self) -> Option<&Comment> {
        match self {
            Self::Commented(comment) => Some(comment),
            Self::Reviewed(_)
            | Self::Pressed(_)
            | Self::Opened
            | Self::Labeled(_)
            | Self::Assigned(_)
            | Self::Unlabeled(_)
            | Self::Unassigned(_)
            | Self::Closed
            | Self::Merged
            | Self::Reopened
            | Self::Gone => None,
        }
    }

    /// Returns the review that was submitted.
    #[must_use]
    pub const fn review(&self) -> Option<&Review> {
        match self {
            Self::Reviewed(review) => Some(review),
            Self::Commented(_)
            | Self::Pressed(_)
            | Self::Opened
            | Self::Labeled(_)
            | Self::Assigned(_)
            | Self::Unlabeled(_)
            | Self::Unassigned(_)
            | Self::Closed
            | Self::Merged
            | Self::Reopened
            | Self::Gone => None,
        }
    }

    /// Returns the button that was pressed.
    #[must_use]
    pub const fn press(&self) -> Option<&Press> {
        match self {
            Self::Pressed(press) => Some(press),
            Self::Commented(_)
            | Self::Reviewed(_)
            | Self::Opened
            | Self::Labeled(_)
            | Self::Assigned(_)
            | Self::Unlabeled(_)
            | Self::Unassigned(_)
            | Self::Closed
            | Self::Merged
            | Self::Reopened
            | Self::Gone => None,
        }
    }
}

/// An issue or a pull request as a delivery showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its number.
    pub number: ThreadNumber,
    /// Which of the two it is.
    pub kind: ThreadKind,
    /// Its title.
    pub title: String,
    /// Its description; empty when there is none.
    pub body: String,
    /// Who opened it.
    pub author: Login,
    /// Whether GitHub says that the author belongs to the repository (owner, member or
    /// collaborator); text of anyone else is quoted as untrusted.
    pub insider: bool,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Whether it is open.
    pub open: bool,
    /// Whether the conversation is locked.
    pub locked: bool,
    /// How many comments it has.
    pub comments: u64,
}

/// Which kind of thread it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadKind {
    /// An issue.
    Issue,
    /// A pull request.
    Pull,
}

/// A comment on a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// Its Markdown source.
    pub body: String,
}

/// A place in a pull request's diff: of requests that were stored before reviews were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffPlace {
    /// The file.
    pub path: String,
    /// The line, unless the comment is about the whole file or the line is gone.
    pub line: Option<u64>,
    /// The hunk that the comment was written on.
    pub hunk: String,
}
