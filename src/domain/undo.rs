//! Taking the last follow-up back: by one more commit with the tree that was there before it, so that
//! nothing is forced and nobody's commits are lost.

use crate::domain::effect::{Effect, EffectKey, ReactionTarget};
use crate::domain::home::Home;
use crate::domain::ids::{CommitSha, ThreadKey};
use crate::domain::integration::Mending;
use crate::domain::render::commit;
use crate::domain::render::refusal::Refusal;
use crate::domain::repo::Actor;
use crate::domain::report::{Outcome, Report};
use crate::domain::task::{State, Step, Task, Undone, transition};

/// Decides what taking the last follow-up back changes: the task as it is until the commit is there,
/// and the commit.
///
/// # Errors
/// When a job is under way, or there is no follow-up at the head of the branch.
pub fn undo(
    task: &Task,
    by: &Actor,
    asked: ReactionTarget,
) -> Result<(Task, (EffectKey, ThreadKey, Effect)), Refusal> {
    if task.state.is_busy() {
        return Err(Refusal::Busy);
    }
    let follow_up = task.follow_up.as_ref();
    let follow_up = follow_up.filter(|one| task.head.as_ref() == Some(&one.commit));
    let follow_up = follow_up.ok_or(Refusal::NothingToUndo)?;
    let state = transition(&task.state, Step::Undo).map_err(|_| Refusal::NothingToUndo)?;
    let effect = Effect::Undo {
        branch: task.branch.clone(),
        commit: follow_up.commit.clone(),
        tree: follow_up.before.clone(),
        message: commit::undone(task.id, &follow_up.commit, by),
    };
    let undone = Undone {
        commit: follow_up.commit.clone(),
        by: by.login.clone(),
        with: None,
    };
    let key = EffectKey::undo(task.id.thread, asked);
    let thread = task.id.thread;
    let task = Task {
        state,
        undone: Some(undone),
        mending: Mending::default(),
        ..task.clone()
    };
    Ok((task, (key, thread, effect)))
}

/// Returns the task once the follow-up is taken back by that commit: as it was before.
#[must_use]
pub fn taken_back(task: &Task, with: &CommitSha) -> Task {
    let last = task.follow_up.as_ref().and_then(|one| one.last.as_deref());
    let verified = match task.home {
        Home::Own => last.is_some_and(|last| last.outcome == Outcome::Proposed),
        // What there was before is the person's, and open for review as it was.
        Home::Theirs | Home::Fork => last.is_none_or(|last| last.outcome == Outcome::Proposed),
    };
    let step = if verified { Step::Seen } else { Step::Block };
    Task {
        state: published(&task.state, step),
        head: Some(with.clone()),
        last: last.cloned(),
        follow_up: None,
        undone: task.undone.clone().map(|undone| Undone {
            with: Some(with.clone()),
            ..undone
        }),
        ..task.clone()
    }
}

/// Returns the task once it is clear that the follow-up cannot be taken back.
#[must_use]
pub fn not_taken_back(task: &Task, why: String) -> Task {
    Task {
        state: published(&task.state, Step::Block),
        last: task.last.clone().map(|last| Report {
            outcome: Outcome::Faulted(why),
            ..last
        }),
        undone: None,
        ..task.clone()
    }
}

/// What was stopped, or asked for something else, meanwhile goes its own way.
fn published(state: &State, step: Step) -> State {
    match state {
        State::Publishing => transition(state, step).unwrap_or(State::Blocked),
        State::Queued
        | State::Running
        | State::InReview
        | State::Blocked
        | State::Stopped
        | State::Merged
        | State::Closed
        | State::Answered => state.clone(),
    }
}
