//! The outbox: effects, given out in order within a thread.
//!
//! **Invariant:** of one thread at most one row has a `due` time: the one that is given out, else the
//! first unsent one. Whoever changes a row calls [`next_of`] for its thread afterwards.
//!
//! The oldest comes first, and edits of what was said come last: they wait until that has stood a while
//! ([`STANDS`], [`GATHERS`]), and nothing else waits for them.
//!
//! A row that was given out keeps `lease_version` and `lease_attempt` until that attempt ends or another is
//! given out, whatever happens to its content meanwhile.

use std::collections::BTreeSet;

use crate::adapters::store::codec::{from_json, kind, parsed, thread, to_json};
use crate::adapters::store::dialect::{Claim, Engine, claim};
use crate::adapters::store::error::Error;
use crate::adapters::store::jobs::Terms;
use crate::adapters::store::session::{Row, Session, args};
use crate::domain::effect::{Effect, EffectKey, GATHERS, STANDS};
use crate::domain::ids::TaskId;
use crate::domain::time::{Span, Timestamp};
use crate::ports::store::{Changes, EffectEnd, EffectLease, LeasedEffect, NewEffect};

pub(super) const FREE_TURN: &str = "UPDATE outbox SET due = NULL \
     WHERE thread = $1 AND due IS NOT NULL AND lease_until IS NULL";
pub(super) const GIVE_TURN: &str = "UPDATE outbox SET due = not_before \
     WHERE thread = $1 AND state = 'unsent' AND seq = coalesce( \
         (SELECT min(seq) FROM outbox WHERE thread = $1 AND state = 'unsent' \
             AND (sent IS NULL OR kind NOT IN ('comment', 'review_reply'))), \
         (SELECT min(seq) FROM outbox WHERE thread = $1 AND state = 'unsent') \
     ) AND NOT EXISTS (SELECT 1 FROM outbox WHERE thread = $1 AND due IS NOT NULL)";

/// Finds out again which effect of a thread is to be given out next.
async fn next_of(session: &mut Session, thread: &str) -> Result<(), Error> {
    session.run(FREE_TURN, args![thread]).await?;
    session.run(GIVE_TURN, args![thread]).await?;
    Ok(())
}

pub(super) const THREAD_OF: &str = "SELECT thread FROM outbox WHERE key = $1";
pub(super) const THREADS_OF: &str =
    "SELECT DISTINCT thread FROM outbox WHERE task = $1 AND state = 'unsent'";

/// Holds the threads whose effects a change is about, before anything else of it holds a row.
pub(super) async fn hold(session: &mut Session, changes: &Changes) -> Result<(), Error> {
    if session.engine() == Engine::Sqlite {
        return Ok(()); // nobody else writes
    }
    let new = changes.effects.iter().map(|new| new.thread.to_string());
    let mut threads: BTreeSet<_> = new.collect();
    if let Some((lease, _)) = &changes.effect_end {
        let rows = session.rows(THREAD_OF, args![lease.key.as_str()]).await?;
        threads.extend(texts(&rows)?);
    }
    if let Some(task) = changes.drop_publishing {
        threads.extend(texts(&session.rows(THREADS_OF, args![task]).await?)?);
    }
    for thread in threads {
        session.hold_thread(&thread).await?;
    }
    Ok(())
}

fn texts(rows: &[Row]) -> Result<BTreeSet<String>, Error> {
    rows.iter().map(|row| row.text(0)).collect()
}

pub(super) const SEEN: &str =
    "SELECT effect, state, thread, not_before, sent FROM outbox WHERE key = $1";
pub(super) const ADD: &str = "INSERT INTO outbox (key, thread, seq, task, repo, repo_document, kind, effect, \
         state, version, recorded_at, not_before) \
     VALUES ($1, $2, (SELECT coalesce(max(seq), 0) + 1 FROM outbox \
         WHERE thread = $2 AND state = 'unsent'), $3, $4, $5, $6, $7, 'unsent', 1, $8, $9)";
pub(super) const REPLACE: &str = "UPDATE outbox SET seq = (SELECT coalesce(max(seq), 0) + 1 FROM outbox AS o \
         WHERE o.thread = $2 AND o.state = 'unsent'), \
         task = $3, repo = $4, repo_document = $5, kind = $6, effect = $7, \
         version = version + 1, earlier_attempts = earlier_attempts + attempt, attempt = 0, \
         recorded_at = $8, note = '', \
         not_before = $9, state = 'unsent' \
     WHERE key = $1";

/// Records an effect: a new one, or other content for one that is there.
pub(super) async fn record(
    session: &mut Session,
    new: &NewEffect,
    now: Timestamp,
) -> Result<(), Error> {
    let (sql, not_before) = match session.row(SEEN, args![new.key.as_str()]).await? {
        None => (ADD, now),
        Some(row) => {
            // What cannot be read is something else.
            let before = from_json::<Effect>(new.key.as_str(), &row.text(0)?).ok();
            if before.as_ref() == Some(&new.effect) && row.text(1)? != "dropped" {
                return Ok(());
            }
            if row.text(2)? != new.thread.to_string() {
                return Err(Error::Refused(format!(
                    "effect {} belongs to thread {}, not to {}",
                    new.key,
                    row.text(2)?,
                    new.thread
                )));
            }
            (REPLACE, replaced_not_before(&row, kind(&new.effect), now)?)
        }
    };
    let values = args![
        new.key.as_str(),
        new.thread,
        new.task.map(|task| task.to_string()),
        new.repo.id,
        to_json(&new.repo)?,
        kind(&new.effect),
        to_json(&new.effect)?,
        now,
        not_before,
    ];
    session.run(sql, values).await?;
    next_of(session, &new.thread.to_string()).await
}

/// Tells whether effects of a kind say something that may be edited; [`GIVE_TURN`] names them, too.
fn is_said(kind: &str) -> bool {
    matches!(kind, "comment" | "review_reply")
}

/// Returns from when other content for a row that was [`SEEN`] may be sent. What was put off stays so: it
/// was refused until then, and new words do not change that.
fn replaced_not_before(row: &Row, kind: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let is_unsent = row.text(1)? == "unsent";
    let before = row.time(3)?;
    let edits = is_said(kind) && row.maybe_text(4)?.is_some();
    Ok(match (is_unsent, edits) {
        (true, _) => before.max(now),
        (false, true) => before.max(now.plus(GATHERS)),
        (false, false) => now,
    })
}

pub(super) const DROP: &str = "UPDATE outbox SET state = 'dropped' \
     WHERE task = $1 AND state = 'unsent' AND kind IN ('branch', 'undo', 'update', 'pull', 'check', 'rerun') \
     RETURNING thread";

/// Drops what a task would still publish. A row stays, because an attempt may have left something
/// on GitHub that a later effect with this key has to find.
pub(super) async fn drop_publishing(session: &mut Session, task: TaskId) -> Result<(), Error> {
    let rows = session.rows(DROP, args![task]).await?;
    for thread in texts(&rows)? {
        next_of(session, &thread).await?;
    }
    Ok(())
}

pub(super) const DUE: Claim = claim!(
    "SELECT key, thread, CASE WHEN lease_until IS NOT NULL \
         AND (state <> 'unsent' OR version <> lease_version) THEN 1 ELSE 0 END \
     FROM outbox WHERE due <= $1 ORDER BY due LIMIT 1"
);
pub(super) const FREE: &str = "UPDATE outbox SET due = NULL, lease_until = NULL \
     WHERE key = $1 AND due <= $2 AND lease_until IS NOT NULL \
         AND (state <> 'unsent' OR version <> lease_version)";
pub(super) const TAKE: &str = "UPDATE outbox SET attempt = attempt + 1, due = $2, lease_until = $2, \
         lease_version = version, lease_attempt = attempt + 1, worker = $3 \
     WHERE key = $1 \
     RETURNING key, thread, task, repo_document, effect, version, attempt, earlier_attempts, sent";

/// An attempt that nobody made does not count.
pub(super) const PUT_OFF: &str = "UPDATE outbox SET attempt = attempt - 1, \
         due = $2, not_before = $2, note = $3, \
         lease_until = NULL, lease_version = NULL, lease_attempt = NULL, worker = NULL \
     WHERE key = $1";

/// How long an effect is left to others that this version cannot read.
const UNREADABLE: Span = Span::minutes(1);

/// What one transaction of leasing came to.
pub(super) enum Step {
    /// An effect is leased.
    Took(Box<LeasedEffect>),
    /// The lease on this one has run out, and it was dropped or moved behind others meanwhile: its key
    /// and thread.
    Left(String, String),
    /// One was due that cannot be read, and is put off.
    Unreadable,
    /// None is due.
    Nothing,
}

/// Leases the effect that has been due longest.
pub(super) async fn lease(session: &mut Session, terms: &Terms<'_>) -> Result<Step, Error> {
    let Some(row) = session.claim(&DUE, args![terms.now]).await? else {
        return Ok(Step::Nothing);
    };
    let key = row.text(0)?;
    if row.flag(2)? {
        return Ok(Step::Left(key, row.text(1)?));
    }
    let taken = args![key.as_str(), terms.until, terms.worker];
    let Some(taken) = session.row(TAKE, taken).await? else {
        return Ok(Step::Nothing);
    };
    match leased(&taken) {
        Ok(effect) => Ok(Step::Took(Box::new(effect))),
        // A later version has written it, or it is damaged: no other thread waits for that.
        Err(error @ Error::Damaged { .. }) => {
            let until = terms.now.plus(UNREADABLE);
            tracing::warn!(effect = %key, %error, "an effect is put off for a minute");
            let row = args![key, until, error.to_string()];
            session.run(PUT_OFF, row).await?;
            Ok(Step::Unreadable)
        }
        Err(error) => Err(error),
    }
}

/// Gives the turn that such an effect has to the next one of its thread.
pub(super) async fn free(
    session: &mut Session,
    (key, thread): (String, &str),
    now: Timestamp,
) -> Result<(), Error> {
    session.hold_thread(thread).await?;
    session.run(FREE, args![key, now]).await?;
    next_of(session, thread).await
}

fn leased(row: &Row) -> Result<LeasedEffect, Error> {
    let key = row.text(0)?;
    Ok(LeasedEffect {
        thread: thread(&row.text(1)?)?,
        task: row
            .maybe_text(2)?
            .map(|task| parsed(&key, &task))
            .transpose()?,
        repo: from_json(&key, &row.text(3)?)?,
        effect: from_json(&key, &row.text(4)?)?,
        version: row.int(5)?,
        attempt: row.count(6)?,
        earlier_attempts: row.count(7)?,
        sent: row
            .maybe_text(8)?
            .map(|sent| from_json(&key, &sent))
            .transpose()?,
        key: EffectKey::stored(key),
    })
}

pub(super) const HELD: &str = "SELECT key, lease_version, lease_attempt FROM outbox \
     WHERE due > $2 AND lease_until IS NOT NULL AND worker = $1";

/// Reads an attempt that a worker has under way.
pub(super) fn held(row: &Row) -> Result<EffectLease, Error> {
    Ok(EffectLease {
        key: EffectKey::stored(row.text(0)?),
        version: row.int(1)?,
        attempt: row.count(2)?,
    })
}

pub(super) const LEASED: &str = "SELECT state, version, not_before, note, thread, kind FROM outbox \
     WHERE key = $1 AND lease_version = $2 AND lease_attempt = $3";
pub(super) const END: &str = "UPDATE outbox SET state = $2, not_before = $3, note = $4, \
         sent = coalesce($5, sent), \
         due = NULL, lease_until = NULL, lease_version = NULL, lease_attempt = NULL, worker = NULL \
     WHERE key = $1 AND lease_version = $6 AND lease_attempt = $7";

/// Ends an attempt at an effect.
pub(super) async fn end(
    session: &mut Session,
    lease: &EffectLease,
    end: &EffectEnd,
    now: Timestamp,
) -> Result<(), Error> {
    let key = lease.key.as_str();
    let Some(row) = session
        .row(LEASED, args![key, lease.version, lease.attempt])
        .await?
    else {
        return Err(not_the_one(lease));
    };
    let replaced = row.int(1)? != lease.version;
    let mut state = row.text(0)?;
    let (mut not_before, mut note, mut sent) = (row.time(2)?, row.text(3)?, None);
    match end {
        EffectEnd::Sent(what) => {
            sent = Some(to_json(what)?);
            if is_said(&row.text(5)?) {
                not_before = now.plus(STANDS);
            }
            // Also when it was dropped meanwhile: it is on GitHub.
            if !replaced {
                "sent".clone_into(&mut state);
            }
        }
        EffectEnd::Again(at, why) => {
            not_before = *at;
            note.clone_from(why);
        }
        EffectEnd::Parked(why) => {
            if !replaced && state == "unsent" {
                "parked".clone_into(&mut state);
                note.clone_from(why);
            }
        }
    }
    let row_now = args![
        key,
        state,
        not_before,
        note,
        sent,
        lease.version,
        lease.attempt
    ];
    // It may have been given out again since it was read.
    if session.run(END, row_now).await? == 0 {
        return Err(not_the_one(lease));
    }
    next_of(session, &row.text(4)?).await
}

fn not_the_one(lease: &EffectLease) -> Error {
    Error::Conflict(format!(
        "attempt {} at version {} of effect {} is not the one that runs",
        lease.attempt,
        lease.version,
        lease.key.as_str()
    ))
}
