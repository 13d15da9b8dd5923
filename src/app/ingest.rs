//! Verified deliveries, onto disk: many requests, one transaction.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::ports::fault::Fault;
use crate::ports::store::{Acceptance, Inbox, NewDelivery};
use crate::ports::wake::{Waiting, Wake};

/// How many requests may wait for the disk before further ones are refused; GitHub waits 10 s.
const WAITING: usize = 256;
/// Most deliveries in one transaction.
const GROUP: usize = 64;
/// Most bytes in one transaction, so that a few huge bodies do not hold up many small ones.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Why a delivery was not stored. The sender may send it again.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// Too many wait for the disk already.
    #[error("too many deliveries wait for the disk")]
    Overloaded,
    /// The store refused it.
    #[error("the store refused it: {0}")]
    Store(String),
}

type Offered = (NewDelivery, oneshot::Sender<Result<Acceptance, String>>);

/// The way into the inbox. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ingest {
    queue: mpsc::Sender<Offered>,
}

impl Ingest {
    /// Builds the way in, and the task that writes what comes through it until every clone of the
    /// way in is gone.
    pub fn new(
        store: Arc<dyn Inbox>,
        wake: Arc<dyn Wake>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Self { queue }, write_groups(store, wake, waiting))
    }

    /// Puts a delivery on disk; it is durable when this returns.
    pub async fn accept(&self, delivery: NewDelivery) -> Result<Acceptance, NotStored> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send((delivery, answer))
            .map_err(|_| NotStored::Overloaded)?;
        match answered.await {
            Ok(Ok(acceptance)) => Ok(acceptance),
            Ok(Err(why)) => Err(NotStored::Store(why)),
            Err(_) => Err(NotStored::Store("it is shutting down".to_owned())),
        }
    }
}

/// Writes whatever waits in one transaction, again and again. While one is on its way to the disk
/// the next group gathers by itself, so the group grows with the load and no timer is needed.
async fn write_groups(
    store: Arc<dyn Inbox>,
    wake: Arc<dyn Wake>,
    mut waiting: mpsc::Receiver<Offered>,
) {
    while let Some((first, answer)) = waiting.recv().await {
        let mut bytes = first.body.len();
        let (mut group, mut answers) = (vec![first], vec![answer]);
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let Ok((delivery, answer)) = waiting.try_recv() else {
                break;
            };
            bytes += delivery.body.len();
            group.push(delivery);
            answers.push(answer);
        }
        let outcome = store.accept(group).await;
        answer_all(outcome, answers);
        wake.tell(Waiting::Deliveries);
    }
}

fn answer_all(
    outcome: Result<Vec<Acceptance>, Fault>,
    answers: Vec<oneshot::Sender<Result<Acceptance, String>>>,
) {
    match outcome {
        Ok(accepted) => {
            for (answer, acceptance) in answers.into_iter().zip(accepted) {
                // Who asked may have gone; what matters is on disk.
                let _ = answer.send(Ok(acceptance));
            }
        }
        Err(fault) => {
            tracing::error!(%fault, "deliveries could not be stored");
            for answer in answers {
                let _ = answer.send(Err(fault.to_string()));
            }
        }
    }
}
