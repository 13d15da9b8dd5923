//! Deliveries: put on disk in batches, given out oldest first.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use crate::adapters::store::SqlStore;
use crate::adapters::store::codec::{delivery_state, state_columns};
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Row, Session, args};
use crate::domain::ids::{DeliveryId, ThreadKey};
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::store::{
    Acceptance, DUE_AT_ONCE, DUE_BYTES, DeliveryLine, DeliveryState, Inbox, NewDelivery,
    StoredDelivery,
};

// Without `+ 0`, SQLite looks for the least seq by walking the table in its order.
pub(super) const OLDEST_DUE: &str = "SELECT seq, id, event, received_at, state, note, attempts, body \
     FROM delivery WHERE seq = (SELECT min(seq) FROM ( \
         SELECT min(seq) AS seq FROM delivery WHERE state = 'pending' AND not_before IS NULL \
         UNION ALL \
         SELECT min(seq + 0) AS seq FROM delivery \
         WHERE state = 'pending' AND not_before <= $1 \
     ) AS due)";

// A body that is too large is not read; what is behind it has to wait for it.
pub(super) const BEHIND: &str = "SELECT seq, id, event, received_at, state, note, attempts, \
         CASE WHEN length(body) <= $2 THEN body END \
     FROM delivery WHERE state = 'pending' AND not_before IS NULL AND seq > $1 \
     ORDER BY seq LIMIT $3";

pub(super) const BY_ID: &str = "SELECT seq, id, event, received_at, state, note, attempts, body \
     FROM delivery WHERE id = $1";

pub(super) const HOLD: &str = "UPDATE delivery \
     SET not_before = $2, thread = $3, note = $4, attempts = attempts + 1 \
     WHERE id = $1 AND state = 'pending'";

pub(super) const HELD_UNTIL: &str = "SELECT max(not_before) FROM delivery \
     WHERE state = 'pending' AND thread = $1 AND seq < $2";

pub(super) const NEWEST: &str = "SELECT id, event, received_at, state, note, attempts, length(body) \
     FROM delivery ORDER BY seq DESC LIMIT $1";

pub(super) const NEWEST_PARKED: &str = "SELECT id, event, received_at, state, note, attempts, length(body) \
     FROM delivery WHERE state = 'parked' ORDER BY seq DESC LIMIT $1";

pub(super) const REPLAY: &str = "UPDATE delivery \
     SET state = 'pending', note = '', attempts = 0, not_before = NULL, thread = NULL WHERE id = $1";

pub(super) const FORGET: &str = "DELETE FROM delivery WHERE state = 'done' AND received_at < $1";

/// Rows of one statement, largest first: few texts, so that each is prepared once and kept.
pub(super) static INSERTS: LazyLock<[(usize, String); 6]> =
    LazyLock::new(|| [32, 16, 8, 4, 2, 1].map(|rows| (rows, insert(rows))));

/// Bytes of bodies that are copied at a time, beyond the first: a batch of large deliveries goes row
/// by row.
const COPIED: usize = 1 << 20;

fn insert(rows: usize) -> String {
    format!(
        "INSERT INTO delivery (id, event, received_at, body) VALUES {} \
         ON CONFLICT (id) DO NOTHING RETURNING id",
        placeholders(rows, 4)
    )
}

/// Decisions of one statement, largest first.
pub(super) static DECISIONS: LazyLock<[(usize, String); 5]> =
    LazyLock::new(|| [DUE_AT_ONCE, 8, 4, 2, 1].map(|rows| (rows, decision(rows))));

fn decision(rows: usize) -> String {
    format!(
        "UPDATE delivery SET state = decided.column2, note = decided.column3, not_before = NULL \
         FROM (VALUES {}) AS decided WHERE id = decided.column1 AND state = 'pending'",
        placeholders(rows, 3)
    )
}

/// Writes `($1, $2), ($3, $4)` and so on.
fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let cells = (1..=columns).map(|column| format!("${}", row * columns + column));
        format!("({})", cells.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// Returns how many of the next deliveries one statement takes, and the statement.
fn chunk(deliveries: &[NewDelivery]) -> Option<(usize, &'static str)> {
    INSERTS.iter().find_map(|(rows, sql)| {
        let now = deliveries.get(..*rows)?;
        let bytes: usize = now.iter().map(|delivery| delivery.body.len()).sum();
        (*rows == 1 || bytes <= COPIED).then_some((*rows, sql.as_str()))
    })
}

/// Inserts what is not there yet and returns the ids of that.
async fn insert_new(
    session: &mut Session,
    deliveries: Vec<NewDelivery>,
) -> Result<HashSet<String>, Error> {
    let mut new = HashSet::with_capacity(deliveries.len());
    let mut waiting = deliveries.into_iter();
    while let Some((rows, sql)) = chunk(waiting.as_slice()) {
        let mut values = Vec::with_capacity(rows * 4);
        for delivery in waiting.by_ref().take(rows) {
            values.extend(args![
                &delivery.id,
                delivery.event,
                delivery.received_at,
                Vec::from(delivery.body), // no copy: nobody else holds it
            ]);
        }
        for row in session.rows(sql, values).await? {
            new.insert(row.text(0)?);
        }
    }
    Ok(new)
}

fn stored(row: &Row) -> Result<StoredDelivery, Error> {
    Ok(StoredDelivery {
        seq: row.int(0)?,
        delivery: NewDelivery {
            id: DeliveryId::new(row.text(1)?),
            event: row.text(2)?,
            received_at: row.time(3)?,
            body: row.bytes(7)?.into(),
        },
        state: delivery_state(&row.text(4)?, row.text(5)?)?,
        attempts: row.count(6)?,
    })
}

fn line(row: &Row) -> Result<DeliveryLine, Error> {
    Ok(DeliveryLine {
        id: DeliveryId::new(row.text(0)?),
        event: row.text(1)?,
        received_at: row.time(2)?,
        state: delivery_state(&row.text(3)?, row.text(4)?)?,
        attempts: row.count(5)?,
        bytes: row.count(6)?,
    })
}

/// Reads the oldest due delivery and some behind it.
async fn next(session: &mut Session, now: Timestamp) -> Result<Vec<StoredDelivery>, Error> {
    let Some(oldest) = session.row(OLDEST_DUE, args![now]).await? else {
        return Ok(Vec::new());
    };
    let mut found = vec![stored(&oldest)?];
    let behind = args![oldest.int(0)?, DUE_BYTES, DUE_AT_ONCE - 1];
    let rows = session.rows(BEHIND, behind).await?;
    for row in rows.iter().take_while(|row| row.is_there(7)) {
        found.push(stored(row)?);
    }
    Ok(found)
}

pub(super) const KNOWN: &str = "SELECT 1 FROM delivery WHERE id = $1";

async fn known(session: &mut Session, ids: &[DeliveryId]) -> Result<BTreeSet<DeliveryId>, Error> {
    let mut found = BTreeSet::new();
    for id in ids {
        if session.row(KNOWN, args![id]).await?.is_some() {
            found.insert(id.clone());
        }
    }
    Ok(found)
}

/// Decides those deliveries that are pending, several with one statement.
async fn decide_all(
    session: &mut Session,
    mut decided: &[(DeliveryId, DeliveryState)],
) -> Result<(), Error> {
    while let Some((now, sql, later)) = DECISIONS.iter().find_map(|(rows, sql)| {
        let (now, later) = decided.split_at_checked(*rows)?;
        Some((now, sql.as_str(), later))
    }) {
        let mut values = Vec::with_capacity(now.len() * 3);
        for (id, state) in now {
            let (word, note) = state_columns(state);
            values.extend(args![id, word, note]);
        }
        session.run(sql, values).await?;
        decided = later;
    }
    Ok(())
}

/// Decides a delivery that is pending.
pub(super) async fn decide(
    session: &mut Session,
    id: &DeliveryId,
    state: &DeliveryState,
) -> Result<(), Error> {
    const DECIDE: &str = "UPDATE delivery SET state = $2, note = $3, not_before = NULL \
                          WHERE id = $1 AND state = 'pending'";
    let (word, note) = state_columns(state);
    match session.run(DECIDE, args![id, word, note]).await? {
        0 => Err(Error::Conflict(format!("delivery {id} is not pending"))),
        _ => Ok(()),
    }
}

#[async_trait::async_trait]
impl Inbox for SqlStore {
    async fn accept(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<Acceptance>, Fault> {
        let work = async {
            let ids: Vec<_> = deliveries.iter().map(|d| d.id.clone()).collect();
            let mut session = self.write().await?;
            let outcome = insert_new(&mut session, deliveries).await;
            let mut new = session.end(outcome).await?;
            Ok(ids
                .iter()
                .map(|id| {
                    // Removed, so that a second one with the same id is a duplicate.
                    if new.remove(id.as_str()) {
                        Acceptance::Stored
                    } else {
                        Acceptance::Duplicate
                    }
                })
                .collect())
        };
        work.await
            .map_err(|error: Error| error.fault("store deliveries"))
    }

    async fn next_deliveries(&self, now: Timestamp) -> Result<Vec<StoredDelivery>, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let outcome = next(&mut session, now).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error| error.fault("read the next deliveries"))
    }

    async fn decide(&self, decided: &[(DeliveryId, DeliveryState)]) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = decide_all(&mut session, decided).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error| error.fault("note what deliveries came to"))
    }

    async fn hold(
        &self,
        id: &DeliveryId,
        thread: Option<ThreadKey>,
        until: Timestamp,
        why: &str,
    ) -> Result<(), Fault> {
        let work = async {
            let thread = thread.map(|thread| thread.to_string());
            match self.change(HOLD, args![id, until, thread, why]).await? {
                0 => Err(Error::Conflict("it is not pending".to_owned())),
                _ => Ok(()),
            }
        };
        work.await
            .map_err(|error| error.fault(format!("put off delivery {id}")))
    }

    async fn held_until(&self, thread: ThreadKey, seq: i64) -> Result<Option<Timestamp>, Fault> {
        self.one(HELD_UNTIL, args![thread, seq], |row| row.maybe_time(0))
            .await
            .map(Option::flatten)
            .map_err(|error| error.fault(format!("look for held deliveries of {thread}")))
    }

    async fn deliveries(&self, parked_only: bool, limit: u32) -> Result<Vec<DeliveryLine>, Fault> {
        let sql = if parked_only { NEWEST_PARKED } else { NEWEST };
        self.all(sql, args![limit], line)
            .await
            .map_err(|error| error.fault("list deliveries"))
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<StoredDelivery>, Fault> {
        self.one(BY_ID, args![id], stored)
            .await
            .map_err(|error| error.fault(format!("read delivery {id}")))
    }

    async fn known(&self, ids: &[DeliveryId]) -> Result<BTreeSet<DeliveryId>, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let outcome = known(&mut session, ids).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error| error.fault("look for deliveries"))
    }

    async fn replay(&self, id: &DeliveryId) -> Result<bool, Fault> {
        self.change(REPLAY, args![id])
            .await
            .map(|changed| changed > 0)
            .map_err(|error| error.fault(format!("make delivery {id} pending again")))
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, Fault> {
        self.change(FORGET, args![before])
            .await
            .map_err(|error| error.fault("forget old deliveries"))
    }
}
