//! The buttons of our check runs, and GitHub's own `Re-run`. A payload names the run and its commit, and
//! no issue or pull request: the task is found by the key that the run was given, and the press is then
//! heard as a command on its thread.
//!
//! GitHub shows no conclusion of a suite of which something is to run again, until an App reports. What a
//! run of ours says of its commit stays true, whatever is begun by a press: so it is reported once more as
//! soon as a press is heard of.

use crate::app::context::Context;
use crate::app::dispatch::{finish, thread};
use crate::domain::branch::BranchName;
use crate::domain::button::Press;
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::event::{Happening, Pressed, ThreadEvent};
use crate::domain::ids::{DeliveryId, ThreadKey, ThreadNumber};
use crate::domain::repo::ActorKind;
use crate::domain::task::Task;
use crate::domain::trigger::Identity;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, DeliveryState, NewEffect, StoredDelivery};

/// Returns why a press is nothing to us, whatever else there is.
#[must_use]
pub(super) fn nobodys(pressed: &Pressed, identity: &Identity) -> Option<&'static str> {
    if !identity.mention.slug().eq_ignore_ascii_case(&pressed.app) {
        return Some("a check run of another App");
    }
    match (pressed.actor.kind, pressed.suite) {
        (ActorKind::Bot, None) => Some(A_BOT),
        // An App may ask for a run as well as a person, which leaves as much behind.
        (ActorKind::Bot, Some(_)) | (ActorKind::Person, _) => None,
    }
}

const A_BOT: &str = "a bot's doing";

/// Where a press is heard and answered, and the branch that the run was of.
struct Place {
    number: ThreadNumber,
    branch: BranchName,
}

/// Hears a press as what it asks for on the thread of its task.
pub(super) async fn pressed_on(
    ctx: &Context,
    stored: &StoredDelivery,
    pressed: &Pressed,
) -> Result<(), Fault> {
    let id = &stored.delivery.id;
    conclude_again(ctx, id, pressed).await?;
    if pressed.actor.kind == ActorKind::Bot {
        return over(ctx, id, A_BOT).await;
    }
    let Some(place) = place(ctx, pressed).await? else {
        return over(ctx, id, "no task has this check run").await;
    };
    let posted = match ctx.github.text(&pressed.repo, place.number).await {
        Ok(posted) => posted,
        Err(fault) if fault.class == Class::NotFound => {
            return over(ctx, id, "the thread is gone").await;
        }
        Err(fault) => return Err(fault),
    };
    let press = Press {
        on: pressed.on,
        button: pressed.button,
        commit: pressed.commit.clone(),
        head: ctx.github.branch(&pressed.repo, &place.branch).await?,
    };
    let event = ThreadEvent {
        repo: pressed.repo.clone(),
        actor: pressed.actor.clone(),
        thread: posted.thread,
        what: Happening::Pressed(press),
        at: pressed.at,
    };
    Box::pin(thread(ctx, stored, &event)).await
}

/// Has GitHub told once more what the suite concludes that a press has left without. That depends on
/// nothing that is yet to be read, so nothing that cannot be read is in its way; heard of twice, it is
/// recorded once.
async fn conclude_again(ctx: &Context, id: &DeliveryId, pressed: &Pressed) -> Result<(), Fault> {
    let Some(suite) = pressed.suite.filter(|_| !pressed.repo.archived) else {
        return Ok(());
    };
    let effect = NewEffect {
        key: EffectKey::conclude(id),
        thread: ThreadKey::of_suite(pressed.repo.id, suite),
        task: None,
        repo: pressed.repo.clone(),
        effect: Effect::Conclude { suite },
    };
    let changes = Changes {
        effects: vec![effect],
        ..Changes::default()
    };
    ctx.commit(&changes).await
}

async fn over(ctx: &Context, id: &DeliveryId, why: &str) -> Result<(), Fault> {
    finish(ctx, id, DeliveryState::Done(why.to_owned())).await
}

/// Returns where the task is that a run or a suite is of, be it over or not: on its pull request, and
/// without one on its issue.
async fn place(ctx: &Context, pressed: &Pressed) -> Result<Option<Place>, Fault> {
    let repo = pressed.repo.id;
    let job = pressed.key.as_deref().and_then(EffectKey::job_of_check);
    if let Some(job) = job.filter(|job| job.task.thread.repo == repo) {
        let read = ctx.store.task(job.task).await?;
        return Ok(read.map(|read| Place {
            number: read.task.pull.unwrap_or(read.task.id.thread.number),
            branch: read.task.branch,
        }));
    }
    // A suite has no key, but the branch that its runs are of.
    let branch = pressed.branch.as_ref().and_then(|name| name.parse().ok());
    let Some(branch): Option<BranchName> = branch else {
        return Ok(None);
    };
    let open = ctx.store.open_tasks_of(None, &[repo]).await?;
    let open = open.into_iter().find(|open| open.task.branch == branch);
    if let Some(Task { id, pull, .. }) = open.map(|open| open.task) {
        let number = pull.unwrap_or(id.thread.number);
        return Ok(Some(Place { number, branch }));
    }
    let Some(number) = branch.thread() else {
        return Ok(None);
    };
    let tasks = ctx.store.thread_tasks(ThreadKey { repo, number }).await?;
    Ok((tasks.count > 0).then_some(Place { number, branch }))
}
