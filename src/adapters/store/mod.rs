//! The store on a SQL database: SQLite, one file.
//!
//! Everything above `session` is text that SQLite and PostgreSQL both accept: `$n` placeholders,
//! text ids, 64-bit milliseconds, JSON as text, no function of one engine. What an engine has of its
//! own is in `dialect` (settings, how transactions begin), `session` (values and rows), `schema`
//! (opening and migrating) and `error` (codes).
//!
//! **Invariant:** a transaction that will write takes the write lock when it begins. One that reads
//! first and asks for the lock later fails at once when somebody else has written in between.

mod backup;
mod codec;
mod commit;
mod connections;
mod dialect;
mod error;
mod inbox;
mod jobs;
mod notes;
mod outbox;
mod processes;
mod queue;
mod schema;
mod session;
mod spend;
mod tasks;
mod version;

use std::path::PathBuf;
use std::sync::Arc;

use crate::adapters::store::connections::Connections;
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Arg, Row, Session};
use crate::ports::fault::Fault;

/// Reads run beside the one writer; more of them would only cost memory.
const READERS: usize = 3;

/// Everything that Prova keeps, in a SQL database.
#[derive(Debug)]
pub struct SqlStore {
    path: PathBuf,
    writer: Arc<Connections>,
    readers: Arc<Connections>,
}

impl SqlStore {
    /// Opens the database that `url` names, `sqlite://PATH`, and brings its schema up to date.
    ///
    /// A file that does not exist is created, readable and writable by its owner only; its
    /// directory must exist.
    ///
    /// # Errors
    ///
    /// Fails with a message that names the file or URL and the remedy: an URL of another engine, a
    /// missing directory, a file that is no database or was written by a newer version.
    pub async fn open(url: &str) -> Result<Self, Fault> {
        let doing = || format!("open the store {url}");
        let path = schema::path_of(url).map_err(|error| error.fault(doing()))?;
        schema::create_file(&path)
            .await
            .map_err(|error| error.fault(doing()))?;
        let writer = Connections::new(dialect::writer(&path), 1);
        let readers = Connections::new(dialect::reader(&path), READERS);
        schema::migrate(&writer)
            .await
            .map_err(|error| error.fault(doing()))?;
        let store = Self {
            path,
            writer,
            readers,
        };
        store.admit().await.map_err(|error| error.fault(doing()))?;
        Ok(store)
    }

    /// Refuses a schema that is too new for this code, and signs one that this code has made.
    async fn admit(&self) -> Result<(), Error> {
        let mut session = self.write().await?;
        let admitted = version::admit(&mut session).await;
        session.end(admitted).await
    }

    /// Waits for what runs and closes the database; every call afterwards fails.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn read(&self) -> Result<Session, Error> {
        Session::begin(&self.readers, dialect::BEGIN_READ).await
    }

    async fn write(&self) -> Result<Session, Error> {
        Session::begin(&self.writer, dialect::BEGIN_WRITE).await
    }

    /// Reads every row that a statement finds.
    async fn all<T>(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
        from_row: fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut session = self.read().await?;
        let rows = session.rows(sql, args).await;
        session.end(rows).await?.iter().map(from_row).collect()
    }

    /// Reads the first row that a statement finds.
    async fn one<T>(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
        from_row: fn(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut session = self.read().await?;
        let row = session.row(sql, args).await;
        session.end(row).await?.as_ref().map(from_row).transpose()
    }

    /// Runs one statement as a transaction of its own and returns how many rows it changed.
    async fn change(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, Error> {
        let mut session = self.write().await?;
        let changed = session.run(sql, args).await;
        session.end(changed).await
    }
}

#[cfg(test)]
mod tests;
