//! The gateway: the only door out of a sandbox. Model calls get their key here, are metered and
//! held against budgets; other hosts are reached by CONNECT when they are allowed.
//!
//! Whoever connects is hostile. Nothing it sends is passed on that was not understood first.

mod settings;

use std::sync::Arc;

use crate::ports::fault::Fault;
use crate::ports::gateway::{Gateway, Ledger, Pass, Passage};

pub use settings::{Bounds, Endpoint, InvalidSettings, Settings};

/// The gateway of one server; every pass that is open shares its budgets.
pub struct HttpGateway {
    settings: Settings,
    ledger: Arc<dyn Ledger>,
}

impl HttpGateway {
    /// Sets the gateway up; connects to nothing yet.
    pub fn new(settings: Settings, ledger: Arc<dyn Ledger>) -> Result<Self, InvalidSettings> {
        Ok(Self { settings, ledger })
    }
}

#[async_trait::async_trait]
impl Gateway for HttpGateway {
    async fn open(&self, pass: Pass) -> Result<Arc<dyn Passage>, Fault> {
        let _ = (&self.settings, &self.ledger);
        Err(Fault::permanent("open a door", pass.job))
    }
}
