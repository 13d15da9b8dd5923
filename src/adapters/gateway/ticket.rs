//! A model call under way: what it is charged in the end, however it ends.

use std::sync::Arc;

use crate::adapters::gateway::body::Watch;
use crate::adapters::gateway::hold::Held;
use crate::adapters::gateway::meter::Meter;
use crate::adapters::gateway::passage::Pass;
use crate::domain::metering::{End, Most, Seen, charge};
use crate::domain::model::Prices;
use crate::ports::gateway::Charge;

/// Keeps money set aside as long as it lives. Dropped without a word, the call was abandoned.
pub(crate) struct Ticket {
    pass: Arc<Pass>,
    prices: Prices,
    most: Most,
    seen: Seen,
    held: Option<Held>,
}

impl Ticket {
    /// Takes what was set aside for a call.
    pub(crate) fn new(pass: &Arc<Pass>, (most, prices): (Most, Prices), held: Held) -> Self {
        Self {
            pass: pass.clone(),
            prices,
            most,
            seen: Seen::default(),
            held: Some(held),
        }
    }

    /// The call did not reach a model.
    pub(crate) fn free(mut self) {
        drop(self.held.take());
    }

    /// The call ended so; only the first end counts.
    pub(crate) fn end(&mut self, end: End) {
        let Some(held) = self.held.take() else {
            return;
        };
        let (tokens, cost) = charge(&self.most, &self.seen, end, &self.prices);
        held.charge(|hold, scopes| {
            self.pass.note(|traffic| {
                traffic.call(hold.endpoint.as_str(), &hold.model, &tokens, cost);
            });
            Charge {
                id: hold.id,
                job: hold.job,
                scopes,
                endpoint: hold.endpoint,
                model: hold.model,
                tokens,
                cost,
            }
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(End::Abandoned);
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
