//! The answers to the comments of a review, as effects.

use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::ThreadKey;
use crate::domain::render::parts::Links;
use crate::domain::render::reply::reply;
use crate::domain::report::Report;
use crate::domain::task::Task;

/// Returns what is said to each comment of the review that the last job was to heed, once it has ended;
/// nothing for a request that was made otherwise. A comment that is all of its review has the job's
/// answer in its conversation already.
#[must_use]
pub fn replies_of(task: &Task, links: &Links) -> Vec<(EffectKey, ThreadKey, Effect)> {
    let request = &task.work.request;
    let (Some(report), Some(review)) = (ended(task), &request.review) else {
        return Vec::new();
    };
    if review.lone().is_some() {
        return Vec::new();
    }
    let thread = ThreadKey {
        repo: task.id.thread.repo,
        number: request.thread.number,
    };
    let each = (1..).zip(&review.comments);
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
