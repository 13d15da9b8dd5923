//! Brings what was written to the log over into the database, beside the connection that writes.
//!
//! SQLite does it in the commit that makes the log long enough, and whoever commits then waits for
//! two more trips to the disk. Here a connection of its own does it, which stops nobody: a passive
//! checkpoint takes what is there and leaves what comes meanwhile. The log begins anew when all of it
//! was brought over; under a load that never pauses that is the writer's own doing, much later.

use std::sync::Arc;

use sqlx::Row as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::adapters::store::connections::Connections;
use crate::adapters::store::dialect::{self, CHECKPOINT, CHECKPOINT_STATE};
use crate::adapters::store::error::Error;

/// The task. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Checkpoints {
    written: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts it on `connections`, which are its own. Must be called in a runtime.
    pub(super) fn start(connections: Arc<Connections>) -> Self {
        let written = Arc::new(Notify::new());
        let heard = Arc::clone(&written);
        let task = tokio::spawn(async move {
            loop {
                heard.notified().await;
                if let Err(error) = look(&connections).await {
                    // Nothing is lost: it stays in the log, and the writer sees to it.
                    tracing::debug!(%error, "the log was not brought over");
                }
            }
        });
        Self { written, task }
    }

    /// Says that something was, or is about to be, written.
    pub(super) fn nudge(&self) {
        self.written.notify_one();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Brings the log over when it has become long.
async fn look(connections: &Arc<Connections>) -> Result<(), Error> {
    let mut taken = connections.take().await?;
    let state = sqlx::query(CHECKPOINT_STATE)
        .fetch_one(taken.as_mut())
        .await?;
    let (logged, done): (i64, i64) = (state.try_get(1)?, state.try_get(2)?);
    if logged - done >= dialect::LOGGED_PAGES {
        sqlx::query(CHECKPOINT).execute(taken.as_mut()).await?;
    }
    taken.give_back();
    Ok(())
}
