//! A few connections, opened when needed and kept.
//!
//! Not sqlx's pool: that one waits with timers, which fire early under a paused test clock, and pings
//! before each use. It also keeps a connection on which SQLite ended a transaction by itself (disk
//! full) while sqlx still counts it as open; every later transaction on it fails.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::adapters::store::dialect::{Engine, postgres};
use crate::adapters::store::error::Error;

/// How a connection is made.
pub(super) enum Options {
    /// To a file.
    Sqlite(Box<SqliteConnectOptions>),
    /// To a server.
    Postgres(Box<PgConnectOptions>),
}

/// Without the settings: they have the password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine().fmt(f)
    }
}

impl Options {
    async fn connect(&self) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(options) => Ok(Connection::Sqlite(options.connect().await?)),
            Self::Postgres(options) => {
                let connection = tokio::time::timeout(postgres::CONNECT, options.connect());
                match connection.await {
                    Ok(connection) => Ok(Connection::Postgres(connection?)),
                    Err(_) => Err(Error::NoAnswer(postgres::CONNECT)),
                }
            }
        }
    }

    const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }
}

/// A connection of one of the engines.
#[derive(Debug)]
pub(super) enum Connection {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Postgres(PgConnection),
}

impl Connection {
    async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

/// At most so many connections of one kind; who comes first is served first.
#[derive(Debug)]
pub(super) struct Connections {
    options: Options,
    most: usize,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

/// A connection in use. Dropped without [`Taken::give_back`], it is closed, and the engine rolls back what
/// was open on it.
#[derive(Debug)]
pub(super) struct Taken {
    connection: Connection,
    used_before: bool,
    home: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// Takes the settings; nothing is opened yet.
    pub(super) fn new(options: Options, most: usize) -> Arc<Self> {
        Arc::new(Self {
            options,
            most,
            permits: Arc::new(Semaphore::new(most)),
            idle: Mutex::new(Vec::with_capacity(most)),
        })
    }

    /// Returns which database they go to.
    pub(super) const fn engine(&self) -> Engine {
        self.options.engine()
    }

    /// Waits for a connection.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Taken, Error> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::Closed)?;
        let idle = self.idle().pop();
        let used_before = idle.is_some();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Taken {
            connection,
            used_before,
            home: Arc::clone(self),
            _permit: permit,
        })
    }

    /// Waits until none is in use and closes them all, for good.
    pub(super) async fn close(&self) {
        let most = u32::try_from(self.most).unwrap_or(u32::MAX);
        let Ok(_all) = self.permits.acquire_many(most).await else {
            return; // closed before
        };
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a database connection did not close cleanly");
            }
        }
    }

    /// Closes those that wait, as when one of them has turned out to be dead.
    pub(super) fn forget_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Keeps the connection for the next one; nothing may be open on it.
    pub(super) fn give_back(self) {
        self.home.idle().push(self.connection);
    }

    /// Returns which database it goes to.
    pub(super) fn engine(&self) -> Engine {
        self.home.engine()
    }

    /// Returns whether it may have died since it was given back, as when a server was restarted.
    pub(super) fn may_be_dead(&self) -> bool {
        self.used_before && self.engine() == Engine::Postgres
    }
}

impl AsMut<Connection> for Taken {
    fn as_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
