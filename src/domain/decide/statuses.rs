//! The comments that show how a task stands, as effects.

use crate::domain::decide::replies::ended;
use crate::domain::effect::{Effect, EffectKey, ReactionTarget};
use crate::domain::event::ThreadEvent;
use crate::domain::ids::ThreadKey;
use crate::domain::job::Request;
use crate::domain::redact::Redactor;
use crate::domain::render::integration;
use crate::domain::render::live::Live;
use crate::domain::render::parts::Links;
use crate::domain::render::reply::{handed, reply};
use crate::domain::render::status::{live, status};
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
    let runs: Vec<_> = lives.iter().map(|run| run.markdown(redactor)).collect();
    let body = live(task, &runs, links);
    (
        EffectKey::status(task.id),
        task.id.thread,
        Effect::Comment { body },
    )
}

/// Returns the 👀 that shows that something was seen.
#[must_use]
pub fn seen(event: &ThreadEvent) -> (EffectKey, ThreadKey, Effect) {
    let (target, thread) = (ReactionTarget::of(&event.what), event.key());
    let key = EffectKey::reaction(target, thread);
    (key, thread, Effect::React { target })
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

/// Returns the effects that bring the answers to what the last job is for up to date.
#[must_use]
pub fn answers_of(task: &Task, links: &Links) -> Vec<(EffectKey, ThreadKey, Effect)> {
    answer_of(task, links)
        .into_iter()
        .chain(handed_of(task, links))
        .collect()
}

/// Returns what is said to each request that was handed to the agent while it worked.
fn handed_of(task: &Task, links: &Links) -> Vec<(EffectKey, ThreadKey, Effect)> {
    (1..)
        .zip(task.work.asked().skip(1))
        .map(|(ordinal, (first, request))| {
            let thread = ThreadKey {
                repo: task.id.thread.repo,
                number: request.thread.number,
            };
            let key = request.noted.map_or_else(
                || EffectKey::handed(task.job(), ordinal),
                |target| EffectKey::reply(target, thread),
            );
            let report = ended(task);
            let body = handed(task, report, links);
            let lone = request.review.as_ref().and_then(Review::lone);
            let body = match (report, lone) {
                (Some(report), Some(comment)) => {
                    let said = reply(task, report, (first, comment), links);
                    format!("{said}\n\n---\n\n{body}")
                }
                (_, None) | (None, _) => body,
            };
            (key, thread, said(request, body))
        })
        .collect()
}

/// Returns the effect that brings the answer to the last request up to date, where it has one of its
/// own: it was made on the pull request, or asks for words beside what is under review.
fn answer_of(task: &Task, links: &Links) -> Option<(EffectKey, ThreadKey, Effect)> {
    let request = &task.work.request;
    let number = request.thread.number;
    // On a person's pull request the status comment stands where the first of all was asked.
    let lone = request.review.as_ref().and_then(Review::lone);
    let first = task.job().ordinal <= 1 && !task.footing.came_first;
    let work = task.has_work() && !task.is_words();
    let below = !task.home.is_own() && work && (!first || lone.is_some());
    // What nobody asked for has nobody to be answered.
    let asked = (number != task.id.thread.number || below) && request.occasion.is_none();
    (asked || task.aside.is_some()).then(|| {
        let thread = ThreadKey {
            repo: task.id.thread.repo,
            number,
        };
        (EffectKey::answer(task.job()), thread, answer(task, links))
    })
}

/// Returns the effect that asks on the pull request about checks of others that fail; an edit of the
/// status comment tells nobody.
#[must_use]
pub fn question_of(task: &Task, links: &Links) -> Option<(EffectKey, ThreadKey, Effect)> {
    let (number, seen) = (task.pull?, task.mending.seen.as_ref()?);
    let thread = ThreadKey {
        repo: task.id.thread.repo,
        number,
    };
    let body = integration::question(task, seen, links);
    let key = EffectKey::question(task.id, &seen.commit);
    Some((key, thread, Effect::Comment { body }))
}

fn answer(task: &Task, links: &Links) -> Effect {
    let request = &task.work.request;
    let body = status(task, links);
    let lone = request.review.as_ref().and_then(Review::lone);
    let body = match (ended(task), lone) {
        (Some(report), Some(comment)) => {
            let said = reply(task, report, (1, comment), links);
            format!("{said}\n\n---\n\n{body}")
        }
        (_, None) | (None, _) => body,
    };
    said(request, body)
}

/// Returns the effect that says something to whoever made a request: what was asked by a comment on a
/// line is answered there.
#[must_use]
pub fn said(request: &Request, body: String) -> Effect {
    match request.review.as_ref().and_then(Review::lone) {
        Some(comment) => Effect::ReviewReply {
            to: comment.root,
            body,
        },
        None => Effect::Comment { body },
    }
}
