//! Domain values as they stand in columns.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::adapters::store::error::Error;
use crate::adapters::store::session::Row;
use crate::domain::effect::Effect;
use crate::domain::ids::{RepoId, ThreadKey, ThreadNumber};
use crate::ports::store::{DeliveryState, Versioned};

/// Writes a document.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Refused(error.to_string()))
}

/// Reads a document; `what` names it.
pub(super) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| damaged(what, error))
}

/// Reads an id of the form that its `Display` writes.
pub(super) fn parsed<T>(what: &str, text: &str) -> Result<T, Error>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| damaged(what, error))
}

/// Reads a thread's key.
pub(super) fn thread(text: &str) -> Result<ThreadKey, Error> {
    let (repo, number) = text
        .split_once('#')
        .ok_or_else(|| damaged("a thread", text))?;
    Ok(ThreadKey {
        repo: RepoId(parsed("a thread", repo)?),
        number: ThreadNumber(parsed("a thread", number)?),
    })
}

/// The columns that [`versioned`] reads.
macro_rules! task_columns {
    () => {
        "task, version, updated_at"
    };
}
pub(super) use task_columns;

/// Reads a task from the first columns of a row.
pub(super) fn versioned(row: &Row) -> Result<Versioned, Error> {
    Ok(Versioned {
        task: from_json("a task", &row.text(0)?)?,
        version: row.int(1)?,
        updated_at: row.time(2)?,
    })
}

/// Splits a delivery's state into its word and its note.
pub(super) fn state_columns(state: &DeliveryState) -> (&'static str, &str) {
    match state {
        DeliveryState::Pending => ("pending", ""),
        DeliveryState::Done(note) => ("done", note),
        DeliveryState::Parked(note) => ("parked", note),
    }
}

/// Joins a delivery's state again.
pub(super) fn delivery_state(word: &str, note: String) -> Result<DeliveryState, Error> {
    match word {
        "pending" => Ok(DeliveryState::Pending),
        "done" => Ok(DeliveryState::Done(note)),
        "parked" => Ok(DeliveryState::Parked(note)),
        other => Err(damaged("a delivery", format!("its state is {other:?}"))),
    }
}

/// Returns the word for an effect's kind. The statement that drops what publishes names those
/// that are of no more use once a task has ended.
pub(super) fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::React { .. } => "react",
        Effect::Comment { .. } => "comment",
        Effect::ReviewReply { .. } => "review_reply",
        Effect::Resolve { .. } => "resolve",
        Effect::Branch { .. } => "branch",
        Effect::Undo { .. } => "undo",
        Effect::Update { .. } => "update",
        Effect::Pull { .. } => "pull",
        Effect::Check { .. } => "check",
        Effect::Conclude { .. } => "conclude",
        Effect::Rerun { .. } => "rerun",
        Effect::Delete { .. } => "delete",
        Effect::Review { .. } => "review",
    }
}

/// Says that a row does not read back.
pub(super) fn damaged(what: &str, why: impl std::fmt::Display) -> Error {
    Error::Damaged {
        what: what.to_owned(),
        why: why.to_string(),
    }
}
