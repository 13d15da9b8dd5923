//! The end of a job that was to say something: its words are shown, and the task is where it was before.

use crate::domain::decide::Decision;
use crate::domain::decide::statuses::{said, status_of};
use crate::domain::effect::EffectKey;
use crate::domain::ids::ThreadKey;
use crate::domain::job::{Wanted, Work};
use crate::domain::render::parts::Links;
use crate::domain::render::words::{claimed, words};
use crate::domain::report::{Outcome, Report};
use crate::domain::task::{Approval, Plan, State, Step, Task, transition};

/// Decides what the end of such a job changes.
#[must_use]
pub fn spoken(task: &Task, report: &Report, work: &Work, links: &Links) -> Decision {
    let mut decision = Decision {
        reasons: vec![format!(
            "job {} ended: {}",
            report.job,
            report.outcome.word()
        )],
        ..Decision::default()
    };
    if task.state.is_over() {
        // Nobody waits for it any more: the thread has ended.
        return decision;
    }
    let mut task = task.clone();
    let stopped = task.state == State::Stopped;
    let plan = (!stopped).then(|| plan(report, work)).flatten();
    if let Some(plan) = plan {
        if plan.approved.is_some() {
            task.waiting.insert(0, plan.carried_out());
        }
        task.plan = Some(Box::new(plan));
    }
    if task.aside.is_some() || task.work != *work {
        let thread = ThreadKey {
            number: work.request.thread.number,
            ..task.id.thread
        };
        let body = words(report, &work.request, links);
        let answer = said(&work.request, body);
        decision
            .effects
            .push((EffectKey::answer(report.job), thread, answer));
    } else {
        task.last = Some(report.clone());
    }
    let all = report.outcome == Outcome::Answered && task.waiting.is_empty() && task.plan.is_none();
    let step = match &task.aside {
        Some(aside) => Step::Return(aside.back),
        None if all => Step::Answer,
        None => Step::Block,
    };
    // A stopped task stays stopped whatever its job came to.
    if let Ok(state) = transition(&task.state, step) {
        task.state = state;
    }
    if let Some(aside) = task.aside.take() {
        (task.work, task.work_job) = (aside.work, Some(aside.job));
    }
    decision.effects.push(status_of(&task, links));
    decision.task = Some(task);
    decision
}

/// Returns the plan that a job has made.
fn plan(report: &Report, work: &Work) -> Option<Plan> {
    let approved = match work.request.wanted {
        Wanted::Plan => None,
        Wanted::PlanFirst => Some(Approval::Policy),
        Wanted::Change | Wanted::Answer => return None,
    };
    let claim = report
        .claim
        .as_ref()
        .filter(|_| report.outcome == Outcome::Answered)?;
    let run = report.run.as_ref()?;
    Some(Plan {
        text: claimed(claim),
        agent: run.agent.clone(),
        work: Box::new(work.clone()),
        approved,
    })
}
