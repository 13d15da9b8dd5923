//! Why an operation on the database failed, and which class of fault that is.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use crate::ports::fault::{Class, Fault};

/// A failed operation.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The engine refused.
    #[error("{0}")]
    Sql(#[from] sqlx::Error),
    /// A precondition of the change does not hold; says which.
    #[error("{0}")]
    Conflict(String),
    /// The call cannot be carried out however often it is tried; says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// A file could not be prepared.
    #[error("{what}: {error}")]
    File {
        /// What was being done.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A stored row does not read back.
    #[error("{what} in the store cannot be read: {why}. Restore a backup, or report this")]
    Damaged {
        /// Which one.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A server did not answer in that time.
    #[error("the database did not answer within {} seconds", .0.as_secs())]
    NoAnswer(Duration),
    /// The store was closed before.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Returns whether somebody else held a lock.
    pub(super) fn is_busy(&self) -> bool {
        let Self::Sql(error) = self else {
            return false;
        };
        if is_sqlite(error) {
            return primary_code(error) == Some(code::BUSY);
        }
        let database = error.as_database_error();
        let postgres = database.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        postgres.is_some_and(|error| matches!(error.code(), "40P01" | "55P03"))
    }

    /// Says what was being done.
    pub(super) fn fault(self, doing: impl Into<String>) -> Fault {
        match self {
            Self::Sql(error) => {
                let (class, cause) = sql(&error);
                Fault::new(class, doing, cause)
            }
            Self::Conflict(cause) => Fault::new(Class::Conflict, doing, cause),
            Self::File { what, error } => Fault::io(format!("{}: {what}", doing.into()), &error),
            Self::NoAnswer(_) => Fault::new(Class::Transient, doing, self.to_string()),
            Self::Refused(_) | Self::Damaged { .. } | Self::Closed => Fault::permanent(doing, self),
        }
    }
}

/// The primary result codes of SQLite that mean something to us.
mod code {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const READONLY: u32 = 8;
    pub(super) const INTERRUPT: u32 = 9;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

fn sql(error: &sqlx::Error) -> (Class, String) {
    if let sqlx::Error::Database(database) = error {
        if database.is_unique_violation() || database.is_foreign_key_violation() {
            let cause = format!("somebody else was faster: {}", database.message());
            return (Class::Conflict, cause);
        }
        let (class, words) = match database.try_downcast_ref::<PgDatabaseError>() {
            Some(postgres) if is_standby(postgres) => STANDBY,
            Some(postgres) => sql_state(postgres.code()),
            None => result_code(primary_code(error).unwrap_or_default()),
        };
        return (class, format!("{words} {error}").trim_start().to_owned());
    }
    // A connection that is lost or not made: the next call tries another one.
    let lost = matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
    );
    let class = if lost {
        Class::Transient
    } else {
        Class::Permanent
    };
    (class, error.to_string())
}

/// It passes when the standby is made the primary, as in a failover; nothing was done.
const STANDBY: (Class, &str) = (
    Class::Transient,
    "the database takes no writes: give `store.url` the primary, not a standby.",
);

fn is_standby(error: &PgDatabaseError) -> bool {
    // "cannot set transaction read-write mode during recovery" has the code of all that is not there.
    error.code() == "25006" || (error.code() == "0A000" && error.message().contains("recovery"))
}

fn is_sqlite(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.try_downcast_ref::<PgDatabaseError>().is_none())
}

/// What PostgreSQL's codes mean, by class (the first two characters) where the class is enough. See
/// its manual, appendix A.
fn sql_state(code: &str) -> (Class, &'static str) {
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        (_, "53100") => (
            Class::Transient,
            "the database's disk is full: free some space on it.",
        ),
        (_, "53300") => (
            Class::Transient,
            "the database has no connection left: raise its max_connections, or run fewer processes.",
        ),
        // Deadlocks and lost races, resources, connections, and a server that is stopped or starts.
        ("40" | "53" | "08" | "57" | "58", _) | (_, "55P03" | "25P03") => (Class::Transient, ""),
        ("28", _) => (
            Class::Permanent,
            "the database refuses the user: check name and password in `store.url`.",
        ),
        (_, "3D000") => (
            Class::Permanent,
            "there is no such database: make it with `createdb`, in UTF-8.",
        ),
        (_, "42501") => (
            Class::Permanent,
            "the user may not do that: let it own the database.",
        ),
        ("XX", _) => (
            Class::Permanent,
            "the database is damaged: stop the servers and restore a backup.",
        ),
        _ => (Class::Permanent, ""),
    }
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

fn result_code(code: u32) -> (Class, &'static str) {
    match code {
        code::FULL => (
            Class::Transient,
            "the disk is full: free some space on the file system of the store.",
        ),
        code::BUSY | code::LOCKED => (
            Class::Transient,
            "another process kept the store locked for too long.",
        ),
        code::NOMEM => (Class::Transient, "memory ran out."),
        code::INTERRUPT => (Class::Transient, ""),
        code::IOERR => (Class::Transient, "the disk did not do what it was asked."),
        code::NOTADB => (
            Class::Permanent,
            "the file is not a SQLite database: give `store.url` another path.",
        ),
        code::CORRUPT => (
            Class::Permanent,
            "the database is damaged: stop the server and restore a backup.",
        ),
        code::READONLY | code::PERM => (
            Class::Permanent,
            "the store cannot be written: give the server's user write permission to the file and its directory.",
        ),
        code::CANTOPEN => (
            Class::Permanent,
            "the file cannot be opened: check that it and its directory exist and belong to the server's user.",
        ),
        _ => (Class::Permanent, ""),
    }
}
