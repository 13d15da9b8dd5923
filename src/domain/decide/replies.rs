//! The answers to the comments of a review, and the end of their conversations, as effects.

use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::ThreadKey;
use crate::domain::render::parts::Links;
use crate::domain::render::reply::reply;
use crate::domain::report::Report;
use crate::domain::task::{State, Task};

/// Returns what is said to each comment of the review that the last job was to heed, once it has ended;
/// nothing for a request that was made otherwise. A comment that is all of its review has the job's
/// answer in its conversation already. Whose conversation ends with the change is told, too.
#[must_use]
pub fn replies_of(task: &Task, links: &Links) -> Vec<(EffectKey, ThreadKey, Effect)> {
    let request = &task.work.request;
    let (Some(report), Some(review)) = (ended(task), &request.review) else {
        return Vec::new();
    };
    let thread = ThreadKey {
        repo: task.id.thread.repo,
        number: request.thread.number,
    };
    let answered = match review.lone() {
        Some(_) => &[],
        None => review.comments.as_slice(),
    };
    let replies = (1..).zip(answered).map(|(number, comment)| {
        let effect = Effect::ReviewReply {
            to: comment.root,
            body: reply(task, report, (number, comment), links),
        };
        (EffectKey::done(comment.id, thread), thread, effect)
    });
    let resolves = task.state == State::InReview && !report.resolves.is_empty();
    let resolve = resolves.then(|| {
        let comments = report.resolves.clone();
        let effect = Effect::Resolve { comments };
        (EffectKey::resolve(report.job), thread, effect)
    });
    replies.chain(resolve).collect()
}

/// Returns the report of the last job, when that has ended.
pub(super) fn ended(task: &Task) -> Option<&Report> {
    let last = task.last.as_ref();
    last.filter(|last| last.job == task.job() && !task.state.is_busy())
}
