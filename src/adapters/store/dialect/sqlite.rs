//! SQLite's connections: their settings, and the statements that no other engine has.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

/// Checks the database for damage: one row with `ok`, or one row per finding.
pub(in crate::adapters::store) const CHECK: &str = "PRAGMA quick_check(5)";

/// Checks it more thoroughly, indexes against tables too; reads all of it.
pub(in crate::adapters::store) const CHECK_WHOLE: &str = "PRAGMA integrity_check(1)";

/// Writes everything, as of one moment, to an empty file.
pub(in crate::adapters::store) const COPY: &str = "VACUUM INTO $1";

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// Bytes of a page of a new database: most deliveries have more than the usual 4,096, and each page
/// more of one costs a write into the log and another into the database.
const PAGE: u32 = 8_192;

/// Pages in the log after which they are brought over into the database: 4 MiB. Whoever commits then
/// waits for that, so four times as many pages are four times the wait, and save next to nothing.
const LOGGED_PAGES: &str = "512";

/// Settings of the connection that writes. Durable when COMMIT returns: with WAL that needs FULL.
pub(in crate::adapters::store) fn writer(path: &Path) -> SqliteConnectOptions {
    shared(path)
        .page_size(PAGE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-2000") // KiB
        .pragma("wal_autocheckpoint", LOGGED_PAGES)
        .pragma("journal_size_limit", "16777216")
}

/// Settings of a connection that reads.
pub(in crate::adapters::store) fn reader(path: &Path) -> SqliteConnectOptions {
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
