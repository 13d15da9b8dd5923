//! The answers to the comments of a review, and the end of their conversations, as effects.

use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::ThreadKey;
use crate::domain::job::Request;
use crate::domain::render::parts::Links;
use crate::domain::render::reply::reply;
use crate::domain::report::Report;
use crate::domain::task::{State, Task};

/// Returns what is said to each comment of the reviews that the last job was to heed, once it has ended;
/// nothing for a request that was made otherwise. A comment that is all of its review has the job's
/// answer in its conversation already. Whose conversation ends with the change is told, too.
#[must_use]
pub fn replies_of(task: &Task, links: &Links) -> Vec<(EffectKey, ThreadKey, Effect)> {
    let Some(report) = ended(task) else {
        return Vec::new();
    };
    let asked = task.work.asked();
    let each = asked.flat_map(|asked| replies_to(asked, (task, report), links));
    each.chain(resolve(task, report)).collect()
}

/// Returns the end of the conversations that end with the change.
fn resolve(task: &Task, report: &Report) -> Option<(EffectKey, ThreadKey, Effect)> {
    let ends = task.state == State::InReview && !report.resolves.is_empty();
    let thread = ThreadKey {
        repo: task.id.thread.repo,
        number: task.pull.filter(|_| ends)?,
    };
    let comments = report.resolves.clone();
    let effect = Effect::Resolve { comments };
    Some((EffectKey::resolve(report.job), thread, effect))
}

/// Returns what is said to each comment of a review; `first` is the number of its first in the brief.
fn replies_to(
    (first, request): (usize, &Request),
    (task, report): (&Task, &Report),
    links: &Links,
) -> Vec<(EffectKey, ThreadKey, Effect)> {
    let Some(review) = &request.review else {
        return Vec::new();
    };
    if review.lone().is_some() {
        return Vec::new();
    }
    let thread = ThreadKey {
        repo: task.id.thread.repo,
        number: request.thread.number,
    };
    let each = (first..).zip(&review.comments);
    each.map(|(number, comment)| {
        let effect = Effect::ReviewReply {
            to: comment.root,
            body: reply(task, report, (number, comment), links),
        };
        (EffectKey::done(comment.id, thread), thread, effect)
    })
    .collect()
}

/// Returns the report of the last job, when that has ended.
pub(super) fn ended(task: &Task) -> Option<&Report> {
    let last = task.last.as_ref();
    last.filter(|last| last.job == task.job() && !task.state.is_busy())
}
