//! What SQLite has of its own: connection settings and how a transaction begins.
//!
//! On PostgreSQL the reads and writes begin with `BEGIN ISOLATION LEVEL …`, and a serialisation
//! failure there is what a lost race is here.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

/// Begins a transaction that only reads, from one snapshot.
pub(super) const BEGIN_READ: &str = "BEGIN DEFERRED";

/// Begins a transaction that writes, and takes the lock for it now: the busy timeout does not apply
/// to a reader that wants to become a writer.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Returns the version of the engine.
pub(super) const VERSION: &str = "SELECT sqlite_version()";

/// Checks the database for damage: one row with `ok`, or one row per finding.
pub(super) const CHECK: &str = "PRAGMA quick_check(5)";

/// Checks it more thoroughly, indexes against tables too; reads all of it.
pub(super) const CHECK_WHOLE: &str = "PRAGMA integrity_check(1)";

/// Writes everything, as of one moment, to an empty file.
pub(super) const COPY: &str = "VACUUM INTO $1";

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// Bytes of a page of a new database: most deliveries have more than the usual 4,096, and each page
/// more of one costs a write into the log and another into the database.
const PAGE: u32 = 8_192;

/// Pages in the log after which they are brought over into the database: 4 MiB. Whoever commits then
/// waits for that, so four times as many pages are four times the wait, and save next to nothing.
const LOGGED_PAGES: &str = "512";

/// Settings of the connection that writes. Durable when COMMIT returns: with WAL that needs FULL.
pub(super) fn writer(path: &Path) -> SqliteConnectOptions {
    shared(path)
        .page_size(PAGE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-2000") // KiB
        .pragma("wal_autocheckpoint", LOGGED_PAGES)
        .pragma("journal_size_limit", "16777216")
}

/// Settings of a connection that reads.
pub(super) fn reader(path: &Path) -> SqliteConnectOptions {
    shared(path)
        .pragma("cache_size", "-1000") // KiB
        .pragma("query_only", "1")
}

fn shared(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false) // created before, with the right mode
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("mmap_size", "0") // mapped pages would count as resident memory
        .statement_cache_capacity(128) // more than there are statements in this module
        .disable_statement_logging()
}
