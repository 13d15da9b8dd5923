//! PostgreSQL's connections: their settings, and the statements that no other engine has.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// Finds what would break a promise: a server that loses what it confirmed.
pub(in crate::adapters::store) const CHECK: &str = "SELECT CASE \
     WHEN current_setting('synchronous_commit') = 'off' \
         THEN 'synchronous_commit is off: what was confirmed can be lost' \
     ELSE 'ok' END";

/// Says whether a crash of the machine can take away what was confirmed; some take the risk.
pub(in crate::adapters::store) const FSYNC: &str = "SELECT current_setting('fsync')";

/// Waits until no other transaction changes the effects of a thread, and keeps others out. There is no
/// row for a thread; two of the same hash only wait longer.
pub(in crate::adapters::store) const HOLD_THREAD: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended($1, 7077))";

/// Waits until no other transaction changes a lane or its queue, and keeps others out.
pub(in crate::adapters::store) const HOLD_LANE: &str =
    "SELECT repo FROM lane WHERE repo = $1 FOR NO KEY UPDATE";

/// Waits until no other transaction serves an installation, and keeps others out.
pub(in crate::adapters::store) const HOLD_INSTALLATION: &str =
    "SELECT id FROM installation WHERE id = $1 FOR NO KEY UPDATE";

/// Waits until no other transaction begins a job while all of them have a limit, and keeps others out.
pub(in crate::adapters::store) const HOLD_CLAIMS: &str =
    "SELECT value FROM meta WHERE key = 'all_limit' FOR NO KEY UPDATE";

/// Lets a migration take its time, and keeps others from migrating the same database meanwhile.
pub(in crate::adapters::store) const HOLD_SCHEMA: [&str; 3] = [
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL lock_timeout = 0",
    "SELECT pg_advisory_xact_lock(70776001)",
];

/// Tells who listens, when the transaction is committed.
pub(in crate::adapters::store) const NOTIFY: &str = "SELECT pg_notify('prova', $1)";

/// On which channel.
pub(in crate::adapters::store) const CHANNEL: &str = "prova";

/// How long a server may take to answer; longer than it is told to work on a statement.
pub(in crate::adapters::store) const PATIENCE: Duration = Duration::from_secs(75);

/// How long a connection may take to be made.
pub(in crate::adapters::store) const CONNECT: Duration = Duration::from_secs(10);

/// Reads an URL, and adds what every connection is told.
///
/// A connection that hangs must not keep its locks: the server ends statements, waits for locks and
/// open transactions by itself.
pub(in crate::adapters::store) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?
        .application_name("prova")
        .options([
            ("statement_timeout", "60s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ])
        .statement_cache_capacity(128) // more than there are statements in this module
        .disable_statement_logging())
}
