//! Leases jobs and runs them, keeping the lease alive.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::cleanup::clear;
use crate::app::context::Context;
use crate::app::run_job::{Next, run_job};
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, Heartbeat, JobEnd, LeasedJob};

/// How often a lease is extended, and with it how soon a stop is seen.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Leases the next due job; none while the disk has no room for it, or this process may not work.
pub async fn lease_next(ctx: &Context) -> Result<Option<LeasedJob>, Fault> {
    if !ctx.standing.may_work() || !ctx.headroom.allows_jobs() {
        return Ok(None);
    }
    let now = ctx.now();
    ctx.store
        .lease_job(&ctx.settings.worker, now, now.plus(ctx.settings.lease))
        .await
}

/// Runs a leased job to its end. When `shutdown` fires first, what runs is ended and the job goes
/// back to the queue as it was, for whoever is there next.
pub async fn work(
    ctx: &Context,
    leased: &LeasedJob,
    shutdown: &CancellationToken,
) -> Result<(), Fault> {
    let cancel = CancellationToken::new();
    if leased.cancelled {
        cancel.cancel();
    }
    let next = tokio::select! {
        // Who has just given the lease back with the job's end has not lost it.
        biased;
        outcome = run_job(ctx, leased, &cancel) => match outcome {
            Err(fault) if fault.class == Class::Conflict => {
                tracing::warn!(job.id = %leased.lease.job, %fault, "the job went to another worker");
                Next::Attempt
            }
            outcome => outcome?,
        },
        lost = keep(ctx, leased, &cancel) => {
            tracing::warn!(job.id = %leased.lease.job, "lost the lease; {lost}");
            Next::Attempt
        }
        () = shutdown.cancelled() => {
            let end = JobEnd::Again(ctx.now(), "the worker shut down".to_owned());
            let changes =
                Changes { job_end: Some((leased.lease.clone(), end)), ..Changes::default() };
            ctx.store.commit(&changes, ctx.now()).await?;
            Next::Attempt
        }
    };
    // Not before: without a lease there is no heartbeat, and one that finds none ends what runs.
    if next == Next::Nothing {
        clear(ctx, leased.lease.job).await;
    }
    Ok(())
}

/// Extends the lease for as long as it holds, and passes a stop on.
async fn keep(ctx: &Context, leased: &LeasedJob, cancel: &CancellationToken) -> &'static str {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let until = ctx.now().plus(ctx.settings.lease);
        match ctx.store.heartbeat(&leased.lease, until).await {
            Ok(Heartbeat::Held) => {}
            Ok(Heartbeat::Cancelled) => cancel.cancel(),
            Ok(Heartbeat::Lost) => return "another worker has it",
            // The lease lasts for many heartbeats; a busy store may miss some.
            Err(fault) => tracing::warn!(job.id = %leased.lease.job, %fault, "missed a heartbeat"),
        }
    }
}
