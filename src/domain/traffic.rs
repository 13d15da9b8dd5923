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
