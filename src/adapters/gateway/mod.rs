//! The gateway: the only door out of a sandbox. Model calls get their key here, are metered and
//! held against budgets; other hosts are reached through a proxy when they are allowed.
//!
//! Whoever connects is hostile. Nothing it sends is passed on that was not understood first.
//!
//! `connection` tells what a request is for. `forward` calls models: `wire` reads what is asked,
//! `hold` sets money aside, `endpoint` adds the key, `meter` reads what was used, and `ticket` charges
//! it. `tunnel` and `plain` go to other hosts, once `reach` has looked at them.

mod body;
mod connection;
mod endpoint;
mod forward;
mod headers;
mod hold;
mod house;
mod meter;
mod outside;
mod passage;
mod plain;
mod random;
mod reach;
mod settings;
mod ticket;
mod tunnel;
#[doc(hidden)]
pub mod untrusted;
mod variables;
mod wire;

use std::sync::Arc;

use crate::adapters::gateway::house::House;
use crate::adapters::gateway::passage::{Opened, Pass};
use crate::ports::fault::Fault;
use crate::ports::gateway::{self, Gateway, Ledger, Passage};

pub use outside::{Internet, Outside};
pub use settings::{Bounds, Endpoint, InvalidSettings, Settings};

/// The gateway of one process; budgets are the ledger's, and so those of all that share it.
pub struct HttpGateway {
    house: Arc<House>,
}

impl HttpGateway {
    /// Sets the gateway up; connects to nothing yet.
    pub fn new(settings: Settings, ledger: Arc<dyn Ledger>) -> Result<Self, InvalidSettings> {
        Self::with_outside(settings, ledger, Arc::new(Internet))
    }

    /// Sets the gateway up before another network than this machine's.
    pub fn with_outside(
        settings: Settings,
        ledger: Arc<dyn Ledger>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, InvalidSettings> {
        let house = Arc::new(House::new(settings, ledger, outside)?);
        Ok(Self { house })
    }
}

#[async_trait::async_trait]
impl Gateway for HttpGateway {
    async fn open(&self, pass: gateway::Pass) -> Result<Arc<dyn Passage>, Fault> {
        let doing = format!("open a door for {}", pass.job);
        if let Some(name) = pass
            .models
            .iter()
            .find(|name| !self.house.upstreams.contains_key(name))
        {
            let cause =
                format!("there is no model endpoint {name}; add [models.{name}] to the settings");
            return Err(Fault::permanent(doing, cause));
        }
        let key = random::key()
            .ok_or_else(|| Fault::transient(doing, "the system gives no random numbers"))?;
        Ok(Arc::new(Opened::new(Pass::new(&self.house, pass, key))))
    }
}
