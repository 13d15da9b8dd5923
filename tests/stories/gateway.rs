//! A gateway that does as it is told: what passes is what the story says, and is charged for.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use prova::app::ledger::StoreLedger;
use prova::domain::budget::{Exceeded, Scope};
use prova::domain::money::Usd;
use prova::domain::traffic::Traffic;
use prova::ports::door::{Connection, Door};
use prova::ports::fault::Fault;
use prova::ports::gateway::{Charge, Gateway, Ledger as _, Pass, Passage};
use tokio_util::sync::CancellationToken;

/// What the gateway of a story does, and what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What passes a door without models.
    pub(crate) hosts: Traffic,
    /// What passes a door with models.
    pub(crate) models: Traffic,
    /// What passes a door whose first model endpoint has that name, instead.
    pub(crate) of: BTreeMap<&'static str, Traffic>,
    /// The budget that is used up when a door with models is exhausted.
    pub(crate) ends_at: Option<fn(&Scope) -> bool>,
    /// Ends the runs of doors with models.
    pub(crate) exhausted: CancellationToken,
    /// What was asked for, and not looked at yet.
    pub(crate) passes: Mutex<Vec<Pass>>,
}

impl Script {
    /// Returns the passes that were opened since the last look.
    pub(crate) fn opened(&self) -> Vec<Pass> {
        std::mem::take(&mut *self.passes.lock().unwrap())
    }
}

/// The gateway.
pub(crate) struct Scripted {
    pub(crate) script: Arc<Script>,
    pub(crate) ledger: StoreLedger,
}

#[async_trait::async_trait]
impl Gateway for Scripted {
    async fn open(&self, pass: Pass) -> Result<Arc<dyn Passage>, Fault> {
        let script = self.script.clone();
        let number = {
            let mut opened = script.passes.lock().unwrap();
            opened.push(pass.clone());
            opened.len()
        };
        let mut traffic = match pass.models.first() {
            None => &script.hosts,
            Some(first) => script.of.get(first.as_str()).unwrap_or(&script.models),
        }
        .clone();
        for (at, used) in traffic.models.iter().enumerate() {
            let charge = Charge {
                id: format!("{} {number} {at}", pass.job),
                job: pass.job,
                scopes: pass.caps.iter().map(|cap| cap.scope.clone()).collect(),
                endpoint: used.endpoint.parse().unwrap(),
                model: used.model.clone(),
                tokens: used.tokens,
                cost: used.cost,
            };
            self.ledger.record(&charge).await?;
        }
        let ended_by = script.ends_at.filter(|_| !pass.models.is_empty());
        if let Some(is_it) = ended_by {
            let cap = pass.caps.iter().find(|cap| is_it(&cap.scope)).unwrap();
            let mut cap = cap.clone();
            cap.spent = cap.spent.plus(traffic.cost());
            let asked = Usd::from_micros(250_000);
            traffic.exceeded = Some(Exceeded { cap, asked });
        }
        Ok(Arc::new(Opened { script, traffic }))
    }
}

#[derive(Debug)]
struct Opened {
    script: Arc<Script>,
    traffic: Traffic,
}

impl Door for Opened {
    fn env(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn serve(&self, _: TcpListener) -> std::io::Result<()> {
        Ok(())
    }

    fn admit(&self, _: Box<dyn Connection>) -> std::io::Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl Passage for Opened {
    fn exhausted(&self) -> CancellationToken {
        if self.traffic.exceeded.is_some() {
            self.script.exhausted.clone()
        } else {
            CancellationToken::new()
        }
    }

    fn so_far(&self) -> Traffic {
        self.traffic.clone()
    }

    async fn close(&self) -> Traffic {
        self.traffic.clone()
    }
}
