//! What passed the gateway on behalf of one sandbox, as the server saw it.

use serde::{Deserialize, Serialize};

use crate::domain::budget::Exceeded;
use crate::domain::money::Usd;
use crate::domain::unanswered::{CallFailure, Unanswered};

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
    /// Model calls that an endpoint took and began to answer.
    pub answered: u64,
    /// Model calls that failed instead, by endpoint and failure.
    pub unanswered: Vec<Unanswered>,
    /// Hosts that were reached, with the bytes that passed in both directions, by name.
    pub reached: Vec<(String, u64)>,
    /// What was not let through, most frequent first.
    pub blocked: Vec<Blocked>,
    /// The limit that ended it, if one did.
    pub exceeded: Option<Exceeded>,
}

/// Places and models that are told apart; what comes after is counted together. What is inside
/// chooses them, so there is an end to it.
const TOLD_APART: usize = 100;
/// How much of a place or a model's name is kept, in bytes.
const LONGEST: usize = 100;
/// What the rest is counted under.
const OTHERS: &str = "others";

impl Traffic {
    /// Counts a model call that was answered.
    pub fn call(&mut self, endpoint: &str, model: &str, tokens: &Tokens, cost: Usd) {
        self.add_use(ModelUse {
            endpoint: endpoint.to_owned(),
            model: printable(model),
            calls: 1,
            tokens: *tokens,
            cost,
        });
    }

    fn add_use(&mut self, mut more: ModelUse) {
        let is_it = |used: &ModelUse, more: &ModelUse| {
            (&used.endpoint, &used.model) == (&more.endpoint, &more.model)
        };
        if self.models.len() >= TOLD_APART && !self.models.iter().any(|used| is_it(used, &more)) {
            OTHERS.clone_into(&mut more.model);
        }
        match self.models.iter_mut().find(|used| is_it(used, &more)) {
            Some(used) => {
                used.calls = used.calls.saturating_add(more.calls);
                used.tokens = used.tokens.plus(&more.tokens);
                used.cost = used.cost.plus(more.cost);
            }
            None => self.models.push(more),
        }
    }

    /// Counts a model call whose answer has begun.
    pub const fn answer(&mut self) {
        self.answered = self.answered.saturating_add(1);
    }

    /// Counts a call of a model endpoint that failed.
    pub fn fail(&mut self, endpoint: &str, failure: CallFailure) {
        self.add_unanswered(Unanswered {
            endpoint: endpoint.to_owned(),
            failure,
            calls: 1,
        });
    }

    fn add_unanswered(&mut self, more: Unanswered) {
        let is_it = |known: &&mut Unanswered| {
            (&known.endpoint, known.failure) == (&more.endpoint, more.failure)
        };
        match self.unanswered.iter_mut().find(is_it) {
            Some(one) => one.calls = one.calls.saturating_add(more.calls),
            None => self.unanswered.push(more),
        }
    }

    /// Counts bytes to or from a host.
    pub fn reach(&mut self, host: &str, bytes: u64) {
        let known = |reached: &[(String, u64)], host: &str| {
            reached.iter().position(|(name, _)| name == host)
        };
        let mut at = known(&self.reached, host);
        if at.is_none() {
            let full = self.reached.len() >= TOLD_APART;
            let name = if full { OTHERS } else { host };
            at = known(&self.reached, name);
            if at.is_none() {
                self.reached.push((name.to_owned(), 0));
                at = Some(self.reached.len() - 1);
            }
        }
        if let Some((_, sum)) = at.and_then(|at| self.reached.get_mut(at)) {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Counts something that was not let through.
    pub fn block(&mut self, place: &str, reason: BlockReason) {
        self.add_blocked(Blocked {
            place: printable(place),
            reason,
            count: 1,
        });
    }

    fn add_blocked(&mut self, mut more: Blocked) {
        let is_it = |known: &Blocked, more: &Blocked| {
            (&known.place, known.reason) == (&more.place, more.reason)
        };
        if self.blocked.len() >= TOLD_APART && !self.blocked.iter().any(|one| is_it(one, &more)) {
            OTHERS.clone_into(&mut more.place);
        }
        match self.blocked.iter_mut().find(|one| is_it(one, &more)) {
            Some(one) => one.count = one.count.saturating_add(more.count),
            None => self.blocked.push(more),
        }
    }

    /// Returns both together, in the order in which it is told.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for used in other.models {
            self.add_use(used);
        }
        self.answered = self.answered.saturating_add(other.answered);
        for more in other.unanswered {
            self.add_unanswered(more);
        }
        for (host, bytes) in other.reached {
            self.reach(&host, bytes);
        }
        for blocked in other.blocked {
            self.add_blocked(blocked);
        }
        self.exceeded = self.exceeded.or(other.exceeded);
        self.sorted()
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

    /// Returns it in the order in which it is told.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.models
            .sort_by(|a, b| (&a.endpoint, &a.model).cmp(&(&b.endpoint, &b.model)));
        self.unanswered
            .sort_by(|a, b| (&a.endpoint, a.failure).cmp(&(&b.endpoint, b.failure)));
        self.reached.sort();
        self.blocked.sort_by(|a, b| {
            b.count
                .cmp(&a.count)
                .then_with(|| (&a.place, a.reason).cmp(&(&b.place, b.reason)))
        });
        self
    }
}

impl Tokens {
    /// Returns all of them, saturating.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.output)
            .saturating_add(self.reasoning)
    }

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

/// Returns a text of the sandbox as it may be shown: ASCII in one line, and not too much of it.
fn printable(text: &str) -> String {
    let seen = |c: char| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    };
    text.chars().take(LONGEST).map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_printable_bounded_and_in_order() {
        let mut traffic = Traffic::default();
        traffic.block("evil.test:443\r\n\u{202e}", BlockReason::NotAllowed);
        for _ in 0..2 {
            traffic.block("10.0.0.1:80", BlockReason::Literal);
        }
        traffic.block("10.0.0.1:80", BlockReason::Port);
        let told: Vec<_> = traffic
            .sorted()
            .blocked
            .into_iter()
            .map(|blocked| (blocked.place, blocked.count))
            .collect();
        let expected = [
            ("10.0.0.1:80", 2),
            ("10.0.0.1:80", 1),
            ("evil.test:443???", 1),
        ];
        assert_eq!(
            told,
            expected.map(|(place, count)| (place.to_owned(), count))
        );
    }

    #[test]
    fn nothing_makes_it_grow_without_end() {
        let mut traffic = Traffic::default();
        for number in 0..1_000 {
            let name = format!("{number}{}", "x".repeat(1_000));
            traffic.block(&name, BlockReason::NotAllowed);
            traffic.reach(&name, 7);
            traffic.call("main", &name, &Tokens::default(), Usd::from_micros(1));
        }
        assert!(traffic.blocked.len() <= TOLD_APART + 1);
        assert!(traffic.reached.len() <= TOLD_APART + 1);
        assert!(traffic.models.len() <= TOLD_APART + 1);
        assert_eq!(
            traffic
                .blocked
                .iter()
                .map(|blocked| blocked.count)
                .sum::<u64>(),
            1_000
        );
        assert_eq!(
            traffic.reached.iter().map(|(_, bytes)| bytes).sum::<u64>(),
            7_000
        );
        assert_eq!(
            traffic.models.iter().map(|used| used.calls).sum::<u64>(),
            1_000
        );
        assert!(
            traffic
                .blocked
                .iter()
                .all(|blocked| blocked.place.len() <= LONGEST)
        );
    }

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

    fn failed(failure: CallFailure, calls: u64) -> Unanswered {
        Unanswered {
            endpoint: "main".to_owned(),
            failure,
            calls,
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
            answered: 2,
            unanswered: vec![failed(CallFailure::Failing, 1)],
            reached: vec![("pypi.org".to_owned(), 5)],
            blocked: vec![blocked("a.test:443", 2), blocked("b.test:443", 1)],
            exceeded: None,
        };
        let other = Traffic {
            models: vec![used("large", 1), used("fast", 4)],
            answered: 5,
            unanswered: vec![
                failed(CallFailure::RateLimited, 2),
                failed(CallFailure::Failing, 3),
            ],
            reached: vec![("crates.io".to_owned(), 1), ("pypi.org".to_owned(), 7)],
            blocked: vec![blocked("b.test:443", 3)],
            exceeded: None,
        };
        let both = one.clone().with(other.clone());
        assert_eq!(both.models, [used("fast", 4), used("large", 3)]);
        assert_eq!(both.answered, 7);
        assert_eq!(
            both.unanswered,
            [
                failed(CallFailure::RateLimited, 2),
                failed(CallFailure::Failing, 4)
            ]
        );
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
