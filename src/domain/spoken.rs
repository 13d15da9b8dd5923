//! The end of a job that was to say something: its words are shown, and the task is where it was before.

use crate::domain::assessment::{Assessment, Point};
use crate::domain::decide::Decision;
use crate::domain::decide::statuses::{said, status_of};
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::ThreadKey;
use crate::domain::job::{Progress, Wanted, Work};
use crate::domain::render::assessment::heading;
use crate::domain::render::parts::Links;
use crate::domain::render::words::{claimed, words};
use crate::domain::report::{Outcome, Report};
use crate::domain::task::{Approval, Plan, State, Step, Task, transition};

/// Decides what the end of such a job changes.
#[must_use]
pub fn spoken(
    task: &Task,
    report: &Report,
    (work, progress): (&Work, &Progress),
    links: &Links,
) -> Decision {
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
    // The status comment is about that at once.
    let waits = !task.waiting.is_empty();
    let plan = (!stopped).then(|| plan(report, work)).flatten();
    if let Some(plan) = plan {
        if plan.approved.is_some() {
            task.waiting.insert(0, plan.carried_out());
        }
        task.plan = Some(Box::new(plan));
    }
    let thread = ThreadKey {
        number: work.request.thread.number,
        ..task.id.thread
    };
    if let Some(assessment) = assessment(report, work, progress) {
        let review = Effect::Review { assessment };
        decision
            .effects
            .push((EffectKey::review(report.job), thread, review));
    }
    let beside = task.aside.is_some() || task.work != *work;
    if beside || waits {
        let body = words(report, &work.request, links);
        let answer = said(&work.request, body);
        decision
            .effects
            .push((EffectKey::answer(report.job), thread, answer));
    }
    if !beside {
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
    task.end_aside();
    // Whoever asked to bring the branch up to date has waited for the end of this.
    decision.compare = task.footing.asked.is_some() && !task.state.is_over();
    decision.effects.push(status_of(&task, links));
    decision.task = Some(task);
    decision
}

/// Returns the review that a job has written.
fn assessment(report: &Report, work: &Work, progress: &Progress) -> Option<Assessment> {
    match work.request.wanted {
        Wanted::Review => {}
        Wanted::Change | Wanted::Plan | Wanted::PlanFirst | Wanted::Answer => return None,
    }
    let claim = report
        .claim
        .as_ref()
        .filter(|_| report.outcome == Outcome::Answered)?;
    let (briefed, ran) = (progress.briefed.as_ref()?, progress.ran.as_ref()?);
    let points = claim
        .findings
        .iter()
        .enumerate()
        .map(|(at, finding)| Point {
            finding: finding.clone(),
            on_line: ran.on_lines.contains(&at),
        });
    Some(Assessment {
        commit: briefed.base.clone(),
        heading: heading(report, &briefed.base, &work.request),
        summary: claimed(claim),
        points: points.collect(),
        suggestions: Vec::new(),
        patch: None,
    })
}

/// Returns the plan that a job has made.
fn plan(report: &Report, work: &Work) -> Option<Plan> {
    let approved = match work.request.wanted {
        Wanted::Plan => None,
        Wanted::PlanFirst => Some(Approval::Policy),
        Wanted::Change | Wanted::Answer | Wanted::Review => return None,
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
