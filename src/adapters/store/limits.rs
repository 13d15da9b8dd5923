//! How many jobs run at once: of a repository, of an installation, of all.
//!
//! A lane has its limit in its row, so that an index knows the lanes that are open; it gets the one that
//! counts whenever it is served. The other limits are read by each claim, and what they are about is the
//! sum of lanes, so that the end of a job changes its lane and nothing else.

use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Session, args};
use crate::domain::schedule::WaitsFor;
use crate::ports::store::JobLimits;

pub(super) const SET: &str = "UPDATE meta SET value = $2 WHERE key = $1";
pub(super) const SET_LANES: &str = "UPDATE lane SET max_running = $1 WHERE max_running <> $1";

/// Sets the limits. A lane that is made meanwhile, with the limit from before, is served for the first
/// time with this one.
pub(super) async fn set(session: &mut Session, limits: JobLimits) -> Result<(), Error> {
    for (key, limit) in [
        ("lane_limit", limits.per_repository),
        ("installation_limit", limits.per_installation),
        ("all_limit", limits.in_all),
    ] {
        session.run(SET, args![key, limit.to_string()]).await?;
    }
    session
        .run(SET_LANES, args![limits.per_repository])
        .await
        .map(drop)
}

/// The limits beyond that of a lane; 0 where there is none.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    pub(super) per_installation: i64,
    pub(super) in_all: i64,
}

pub(super) const WIDE: &str = "SELECT \
     (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'installation_limit'), \
     (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'all_limit')";

/// Reads the limits beyond that of a lane.
pub(super) async fn wide(session: &mut Session) -> Result<Wide, Error> {
    let row = session.row(WIDE, args![]).await?;
    let limit = |column| match &row {
        Some(row) => row.maybe_int(column).map(Option::unwrap_or_default),
        None => Ok(0),
    };
    Ok(Wide {
        per_installation: limit(0)?,
        in_all: limit(1)?,
    })
}

pub(super) const RUNNING: &str =
    "SELECT CAST(COALESCE(sum(running), 0) AS BIGINT) FROM lane WHERE running > 0";

async fn running(session: &mut Session) -> Result<i64, Error> {
    let row = session.row(RUNNING, args![]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Returns whether one more job may run, and lets nobody else begin one until this transaction ends.
pub(super) async fn has_room(session: &mut Session, limits: Wide) -> Result<bool, Error> {
    if limits.in_all == 0 {
        return Ok(true);
    }
    // Who would only learn that there is no room waits for nobody, and makes nobody wait.
    if running(session).await? >= limits.in_all {
        return Ok(false);
    }
    session.hold_claims().await?;
    Ok(running(session).await? < limits.in_all)
}

pub(super) const IS_TOO_MANY: &str = "SELECT CASE WHEN running > max_running \
         OR ($2 > 0 AND $2 < (SELECT COALESCE(sum(other.running), 0) FROM lane AS other \
             WHERE other.installation = lane.installation AND other.running > 0)) \
         OR ($3 > 0 AND $3 < (SELECT COALESCE(sum(other.running), 0) FROM lane AS other \
             WHERE other.running > 0)) \
     THEN 1 ELSE 0 END FROM lane WHERE repo = $1";

/// Returns whether more jobs run than may, in a lane, its installation or in all, as they do when a
/// limit was lowered.
pub(super) async fn is_passed(session: &mut Session, repo: &str) -> Result<bool, Error> {
    let limits = wide(session).await?;
    let terms = args![repo, limits.per_installation, limits.in_all];
    match session.row(IS_TOO_MANY, terms).await? {
        Some(lane) => lane.flag(0),
        None => Ok(false),
    }
}

pub(super) const FULL: &str = "SELECT CASE WHEN running >= max_running THEN 1 ELSE 0 END, \
         CASE WHEN $2 > 0 AND $2 <= (SELECT COALESCE(sum(other.running), 0) FROM lane AS other \
             WHERE other.installation = lane.installation AND other.running > 0) \
         THEN 1 ELSE 0 END, \
         CASE WHEN $3 > 0 AND $3 <= (SELECT COALESCE(sum(other.running), 0) FROM lane AS other \
             WHERE other.running > 0) \
         THEN 1 ELSE 0 END \
     FROM lane WHERE repo = $1";

/// Returns what a job waits for whose time has come: of several limits the widest.
pub(super) async fn in_the_way(session: &mut Session, repo: &str) -> Result<WaitsFor, Error> {
    let limits = wide(session).await?;
    let terms = args![repo, limits.per_installation, limits.in_all];
    let Some(lane) = session.row(FULL, terms).await? else {
        return Ok(WaitsFor::Worker);
    };
    Ok(if lane.flag(2)? {
        WaitsFor::Any
    } else if lane.flag(1)? {
        WaitsFor::Installation
    } else if lane.flag(0)? {
        WaitsFor::Repository
    } else {
        WaitsFor::Worker
    })
}
