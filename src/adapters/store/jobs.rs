//! Jobs and the lanes they wait in.
//!
//! **Invariants:** `lane.running` counts the lane's jobs in state `running`, `lane.ready` those in
//! state `ready`; a job is only taken from a lane whose `running` is below its limit. Each function here
//! changes a job and its lane together, and holds the lane first where others write at the same time.
//!
//! `turns` says which lane is next. In it the job is that was queued first, its head start counted in.

use std::collections::BTreeSet;

use crate::adapters::store::codec::{damaged, from_json, parsed, task_columns, to_json, versioned};
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Row, Session, args};
use crate::adapters::store::turns::Turn;
use crate::adapters::store::{limits, turns};
use crate::domain::ids::TaskId;
use crate::domain::job::Entry;
use crate::domain::schedule::head_start;
use crate::domain::time::{Span, Timestamp};
use crate::ports::store::{Changes, JobEnd, Lease, LeasedJob, NewJob};

/// Jobs whose time has come are moved to `ready` in portions, so that no transaction is long.
const PORTION: u32 = 256;

/// How long a job is left to others that this version cannot read.
const UNREADABLE: Span = Span::minutes(1);

/// Gives each installation of which something is kept its place among the others.
pub(super) const ADD_INSTALLATION: &str =
    "INSERT INTO installation (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
pub(super) const ADD_INSTALLATION_OF: &str = "INSERT INTO installation (id) \
     SELECT installation FROM task WHERE id = $1 ON CONFLICT (id) DO NOTHING";

/// A repository that was moved is followed: the installation is that of the task as it is now.
pub(super) const ADD_LANE: &str = "INSERT INTO lane (repo, installation, max_running) VALUES ($1, \
         COALESCE((SELECT installation.id FROM task \
             JOIN installation ON installation.id = task.installation WHERE task.id = $2), ''), \
         (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'lane_limit')) \
     ON CONFLICT (repo) DO UPDATE SET installation = excluded.installation \
     WHERE lane.installation <> excluded.installation";

pub(super) const ADD_JOB: &str = "INSERT INTO job \
         (id, task, repo, state, queued_at, not_before, work, head_start) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Holds the lanes whose queue a change is about, before anything else of it holds a row.
pub(super) async fn hold(session: &mut Session, changes: &Changes) -> Result<(), Error> {
    // Two that add the same one wait for each other, so this comes before the lanes.
    if let Some((task, _)) = &changes.task {
        let installation = args![task.repo.installation];
        session.run(ADD_INSTALLATION, installation).await?;
    } else if let Some(job) = &changes.job {
        session.run(ADD_INSTALLATION_OF, args![job.id.task]).await?;
    }
    let ends = changes.job_end.iter().map(|(lease, _)| lease.job.task);
    let begins = changes.job.iter().map(|job| job.id.task);
    let repos: BTreeSet<_> = ends
        .chain(begins)
        .chain(changes.cancel)
        .map(|task| task.thread.repo.to_string())
        .collect();
    for repo in repos {
        session.hold_lane(&repo).await?;
    }
    Ok(())
}

/// Queues a job; it is ready at once when its time has come.
pub(super) async fn queue(
    session: &mut Session,
    job: &NewJob,
    now: Timestamp,
) -> Result<(), Error> {
    let repo = job.id.task.thread.repo;
    session.run(ADD_LANE, args![repo, job.id.task]).await?;
    let state = queued_state(job.not_before, now);
    let row = args![
        job.id,
        job.id.task,
        repo,
        state,
        now,
        job.not_before,
        to_json(&job.work)?,
        head_start(&job.work)
    ];
    session.run(ADD_JOB, row).await?;
    if state == READY {
        session.run(MORE_READY, args![repo, 1_i64]).await?;
    }
    Ok(())
}

const READY: &str = "ready";
const RUNNING: &str = "running";

fn queued_state(not_before: Timestamp, now: Timestamp) -> &'static str {
    if not_before <= now { READY } else { "waiting" }
}

pub(super) const MORE_READY: &str = "UPDATE lane SET ready = ready + $2, \
     turn = CASE WHEN ready = 0 THEN (SELECT max(turn) + 1 FROM lane) ELSE turn END \
     WHERE repo = $1";

pub(super) const LIVE_JOB: &str =
    "SELECT id, repo, state FROM job WHERE task = $1 AND state <> 'over'";
pub(super) const STOP_QUEUED: &str =
    "UPDATE job SET state = 'over', cancelled = 1, note = 'stopped' WHERE id = $1";
pub(super) const STOP_RUNNING: &str = "UPDATE job SET cancelled = 1 WHERE id = $1";
pub(super) const ONE_LESS_READY: &str = "UPDATE lane SET ready = ready - 1 WHERE repo = $1";

/// Stops a task's job: one that is queued is over at once, one that runs is told.
pub(super) async fn cancel(session: &mut Session, task: TaskId) -> Result<(), Error> {
    let Some(job) = session.row(LIVE_JOB, args![task]).await? else {
        return Ok(());
    };
    let (id, repo, state) = (job.text(0)?, job.text(1)?, job.text(2)?);
    if state == "running" {
        session.run(STOP_RUNNING, args![id]).await?;
        return Ok(());
    }
    session.run(STOP_QUEUED, args![id]).await?;
    if state == READY {
        session.run(ONE_LESS_READY, args![repo]).await?;
    }
    Ok(())
}

/// Locks the job's row as well, where rows are locked.
pub(super) const HOLD_LEASE: &str = "UPDATE job SET attempt = attempt \
     WHERE id = $1 AND attempt = $2 AND state = 'running'";

pub(super) const ADD_ENTRY: &str =
    "INSERT INTO journal (job, attempt, at, entry) VALUES ($1, $2, $3, $4)";

/// Adds to the journal of a leased job.
pub(super) async fn record(
    session: &mut Session,
    lease: &Lease,
    entry: &Entry,
    now: Timestamp,
) -> Result<(), Error> {
    let held = session
        .run(HOLD_LEASE, args![lease.job, lease.attempt])
        .await?;
    if held == 0 {
        return Err(lost(lease));
    }
    let row = args![lease.job, lease.attempt, now, to_json(entry)?];
    session.run(ADD_ENTRY, row).await?;
    Ok(())
}

fn lost(lease: &Lease) -> Error {
    Error::Conflict(format!(
        "attempt {} of job {} does not hold the lease any more",
        lease.attempt, lease.job
    ))
}

pub(super) const END: &str = "UPDATE job SET state = $3, not_before = $4, note = $5, \
         worker = NULL, lease_until = NULL \
     WHERE id = $1 AND attempt = $2 AND state = 'running'";
pub(super) const ONE_LESS_RUNNING: &str = "UPDATE lane SET running = running - 1 WHERE repo = $1";

/// Gives a lease back: the job is over, or queued again.
pub(super) async fn end(
    session: &mut Session,
    lease: &Lease,
    end: &JobEnd,
    now: Timestamp,
) -> Result<(), Error> {
    let (state, not_before, note) = match end {
        JobEnd::Over(how) => ("over", now, how),
        JobEnd::Again(at, why) => (queued_state(*at, now), *at, why),
    };
    let row = args![lease.job, lease.attempt, state, not_before, note.as_str()];
    if session.run(END, row).await? == 0 {
        return Err(lost(lease));
    }
    let repo = lease.job.task.thread.repo;
    session.run(ONE_LESS_RUNNING, args![repo]).await?;
    if state == READY {
        session.run(MORE_READY, args![repo, 1_i64]).await?;
    }
    Ok(())
}

/// Who leases, and from when until when.
pub(super) struct Terms<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// The time by the caller's clock.
    pub now: Timestamp,
    /// When the lease runs out.
    pub until: Timestamp,
}

/// What one transaction of leasing came to.
pub(super) enum Step {
    /// A job is leased.
    Took(Box<LeasedJob>),
    /// Something changed: look again.
    Again,
    /// There is none.
    Nothing,
}

/// Leases a job: one whose lease has run out, else the next of the lane whose turn it is.
///
/// A transaction holds one lane at most, so that two that lease do not wait for each other.
pub(super) async fn lease(session: &mut Session, terms: &Terms<'_>) -> Result<Step, Error> {
    if let Some(job) = session.row(EXPIRED, args![terms.now]).await? {
        return take_over(session, &job, terms).await;
    }
    next_ready(session, terms).await
}

pub(super) const EXPIRED: &str = "SELECT id, repo FROM job \
     WHERE state = 'running' AND lease_until <= $1 ORDER BY lease_until LIMIT 1";
pub(super) const GIVE_UP_LEASE: &str = "UPDATE job SET state = 'ready', worker = NULL, lease_until = NULL \
     WHERE id = $1 AND state = 'running' AND lease_until <= $2";

/// Takes a job over whose lease has run out. It still counts as running, so the lane's count stays; but
/// when the limit was lowered below that count, it has to wait like any other.
async fn take_over(session: &mut Session, job: &Row, terms: &Terms<'_>) -> Result<Step, Error> {
    let (id, repo) = (job.text(0)?, job.text(1)?);
    session.hold_lane(&repo).await?;
    let too_many = limits::is_passed(session, &repo).await?;
    if !too_many {
        return take(session, (id, &repo, RUNNING), terms).await;
    }
    if session.run(GIVE_UP_LEASE, args![id, terms.now]).await? == 1 {
        session.run(ONE_LESS_RUNNING, args![repo.as_str()]).await?;
        session.run(MORE_READY, args![repo, 1_i64]).await?;
    }
    Ok(Step::Again)
}

pub(super) const HELD: &str = "SELECT id, attempt FROM job \
     WHERE state = 'running' AND lease_until > $2 AND worker = $1";

/// Reads a lease that a worker holds.
pub(super) fn held(row: &Row) -> Result<Lease, Error> {
    Ok(Lease {
        job: parsed("a job", &row.text(0)?)?,
        attempt: row.count(1)?,
    })
}

pub(super) const WAITING: &str = "SELECT repo FROM job \
     WHERE state = 'waiting' AND not_before <= $1 ORDER BY not_before LIMIT 1";
pub(super) const WAKE: &str = "UPDATE job SET state = 'ready' WHERE seq IN ( \
         SELECT seq FROM job WHERE repo = $1 AND state = 'waiting' AND not_before <= $2 \
         ORDER BY not_before LIMIT $3 \
     )";

/// Makes jobs of one lane ready whose time has come.
pub(super) async fn wake(session: &mut Session, repo: &str, now: Timestamp) -> Result<(), Error> {
    session.hold_lane(repo).await?;
    let woken = session.run(WAKE, args![repo, now, PORTION]).await?;
    if woken > 0 {
        let woken = i64::try_from(woken).unwrap_or(i64::MAX);
        session.run(MORE_READY, args![repo, woken]).await?;
    }
    Ok(())
}

/// The lane gets the limit that counts now: it may have been made while that changed.
pub(super) const SERVE_LANE: &str = "UPDATE lane SET ready = ready - 1, running = running + 1, \
         turn = (SELECT max(turn) + 1 FROM lane), \
         max_running = (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'lane_limit') \
     WHERE repo = $1";
pub(super) const NEXT_OF_LANE: &str = "SELECT id FROM job WHERE repo = $1 AND state = 'ready' \
     ORDER BY queued_at - head_start, seq LIMIT 1";

/// Leases the next job of the lane whose turn it is.
async fn next_ready(session: &mut Session, terms: &Terms<'_>) -> Result<Step, Error> {
    match turns::next(session).await? {
        Turn::Of(repo) => serve(session, repo, terms).await,
        Turn::Again => Ok(Step::Again),
        Turn::Nobody => Ok(Step::Nothing),
    }
}

/// Takes the next job's place in its lane, which is held, and leases the job.
async fn serve(session: &mut Session, repo: String, terms: &Terms<'_>) -> Result<Step, Error> {
    session.run(SERVE_LANE, args![repo.as_str()]).await?;
    match session.row(NEXT_OF_LANE, args![repo.as_str()]).await? {
        Some(job) => take(session, (job.text(0)?, &repo, READY), terms).await,
        None => Err(damaged(
            &format!("the lane of repository {repo}"),
            "it counts a ready job, and there is none",
        )),
    }
}

pub(super) const TAKE: &str = "UPDATE job SET state = 'running', attempt = attempt + 1, \
         worker = $2, lease_until = $3 \
     WHERE id = $1 AND state = $5 AND ($5 = 'ready' OR lease_until <= $4) \
     RETURNING attempt, cancelled, work, task";
/// An attempt that nobody made does not count. Its number may be used again: whoever had an earlier one
/// has another number.
pub(super) const PUT_OFF: &str = "UPDATE job SET state = 'waiting', attempt = attempt - 1, \
         worker = NULL, lease_until = NULL, not_before = $2, note = $3 \
     WHERE id = $1";
pub(super) const TASK: &str = concat!("SELECT ", task_columns!(), " FROM task WHERE id = $1");
pub(super) const JOURNAL: &str = "SELECT entry FROM journal WHERE job = $1 ORDER BY seq";

/// Leases a job that is in that state, unless its worker has come back in the last moment or given it
/// back: a lane counts what is ready and what runs, and was changed for the one or the other.
async fn take(
    session: &mut Session,
    (id, repo, state): (String, &str, &str),
    terms: &Terms<'_>,
) -> Result<Step, Error> {
    let now = terms.now;
    let terms = args![id.as_str(), terms.worker, terms.until, now, state];
    let Some(job) = session.row(TAKE, terms).await? else {
        return Ok(Step::Again);
    };
    match read(session, &id, &job).await {
        Ok(job) => Ok(Step::Took(Box::new(job))),
        // A later version has written it, or it is damaged: nobody else waits for that.
        Err(error @ Error::Damaged { .. }) => {
            let until = now.plus(UNREADABLE);
            tracing::warn!(job.id = %id, %error, "a job is put off for a minute");
            let row = args![id.as_str(), until, error.to_string()];
            session.run(PUT_OFF, row).await?;
            session.run(ONE_LESS_RUNNING, args![repo]).await?;
            Ok(Step::Again)
        }
        Err(error) => Err(error),
    }
}

/// Reads what belongs to a job that has just been leased.
async fn read(session: &mut Session, id: &str, job: &Row) -> Result<LeasedJob, Error> {
    let Some(task) = session.row(TASK, args![job.text(3)?]).await? else {
        return Err(damaged(&format!("job {id}"), "its task is missing"));
    };
    let journal = session.rows(JOURNAL, args![id]).await?;
    Ok(LeasedJob {
        lease: Lease {
            job: parsed("a job", id)?,
            attempt: job.count(0)?,
        },
        work: from_json(&format!("job {id}"), &job.text(2)?)?,
        task: versioned(&task)?,
        journal: journal.iter().map(entry).collect::<Result<_, _>>()?,
        cancelled: job.flag(1)?,
    })
}

/// Reads a journal's entry from the first column of a row.
pub(super) fn entry(row: &Row) -> Result<Entry, Error> {
    from_json("a journal", &row.text(0)?)
}
