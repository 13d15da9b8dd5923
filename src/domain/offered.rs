//! The end of a job for a pull request that nobody here can push to: what it came to is proposed there,
//! and no branch has anything of it.

use crate::domain::assessment::Assessment;
use crate::domain::decide::Decision;
use crate::domain::decide::replies::replies_of;
use crate::domain::decide::statuses::{answers_of, said, status_of};
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::ThreadKey;
use crate::domain::job::Work;
use crate::domain::render::offered::heading;
use crate::domain::render::parts::Links;
use crate::domain::render::status::status;
use crate::domain::render::words::claimed;
use crate::domain::report::{Outcome, Report};
use crate::domain::task::{State, Step, Task, transition};

/// Decides what the end of such a job changes. What is proposed is all that was asked for, so that the
/// task ends with it.
#[must_use]
pub fn offered(task: &Task, report: Report, work: &Work, links: &Links) -> Decision {
    let (job, word) = (report.job, report.outcome.word());
    let mut decision = Decision {
        reasons: vec![format!("job {job} ended: {word}")],
        ..Decision::default()
    };
    if task.state.is_over() {
        // Nobody waits for it any more: the thread has ended.
        return decision;
    }
    let mut task = task.clone();
    let proposed = report.outcome == Outcome::Proposed && task.state == State::Running;
    let thread = ThreadKey {
        number: work.request.thread.number,
        ..task.id.thread
    };
    if proposed && let Some(assessment) = assessment(&report, work) {
        let review = Effect::Review { assessment };
        let key = EffectKey::review(job);
        decision.effects.push((key, thread, review));
    }
    let waits = !task.waiting.is_empty();
    task.last = Some(task.ended_with(report));
    let step = if proposed { Step::Answer } else { Step::Block };
    // A stopped task stays stopped whatever its job came to.
    let state = transition(&task.state, step).unwrap_or(State::Stopped);
    let shown = Task {
        state: state.clone(),
        ..task.clone()
    };
    decision.effects.push(status_of(&shown, links));
    decision.effects.extend(answers_of(&shown, links));
    decision.effects.extend(replies_of(&shown, links));
    if waits {
        // The status comment is about the next request at once.
        let (key, body) = (EffectKey::answer(job), status(&shown, links));
        decision.effects.retain(|(other, _, _)| *other != key);
        let request = &shown.work.request;
        decision.effects.push((key, thread, said(request, body)));
        // An end would lose what waits.
        task.state = transition(&task.state, Step::Block).unwrap_or(state);
    } else {
        task.state = state;
    }
    decision.task = Some(task);
    decision
}

/// Returns the review with the suggestions that a job has come to.
fn assessment(report: &Report, work: &Work) -> Option<Assessment> {
    let offer = report.offer.as_ref()?;
    if offer.suggestions.is_empty() {
        return None;
    }
    Some(Assessment {
        commit: offer.head.clone(),
        heading: heading(report, &work.request),
        summary: report.claim.as_ref().map(claimed).unwrap_or_default(),
        points: Vec::new(),
        suggestions: offer.suggestions.clone(),
        patch: offer.patch.clone(),
    })
}
