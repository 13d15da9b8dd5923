//! The buttons of our check runs. A payload names the run and its commit, and no issue or pull request:
//! the task is found by the key that the run was given, and the press is then heard as a command on its
//! thread.

use crate::app::context::Context;
use crate::app::dispatch::{finish, thread};
use crate::domain::branch::BranchName;
use crate::domain::button::Press;
use crate::domain::effect::EffectKey;
use crate::domain::event::{Happening, Pressed, ThreadEvent};
use crate::domain::ids::{DeliveryId, ThreadKey, ThreadNumber};
use crate::domain::repo::ActorKind;
use crate::domain::trigger::Identity;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{DeliveryState, StoredDelivery};

/// Returns why a press is nothing to us, whatever else there is.
#[must_use]
pub(super) fn nobodys(pressed: &Pressed, identity: &Identity) -> Option<&'static str> {
    if !identity.mention.slug().eq_ignore_ascii_case(&pressed.app) {
        return Some("a check run of another App");
    }
    // An App may ask for a run as well as a person.
    match pressed.actor.kind {
        ActorKind::Bot => Some("a bot's doing"),
        ActorKind::Person => None,
    }
}

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
    let Some((branch, number)) =
        branch.and_then(|branch: BranchName| branch.thread().map(|number| (branch, number)))
    else {
        return Ok(None);
    };
    let tasks = ctx.store.thread_tasks(ThreadKey { repo, number }).await?;
    let open = tasks.open.filter(|open| open.task.branch == branch);
    let pull = open.and_then(|open| open.task.pull);
    Ok((tasks.count > 0).then(|| Place {
        number: pull.unwrap_or(number),
        branch,
    }))
}
