//! A task compared with what GitHub shows of it: the end of a thread that no delivery told of, a
//! repository under another name, and a pull request of ours that no task works on.

use crate::domain::branch::BranchName;
use crate::domain::decide::Decision;
use crate::domain::decide::statuses::status_of;
use crate::domain::event::Thread;
use crate::domain::footing::Footing;
use crate::domain::home::Home;
use crate::domain::ids::{CommitSha, TaskId, ThreadNumber};
use crate::domain::integration::Mending;
use crate::domain::job::{Performer, Performers, Request, Wanted, Work};
use crate::domain::render::parts::Links;
use crate::domain::repo::{Actor, Repo};
use crate::domain::task::{State, Task};
use crate::domain::time::Timestamp;
use crate::domain::trigger::Ended;

/// An issue or a pull request as GitHub shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is open.
    Open,
    /// It is closed, and a pull request was not merged.
    Closed,
    /// It is a pull request that was merged.
    Merged,
    /// It was deleted or moved away.
    Gone,
}

/// An open pull request from a branch of the repository itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its number.
    pub number: ThreadNumber,
    /// The branch with the change.
    pub branch: BranchName,
    /// The commit at its head.
    pub head: CommitSha,
    /// The branch that it is for.
    pub base: String,
    /// Whether we opened it.
    pub ours: bool,
}

/// Returns how a task has ended by what its issue and its pull request show; `None`: it goes on.
///
/// A merge says the most: it may have closed the issue, too. A pull request whose branch was deleted
/// is closed by GitHub.
#[must_use]
pub const fn end(issue: Shown, pull: Option<Shown>) -> Option<Ended> {
    match (issue, pull) {
        (_, Some(Shown::Merged)) => Some(Ended::Merged),
        (Shown::Gone, _) => Some(Ended::Gone),
        (Shown::Closed | Shown::Merged, _) | (_, Some(Shown::Closed | Shown::Gone)) => {
            Some(Ended::Closed)
        }
        (Shown::Open, None | Some(Shown::Open)) => None,
    }
}

/// Returns the task in its repository as it is now, when that has another name, another owner's
/// installation or another default branch.
#[must_use]
pub fn follow(task: &Task, repo: &Repo) -> Option<Task> {
    (task.repo.id == repo.id && task.repo != *repo).then(|| Task {
        repo: repo.clone(),
        ..task.clone()
    })
}

/// Takes up a pull request that was opened again after its task had ended: the next task of the
/// thread is where it was. A head that is another now has not been verified, and waits for a person.
#[must_use]
pub fn reopened(proposal: &Proposal, ended: &Task, ordinal: u32, links: &Links) -> Decision {
    let verified = ended.head.as_ref() == Some(&proposal.head);
    let task = Task {
        id: TaskId {
            ordinal,
            ..ended.id
        },
        state: if verified {
            State::InReview
        } else {
            State::Blocked
        },
        jobs: 0,
        branch: proposal.branch.clone(),
        head: Some(proposal.head.clone()),
        pull: Some(proposal.number),
        stopped_by: None,
        follow_up: None,
        undone: None,
        mending: Mending::default(),
        footing: found((!verified).then(|| proposal.head.clone())),
        ..ended.clone()
    };
    Decision {
        effects: vec![status_of(&task, links)],
        reasons: vec![format!(
            "task {} takes up pull request #{}, which was opened again",
            task.id, proposal.number
        )],
        task: Some(task),
        ..Decision::default()
    }
}

/// Takes up a pull request of ours that this store knows nothing of, as one that was restored from an
/// older backup does: nothing is verified, and what is asked for next continues on its branch.
///
/// Nothing is said: the comments of the task that is lost stand there.
#[must_use]
pub fn unknown(
    proposal: &Proposal,
    (id, thread): (TaskId, Thread),
    (repo, us): (&Repo, Actor),
    now: Timestamp,
) -> Decision {
    let task = Task {
        id,
        repo: repo.clone(),
        work: Work {
            resolve: None,
            steered: Vec::new(),
            performers: Performers::One(Performer::DefaultAgent),
            request: Request {
                by: us,
                at: now,
                text: String::new(),
                thread,
                remarks: Vec::new(),
                linked: Vec::new(),
                place: None,
                wanted: Wanted::Change,
                plan: None,
                occasion: None,
                sign: None,
                review: None,
                noted: None,
            },
        },
        state: State::Blocked,
        jobs: 0,
        branch: proposal.branch.clone(),
        head: Some(proposal.head.clone()),
        pull: Some(proposal.number),
        last: None,
        stopped_by: None,
        follow_up: None,
        undone: None,
        waiting: Vec::new(),
        aside: None,
        work_job: None,
        plan: None,
        budget: None,
        mending: Mending::default(),
        footing: found(Some(proposal.head.clone())),
        home: Home::Own,
        red: None,
    };
    Decision {
        reasons: vec![format!(
            "task {id} takes up pull request #{}, of which nothing is known here",
            proposal.number
        )],
        task: Some(task),
        ..Decision::default()
    }
}

/// Nothing is known of how the branch stands, but perhaps that its head is not of our making.
fn found(head: Option<CommitSha>) -> Footing {
    Footing {
        found: head,
        ..Footing::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_ends_as_what_says_the_most() {
        use Shown::{Closed, Gone, Merged, Open};
        let table = [
            (Open, None, None),
            (Open, Some(Open), None),
            (Closed, None, Some(Ended::Closed)),
            (Closed, Some(Open), Some(Ended::Closed)),
            (Closed, Some(Merged), Some(Ended::Merged)),
            (Open, Some(Merged), Some(Ended::Merged)),
            (Open, Some(Closed), Some(Ended::Closed)),
            (Open, Some(Gone), Some(Ended::Closed)),
            (Gone, Some(Open), Some(Ended::Gone)),
            (Gone, Some(Merged), Some(Ended::Merged)),
        ];
        for (issue, pull, expected) in table {
            assert_eq!(end(issue, pull), expected, "{issue:?} {pull:?}");
        }
    }
}
