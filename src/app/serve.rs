//! The loops of a running server. Each does one bounded step after another and sleeps until there
//! is work; tests call the same steps.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::cleanup;
use crate::app::context::Context;
use crate::app::dispatch::dispatch_next;
use crate::app::publish::publish_next;
use crate::app::reconcile;
use crate::app::worker::{lease_next, work};
use crate::ports::fault::Fault;

/// How long a loop sleeps at most: other processes on the same store wake nobody here.
const NAP: Duration = Duration::from_secs(1);
/// How long a loop rests after the store itself failed.
const REST: Duration = Duration::from_secs(2);
/// How often old deliveries and what nobody uses are deleted.
const CLEAN_EVERY: Duration = Duration::from_hours(1);
/// Effects that are sent at once, of different threads.
const PUBLISHERS: usize = 4;

/// Starts the loops on `tracker`; they end when `shutdown` fires.
pub fn start(ctx: &Context, jobs: usize, tracker: &TaskTracker, shutdown: &CancellationToken) {
    let (context, stop) = (ctx.clone(), shutdown.clone());
    tracker.spawn(async move {
        repeat(&context.wake.deliveries, &stop, || dispatch_next(&context)).await;
    });
    let (context, stop) = (ctx.clone(), shutdown.clone());
    tracker.spawn(async move {
        while !stop.is_cancelled() {
            cleanup::forget_deliveries(&context).await;
            cleanup::tidy(&context).await;
            cleanup::forget_sessions(&context).await;
            cleanup::forget_calls(&context).await;
            cleanup::forget_logs(&context).await;
            tokio::select! {
                () = tokio::time::sleep(CLEAN_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    });
    let (context, stop) = (ctx.clone(), shutdown.clone());
    tracker.spawn(async move { reconcile::keep(&context, &stop).await });
    for _ in 0..PUBLISHERS {
        let (context, stop) = (ctx.clone(), shutdown.clone());
        tracker.spawn(async move {
            repeat(&context.wake.effects, &stop, || publish_next(&context)).await;
        });
    }
    let (context, stop, jobs_tracker) = (ctx.clone(), shutdown.clone(), tracker.clone());
    tracker.spawn(async move {
        let slots = Arc::new(Semaphore::new(jobs));
        repeat(&context.wake.jobs, &stop, || {
            start_next(&context, &slots, &jobs_tracker, &stop)
        })
        .await;
    });
}

/// Does `step` again and again, and sleeps when it says that there is nothing to do.
async fn repeat<S, F>(wake: &Notify, stop: &CancellationToken, mut step: S)
where
    S: FnMut() -> F,
    F: Future<Output = Result<bool, Fault>>,
{
    while !stop.is_cancelled() {
        let pause = match step().await {
            Ok(true) => continue,
            Ok(false) => NAP,
            Err(fault) => {
                tracing::error!(%fault, "a step failed");
                REST
            }
        };
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Starts the next due job when a slot is free; `false` when there is neither slot nor job.
async fn start_next(
    ctx: &Context,
    slots: &Arc<Semaphore>,
    tracker: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<bool, Fault> {
    let Ok(slot) = slots.clone().try_acquire_owned() else {
        return Ok(false);
    };
    let Some(leased) = lease_next(ctx).await? else {
        return Ok(false);
    };
    let (ctx, shutdown) = (ctx.clone(), shutdown.clone());
    tracker.spawn(async move {
        if let Err(fault) = work(&ctx, &leased, &shutdown).await {
            tracing::error!(job.id = %leased.lease.job, %fault, "a job could not be ended");
        }
        drop(slot);
        ctx.wake.jobs.notify_one();
    });
    Ok(true)
}
