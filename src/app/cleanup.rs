//! What nobody needs any more: directories of jobs that are over, deliveries long dispatched.

use std::collections::BTreeSet;
use std::path::Path;

use crate::app::context::Context;
use crate::domain::ids::{JobId, TaskId};
use crate::domain::name::Name;
use crate::domain::time::{Span, Timestamp};

/// Removes the directories of jobs that are not live: left by a crash, or by a lease that another
/// worker took over. A job that is live may resume from its own.
pub async fn remove_orphans(ctx: &Context) {
    // There is no directory before the first job.
    let Ok(entries) = std::fs::read_dir(&ctx.settings.jobs_dir) else {
        return;
    };
    // Listed before the jobs are: one that begins in between has no directory here yet.
    let dirs: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let live: BTreeSet<String> = match ctx.store.live_jobs().await {
        Ok(jobs) => jobs.iter().map(ToString::to_string).collect(),
        Err(fault) => {
            tracing::warn!(%fault, "cannot tell which job directories are in use; none is removed");
            return;
        }
    };
    for job in dirs {
        let name = job
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if name.as_ref().is_some_and(|name| live.contains(name)) {
            continue;
        }
        if let Some(id) = name.and_then(|name| name.parse().ok()) {
            keep_logs(ctx, id, &job).await;
        }
        match ctx.checkouts.remove(&job).await {
            Ok(()) => tracing::info!(path = %job.display(), "removed what a job had left"),
            Err(fault) => tracing::warn!(path = %job.display(), %fault, "could not remove it"),
        }
    }
}

/// Removes the directory of a job that is over, and keeps what was printed there.
pub async fn clear(ctx: &Context, job: JobId) {
    let dir = ctx.settings.job_dir(job);
    keep_logs(ctx, job, &dir).await;
    if let Err(fault) = ctx.checkouts.remove(&dir).await {
        // The next start removes what no live job owns.
        tracing::warn!(job.id = %job, %fault, "could not remove a job's directory");
    }
}

/// Where in a job's directory the contestants of a race have theirs, each by its name.
pub const RACE: &str = "race";

/// Keeps what a job has printed before its directory is removed. A job does not fail for a log.
async fn keep_logs(ctx: &Context, job: JobId, dir: &Path) {
    let mut places = vec![(None, dir.to_owned())];
    // There is none where one agent works alone.
    let race = std::fs::read_dir(dir.join(RACE)).into_iter().flatten();
    for contestant in race.flatten() {
        let name = contestant.file_name();
        if let Some(Ok(name)) = name.to_str().map(str::parse::<Name>) {
            places.push((Some(name), contestant.path()));
        }
    }
    for (contestant, place) in places {
        if let Err(fault) = ctx.logs.keep(job, contestant.as_ref(), &place).await {
            tracing::warn!(job.id = %job, %fault, "could not keep what a job has printed");
        }
    }
}

/// Deletes what jobs printed long ago.
pub async fn forget_logs(ctx: &Context) {
    let before = before(ctx, ctx.settings.logs_kept);
    match ctx.logs.forget(before).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "deleted old logs"),
        Err(fault) => tracing::warn!(%fault, "could not delete old logs"),
    }
}

/// Removes what agents remembered of tasks that are over.
pub async fn forget_sessions(ctx: &Context) {
    // There is no directory before the first session.
    let Ok(entries) = std::fs::read_dir(&ctx.settings.sessions_dir) else {
        return;
    };
    for dir in entries.flatten().map(|entry| entry.path()) {
        let task = dir
            .file_name()
            .and_then(|name| name.to_str()?.parse::<TaskId>().ok());
        let Some(task) = task else { continue };
        match ctx.store.task(task).await {
            Ok(Some(read)) if !read.task.state.is_over() => continue,
            Ok(_) => {}
            Err(fault) => {
                tracing::warn!(%fault, "cannot tell which tasks are over; no session is removed");
                return;
            }
        }
        if let Err(fault) = ctx.checkouts.remove(&dir).await {
            tracing::warn!(path = %dir.display(), %fault, "could not remove a task's sessions");
        }
    }
}

/// How long a dispatched delivery is kept. GitHub redelivers for 3 days, a GitHub Enterprise Server
/// for 7, and a redelivery must still be known.
const KEPT: Span = Span::days(8);

/// How long single model calls are kept; what they cost in sum stays.
const CALLS_KEPT: Span = Span::days(90);

/// Deletes single model calls of long ago.
pub async fn forget_calls(ctx: &Context) {
    match ctx.store.forget_calls(before(ctx, CALLS_KEPT)).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "deleted old model calls"),
        Err(fault) => tracing::warn!(%fault, "could not delete old model calls"),
    }
}

/// Charges in full what processes that died had set aside for model calls.
pub async fn charge_ended(ctx: &Context) {
    match ctx.store.charge_ended(ctx.now()).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(
            count,
            "charged model calls in full whose end nobody has seen"
        ),
        Err(fault) => tracing::warn!(%fault, "could not charge model calls that nobody ended"),
    }
}

fn before(ctx: &Context, kept: Span) -> Timestamp {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(ctx.now().as_millis().saturating_sub(kept))
}

/// Deletes deliveries that were dispatched long ago. Parked ones stay until a person has looked.
pub async fn forget_deliveries(ctx: &Context) {
    match ctx.store.forget_deliveries(before(ctx, KEPT)).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "deleted old deliveries"),
        Err(fault) => tracing::warn!(%fault, "could not delete old deliveries"),
    }
}

/// Takes away mirrors, bases and kept setups that nobody has used for long, or that take too much
/// room.
pub async fn tidy(ctx: &Context) {
    if let Err(fault) = ctx.checkouts.tidy(&ctx.settings.cache, ctx.now()).await {
        tracing::warn!(%fault, "could not tidy up");
    }
}
