//! What the gateway sets aside and charges, in the store, where all processes meet.

use std::sync::Arc;

use crate::domain::budget::{Cap, Denied, Scope};
use crate::ports::clock::Clock;
use crate::ports::fault::Fault;
use crate::ports::gateway::{Charge, HELD, Hold, Ledger};
use crate::ports::store::Spending;

/// The ledger that is kept in the store.
pub struct StoreLedger {
    /// Where charges go.
    pub store: Arc<dyn Spending>,
    /// When they are made.
    pub clock: Arc<dyn Clock>,
    /// This process among the workers of one store.
    pub worker: String,
}

#[async_trait::async_trait]
impl Ledger for StoreLedger {
    async fn set_aside(&self, hold: &Hold, caps: &[Cap]) -> Result<Result<(), Denied>, Fault> {
        let now = self.clock.now();
        let holder = (self.worker.as_str(), now.plus(HELD));
        let denied = match self.store.set_aside(hold, caps, holder).await? {
            Ok(()) => return Ok(Ok(())),
            Err(denied) => denied,
        };
        match denied {
            Denied::Never(_) => Ok(Err(denied)),
            // What stands against it may be of a process that is dead: then waiting is no use.
            Denied::NotYet(_) if self.store.charge_ended(now).await? > 0 => {
                self.store.set_aside(hold, caps, holder).await
            }
            Denied::NotYet(_) => Ok(Err(denied)),
        }
    }

    async fn keep(&self, id: &str) -> Result<(), Fault> {
        let until = self.clock.now().plus(HELD);
        self.store.keep_aside(id, until).await
    }

    async fn free(&self, id: &str, scopes: &[Scope]) -> Result<(), Fault> {
        self.store.free_call(id, scopes).await
    }

    async fn record(&self, charge: &Charge) -> Result<(), Fault> {
        self.store.record_call(charge, self.clock.now()).await
    }
}
