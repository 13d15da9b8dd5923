//! What workers and the outbox take, and what the store says of itself.

use crate::adapters::store::codec::parsed;
use crate::adapters::store::dialect::{Engine, postgres};
use crate::adapters::store::error::Error;
use crate::adapters::store::jobs::Terms;
use crate::adapters::store::session::{Row, Session, args};
use crate::adapters::store::{SqlStore, jobs, limits, outbox, version};
use crate::domain::ids::JobId;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::store::{
    Counts, Heartbeat, Held, JobLimits, Lease, LeasedEffect, LeasedJob, Queue,
};

pub(super) const HEARTBEAT: &str = "UPDATE job SET lease_until = $3 \
     WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING cancelled";

async fn heartbeat(
    session: &mut Session,
    lease: &Lease,
    until: Timestamp,
) -> Result<Heartbeat, Error> {
    let row = session
        .row(HEARTBEAT, args![lease.job, lease.attempt, until])
        .await?;
    Ok(match row {
        None => Heartbeat::Lost,
        Some(row) if row.flag(0)? => Heartbeat::Cancelled,
        Some(_) => Heartbeat::Held,
    })
}

pub(super) const NEXT_DUE: &str = "SELECT min(at) FROM ( \
         SELECT min(not_before) AS at FROM delivery WHERE state = 'pending' AND not_before > $1 \
         UNION ALL \
         SELECT min(not_before) AS at FROM job WHERE state = 'waiting' AND not_before > $1 \
         UNION ALL \
         SELECT min(lease_until) AS at FROM job WHERE state = 'running' AND lease_until > $1 \
         UNION ALL \
         SELECT min(due) AS at FROM outbox WHERE due > $1 \
         UNION ALL \
         SELECT min(due) AS at FROM base WHERE due > $1 \
     ) AS next";

pub(super) const COUNTS: &str = "SELECT \
     (SELECT count(*) FROM delivery WHERE state = 'pending'), \
     (SELECT count(*) FROM delivery WHERE state = 'parked'), \
     (SELECT count(*) FROM job WHERE state = 'ready') \
         + (SELECT count(*) FROM job WHERE state = 'waiting'), \
     (SELECT count(*) FROM job WHERE state = 'running'), \
     (SELECT count(*) FROM outbox WHERE state = 'unsent'), \
     (SELECT count(*) FROM outbox WHERE state = 'parked')";

fn counts(row: &Row) -> Result<Counts, Error> {
    Ok(Counts {
        deliveries_pending: row.count(0)?,
        deliveries_parked: row.count(1)?,
        jobs_queued: row.count(2)?,
        jobs_running: row.count(3)?,
        effects_pending: row.count(4)?,
        effects_parked: row.count(5)?,
    })
}

pub(super) const LIVE: &str = "SELECT id FROM job WHERE state <> 'over'";

fn job_id(row: &Row) -> Result<JobId, Error> {
    parsed("a job", &row.text(0)?)
}

pub(super) const CHECKED: &str = "INSERT INTO meta (key, value) VALUES ('checked_by', $1) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// Looks for damage, compares the schema, and writes something.
async fn check(session: &mut Session) -> Result<String, Error> {
    let engine = session.engine();
    let findings = session.rows(engine.check(), args![]).await?;
    let findings = findings
        .iter()
        .map(|row| row.text(0))
        .collect::<Result<Vec<_>, _>>()?;
    if findings != ["ok"] {
        return Err(Error::Damaged {
            what: "something".to_owned(),
            why: findings.join("; "),
        });
    }
    let schema = version::read(session).await?;
    if let Some(why) = schema.refusal(version::PROVA) {
        return Err(Error::Refused(why));
    }
    session.run(CHECKED, args![version::PROVA]).await?;
    let version = session
        .row(engine.version(), args![])
        .await?
        .map_or(Ok(String::new()), |row| row.text(0))?;
    Ok(match engine {
        Engine::Sqlite => format!("SQLite {version}, schema {}", schema.found),
        Engine::Postgres => {
            let risk = fsync_risk(session).await?;
            format!("PostgreSQL {version}, schema {}{risk}", schema.found)
        }
    })
}

async fn fsync_risk(session: &mut Session) -> Result<&'static str, Error> {
    let fsync = session.row(postgres::FSYNC, args![]).await?;
    let fsync = fsync.map_or(Ok(String::new()), |row| row.text(0))?;
    Ok(if fsync == "off" {
        " (fsync is off: when its machine crashes, what was confirmed can be lost)"
    } else {
        ""
    })
}

impl SqlStore {
    async fn next_job(&self, terms: &Terms<'_>) -> Result<Option<LeasedJob>, Error> {
        loop {
            let woken = self.wake(terms.now).await?;
            let mut session = self.write().await?;
            let step = jobs::lease(&mut session, terms).await;
            match session.end(step).await? {
                jobs::Step::Took(job) => return Ok(Some(*job)),
                jobs::Step::Nothing if !woken => return Ok(None),
                jobs::Step::Nothing | jobs::Step::Again => {}
            }
        }
    }

    /// Makes some jobs ready whose time has come; `false` when there were none.
    async fn wake(&self, now: Timestamp) -> Result<bool, Error> {
        let Some(repo) = self
            .one(jobs::WAITING, args![now], |row| row.text(0))
            .await?
        else {
            return Ok(false);
        };
        let mut session = self.write().await?;
        let woken = jobs::wake(&mut session, &repo, now).await;
        session.end(woken).await?;
        Ok(true)
    }

    async fn next_effect(&self, terms: &Terms<'_>) -> Result<Option<LeasedEffect>, Error> {
        loop {
            let mut session = self.write().await?;
            let step = outbox::lease(&mut session, terms).await;
            match session.end(step).await? {
                outbox::Step::Took(effect) => return Ok(Some(*effect)),
                outbox::Step::Nothing => return Ok(None),
                outbox::Step::Unreadable => {}
                outbox::Step::Left(key, thread) => {
                    let mut session = self.write().await?;
                    let freed = outbox::free(&mut session, (key, &thread), terms.now).await;
                    session.end(freed).await?;
                }
            }
        }
    }
}

#[async_trait::async_trait]
impl Queue for SqlStore {
    async fn lease_job(
        &self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedJob>, Fault> {
        let terms = Terms { worker, now, until };
        self.next_job(&terms)
            .await
            .map_err(|error: Error| error.fault("lease a job"))
    }

    async fn heartbeat(&self, lease: &Lease, until: Timestamp) -> Result<Heartbeat, Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = heartbeat(&mut session, lease, until).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault(format!("extend the lease on job {}", lease.job)))
    }

    async fn lease_effect(
        &self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedEffect>, Fault> {
        let terms = Terms { worker, now, until };
        self.next_effect(&terms)
            .await
            .map_err(|error: Error| error.fault("lease an effect"))
    }

    async fn held_by(&self, worker: &str, now: Timestamp) -> Result<Held, Fault> {
        let work = async {
            Ok(Held {
                jobs: self.all(jobs::HELD, args![worker, now], jobs::held).await?,
                effects: self
                    .all(outbox::HELD, args![worker, now], outbox::held)
                    .await?,
            })
        };
        work.await
            .map_err(|error: Error| error.fault(format!("look for what {worker} has leased")))
    }

    /// Leases that run out count too: what they are on becomes due then.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        self.one(NEXT_DUE, args![now], |row| row.maybe_time(0))
            .await
            .map(Option::flatten)
            .map_err(|error| error.fault("look for what is due next"))
    }

    async fn counts(&self) -> Result<Counts, Fault> {
        self.one(COUNTS, args![], counts)
            .await
            .map(Option::unwrap_or_default)
            .map_err(|error| error.fault("count what waits"))
    }

    async fn live_jobs(&self) -> Result<Vec<JobId>, Fault> {
        self.all(LIVE, args![], job_id)
            .await
            .map_err(|error| error.fault("list the jobs that are not over"))
    }

    async fn limit_jobs(&self, limits: JobLimits) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = limits::set(&mut session, limits).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault("limit how many jobs run at once"))
    }

    async fn check(&self) -> Result<String, Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = check(&mut session).await;
            session.end(outcome).await
        };
        let place = &self.place;
        match work.await {
            Ok(what) => Ok(format!("{what}, in {place}")),
            Err(error) => Err(Error::fault(error, format!("check the store {place}"))),
        }
    }
}
