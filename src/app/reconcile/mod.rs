//! GitHub as it is, compared with what was heard of it: deliveries that never arrived, requests that no
//! delivery told of, and tasks whose threads, pull requests and repositories are not what they were.
//!
//! All of them are looked for in bounded steps; what a step has seen is noted in the store, so that the next
//! one, in this process or another, goes on from there. A step that is done twice changes nothing.

pub mod deliveries;
mod tasks;
pub mod threads;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::app::context::Context;
use crate::app::duty::Turn;
use crate::domain::time::Span;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::Duty;

/// What a step leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// More, which should not wait.
    More,
    /// Nothing for now.
    Nothing,
}

/// The pause between two steps of one look: GitHub limits how much is asked of it in a minute.
const BETWEEN_STEPS: Span = Span::seconds(15);
/// How often a process asks whether it is to look in another's place.
const BETWEEN_TURNS: Span = Span::minutes(1);
/// The pause between two looks.
const BETWEEN_LOOKS: Span = Span::minutes(5);

/// Looks, at the start and then again and again, until `stop` fires. Of the processes that share a
/// store one does, so that GitHub is not asked for the same by all of them.
pub async fn keep(ctx: &Context, stop: &CancellationToken) {
    let turn = Turn::new(Duty::Reconcile);
    while !stop.is_cancelled() {
        let pause = match ctx.is_ours(&turn).await {
            Ok(true) if ctx.standing.may_work() => {
                let deliveries = deliveries::step(ctx).await;
                let threads = threads::step(ctx).await;
                pause(ctx, [deliveries, threads])
            }
            Ok(_) => BETWEEN_TURNS,
            Err(fault) => pause(ctx, [Err(fault), Ok(Left::More)]),
        };
        tokio::select! {
            () = tokio::time::sleep(pause.to_std()) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn pause(ctx: &Context, steps: [Result<Left, Fault>; 2]) -> Span {
    let mut shortest = BETWEEN_LOOKS;
    let mut least = Span::ZERO;
    for step in steps {
        match step {
            Ok(Left::More) => shortest = BETWEEN_STEPS,
            Ok(Left::Nothing) => {}
            Err(fault) => {
                tracing::warn!(%fault, "could not compare with GitHub; it is tried again");
                if let Class::RateLimited(until) = fault.class {
                    least = least.max(until.since(ctx.now()));
                }
            }
        }
    }
    shortest.max(least)
}

/// Reads a note; what cannot be read was written by another version, and counts as none.
async fn recall<T: DeserializeOwned + Default>(ctx: &Context, name: &str) -> Result<T, Fault> {
    let note = ctx.store.note(name).await?;
    let read = note.and_then(|text| serde_json::from_str(&text).ok());
    Ok(read.unwrap_or_default())
}

async fn remember<T: Serialize + Sync>(ctx: &Context, name: &str, what: &T) -> Result<(), Fault> {
    let text = serde_json::to_string(what)
        .map_err(|error| Fault::permanent(format!("write the note {name}"), error))?;
    ctx.store.set_note(name, &text).await
}
