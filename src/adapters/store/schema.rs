//! The database's place and its schema: what an URL names, the file itself, migrations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use std::fmt;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::adapters::store::connections::{Connection, Connections, Taken};
use crate::adapters::store::dialect::{Engine, postgres};
use crate::adapters::store::error::Error;
use crate::domain::store_url::{shown, unknown_key};

static ON_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static ON_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

const fn migrations(engine: Engine) -> &'static Migrator {
    match engine {
        Engine::Sqlite => &ON_SQLITE,
        Engine::Postgres => &ON_POSTGRES,
    }
}

/// The same ones, for a database to which a newer version may have added some; whether this code
/// can run on it then, `version` says.
fn lenient(engine: Engine) -> Migrator {
    Migrator {
        migrations: std::borrow::Cow::Borrowed(&migrations(engine).migrations),
        ignore_missing: true,
        locking: false, // the transaction does it
        ..Migrator::DEFAULT
    }
}

/// Returns the version of the newest migration that this binary knows; it is the same for each engine.
pub(super) fn newest() -> i64 {
    ON_SQLITE.iter().map(|m| m.version).max().unwrap_or(0)
}

/// Where a database is. What is shown of it has no password.
pub(super) enum Place {
    /// In a file.
    File(PathBuf),
    /// On a server: how to get there, and the URL without its password.
    Server(Box<PgConnectOptions>, String),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(_, url) => f.write_str(url),
        }
    }
}

/// Returns what `sqlite://PATH` or `postgres://…` names.
pub(super) fn place_of(url: &str) -> Result<Place, Error> {
    let refuse = |why: &str| {
        Err(Error::Refused(format!(
            "{why}: expected sqlite://PATH, for example sqlite:///var/lib/prova/prova.db, or \
             postgres://USER@HOST/DATABASE"
        )))
    };
    match url.split_once("://") {
        Some(("sqlite", "")) => refuse("the URL names no file"),
        Some(("sqlite", path)) if path.contains(['?', '\0']) || path.starts_with(':') => {
            refuse("the path has a character that no option or database in memory is read from")
        }
        Some(("sqlite", path)) => Ok(Place::File(PathBuf::from(path))),
        Some(("postgres" | "postgresql", _)) => match unknown_key(url) {
            Some(key) => refuse(&format!("no connection has a parameter {key}")),
            None => match postgres::options(url) {
                Ok(options) => Ok(Place::Server(Box::new(options), shown(url).into_owned())),
                // What it says may have the password in it.
                Err(_) => refuse("this URL of a PostgreSQL database cannot be read"),
            },
        },
        Some((engine, _)) => refuse(&format!("{engine} is not a database that Prova knows")),
        None => refuse("this is not the URL of a database"),
    }
}

/// Creates an empty file for the database unless there is one. It holds private repositories'
/// text: only its owner may read it, and SQLite gives its companion files the same mode.
pub(super) async fn create_file(path: &Path) -> Result<(), Error> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !tokio::fs::try_exists(parent).await.unwrap_or(false) {
        let shown = parent.display();
        return Err(Error::Refused(format!(
            "the directory {shown} does not exist: create it with `mkdir -p {shown}`"
        )));
    }
    // A file that is there is not even opened: closing it again would drop every lock that SQLite
    // holds on it in this process.
    let created = tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .await;
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::File {
            what: format!("create {}", path.display()),
            error,
        }),
    }
}

/// How often, and how far apart, a database that somebody else is setting up is tried again.
const TRIES: u32 = 100;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Opens the connection that writes.
///
/// While another process turns a new file into a database in WAL mode, SQLite answers that it is busy
/// without waiting.
async fn first_connection(writer: &Arc<Connections>) -> Result<Taken, Error> {
    let mut tries = 1;
    loop {
        match writer.take().await {
            Err(error) if error.is_busy() && tries < TRIES => tries += 1,
            done => return done,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Applies the migrations that are missing, all in one transaction: of several processes that open a
/// database at once, one migrates it and the others find it done.
pub(super) async fn migrate(writer: &Arc<Connections>) -> Result<(), Error> {
    let engine = writer.engine();
    let mut taken = first_connection(writer).await?;
    // `run` asks for more than a connection, which makes the future of every caller not `Send`.
    match taken.as_mut() {
        Connection::Sqlite(connection) => {
            let mut transaction = connection.begin_with(engine.begin_write()).await?;
            let done = lenient(engine)
                .run_direct(None, &mut *transaction, false)
                .await;
            done.map_err(refusal)?;
            transaction.commit().await?;
        }
        Connection::Postgres(connection) => {
            let mut tries = 1;
            // A process that works takes the tables in another order, and PostgreSQL ends one of two
            // that wait for each other. The other one tries again by itself, too.
            loop {
                match migrate_server(connection).await {
                    Err(error) if error.is_busy() && tries < TRIES => tries += 1,
                    done => break done?,
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    taken.give_back();
    Ok(())
}

async fn migrate_server(connection: &mut PgConnection) -> Result<(), Error> {
    let engine = Engine::Postgres;
    let mut transaction = connection.begin_with(engine.begin_write()).await?;
    for hold in postgres::HOLD_SCHEMA {
        sqlx::query(hold).execute(&mut *transaction).await?;
    }
    let done = lenient(engine)
        .run_direct(None, &mut *transaction, false)
        .await;
    done.map_err(refusal)?;
    Ok(transaction.commit().await?)
}

fn refusal(error: MigrateError) -> Error {
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        return Error::Sql(error);
    }
    Error::Refused(if let MigrateError::VersionMismatch(version) = error {
        format!(
            "its schema {version} is not the one that this version of Prova has: start the \
             version that created it"
        )
    } else {
        error.to_string()
    })
}
