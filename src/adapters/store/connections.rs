//! A few connections, opened when needed and kept.
//!
//! Not sqlx's pool: that one waits with timers, which fire early under a paused test clock, and pings
//! before each use. It also keeps a connection on which SQLite ended a transaction by itself (disk
//! full) while sqlx still counts it as open; every later transaction on it fails.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::adapters::store::error::Error;

/// At most so many connections of one kind; who comes first is served first.
#[derive(Debug)]
pub(super) struct Connections {
    options: SqliteConnectOptions,
    most: usize,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection in use. Dropped without [`Taken::give_back`], it is closed, and the engine rolls back what
/// was open on it.
#[derive(Debug)]
pub(super) struct Taken {
    connection: SqliteConnection,
    home: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// Takes the settings; nothing is opened yet.
    pub(super) fn new(options: SqliteConnectOptions, most: usize) -> Arc<Self> {
        Arc::new(Self {
            options,
            most,
            permits: Arc::new(Semaphore::new(most)),
            idle: Mutex::new(Vec::with_capacity(most)),
        })
    }

    /// Waits for a connection.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Taken, Error> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::Closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Taken {
            connection,
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

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Keeps the connection for the next one; nothing may be open on it.
    pub(super) fn give_back(self) {
        self.home.idle().push(self.connection);
    }
}

impl AsMut<SqliteConnection> for Taken {
    fn as_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
