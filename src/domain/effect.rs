//! Outbound writes to GitHub as data. An effect is recorded in the transaction that decided it and
//! sent only after that has committed.

use serde::{Deserialize, Serialize};

use crate::domain::annotation::Mark;
use crate::domain::assessment::Assessment;
use crate::domain::branch::BranchName;
use crate::domain::button::Button;
use crate::domain::event::Happening;
use crate::domain::home::Home;
use crate::domain::ids::{
    CheckRunId, CheckSuiteId, CommentId, CommitSha, DeliveryId, JobId, ReviewId, TaskId, ThreadKey,
    ThreadNumber, TreeSha,
};
use crate::domain::time::Span;

/// An effect's stable name: recording the same key again changes nothing, or, for an effect that
/// replaces its text, edits what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectKey(String);

impl EffectKey {
    /// The 👀 on what a person did.
    #[must_use]
    pub fn reaction(target: ReactionTarget, thread: ThreadKey) -> Self {
        Self(format!("react/{}", Self::place(target, thread)))
    }

    fn place(target: ReactionTarget, thread: ThreadKey) -> String {
        match target {
            ReactionTarget::Thread => thread.to_string(),
            ReactionTarget::Comment(id) => format!("{thread}/comment/{id}"),
            ReactionTarget::ReviewComment(id) => format!("{thread}/review-comment/{id}"),
            ReactionTarget::Review(id) => format!("{thread}/review/{id}"),
            ReactionTarget::Check(id) => format!("{thread}/check/{id}"),
        }
    }

    /// A task's one status comment.
    #[must_use]
    pub fn status(task: TaskId) -> Self {
        Self(format!("{task}/status"))
    }

    /// The answer to what a person did that needs words: one comment for each comment of theirs,
    /// and one a thread for labels and assignments, which GitHub may report several times.
    #[must_use]
    pub fn reply(target: ReactionTarget, thread: ThreadKey) -> Self {
        Self(format!("reply/{}", Self::place(target, thread)))
    }

    /// The answer to a request made on the pull request: one comment a job.
    #[must_use]
    pub fn answer(job: JobId) -> Self {
        Self(format!("{job}/answer"))
    }

    /// The answer to a request that was handed to the agent of a job, counted from 1, where it has no
    /// other.
    #[must_use]
    pub fn handed(job: JobId, ordinal: usize) -> Self {
        Self(format!("{job}/handed/{ordinal}"))
    }

    /// The review of a pull request by one job.
    #[must_use]
    pub fn review(job: JobId) -> Self {
        Self(format!("{job}/review"))
    }

    /// What a review of a commit says, where it could not be posted as one.
    #[must_use]
    pub fn unposted(task: TaskId, commit: &CommitSha) -> Self {
        Self(format!("{task}/review/{commit}"))
    }

    /// What was done about a comment of a review: one answer a comment, whatever is tried for it.
    #[must_use]
    pub fn done(comment: CommentId, thread: ThreadKey) -> Self {
        let place = Self::place(ReactionTarget::ReviewComment(comment), thread);
        Self(format!("done/{place}"))
    }

    /// The end of the conversations that one job has heeded.
    #[must_use]
    pub fn resolve(job: JobId) -> Self {
        Self(format!("{job}/resolve"))
    }

    /// The branch update of one job.
    #[must_use]
    pub fn branch(job: JobId) -> Self {
        Self(format!("{job}/branch"))
    }

    /// The branch that keeps what a job could not put on a person's.
    #[must_use]
    pub fn kept(job: JobId) -> Self {
        Self(format!("{job}/kept"))
    }

    /// The commit that takes the last follow-up back: one for each time that somebody asks.
    #[must_use]
    pub fn undo(thread: ThreadKey, asked: ReactionTarget) -> Self {
        Self(format!("undo/{}", Self::place(asked, thread)))
    }

    /// The answer to whoever asked to bring a branch up to date.
    #[must_use]
    pub fn rebase(thread: ThreadKey, asked: ReactionTarget) -> Self {
        Self(format!("rebase/{}", Self::place(asked, thread)))
    }

    /// A merge of the base into the branch of a task, counted from 1.
    #[must_use]
    pub fn update(task: TaskId, ordinal: u32) -> Self {
        Self(format!("{task}/update/{ordinal}"))
    }

    /// The end of a task's branch.
    #[must_use]
    pub fn delete(task: TaskId) -> Self {
        Self(format!("{task}/delete"))
    }

    /// The branch for what a contestant of a race left that is not proposed.
    #[must_use]
    pub fn rival(job: JobId, agent: &str) -> Self {
        Self(format!("{job}/branch/{agent}"))
    }

    /// A task's pull request.
    #[must_use]
    pub fn pull(task: TaskId) -> Self {
        Self(format!("{task}/pull"))
    }

    /// The check run of one job.
    #[must_use]
    pub fn check(job: JobId) -> Self {
        Self(format!("{job}/check"))
    }

    /// What a suite concludes, once more: one for each press that was told.
    #[must_use]
    pub fn conclude(told: &DeliveryId) -> Self {
        Self(format!("conclude/{told}"))
    }

    /// Returns the job of whose check run this is the key, as GitHub gives it back.
    #[must_use]
    pub fn job_of_check(key: &str) -> Option<JobId> {
        key.strip_suffix("/check")?.parse().ok()
    }

    /// The question about checks of others that fail on a commit.
    #[must_use]
    pub fn question(task: TaskId, commit: &CommitSha) -> Self {
        Self(format!("{task}/question/{commit}"))
    }

    /// The request that a workflow runs once more on a commit.
    #[must_use]
    pub fn rerun(task: TaskId, commit: &CommitSha, workflow: u64) -> Self {
        Self(format!("{task}/rerun/{commit}/{workflow}"))
    }

    /// Returns the key as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a key as it was stored.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the hidden marker by which a comment that carries this effect is found again.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("<!-- prova:{} -->", self.0)
    }
}

impl std::fmt::Display for EffectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One outbound write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// React with 👀.
    React {
        /// On what.
        target: ReactionTarget,
    },
    /// Write a comment, or edit it when it is there: found again by the key's marker.
    Comment {
        /// Its whole Markdown, marker excluded.
        body: String,
    },
    /// Answer a comment on a line of a pull request, in its conversation; or edit the answer when it is
    /// there, found again by the key's marker.
    ReviewReply {
        /// The comment that the conversation begins with.
        to: CommentId,
        /// Its whole Markdown, marker excluded.
        body: String,
    },
    /// Resolve conversations about lines of a pull request.
    Resolve {
        /// The comments that they begin with.
        comments: Vec<CommentId>,
    },
    /// Create the branch at a commit, or move it there from where it was last seen.
    Branch {
        /// Which branch.
        branch: BranchName,
        /// Where it is to point.
        to: CommitSha,
        /// Where it must point now; `None`: it must not exist. Anything else is somebody's work.
        from: Option<CommitSha>,
        /// Whose it is: one of ours that is gone meanwhile is made anew.
        #[serde(default, skip_serializing_if = "Home::is_own")]
        home: Home,
    },
    /// Take the commit at the head of a branch back, by one more with the tree that was there before.
    Undo {
        /// Which branch.
        branch: BranchName,
        /// The commit that must be its head; anything else is somebody's work.
        commit: CommitSha,
        /// The tree that it is to have again.
        tree: TreeSha,
        /// The message of the commit.
        message: String,
    },
    /// Merge the head of a base into a branch, by one commit with two parents.
    Update {
        /// Which branch.
        branch: BranchName,
        /// The commit that must be its head; anything else is somebody's work.
        head: CommitSha,
        /// The head of the base.
        base: CommitSha,
        /// The tree that the two give.
        tree: TreeSha,
        /// The message of the commit.
        message: String,
    },
    /// Delete the branch of a task that is over, unless a pull request from it is open.
    Delete {
        /// Which branch.
        branch: BranchName,
        /// The commit that must be its head; anything else is somebody's work.
        head: CommitSha,
    },
    /// Open the pull request.
    Pull {
        /// The branch with the change.
        head: BranchName,
        /// The branch that it is for.
        base: String,
        /// Its title.
        title: String,
        /// Its description, marker excluded.
        body: String,
        /// Whether it is a draft.
        draft: bool,
        /// The commit that must be its head.
        commit: CommitSha,
    },
    /// Create a completed check run called `prova`.
    Check {
        /// On which commit.
        commit: CommitSha,
        /// What it concludes.
        conclusion: Conclusion,
        /// Its one-line title.
        title: String,
        /// Its Markdown summary.
        summary: String,
        /// What it says of single lines, in the order in which it is sent.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        annotations: Vec<Mark>,
        /// The buttons that it has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<Button>,
    },
    /// Report once more what the check runs of a suite conclude: it waits for that since somebody has
    /// asked for one of them again.
    Conclude {
        /// Which suite.
        suite: CheckSuiteId,
    },
    /// Post a review of a pull request, of which nothing is said that was said before.
    Review {
        /// What it says.
        assessment: Assessment,
    },
    /// Have GitHub Actions run once more what failed in a run of a workflow.
    Rerun {
        /// On which commit.
        commit: CommitSha,
        /// Which run.
        workflow: u64,
    },
}

impl Effect {
    /// Returns how much later than others it comes after a time in which GitHub took nothing: first
    /// people are shown that they were heard, then what there is to say, then what was made. The effects
    /// of a thread keep their order all the same.
    #[must_use]
    pub const fn stands_back(&self) -> Span {
        match self {
            Self::React { .. } => Span::ZERO,
            Self::Comment { .. } | Self::ReviewReply { .. } | Self::Review { .. } => {
                Span::millis(1)
            }
            Self::Branch { .. }
            | Self::Undo { .. }
            | Self::Update { .. }
            | Self::Pull { .. }
            | Self::Check { .. }
            | Self::Conclude { .. }
            | Self::Delete { .. }
            | Self::Resolve { .. }
            | Self::Rerun { .. } => Span::millis(2),
        }
    }
}

/// How long a comment or an answer stands at least before it is edited, and before it is edited again: who
/// reads it is to have the time, and GitHub counts edits as content.
pub const STANDS: Span = Span::seconds(5);

/// How long an edit waits for the next one, which says more, before it is sent: a job that is queued may
/// run at once.
pub const GATHERS: Span = Span::seconds(1);

/// What a 👀 goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReactionTarget {
    /// The issue or pull request itself.
    Thread,
    /// A comment on it.
    Comment(CommentId),
    /// An inline comment of a review.
    ReviewComment(CommentId),
    /// A review. Nobody can react to one by the REST API, so it goes on the pull request.
    Review(ReviewId),
    /// A button of a check run of ours. It goes on the pull request, or on the issue where there is none.
    Check(CheckRunId),
}

impl ReactionTarget {
    /// Returns what shows people that something they did was seen.
    #[must_use]
    pub fn of(what: &Happening) -> Self {
        if let Some(comment) = what.comment() {
            return Self::Comment(comment.id);
        }
        if let Some(press) = what.press() {
            return Self::Check(press.on);
        }
        match what.review() {
            Some(review) => match review.lone() {
                Some(comment) => Self::ReviewComment(comment.id),
                None => Self::Review(review.id),
            },
            None => Self::Thread,
        }
    }
}

/// What a check run concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All checks passed.
    Success,
    /// A check failed, or the agent did.
    Failure,
    /// There was nothing to check with.
    Neutral,
}

impl Conclusion {
    const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Neutral];

    /// Returns GitHub's word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
        }
    }

    /// Returns what a word of GitHub's means; `None` for what no check run of ours concludes.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|conclusion| conclusion.word() == word)
    }
}

/// What a sent effect left on GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// A reaction.
    Reaction,
    /// A comment.
    Comment(CommentId),
    /// Conversations that are resolved.
    Resolved,
    /// A branch that points at the commit.
    Branch(CommitSha),
    /// No branch.
    Deleted,
    /// A pull request.
    Pull(ThreadNumber),
    /// A check run.
    Check(CheckRunId),
    /// A suite of check runs that waits for nothing.
    Concluded,
    /// A run of a workflow that runs once more.
    Rerun,
    /// A review; none when all of it was said before.
    Review(Option<ReviewId>),
}
