//! What an engine has of its own: how a transaction begins, how rows are claimed, settings.
//!
//! SQLite has one writer at a time, so whoever reads in a transaction that writes sees the last word.
//! PostgreSQL has many, each statement sees what was committed before it, and what a transaction
//! decides on has to be held. Locks are taken in this order, so that no two wait for each other: threads
//! of the outbox, the limit of all jobs, an installation, a lane, a delivery, a task, a job, effects, a
//! comparison of bases; and
//! what is set aside for a model call, the call, the scopes that it counts towards, in the order of
//! `domain::budget::Scope`.

pub(super) mod postgres;
pub(super) mod sqlite;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// One file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// Begins a transaction that only reads, from one snapshot.
    pub(super) const fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN DEFERRED",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Begins a transaction that writes. SQLite's takes the lock for it now: the busy timeout does not
    /// apply to a reader that wants to become a writer.
    pub(super) const fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }

    /// Returns the version of the engine.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT sqlite_version()",
            Self::Postgres => "SELECT current_setting('server_version')",
        }
    }

    /// Looks for damage: one row with `ok`, or one row per finding. PostgreSQL looks after its pages
    /// itself; what it can be asked is whether it keeps what it has confirmed.
    pub(super) const fn check(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::CHECK,
            Self::Postgres => postgres::CHECK,
        }
    }
}

/// One statement for every engine: a claim of rows, which others may want at the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// Where nobody else writes meanwhile.
    pub(super) alone: &'static str,
    /// Passes over what somebody else holds.
    pub(super) free: &'static str,
}

/// Writes a [`Claim`] of one text. `NO KEY`: a row that refers to the claimed one may be added.
macro_rules! claim {
    ($sql:expr) => {
        $crate::adapters::store::dialect::Claim {
            alone: $sql,
            free: concat!($sql, " FOR NO KEY UPDATE SKIP LOCKED"),
        }
    };
}
pub(super) use claim;
