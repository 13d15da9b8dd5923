//! The loops of a running process. Each does one bounded step after another and sleeps until there
//! is work; tests call the same steps.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::bases::compare_next;
use crate::app::cleanup;
use crate::app::context::Context;
use crate::app::dispatch::dispatch_next;
use crate::app::duty::Turn;
use crate::app::publish::publish_next;
use crate::app::reconcile;
use crate::app::worker::{lease_next, work};
use crate::domain::process::Role;
use crate::ports::fault::Fault;
use crate::ports::store::Duty;
use crate::ports::wake::Waiting;

/// How long a loop sleeps at most: other processes on the same store may wake nobody here.
const NAP: Duration = Duration::from_secs(1);
/// How long a loop rests after the store itself failed.
const REST: Duration = Duration::from_secs(2);
/// How often old deliveries and what nobody uses are deleted.
const CLEAN_EVERY: Duration = Duration::from_hours(1);
/// Effects that are sent at once, of different threads.
const PUBLISHERS: usize = 4;

/// How a process is told to end.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// No job begins any more; everything else goes on.
    pub drain: CancellationToken,
    /// Everything ends, and jobs that run go back to the queue.
    pub now: CancellationToken,
}

/// What runs in a process.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its loops.
    pub loops: TaskTracker,
    /// Its jobs.
    pub jobs: TaskTracker,
}

impl Running {
    /// Waits until all has ended. What ends may be told so before or after this is called.
    pub async fn wait(&self) {
        self.loops.close();
        self.jobs.close();
        self.loops.wait().await;
        self.jobs.wait().await;
    }
}

/// Starts the loops of a process of that role, which end when `ends.now` fires. At most `jobs` jobs run
/// at once.
pub fn start(ctx: &Context, (role, jobs): (Role, usize), running: &Running, ends: &Ends) {
    match role {
        Role::Serve => decide(ctx, &running.loops, &ends.now),
        Role::Worker => {}
    }
    for _ in 0..PUBLISHERS {
        let (ctx, stop) = (ctx.clone(), ends.now.clone());
        running.loops.spawn(async move {
            repeat(&ctx, Waiting::Effects, &stop, || publish_next(&ctx)).await;
        });
    }
    let (context, stop) = (ctx.clone(), ends.now.clone());
    running
        .loops
        .spawn(async move { clean(&context, role, &stop).await });
    if jobs == 0 {
        return;
    }
    let (ctx, ends, jobs_running) = (ctx.clone(), ends.clone(), running.jobs.clone());
    running.loops.spawn(async move {
        let slots = Arc::new(Semaphore::new(jobs));
        repeat(&ctx, Waiting::Jobs, &ends.drain, || {
            start_next(&ctx, &slots, &jobs_running, &ends)
        })
        .await;
    });
}

/// Starts what makes work of what GitHub tells. Deliveries are decided in the order in which they
/// came, so of several servers one decides, and the others are there when it dies.
fn decide(ctx: &Context, tracker: &TaskTracker, stop: &CancellationToken) {
    let (context, until) = (ctx.clone(), stop.clone());
    tracker.spawn(async move {
        let turn = Turn::new(Duty::Dispatch);
        repeat(&context, Waiting::Deliveries, &until, || async {
            Ok(context.is_ours(&turn).await? && dispatch_next(&context).await?)
        })
        .await;
    });
    let (context, until) = (ctx.clone(), stop.clone());
    tracker.spawn(async move {
        let turn = Turn::new(Duty::Bases);
        repeat(&context, Waiting::Bases, &until, || async {
            Ok(context.is_ours(&turn).await? && compare_next(&context).await?)
        })
        .await;
    });
    let (context, until) = (ctx.clone(), stop.clone());
    tracker.spawn(async move { reconcile::keep(&context, &until).await });
}

/// Deletes again and again what nobody needs: every process in its own directory, servers in the
/// store, where it does not matter how many of them do.
async fn clean(ctx: &Context, role: Role, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match role {
            Role::Serve => {
                cleanup::forget_deliveries(ctx).await;
                cleanup::charge_ended(ctx).await;
                cleanup::forget_calls(ctx).await;
            }
            Role::Worker => {}
        }
        cleanup::remove_orphans(ctx).await;
        cleanup::tidy(ctx).await;
        cleanup::forget_sessions(ctx).await;
        cleanup::forget_logs(ctx).await;
        tokio::select! {
            () = tokio::time::sleep(CLEAN_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Does `step` again and again, and sleeps when it says that there is nothing to do, or while this
/// process may not work.
async fn repeat<S, F>(ctx: &Context, waiting: Waiting, stop: &CancellationToken, mut step: S)
where
    S: FnMut() -> F,
    F: Future<Output = Result<bool, Fault>>,
{
    while !stop.is_cancelled() {
        let done = if ctx.standing.may_work() {
            step().await
        } else {
            Ok(false)
        };
        let pause = match done {
            Ok(true) => continue,
            Ok(false) => NAP,
            Err(fault) => {
                tracing::error!(%fault, "a step failed");
                REST
            }
        };
        tokio::select! {
            () = ctx.wake.told(waiting) => {}
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
    ends: &Ends,
) -> Result<bool, Fault> {
    let Ok(slot) = slots.clone().try_acquire_owned() else {
        return Ok(false);
    };
    let Some(leased) = lease_next(ctx).await? else {
        return Ok(false);
    };
    let (ctx, shutdown) = (ctx.clone(), ends.now.clone());
    tracker.spawn(async move {
        if let Err(fault) = work(&ctx, &leased, &shutdown).await {
            tracing::error!(job.id = %leased.lease.job, %fault, "a job could not be ended");
        }
        drop(slot);
        ctx.wake.tell(Waiting::Jobs);
    });
    Ok(true)
}
