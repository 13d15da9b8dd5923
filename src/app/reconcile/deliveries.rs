//! Deliveries that GitHub could not bring: asked for once more, and when that does not help, taken
//! out of GitHub's own list.

use std::collections::BTreeSet;

use crate::app::context::Context;
use crate::app::reconcile::{Left, recall, remember};
use crate::domain::ids::DeliveryId;
use crate::domain::missed::{Attempt, Looked, Remedy, Stretch};
use crate::domain::time::Timestamp;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::GitHub;
use crate::ports::store::{NewDelivery, Store};
use crate::ports::wake::Waiting;

/// Where it is noted how far the list was looked through.
const NOTE: &str = "reconcile.deliveries";
/// Pages of 100 attempts that are read in one step.
const PAGES: usize = 10;
/// Most that is asked for or taken in one step.
const REMEDIES: usize = 30;

/// Looks through one stretch of GitHub's list and brings what is missing here.
pub async fn step(ctx: &Context) -> Result<Left, Fault> {
    let now = ctx.now();
    let mut looked: Looked = recall(ctx, NOTE).await?;
    let stretch = read(ctx, &looked).await?;
    let mut here = here(ctx.store.as_ref(), &stretch).await?;
    let remedies = looked.remedies(&stretch, &here, now);
    let all = remedies.len() <= REMEDIES;
    let mut given_up = BTreeSet::new();
    for remedy in remedies.into_iter().take(REMEDIES) {
        let id = remedy.attempt().delivery.clone();
        match bring(ctx, &remedy).await {
            Ok(Brought::Asked) => looked.note_asked(id, now),
            Ok(Brought::Taken) => drop(here.insert(id)),
            Ok(Brought::Nothing) => drop(given_up.insert(id)),
            Err(fault) => {
                // What was asked for is not asked for again.
                remember(ctx, NOTE, &looked).await?;
                return Err(fault);
            }
        }
    }
    if all {
        looked = looked.after(&stretch, (&here, &given_up), now);
    }
    let more = !all || looked.under_way.is_some();
    remember(ctx, NOTE, &looked).await?;
    Ok(if more { Left::More } else { Left::Nothing })
}

/// Reads pages from where the last step stopped down to what was seen before.
async fn read(ctx: &Context, looked: &Looked) -> Result<Stretch, Fault> {
    let since = looked.since(ctx.now());
    let mut stretch = Stretch {
        next: looked.under_way.as_ref().map(|look| look.cursor.clone()),
        ..Stretch::default()
    };
    for _ in 0..PAGES {
        let page = ctx.github.attempts(stretch.next.as_deref()).await?;
        let seen_before = page.attempts.last().is_none_or(|last| last.at < since);
        stretch.attempts.extend(page.attempts);
        stretch.next = page.next.filter(|_| !seen_before);
        if stretch.next.is_none() {
            break;
        }
    }
    Ok(stretch)
}

/// Returns which of the deliveries of a stretch are in the inbox.
async fn here(store: &dyn Store, stretch: &Stretch) -> Result<BTreeSet<DeliveryId>, Fault> {
    let attempts = stretch.attempts.iter();
    let ids: Vec<_> = attempts.map(|attempt| attempt.delivery.clone()).collect();
    store.known(&ids).await
}

enum Brought {
    Asked,
    Taken,
    Nothing,
}

async fn bring(ctx: &Context, remedy: &Remedy) -> Result<Brought, Fault> {
    let attempt = remedy.attempt();
    let brought = match remedy {
        Remedy::Ask(_) => ctx
            .github
            .redeliver(attempt.id)
            .await
            .map(|()| Brought::Asked),
        Remedy::Take(_) => take(ctx, attempt).await.map(|()| Brought::Taken),
    };
    match brought {
        Ok(brought) => {
            tracing::info!(delivery.id = %attempt.delivery, event = attempt.event, result = ?attempt.result, ?remedy, "missed a delivery");
            Ok(brought)
        }
        Err(fault) => match fault.class {
            // Too old, or GitHub does not have it any more.
            Class::NotFound | Class::Permanent | Class::Conflict => {
                tracing::error!(delivery.id = %attempt.delivery, event = attempt.event, %fault, "a delivery is lost");
                Ok(Brought::Nothing)
            }
            Class::Transient | Class::RateLimited(_) | Class::AuthLost => Err(fault),
        },
    }
}

async fn take(ctx: &Context, attempt: &Attempt) -> Result<(), Fault> {
    let (event, body) = ctx.github.carried(attempt.id).await?;
    let delivery = NewDelivery {
        id: attempt.delivery.clone(),
        event,
        body,
        received_at: ctx.now(),
    };
    ctx.store.accept(vec![delivery]).await?;
    ctx.wake.tell(Waiting::Deliveries);
    Ok(())
}

/// Returns what GitHub could not bring and is not here, oldest first, of the newest `limit` attempts.
pub async fn missing(
    (github, store): (&dyn GitHub, &dyn Store),
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Attempt>, Fault> {
    let (mut attempts, mut next) = (Vec::new(), None);
    while attempts.len() < limit {
        let page = github.attempts(next.as_deref()).await?;
        attempts.extend(page.attempts);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let stretch = Stretch { attempts, next };
    let here = here(store, &stretch).await?;
    let remedies = Looked::default().remedies(&stretch, &here, now);
    Ok(remedies.iter().map(|one| one.attempt().clone()).collect())
}
