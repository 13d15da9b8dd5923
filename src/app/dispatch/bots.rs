//! What a bot says of a pull request of ours. For one that nobody has listed it costs no request, unless
//! a task of ours is in review there: then the policy is read, which names those that are heard.

use crate::app::context::Context;
use crate::app::dispatch::{Settled, open_task, read_policy};
use crate::app::{reviews, surroundings};
use crate::domain::bots::{Ear, ear, heard, listed};
use crate::domain::event::ThreadEvent;
use crate::domain::mend::Around;
use crate::ports::fault::Fault;

/// What the words of a bot come to.
pub(super) enum Report {
    /// That is decided, on the event with all that it carries.
    Settled(Box<ThreadEvent>, Box<Settled>),
    /// The commit that they may be about is still being published.
    Later,
}

/// Decides what the words of a bot change. Nobody's permission is looked up: the policy of the default
/// branch speaks for whom it lists.
pub(super) async fn reported(ctx: &Context, event: &ThreadEvent) -> Result<Report, Fault> {
    let nothing = |why| {
        let event = Box::new(event.clone());
        Ok(Report::Settled(event, Box::new(Err(why))))
    };
    let Some(open) = open_task(ctx, event.key()).await? else {
        return nothing("a bot's doing");
    };
    match ear(&open.task, event) {
        Ear::Open => {}
        Ear::Soon => return Ok(Report::Later),
        Ear::Closed(why) => return nothing(why),
    }
    if event.repo.archived {
        return nothing("the repository is archived");
    }
    let Ok(policy) = read_policy(ctx, &event.repo).await? else {
        return nothing("the policy cannot be used");
    };
    if !listed(&policy.bots, &event.actor.login) {
        return nothing("a bot that policy does not list");
    }
    let event = match event.what.review() {
        Some(review) => reviews::whole(ctx, event, review).await?,
        None => event.clone(),
    };
    let untrusted = policy.text.untrusted;
    let linked = surroundings::linked(ctx, &event, (&[], untrusted), Some(&open.task)).await?;
    let around = Around {
        policy: &policy,
        agents: &ctx.settings.agents,
        links: &ctx.settings.links,
        now: ctx.now(),
    };
    let settled = heard(&open.task, &event, &linked, &around);
    let settled = settled.map(|decision| (decision, Some(open)));
    Ok(Report::Settled(Box::new(event), Box::new(settled)))
}
