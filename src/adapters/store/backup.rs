//! A copy of the database as it is at one moment, made while it is used.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

use crate::adapters::store::SqlStore;
use crate::adapters::store::dialect::sqlite;
use crate::adapters::store::error::Error;
use crate::adapters::store::schema::Place;
use crate::ports::fault::Fault;

impl SqlStore {
    /// Writes everything that is in the store at this moment to a new file, which only its owner can
    /// read, and checks what was written. Whoever reads or writes the store meanwhile goes on.
    ///
    /// # Errors
    /// When there is a file of that name, or it cannot be written; nothing is left behind then. When
    /// the store is on a server.
    pub async fn backup(&self, to: &Path) -> Result<(), Fault> {
        let doing = || format!("back the store up to {}", to.display());
        let Place::File(path) = &self.place else {
            let why = "a database on a server is backed up by the server's own means, as by \
                       `pg_dump --format=custom`, which copies one moment too";
            return Err(Fault::permanent(doing(), why));
        };
        create(to).await.map_err(|error| error.fault(doing()))?;
        let copied = copy(path, to).await;
        if copied.is_err() {
            // What was written so far is no backup; that it cannot be removed changes nothing.
            let _ = tokio::fs::remove_file(to).await;
        }
        copied.map_err(|error| error.fault(doing()))
    }
}

async fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let name = to
        .to_str()
        .ok_or_else(|| Error::Refused("its name is not UTF-8".to_owned()))?;
    let mut source = sqlite::reader(from)
        .pragma("query_only", "0") // the copy is written, the store is not
        .connect()
        .await?;
    source.execute(sqlx::query(sqlite::COPY).bind(name)).await?;
    source.close().await?;
    let copy = SqliteConnectOptions::new().filename(to).read_only(true);
    let mut copy = copy.connect().await?;
    let sound = sound(&mut copy).await;
    copy.close().await?;
    sound?;
    sync(to).await
}

/// The file is there, empty and closed to others, before anything is written to it.
async fn create(to: &Path) -> Result<(), Error> {
    let created = tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .await;
    created.map(drop).map_err(file("create it"))
}

async fn sound(copy: &mut SqliteConnection) -> Result<(), Error> {
    let row = copy.fetch_one(sqlite::CHECK_WHOLE).await?;
    let found: String = row.try_get(0)?;
    if found == "ok" {
        return Ok(());
    }
    Err(Error::Damaged {
        what: "something".to_owned(),
        why: found,
    })
}

/// A backup that a power cut can take away is none.
async fn sync(to: &Path) -> Result<(), Error> {
    let written = tokio::fs::File::open(to).await.map_err(file("open it"))?;
    written.sync_all().await.map_err(file("write it to disk"))?;
    let dir = match to.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let dir = tokio::fs::File::open(dir)
        .await
        .map_err(file("open its directory"))?;
    dir.sync_all().await.map_err(file("write its name to disk"))
}

fn file(what: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::File {
        what: what.to_owned(),
        error,
    }
}
