//! A model call under way: what is set aside for it, and what it is charged in the end, however it
//! ends.

use std::sync::Arc;
use std::time::Duration;

use crate::adapters::gateway::body::Watch;
use crate::adapters::gateway::endpoint::Upstream;
use crate::adapters::gateway::meter::Meter;
use crate::adapters::gateway::passage::Pass;
use crate::adapters::gateway::random;
use crate::domain::budget::Hold;
use crate::domain::metering::{End, Most, Seen, charge};
use crate::domain::model::Prices;
use crate::domain::money::Usd;
use crate::ports::gateway::Charge;

/// How often a charge is recorded that the ledger did not take, and after which time.
const RECORDED: u32 = 4;
const AGAIN: Duration = Duration::from_millis(250);

/// Sets money aside as long as it lives. Dropped without a word, the call was abandoned.
pub(crate) struct Ticket {
    pass: Arc<Pass>,
    upstream: Arc<Upstream>,
    model: String,
    prices: Prices,
    most: Most,
    seen: Seen,
    hold: Option<Hold>,
}

impl Ticket {
    /// Takes what was set aside for a call of `model`.
    pub(crate) fn new(
        (pass, upstream): (&Arc<Pass>, &Arc<Upstream>),
        model: String,
        (most, prices): (Most, Prices),
        hold: Hold,
    ) -> Self {
        Self {
            pass: pass.clone(),
            upstream: upstream.clone(),
            model,
            prices,
            most,
            seen: Seen::default(),
            hold: Some(hold),
        }
    }

    /// The call did not reach a model.
    pub(crate) fn free(mut self) {
        if let Some(hold) = self.hold.take() {
            self.pass.house.settle(hold, Usd::ZERO);
        }
    }

    /// The call ended so; only the first end counts.
    pub(crate) fn end(&mut self, end: End) {
        let Some(hold) = self.hold.take() else {
            return;
        };
        let (tokens, cost) = charge(&self.most, &self.seen, end, &self.prices);
        self.pass.house.settle(hold, cost);
        let charge = Charge {
            id: random::id(),
            job: self.pass.job,
            scopes: self.pass.caps.iter().map(|cap| cap.scope.clone()).collect(),
            endpoint: self.upstream.name.clone(),
            model: std::mem::take(&mut self.model),
            tokens,
            cost,
        };
        self.pass.note(|traffic| {
            traffic.call(charge.endpoint.as_str(), &charge.model, &tokens, cost);
        });
        let pass = self.pass.clone();
        self.pass.tasks.spawn(record(pass, charge));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(End::Abandoned);
    }
}

/// What was charged stays charged in memory whatever the ledger says.
async fn record(pass: Arc<Pass>, charge: Charge) {
    let mut pause = AGAIN;
    for left in (0..RECORDED).rev() {
        match pass.house.ledger.record(&charge).await {
            Ok(()) => return,
            Err(fault) if left == 0 => {
                tracing::error!(job = %charge.job, cost = %charge.cost, %fault, "a model call's cost is not recorded");
            }
            Err(fault) => {
                tracing::warn!(job = %charge.job, %fault, "could not record a model call's cost yet");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

/// Reads what a call uses out of its answer.
pub(crate) struct Metered {
    pub(crate) meter: Meter,
    pub(crate) ticket: Ticket,
}

impl Watch for Metered {
    fn pass(&mut self, bytes: &[u8]) -> bool {
        self.meter.feed(bytes);
        self.ticket.seen = self.meter.seen();
        true
    }

    fn end(&mut self, end: End) {
        self.ticket.end(end);
    }
}
