//! What is asked for while a job is under way: it waits on the task, and begins when that has ended.

use super::Decision;
use super::statuses::{answer_of, status_of};
use crate::domain::effect::EffectKey;
use crate::domain::ids::JobId;
use crate::domain::job::Work;
use crate::domain::render::parts::Links;
use crate::domain::render::refusal::Refusal;
use crate::domain::task::{Step, Task, transition};

/// How many requests may wait on a task.
pub const MOST: usize = 5;

/// Returns a task on which something is under way with one more request behind it.
///
/// # Errors
/// When as many wait as may.
pub fn waiting(task: &Task, work: Work) -> Result<Task, Refusal> {
    if task.waiting.len() >= MOST {
        return Err(Refusal::TooManyWait(MOST));
    }
    let mut task = task.clone();
    task.waiting.push(work);
    Ok(task)
}

/// Begins what has waited longest, when a decision leaves the task with nothing under way.
#[must_use]
pub fn begin_next(mut decision: Decision, links: &Links) -> Decision {
    let Some(task) = decision
        .task
        .as_mut()
        .filter(|task| !task.waiting.is_empty())
    else {
        return decision;
    };
    let Ok(state) = transition(&task.state, Step::Queue) else {
        return decision;
    };
    task.work = task.waiting.remove(0);
    task.state = state;
    task.jobs += 1;
    task.undone = None;
    let job = JobId {
        task: task.id,
        ordinal: task.jobs,
    };
    decision.job = Some((job, task.work.clone()));
    decision
        .reasons
        .push(format!("job {job} queued: it waited"));
    let (status, answer) = (status_of(task, links), answer_of(task, links));
    let key = EffectKey::status(task.id);
    decision.effects.retain(|(other, _, _)| *other != key);
    decision.effects.push(status);
    decision.effects.extend(answer);
    decision
}
