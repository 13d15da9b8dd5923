//! The next job of a task: at once when nothing is under way, and otherwise when that has ended.

use crate::domain::decide::Decision;
use crate::domain::decide::statuses::{answers_of, status_of};
use crate::domain::effect::EffectKey;
use crate::domain::footing::Footing;
use crate::domain::ids::JobId;
use crate::domain::integration::Mending;
use crate::domain::job::Work;
use crate::domain::render::parts::Links;
use crate::domain::render::refusal::Refusal;
use crate::domain::task::{Approval, Aside, Illegal, Plan, Step, Task, transition};

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

/// Returns a task on which nothing is under way with its next job, which is to do `work`.
///
/// # Errors
/// When the task is over, or something is under way.
pub fn queued(task: &Task, work: Work) -> Result<(Task, JobId), Illegal> {
    let state = transition(&task.state, Step::Queue)?;
    let words = work.request.wanted.is_words();
    let back = task.state.rest().filter(|_| words && !task.is_words());
    let aside = back.map(|back| {
        Box::new(Aside {
            back,
            work: task.work.clone(),
            job: task.job().ordinal,
        })
    });
    let task = Task {
        state,
        jobs: task.jobs + 1,
        plan: plan(task, &work),
        undone: task.undone.clone().filter(|_| words),
        footing: Footing {
            update: task.footing.update.clone().filter(|_| words),
            ..task.footing.clone()
        },
        work,
        work_job: None,
        aside,
        ..task.clone()
    };
    let job = task.job();
    Ok((task, job))
}

/// Returns a task with a next job that a person has asked for, which begins the rounds of mending and of
/// bots anew unless it is a question.
///
/// # Errors
/// When the task is over, or something is under way.
pub fn asked(task: &Task, work: Work) -> Result<(Task, JobId), Illegal> {
    let words = work.request.wanted.is_words();
    let (mut task, job) = queued(task, work)?;
    if !words {
        task.mending = Mending::default();
    }
    Ok((task, job))
}

/// Returns the plan that a task has once `work` is queued: one that is carried out is approved by whoever
/// asks for that, and a change that follows none ends it.
fn plan(task: &Task, work: &Work) -> Option<Box<Plan>> {
    let mut plan = task.plan.clone()?;
    if work.request.wanted.is_words() || work.is_upkeep() {
        return Some(plan);
    }
    work.request.plan.as_ref()?;
    let by = || Approval::By(work.request.by.login.clone());
    plan.approved.get_or_insert_with(by);
    Some(plan)
}

/// Begins what has waited longest, when a decision leaves the task with nothing under way.
#[must_use]
pub fn begin_next(mut decision: Decision, links: &Links) -> Decision {
    let Some(mut task) = decision.task.take_if(|task| !task.waiting.is_empty()) else {
        return decision;
    };
    let work = task.waiting.remove(0);
    let Ok((task, job)) = asked(&task, work.clone()) else {
        task.waiting.insert(0, work);
        decision.task = Some(task);
        return decision;
    };
    let key = EffectKey::status(task.id);
    decision.effects.retain(|(other, _, _)| *other != key);
    decision.effects.push(status_of(&task, links));
    decision.effects.extend(answers_of(&task, links));
    decision
        .reasons
        .push(format!("job {job} queued: it waited"));
    decision.task = Some(task);
    decision.job = Some((job, work));
    decision
}
