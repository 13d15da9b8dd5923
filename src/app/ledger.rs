//! What the gateway charges, into the store.

use std::sync::Arc;

use crate::ports::clock::Clock;
use crate::ports::fault::Fault;
use crate::ports::gateway::{Charge, Ledger};
use crate::ports::store::Spending;

/// The ledger that is kept in the store.
pub struct StoreLedger {
    /// Where charges go.
    pub store: Arc<dyn Spending>,
    /// When they are made.
    pub clock: Arc<dyn Clock>,
}

#[async_trait::async_trait]
impl Ledger for StoreLedger {
    async fn record(&self, charge: &Charge) -> Result<(), Fault> {
        self.store.record_call(charge, self.clock.now()).await
    }
}
