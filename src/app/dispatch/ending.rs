//! The end of a task, with what policy says of its branch.

use crate::app::context::Context;
use crate::app::dispatch::read_policy;
use crate::domain::clear::clear;
use crate::domain::decide::Decision;
use crate::domain::decide::ended::ended;
use crate::domain::policy::WhenOver;
use crate::domain::task::Task;
use crate::domain::trigger::Ended;
use crate::ports::fault::{Class, Fault};

/// Decides what the end of a thread changes for the task on it. The policy is read where there is a
/// branch that may have to go.
pub(crate) async fn end(ctx: &Context, task: &Task, how: Ended) -> Result<Decision, Fault> {
    let links = &ctx.settings.links;
    let when = when_over(ctx, task, how).await?;
    let how = match when {
        WhenOver::Never => how,
        WhenOver::Merged | WhenOver::Ended => really(ctx, task, how).await?,
    };
    let mut decision = ended(task, how, links);
    if decision.task.is_some()
        && let Some(effect) = clear(task, how, when)
    {
        let reason = format!("task {}: its branch is to be deleted", task.id);
        decision.reasons.push(reason);
        decision.effects.push(effect);
    }
    Ok(decision)
}

/// Returns what policy says of the branch of a task that ends so. Where it cannot be read, nothing is
/// deleted: the end is no less one.
async fn when_over(ctx: &Context, task: &Task, how: Ended) -> Result<WhenOver, Fault> {
    let stays = how == Ended::Gone || task.state.is_over() || task.repo.archived;
    if stays || !task.home.is_looked_after() || task.head.is_none() || task.pull.is_none() {
        return Ok(WhenOver::Never);
    }
    match read_policy(ctx, &task.repo).await {
        Ok(Ok(policy)) => Ok(policy.branch.delete),
        Ok(Err(_)) => Ok(WhenOver::Never),
        Err(fault) => later_or(fault, WhenOver::Never),
    }
}

/// Returns how a task ends: GitHub closes the issue of a pull request that is merged, and may tell of
/// that first.
async fn really(ctx: &Context, task: &Task, how: Ended) -> Result<Ended, Fault> {
    let (Ended::Closed, Some(pull)) = (how, task.pull) else {
        return Ok(how);
    };
    match ctx.github.thread(&task.repo, pull).await {
        Ok(now) if now.merged => Ok(Ended::Merged),
        Ok(_) => Ok(how),
        Err(fault) => later_or(fault, how),
    }
}

/// What may be read later is; what may not is as if it said nothing.
fn later_or<T>(fault: Fault, otherwise: T) -> Result<T, Fault> {
    match fault.class {
        Class::Transient | Class::RateLimited(_) | Class::Conflict => Err(fault),
        Class::AuthLost | Class::NotFound | Class::Permanent => Ok(otherwise),
    }
}
