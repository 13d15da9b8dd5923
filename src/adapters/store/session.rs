//! One transaction, with values and rows that no engine is named in.

use std::future::Future;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Row as _, ValueRef as _};

use crate::adapters::store::connections::{Connection, Connections, Taken};
use crate::adapters::store::dialect::{Claim, Engine, postgres};
use crate::adapters::store::error::Error;
use crate::domain::budget::Scope;
use crate::domain::ids::{
    DeliveryId, InstallationId, JobId, RepoId, TaskId, ThreadKey, ThreadNumber,
};
use crate::domain::money::Usd;
use crate::domain::time::{Span, Timestamp};

/// A transaction. Dropped without [`Session::end`], it is rolled back with its connection.
pub(super) struct Session {
    taken: Taken,
}

impl Session {
    /// Waits for a connection and begins.
    pub(super) async fn begin(
        connections: &std::sync::Arc<Connections>,
        begin: &'static str,
    ) -> Result<Self, Error> {
        loop {
            let taken = connections.take().await?;
            let may_be_dead = taken.may_be_dead();
            let mut session = Self { taken };
            match session.run(begin, args![]).await {
                Ok(_) => return Ok(session),
                // Nothing was done on it yet. The others are no younger, so all of them go.
                Err(error) if may_be_dead => {
                    tracing::debug!(%error, "a connection had died");
                    connections.forget_idle();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns which database this is.
    pub(super) fn engine(&self) -> Engine {
        self.taken.engine()
    }

    /// Keeps other transactions from changing the effects of a thread until this one ends.
    pub(super) async fn hold_thread(&mut self, thread: &str) -> Result<(), Error> {
        match self.engine() {
            Engine::Sqlite => Ok(()), // nobody else writes
            Engine::Postgres => self
                .rows(postgres::HOLD_THREAD, args![thread])
                .await
                .map(drop),
        }
    }

    /// Keeps other transactions from changing a lane and its queue until this one ends.
    pub(super) async fn hold_lane(&mut self, repo: &str) -> Result<(), Error> {
        match self.engine() {
            Engine::Sqlite => Ok(()), // nobody else writes
            Engine::Postgres => self.rows(postgres::HOLD_LANE, args![repo]).await.map(drop),
        }
    }

    /// Keeps other transactions from serving an installation until this one ends.
    pub(super) async fn hold_installation(&mut self, id: &str) -> Result<(), Error> {
        match self.engine() {
            Engine::Sqlite => Ok(()), // nobody else writes
            Engine::Postgres => self
                .rows(postgres::HOLD_INSTALLATION, args![id])
                .await
                .map(drop),
        }
    }

    /// Keeps other transactions from serving anybody until this one ends.
    pub(super) async fn hold_claims(&mut self) -> Result<(), Error> {
        match self.engine() {
            Engine::Sqlite => Ok(()), // nobody else writes
            Engine::Postgres => self.rows(postgres::HOLD_CLAIMS, args![]).await.map(drop),
        }
    }

    /// Runs a claim, which passes over what others hold.
    pub(super) async fn claim(
        &mut self,
        claim: &Claim,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, Error> {
        match self.engine() {
            Engine::Sqlite => self.row(claim.alone, args).await,
            Engine::Postgres => self.row(claim.free, args).await,
        }
    }

    /// Commits when `outcome` is good, else rolls back, and passes it on.
    pub(super) async fn end<T>(mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        let outcome = match outcome {
            Ok(value) => self.run("COMMIT", args![]).await.map(|_| value),
            Err(error) => Err(error),
        };
        if outcome.is_ok() {
            self.taken.give_back();
        } else {
            self.undo().await;
        }
        outcome
    }

    /// Rolls back.
    pub(super) async fn undo(mut self) {
        // The engine may have done so by itself; then ROLLBACK fails and the connection goes.
        if self.run("ROLLBACK", args![]).await.is_ok() {
            self.taken.give_back();
        }
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn run(&mut self, sql: &'static str, args: Vec<Arg>) -> Result<u64, Error> {
        match self.taken.as_mut() {
            Connection::Sqlite(connection) => {
                let done = sqlx::query_with(sql, for_sqlite(args)?).execute(connection);
                Ok(done.await?.rows_affected())
            }
            Connection::Postgres(connection) => {
                let done = sqlx::query_with(sql, for_postgres(args)?).execute(connection);
                Ok(answered(done).await?.rows_affected())
            }
        }
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, Error> {
        match self.taken.as_mut() {
            Connection::Sqlite(connection) => {
                let rows = sqlx::query_with(sql, for_sqlite(args)?).fetch_all(connection);
                Ok(rows.await?.into_iter().map(Row::Sqlite).collect())
            }
            Connection::Postgres(connection) => {
                let rows = sqlx::query_with(sql, for_postgres(args)?).fetch_all(connection);
                Ok(answered(rows)
                    .await?
                    .into_iter()
                    .map(Row::Postgres)
                    .collect())
            }
        }
    }

    /// Runs a statement and returns its first row.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }
}

/// Waits for a server, and not for ever: a machine that is gone does not say so.
async fn answered<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(postgres::PATIENCE, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::NoAnswer(postgres::PATIENCE)),
    }
}

fn for_sqlite(args: Vec<Arg>) -> Result<SqliteArguments, Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Text(text) => arguments.add(text),
            Arg::Int(int) => arguments.add(int),
            Arg::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn for_postgres(args: Vec<Arg>) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Text(text) => arguments.add(text.map(without_nul)),
            Arg::Int(int) => arguments.add(int),
            Arg::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// PostgreSQL keeps no text with a NUL in it. Documents have none, JSON writes it as an escape.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

/// A value for a placeholder. A missing one keeps its type, which PostgreSQL asks for.
pub(super) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Vec<u8>),
}

/// Builds the values of a statement's placeholders, `$1` first.
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::adapters::store::session::Arg::from($value)),*]
    };
}
pub(super) use args;

macro_rules! arg_as_text {
    ($($id:ty),*) => {$(
        impl From<$id> for Arg {
            fn from(id: $id) -> Self {
                Self::Text(Some(id.to_string()))
            }
        }
    )*};
}

arg_as_text!(
    &str,
    InstallationId,
    JobId,
    RepoId,
    &Scope,
    TaskId,
    ThreadKey,
    ThreadNumber
);

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&DeliveryId> for Arg {
    fn from(id: &DeliveryId) -> Self {
        Self::from(id.as_str())
    }
}

impl From<i64> for Arg {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}

impl From<u32> for Arg {
    fn from(int: u32) -> Self {
        Self::Int(Some(i64::from(int)))
    }
}

impl From<usize> for Arg {
    fn from(int: usize) -> Self {
        // A count of things in memory.
        Self::Int(Some(i64::try_from(int).unwrap_or(i64::MAX)))
    }
}

impl From<Option<i64>> for Arg {
    fn from(int: Option<i64>) -> Self {
        Self::Int(int)
    }
}

impl From<Usd> for Arg {
    fn from(amount: Usd) -> Self {
        // Nine trillion dollars.
        Self::Int(Some(i64::try_from(amount.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl From<Timestamp> for Arg {
    fn from(time: Timestamp) -> Self {
        Self::Int(Some(time.as_millis()))
    }
}

impl From<Span> for Arg {
    fn from(span: Span) -> Self {
        // Longer than anything that is scheduled.
        Self::Int(Some(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<Vec<u8>> for Arg {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A row; columns are counted from 0.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Returns a text.
    pub(super) fn text(&self, column: usize) -> Result<String, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// Returns a text that may be missing.
    pub(super) fn maybe_text(&self, column: usize) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// Returns a whole number.
    pub(super) fn int(&self, column: usize) -> Result<i64, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            // A literal or a length is a shorter number there; all of them read as this one.
            Self::Postgres(row) => row.try_get_unchecked(column)?,
        })
    }

    /// Returns a whole number that may be missing.
    pub(super) fn maybe_int(&self, column: usize) -> Result<Option<i64>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get_unchecked(column)?,
        })
    }

    /// Returns a number that counts something.
    pub(super) fn count<N: TryFrom<i64>>(&self, column: usize) -> Result<N, Error> {
        let int = self.int(column)?;
        N::try_from(int).map_err(|_| Error::Damaged {
            what: format!("column {column}"),
            why: format!("{int} is not a count"),
        })
    }

    /// Returns an amount of money.
    pub(super) fn usd(&self, column: usize) -> Result<Usd, Error> {
        Ok(Usd::from_micros(self.count(column)?))
    }

    /// Returns a yes or no.
    pub(super) fn flag(&self, column: usize) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    /// Returns a time.
    pub(super) fn time(&self, column: usize) -> Result<Timestamp, Error> {
        Ok(Timestamp::from_millis(self.int(column)?))
    }

    /// Returns a time that may be missing.
    pub(super) fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>, Error> {
        Ok(self.maybe_int(column)?.map(Timestamp::from_millis))
    }

    /// Returns whether a column has a value.
    pub(super) fn is_there(&self, column: usize) -> bool {
        match self {
            Self::Sqlite(row) => (row.try_get_raw(column)).is_ok_and(|value| !value.is_null()),
            Self::Postgres(row) => (row.try_get_raw(column)).is_ok_and(|value| !value.is_null()),
        }
    }

    /// Returns bytes.
    pub(super) fn bytes(&self, column: usize) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}
