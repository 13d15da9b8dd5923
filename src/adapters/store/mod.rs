//! The store on a SQL database: SQLite, one file, or PostgreSQL, a server.
//!
//! Everything above `session` is text that SQLite and PostgreSQL both accept: `$n` placeholders,
//! text ids, 64-bit milliseconds, JSON as text, no function of one engine. What an engine has of its
//! own is in `dialect` (settings, how transactions begin, how rows are claimed), `session` (values, rows
//! and holds), `schema` (opening and migrating) and `error` (codes).
//!
//! **Invariant:** what a transaction decides on does not change before it is committed. On SQLite a
//! transaction that will write takes the one lock for that when it begins; on PostgreSQL it holds the
//! thread, lane, scope or row that it decides on before it reads it, in the order that `dialect` gives.

mod announce;
mod backup;
mod bases;
mod codec;
mod commit;
mod connections;
mod dialect;
mod error;
mod holds;
mod inbox;
mod jobs;
mod limits;
mod notes;
mod outbox;
mod processes;
mod queue;
mod schema;
mod session;
mod spend;
mod tasks;
mod turns;
mod version;

use std::sync::Arc;

use crate::adapters::store::connections::{Connections, Options};
use crate::adapters::store::dialect::sqlite;
use crate::adapters::store::error::Error;
use crate::adapters::store::schema::Place;
use crate::adapters::store::session::{Arg, Row, Session};
use crate::domain::store_url::shown;
use crate::ports::fault::Fault;

/// Reads run beside the writers; more of them would only cost memory.
const READERS: usize = 3;

/// Transactions of one process that write at the same time on a server. They are short; what takes
/// longer is to agree on the disk, which many can do at once.
const WRITERS: usize = 6;

/// Returns connections that write, and those that read.
fn connections(place: &Place) -> (Arc<Connections>, Arc<Connections>) {
    match place {
        Place::File(path) => (
            Connections::new(Options::Sqlite(Box::new(sqlite::writer(path))), 1),
            Connections::new(Options::Sqlite(Box::new(sqlite::reader(path))), READERS),
        ),
        Place::Server(options, _) => (
            Connections::new(Options::Postgres(options.clone()), WRITERS),
            Connections::new(Options::Postgres(options.clone()), READERS),
        ),
    }
}

/// Everything that Prova keeps, in a SQL database.
#[derive(Debug)]
pub struct SqlStore {
    place: Place,
    writer: Arc<Connections>,
    readers: Arc<Connections>,
}

impl SqlStore {
    /// Opens the database that `url` names, `sqlite://PATH` or `postgres://…`, and brings its schema up
    /// to date.
    ///
    /// A file that does not exist is created, readable and writable by its owner only; its
    /// directory must exist. A database on a server must be there, and its user own it.
    ///
    /// # Errors
    ///
    /// Fails with a message that names the file or URL and the remedy: an URL of another engine, a
    /// missing directory, a file that is no database or was written by a newer version, a server that
    /// does not answer or refuses the user.
    pub async fn open(url: &str) -> Result<Self, Fault> {
        let doing = || format!("open the store {}", shown(url));
        let place = schema::place_of(url).map_err(|error| error.fault(doing()))?;
        if let Place::File(path) = &place {
            schema::create_file(path)
                .await
                .map_err(|error| error.fault(doing()))?;
        }
        let (writer, readers) = connections(&place);
        schema::migrate(&writer)
            .await
            .map_err(|error| error.fault(doing()))?;
        let store = Self {
            place,
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
        Session::begin(&self.readers, self.readers.engine().begin_read()).await
    }

    async fn write(&self) -> Result<Session, Error> {
        Session::begin(&self.writer, self.writer.engine().begin_write()).await
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
