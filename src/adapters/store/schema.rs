//! The database's place and its schema: URL to path, the file itself, migrations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnection;

use crate::adapters::store::connections::{Connections, Taken};
use crate::adapters::store::dialect;
use crate::adapters::store::error::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The same ones, for a database to which a newer version may have added some; whether this code
/// can run on it then, `version` says.
fn lenient() -> Migrator {
    Migrator {
        migrations: std::borrow::Cow::Borrowed(&MIGRATIONS.migrations),
        ignore_missing: true,
        ..Migrator::DEFAULT
    }
}

/// Returns the version of the newest migration that this binary knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

/// Returns the path in `sqlite://PATH`.
pub(super) fn path_of(url: &str) -> Result<PathBuf, Error> {
    let refuse = |why: &str| {
        Err(Error::Refused(format!(
            "{why}: expected sqlite://PATH, for example sqlite:///var/lib/prova/prova.db"
        )))
    };
    match url.split_once("://") {
        Some(("sqlite", "")) => refuse("the URL names no file"),
        Some(("sqlite", path)) if path.contains(['?', '\0']) || path.starts_with(':') => {
            refuse("the path has a character that no option or database in memory is read from")
        }
        Some(("sqlite", path)) => Ok(PathBuf::from(path)),
        Some(("postgres" | "postgresql", _)) => {
            refuse("PostgreSQL comes with a later version of Prova")
        }
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
    let mut taken = first_connection(writer).await?;
    let connection: &mut SqliteConnection = taken.as_mut();
    let mut transaction = connection.begin_with(dialect::BEGIN_WRITE).await?;
    // `run` asks for more than a connection, which makes the future of every caller not `Send`.
    lenient()
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(refusal)?;
    transaction.commit().await?;
    taken.give_back();
    Ok(())
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
