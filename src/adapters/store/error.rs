//! Why an operation on the database failed, and which class of fault that is.

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
    /// The store was closed before.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Returns whether somebody else held a lock.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(error) if primary_code(error) == Some(code::BUSY))
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
        let (class, words) = result_code(primary_code(error).unwrap_or_default());
        return (class, format!("{words} {error}").trim_start().to_owned());
    }
    let class = if let sqlx::Error::Io(error) = error {
        Fault::io("", error).class
    } else if matches!(error, sqlx::Error::WorkerCrashed) {
        Class::Transient // the next call gets another connection
    } else {
        Class::Permanent
    };
    (class, error.to_string())
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
