//! A task: the work on one thread, and the states it can be in.

use serde::{Deserialize, Serialize};

use crate::domain::branch::BranchName;
use crate::domain::footing::Footing;
use crate::domain::home::Home;
use crate::domain::ids::{CommitSha, JobId, Login, TaskId, ThreadNumber, TreeSha};
use crate::domain::integration::Mending;
use crate::domain::job::{Request, Wanted, Work};
use crate::domain::money::Usd;
use crate::domain::repo::Repo;
use crate::domain::report::{Outcome, Report};

/// The work on one thread, from trigger to merged or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The repository, as last seen.
    pub repo: Repo,
    /// What was asked last: who, when, what, and the thread as it was then.
    pub work: Work,
    /// Where it is.
    pub state: State,
    /// How many jobs it has had.
    pub jobs: u32,
    /// The branch that its work goes to.
    pub branch: BranchName,
    /// The commit that the branch was last seen or put at, once there is one.
    pub head: Option<CommitSha>,
    /// The pull request, once it was seen.
    pub pull: Option<ThreadNumber>,
    /// What became of the last job, once one has ended.
    pub last: Option<Report>,
    /// Who stopped it last.
    pub stopped_by: Option<Login>,
    /// What the last job put on the branch of a pull request that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
    /// The follow-up that was taken back, until something else is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
    /// What was asked for while a job was under way, oldest first. Nothing waits on a task on which
    /// nothing is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Work>,
    /// What was under review, or waited for a person, when something was asked that is answered in
    /// words; it is so again afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Box<Aside>>,
    /// The number of the job that `work` was queued as, where it is not the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_job: Option<u32>,
    /// The plan that was made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<Plan>>,
    /// The most that model calls of all its jobs may cost, where somebody said so; the server's limit
    /// holds beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Usd>,
    /// What was done about failing checks of others since a person last asked for something.
    #[serde(default, skip_serializing_if = "Mending::is_untouched")]
    pub mending: Mending,
    /// How its branch stands to its base.
    #[serde(default, skip_serializing_if = "Footing::is_empty")]
    pub footing: Footing,
    /// Whose branch its work goes to.
    #[serde(default, skip_serializing_if = "Home::is_own")]
    pub home: Home,
    /// The last commit on its branch that a check of others was told to fail on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub red: Option<CommitSha>,
}

impl Task {
    /// Returns the report of its job as it is told: what a person has stopped was stopped, whatever the
    /// job came to.
    #[must_use]
    pub fn ended_with(&self, report: Report) -> Report {
        if self.state == State::Stopped {
            report.stopped()
        } else {
            report
        }
    }

    /// Returns the job that `work` was queued as.
    #[must_use]
    pub fn job(&self) -> JobId {
        JobId {
            task: self.id,
            ordinal: self.work_job.unwrap_or(self.jobs),
        }
    }

    /// Returns whether a job was ever to do what was asked last, be it over or not. A person's pull
    /// request may have been brought up to date before anything else was asked for, and questions are
    /// beside that.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let job = (self.aside.as_ref()).map_or(self.job().ordinal, |aside| aside.job);
        self.home.is_own() || job > 0
    }

    /// Returns the name of the branch that the pull request is for, as last seen.
    #[must_use]
    pub fn base(&self) -> &str {
        (self.footing.onto.as_deref()).unwrap_or(&self.repo.default_branch)
    }

    /// Returns whether the pull request of that number is what we proposed, and not a person's.
    #[must_use]
    pub fn proposes(&self, number: ThreadNumber) -> bool {
        self.home.is_own() && self.pull == Some(number)
    }

    /// Returns the branch for what a job leaves that may not go to the task's own.
    #[must_use]
    pub fn beside(&self, job: JobId) -> BranchName {
        if self.home.takes_partial() {
            self.branch.clone()
        } else {
            BranchName::kept(job)
        }
    }

    /// Returns the branch on which the commit of a report of it is.
    #[must_use]
    pub fn holder(&self, report: &Report) -> BranchName {
        let commit = report.commit.as_ref().map(|(commit, _)| commit);
        let published = report.outcome == Outcome::Proposed || self.head.as_ref() == commit;
        if published {
            self.branch.clone()
        } else {
            self.beside(report.job)
        }
    }

    /// Has what was asked before a question stand as what was asked last again.
    pub fn end_aside(&mut self) {
        if let Some(aside) = self.aside.take() {
            (self.work, self.work_job) = (aside.work, Some(aside.job));
        }
    }

    /// Returns whether nothing but words was asked for so far.
    #[must_use]
    pub const fn is_words(&self) -> bool {
        self.aside.is_none() && self.work.request.wanted.is_words()
    }
}

/// What a task goes back to when a question is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Where it was.
    pub back: Rest,
    /// What had been asked.
    pub work: Work,
    /// The number of the job that it was queued as.
    pub job: u32,
}

/// A plan, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The agent's words.
    pub text: String,
    /// The agent that made it.
    pub agent: String,
    /// What was planned.
    pub work: Box<Work>,
    /// Who said that it is to be carried out; policy, when it is carried out and nobody did.
    pub approved: Option<Approval>,
}

impl Plan {
    /// Returns what was planned, to be done by the plan.
    #[must_use]
    pub fn carried_out(&self) -> Work {
        Work {
            request: Request {
                wanted: Wanted::Change,
                plan: Some(self.text.clone()),
                ..self.work.request.clone()
            },
            ..(*self.work).clone()
        }
    }
}

/// Who lets a plan be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// A person.
    By(Login),
    /// The repository's policy.
    Policy,
}

/// What the last follow-up put on the branch of a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// The job that made it.
    pub job: JobId,
    /// Its commit.
    pub commit: CommitSha,
    /// The tree that the branch had before.
    pub before: TreeSha,
    /// What had become of the job before it.
    pub last: Option<Box<Report>>,
}

/// A follow-up that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Its commit.
    pub commit: CommitSha,
    /// Who asked for it.
    pub by: Login,
    /// The commit that takes it back, once it is on the branch.
    pub with: Option<CommitSha>,
}

/// Where a task is. States are truthful: each is entered by something that was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A job waits for a worker.
    Queued,
    /// A job runs.
    Running,
    /// A job has ended well; its commits are on the way to GitHub.
    Publishing,
    /// The pull request exists and its head tree is the verified tree.
    InReview,
    /// Nothing runs and a person is waited for; why is in the status comment.
    Blocked,
    /// A person stopped it. Asking again starts a new job.
    Stopped,
    /// The pull request was merged.
    Merged,
    /// The issue or the pull request was closed, or is gone.
    Closed,
    /// Only words were asked for, and they have been said.
    Answered,
}

/// A state in which nothing is under way and that a task can go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// In review.
    InReview,
    /// Blocked.
    Blocked,
    /// Stopped.
    Stopped,
}

impl From<Rest> for State {
    fn from(rest: Rest) -> Self {
        match rest {
            Rest::InReview => Self::InReview,
            Rest::Blocked => Self::Blocked,
            Rest::Stopped => Self::Stopped,
        }
    }
}

impl State {
    /// Returns it as one that can be gone back to; `None` when something is under way, or all is over.
    #[must_use]
    pub const fn rest(&self) -> Option<Rest> {
        match self {
            Self::InReview => Some(Rest::InReview),
            Self::Blocked => Some(Rest::Blocked),
            Self::Stopped => Some(Rest::Stopped),
            Self::Queued
            | Self::Running
            | Self::Publishing
            | Self::Merged
            | Self::Closed
            | Self::Answered => None,
        }
    }

    /// Returns whether the task is over: a terminal state absorbs everything.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Merged | Self::Closed | Self::Answered => true,
            Self::Queued
            | Self::Running
            | Self::Publishing
            | Self::InReview
            | Self::Blocked
            | Self::Stopped => false,
        }
    }

    /// Returns whether a job is queued, running or being published.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Publishing => true,
            Self::InReview
            | Self::Blocked
            | Self::Stopped
            | Self::Merged
            | Self::Closed
            | Self::Answered => false,
        }
    }

    /// Returns the word that people and `prova tasks ls` use.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Publishing => "publishing",
            Self::InReview => "in review",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
            Self::Merged => "merged",
            Self::Closed => "closed",
            Self::Answered => "answered",
        }
    }
}

/// Something that moves a task from state to state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A job was queued.
    Queue,
    /// A worker took the job, perhaps once more after a crash.
    Start,
    /// The job ended with something to publish as a pull request or on one.
    Publish,
    /// The pull request was seen with the verified tree at its head.
    Seen,
    /// The job ended, or publishing did, in a way that needs a person.
    Block,
    /// A person asked to take the last follow-up back.
    Undo,
    /// The base is to be merged into the branch.
    Update,
    /// A person said stop.
    Stop,
    /// The pull request was merged.
    Merge,
    /// The thread was closed or is gone.
    Close,
    /// What was to be said is all that was asked for: a job has ended with it, or no job was needed.
    Answer,
    /// The job has ended, and the task is where it was before the question.
    Return(Rest),
}

/// A step that does not fit the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {} cannot {step:?}", .state.word())]
pub struct Illegal {
    /// The state.
    pub state: State,
    /// The step.
    pub step: Step,
}

/// Returns the state after `step`: the only place that says which step is legal where.
pub fn transition(state: &State, step: Step) -> Result<State, Illegal> {
    let illegal = || {
        Err(Illegal {
            state: state.clone(),
            step,
        })
    };
    match (state, step) {
        (State::Merged | State::Closed | State::Answered, _) => illegal(),
        (_, Step::Merge) => Ok(State::Merged),
        (_, Step::Close) => Ok(State::Closed),
        (State::InReview | State::Blocked | State::Stopped, Step::Queue) => Ok(State::Queued),
        (State::Queued | State::Running, Step::Start) => Ok(State::Running),
        (State::Running, Step::Publish)
        | (State::InReview | State::Blocked | State::Stopped, Step::Undo | Step::Update) => {
            Ok(State::Publishing)
        }
        (State::Publishing, Step::Seen) => Ok(State::InReview),
        (State::Queued | State::Running | State::Publishing, Step::Block) => Ok(State::Blocked),
        (State::Queued | State::Running | State::InReview, Step::Answer) => Ok(State::Answered),
        (State::Queued | State::Running, Step::Return(rest)) => Ok(rest.into()),
        (
            State::Queued | State::Running | State::Publishing | State::InReview | State::Blocked,
            Step::Stop,
        ) => Ok(State::Stopped),
        (
            State::Queued | State::Running | State::Publishing,
            Step::Queue | Step::Undo | Step::Update,
        )
        | (
            State::Publishing | State::InReview | State::Blocked | State::Stopped,
            Step::Start | Step::Return(_),
        )
        | (State::Publishing | State::Blocked | State::Stopped, Step::Answer)
        | (
            State::Queued | State::Publishing | State::InReview | State::Blocked | State::Stopped,
            Step::Publish,
        )
        | (
            State::Queued | State::Running | State::InReview | State::Blocked | State::Stopped,
            Step::Seen,
        )
        | (State::InReview | State::Blocked | State::Stopped, Step::Block)
        | (State::Stopped, Step::Stop) => illegal(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [Step; 13] = [
        Step::Queue,
        Step::Start,
        Step::Publish,
        Step::Seen,
        Step::Block,
        Step::Undo,
        Step::Update,
        Step::Stop,
        Step::Merge,
        Step::Close,
        Step::Answer,
        Step::Return(Rest::Blocked),
        Step::Return(Rest::Stopped),
    ];

    #[test]
    fn the_straight_way_ends_in_review() {
        let end = [
            Step::Start,
            Step::Publish,
            Step::Seen,
            Step::Queue,
            Step::Start,
        ]
        .into_iter()
        .try_fold(State::Queued, |state, step| transition(&state, step));
        assert_eq!(end, Ok(State::Running));
    }

    proptest! {
        #[test]
        fn terminal_states_absorb_and_review_needs_publishing(picks in proptest::collection::vec(0usize..13, 0..40)) {
            let mut state = State::Queued;
            for pick in picks {
                let step = STEPS[pick];
                let next = transition(&state, step);
                if state.is_over() {
                    prop_assert!(next.is_err());
                }
                if next == Ok(State::InReview) {
                    prop_assert_eq!(&state, &State::Publishing);
                }
                state = next.unwrap_or(state);
            }
        }
    }
}
