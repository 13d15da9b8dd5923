//! This process among those that share its store: it says that it runs, and sees whether it may.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::domain::process::{BEAT, Process, elsewhere, skew};
use crate::domain::time::Span;
use crate::ports::clock::Clock;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Reach, Store};

/// How long a process that died without a word is remembered.
const REMEMBERED: Span = Span::days(1);

/// Whether this process may work. It may until something is found that speaks against it.
#[derive(Debug, Default)]
pub struct Standing(Mutex<Option<String>>);

impl Standing {
    /// Returns why this process may not work, if it may not.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns whether it may work.
    #[must_use]
    pub fn may_work(&self) -> bool {
        self.refusal().is_none()
    }

    fn set(&self, refusal: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

/// What is said of this process, and where.
#[derive(Clone)]
pub struct Presence {
    /// Where it is written down.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether it may work.
    pub standing: Arc<Standing>,
    /// The process; when it was seen last is filled in each time.
    pub process: Process,
}

impl Presence {
    /// Writes the process down, unless it must not be here: then nothing is written, and the fault
    /// says why.
    pub async fn enter(&self) -> Result<(), Fault> {
        match self.refusal().await? {
            Some(why) => Err(Fault::new(Class::Permanent, "use the store", why)),
            None => self.note().await,
        }
    }

    /// Says again and again that the process runs, until `stop` fires. When it finds that it must not
    /// work any more, it says so once and holds the loops; what is wrong may pass.
    pub async fn keep(&self, stop: &CancellationToken) {
        let mut told = None;
        while !stop.is_cancelled() {
            if let Err(fault) = self.beat(&mut told).await {
                tracing::warn!(%fault, "could not say that this process runs");
            }
            tokio::select! {
                () = tokio::time::sleep(BEAT.to_std()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Strikes the process off, so that others need not wait to see that it is gone.
    pub async fn leave(&self) {
        if let Err(fault) = self.store.leave(&self.process.id).await {
            tracing::warn!(%fault, "this process could not be struck off");
        }
    }

    /// One word, and one look around.
    async fn beat(&self, told: &mut Option<String>) -> Result<(), Fault> {
        let refusal = self.refusal().await?;
        match (self.standing.refusal(), &refusal) {
            (None, Some(why)) => tracing::error!(why, "this process works no more"),
            (Some(_), None) => tracing::info!("this process may work again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.standing.set(refusal);
        self.note().await?;
        let now = self.clock.now();
        let all = self.store.processes().await?;
        let skewed = skew(&all, now);
        if skewed != *told {
            if let Some(skewed) = &skewed {
                tracing::warn!("{skewed}");
            } else {
                tracing::info!("all processes run in one version");
            }
            *told = skewed;
        }
        self.store.forget_processes(now.minus(REMEMBERED)).await?;
        Ok(())
    }

    async fn note(&self) -> Result<(), Fault> {
        let process = Process {
            seen_at: self.clock.now(),
            ..self.process.clone()
        };
        self.store.note_process(&process).await
    }

    /// Returns why this process must not work on this store, if so.
    async fn refusal(&self) -> Result<Option<String>, Fault> {
        let schema = self.store.schema().await?;
        if let Some(why) = schema.refusal(&self.process.version) {
            return Ok(Some(why));
        }
        match self.store.reach() {
            Reach::AnyMachine => Ok(None),
            Reach::OneMachine => {
                let all = self.store.processes().await?;
                let there = elsewhere(&self.process, &all, self.clock.now());
                Ok(there.map(|other| {
                    format!(
                        "{} of the machine {} uses it, and this is {}: SQLite is for the processes \
                         of one machine, and a network file system does not keep its locks; run all \
                         of them on one machine",
                        other.id, other.host.name, self.process.host.name
                    )
                }))
            }
        }
    }
}
