//! What passed the gateway on behalf of one sandbox, as the server saw it.

use serde::{Deserialize, Serialize};

use crate::domain::budget::Exceeded;
use crate::domain::money::Usd;

/// Tokens, as the model's API counts them. The kinds do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read, and not from a cache.
    pub input: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written to the provider's cache.
    pub cache_write: u64,
    /// Written, reasoning left out.
    pub output: u64,
    /// Thought without being shown.
    pub reasoning: u64,
}

/// The calls of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUse {
    /// The endpoint's name in the settings.
    pub endpoint: String,
    /// The model, as the request named it.
    pub model: String,
    /// Calls that were answered.
    pub calls: u64,
    /// What they used.
    pub tokens: Tokens,
    /// What that cost by the settings' prices.
    pub cost: Usd,
}

/// A place that something inside tried to reach and may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Host and port as they were asked for; cut and made printable.
    pub place: String,
    /// Why.
    pub reason: BlockReason,
    /// How often.
    pub count: u64,
}

/// Why a connection was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// Neither policy nor the server's settings allow the host.
    NotAllowed,
    /// An address instead of a name.
    Literal,
    /// The name leads to a loopback, private, link-local or otherwise special address.
    Private,
    /// The port is not one that may be reached.
    Port,
    /// The request is malformed, or names one host and means another.
    Malformed,
    /// The job has moved as many bytes as it may.
    Bytes,
    /// The model is not one that may be used.
    Model,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Model calls, by endpoint and model.
    pub models: Vec<ModelUse>,
    /// Hosts that were reached, with the bytes that passed in both directions, by name.
    pub reached: Vec<(String, u64)>,
    /// What was not let through, most frequent first.
    pub blocked: Vec<Blocked>,
    /// The limit that ended it, if one did.
    pub exceeded: Option<Exceeded>,
}

impl Traffic {
    /// Returns both together, in the order that each by itself is in.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for used in other.models {
            let same =
                |one: &&mut ModelUse| (&one.endpoint, &one.model) == (&used.endpoint, &used.model);
            match self.models.iter_mut().find(same) {
                Some(one) => one.add(&used),
                None => self.models.push(used),
            }
        }
        for (host, bytes) in other.reached {
            match self.reached.iter_mut().find(|(known, _)| *known == host) {
                Some((_, sum)) => *sum = sum.saturating_add(bytes),
                None => self.reached.push((host, bytes)),
            }
        }
        for blocked in other.blocked {
            let same =
                |one: &&mut Blocked| (&one.place, one.reason) == (&blocked.place, blocked.reason);
            match self.blocked.iter_mut().find(same) {
                Some(one) => one.count = one.count.saturating_add(blocked.count),
                None => self.blocked.push(blocked),
            }
        }
        self.models
            .sort_by(|a, b| (&a.endpoint, &a.model).cmp(&(&b.endpoint, &b.model)));
        self.reached.sort();
        self.blocked.sort_by(|a, b| {
            let place = (&a.place, a.reason).cmp(&(&b.place, b.reason));
            b.count.cmp(&a.count).then(place)
        });
        self.exceeded = self.exceeded.or(other.exceeded);
        self
    }

    /// Returns what all model calls together cost.
    #[must_use]
    pub fn cost(&self) -> Usd {
        let costs = self.models.iter().map(|used| used.cost);
        costs.fold(Usd::ZERO, Usd::plus)
    }

    /// Returns the bytes that passed to and from other hosts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.reached.iter().map(|(_, bytes)| *bytes);
        bytes.fold(0, u64::saturating_add)
    }
}

impl ModelUse {
    fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.tokens = self.tokens.plus(&other.tokens);
        self.cost = self.cost.plus(other.cost);
    }
}

impl Tokens {
    /// Returns both together, saturating.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(model: &str, calls: u64) -> ModelUse {
        ModelUse {
            endpoint: "main".to_owned(),
            model: model.to_owned(),
            calls,
            tokens: Tokens {
                input: 10 * calls,
                ..Tokens::default()
            },
            cost: Usd::from_micros(calls),
        }
    }

    fn blocked(place: &str, count: u64) -> Blocked {
        Blocked {
            place: place.to_owned(),
            reason: BlockReason::NotAllowed,
            count,
        }
    }

    #[test]
    fn traffic_of_two_runs_is_that_of_both() {
        let one = Traffic {
            models: vec![used("large", 2)],
            reached: vec![("pypi.org".to_owned(), 5)],
            blocked: vec![blocked("a.test:443", 2), blocked("b.test:443", 1)],
            exceeded: None,
        };
        let other = Traffic {
            models: vec![used("large", 1), used("fast", 4)],
            reached: vec![("crates.io".to_owned(), 1), ("pypi.org".to_owned(), 7)],
            blocked: vec![blocked("b.test:443", 3)],
            exceeded: None,
        };
        let both = one.clone().with(other.clone());
        assert_eq!(both.models, [used("fast", 4), used("large", 3)]);
        assert_eq!(
            both.reached,
            [("crates.io".to_owned(), 1), ("pypi.org".to_owned(), 12)]
        );
        assert_eq!(
            both.blocked,
            [blocked("b.test:443", 4), blocked("a.test:443", 2)]
        );
        assert_eq!(both.cost(), Usd::from_micros(7));
        assert_eq!(both.bytes(), 13);
        assert_eq!(other.with(one), both);
        assert_eq!(both.clone().with(Traffic::default()), both);
    }
}
