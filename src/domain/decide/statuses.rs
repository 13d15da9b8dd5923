//! The comments that show how a task stands, as effects.

use crate::domain::decide::replies::ended;
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::{JobId, ThreadKey};
use crate::domain::redact::Redactor;
use crate::domain::render::live::Live;
use crate::domain::render::parts::Links;
use crate::domain::render::reply::reply;
use crate::domain::render::status::status;
use crate::domain::review::Review;
use crate::domain::task::Task;

/// Returns the effect that shows in the status comment how far the runs of a job are.
#[must_use]
pub fn live_status_of(
    task: &Task,
    lives: &[Live],
    links: &Links,
    redactor: &Redactor,
) -> (EffectKey, ThreadKey, Effect) {
    let mut body = status(task, links);
    for live in lives {
        body.push_str("\n\n");
        body.push_str(&live.markdown(redactor));
    }
    (
        EffectKey::status(task.id),
        task.id.thread,
        Effect::Comment { body },
    )
}

/// Returns the effect that brings the status comment up to date.
#[must_use]
pub fn status_of(task: &Task, links: &Links) -> (EffectKey, ThreadKey, Effect) {
    let body = status(task, links);
    (
        EffectKey::status(task.id),
        task.id.thread,
        Effect::Comment { body },
    )
}

/// Returns the effect that brings the answer on the pull request up to date, for a task whose last
/// request was made there.
#[must_use]
pub fn answer_of(task: &Task, links: &Links) -> Option<(EffectKey, ThreadKey, Effect)> {
    let number = task.work.request.thread.number;
    (number != task.id.thread.number).then(|| {
        let job = JobId {
            task: task.id,
            ordinal: task.jobs,
        };
        let thread = ThreadKey {
            repo: task.id.thread.repo,
            number,
        };
        (EffectKey::answer(job), thread, answer(task, links))
    })
}

/// What was asked by a comment on a line is answered there.
fn answer(task: &Task, links: &Links) -> Effect {
    let body = status(task, links);
    let review = task.work.request.review.as_ref();
    let Some(comment) = review.and_then(Review::lone) else {
        return Effect::Comment { body };
    };
    let body = match ended(task) {
        Some(report) => {
            let said = reply(task, report, (1, comment), links);
            format!("{said}\n\n---\n\n{body}")
        }
        None => body,
    };
    Effect::ReviewReply {
        to: comment.root,
        body,
    }
}
