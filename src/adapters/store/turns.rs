//! Whose turn it is: the installation's, and in it the lane's.
//!
//! Both take turns in a circle. An installation that is served goes to the back, so the one that was
//! served longest ago is the next that has an open lane and is below its limit; how many repositories it
//! has does not count. In it the lanes do the same. A lane that gets its first ready job goes to the back,
//! too; one at its limit keeps its place.
//!
//! Claims of one installation come one after another, which makes its limit exact; those of several
//! installations pass each other.

use crate::adapters::store::dialect::{Claim, Engine, claim};
use crate::adapters::store::error::Error;
use crate::adapters::store::limits::{Wide, has_room, wide};
use crate::adapters::store::session::{Arg, Session, args};

/// Whose turn it is.
pub(super) enum Turn {
    /// This lane's, which is held, and its installation with it.
    Of(String),
    /// Something changed: look again.
    Again,
    /// Nobody has a job that may begin.
    Nobody,
}

// In the order of CASE: most installations have nothing that waits, and need not be added up.
pub(super) const NEXT_INSTALLATION: Claim = claim!(
    "SELECT id FROM installation \
     WHERE 1 = CASE \
         WHEN NOT EXISTS (SELECT 1 FROM lane WHERE lane.installation = installation.id \
             AND ready > 0 AND running < max_running) THEN 0 \
         WHEN $1 = 0 THEN 1 \
         WHEN $1 > (SELECT COALESCE(sum(running), 0) FROM lane \
             WHERE lane.installation = installation.id AND running > 0) THEN 1 \
         ELSE 0 END \
     ORDER BY turn, id LIMIT 1"
);
pub(super) const NEXT_LANE: Claim = claim!(
    "SELECT repo FROM lane WHERE installation = $1 AND ready > 0 AND running < max_running \
         AND ($2 = 0 OR $2 > (SELECT COALESCE(sum(other.running), 0) FROM lane AS other \
             WHERE other.installation = $1 AND other.running > 0)) \
     ORDER BY turn, repo LIMIT 1"
);
pub(super) const STILL_OPEN: &str = "SELECT repo FROM lane \
     WHERE repo = $1 AND installation = $2 AND ready > 0 AND running < max_running";
pub(super) const SERVE_INSTALLATION: &str =
    "UPDATE installation SET turn = (SELECT max(turn) + 1 FROM installation) WHERE id = $1";

/// Finds the lane whose turn it is, and holds it. When others hold every one that has something, this
/// waits: for one installation, and then for one lane of it.
pub(super) async fn next(session: &mut Session) -> Result<Turn, Error> {
    let limits = wide(session).await?;
    if !has_room(session, limits).await? {
        return Ok(Turn::Nobody);
    }
    let found = first(session, &NEXT_INSTALLATION, || {
        args![limits.per_installation]
    });
    let id = match found.await? {
        First::Held(id) => id,
        First::OfAnother(id) => {
            session.hold_installation(&id).await?;
            id
        }
        First::None => return Ok(Turn::Nobody),
    };
    let turn = lane_of(session, &id, limits).await?;
    if matches!(turn, Turn::Of(_)) {
        session.run(SERVE_INSTALLATION, args![id]).await?;
    }
    Ok(turn)
}

/// Finds the lane whose turn it is in an installation, which is held. What its lanes run is counted here
/// again: only now can nobody add to it.
async fn lane_of(session: &mut Session, id: &str, limits: Wide) -> Result<Turn, Error> {
    let found = first(session, &NEXT_LANE, || args![id, limits.per_installation]);
    let repo = match found.await? {
        First::Held(repo) => return Ok(Turn::Of(repo)),
        First::OfAnother(repo) => repo,
        First::None => return Ok(Turn::Again),
    };
    // This one and no other: who waits for a lane must hold none.
    session.hold_lane(&repo).await?;
    let still_open = session.row(STILL_OPEN, args![repo.as_str(), id]).await?;
    // Else it was stopped or moved meanwhile, and another one perhaps not.
    Ok(still_open.map_or(Turn::Again, |_| Turn::Of(repo)))
}

/// The first row that a claim finds.
enum First {
    /// It is held now.
    Held(String),
    /// All of them are held by others; this is the first of those.
    OfAnother(String),
    /// There is none.
    None,
}

async fn first(
    session: &mut Session,
    claim: &Claim,
    args: impl Fn() -> Vec<Arg>,
) -> Result<First, Error> {
    if let Some(row) = session.claim(claim, args()).await? {
        return row.text(0).map(First::Held);
    }
    if session.engine() == Engine::Sqlite {
        return Ok(First::None); // nobody else writes
    }
    match session.row(claim.alone, args()).await? {
        Some(row) => row.text(0).map(First::OfAnother),
        None => Ok(First::None),
    }
}
