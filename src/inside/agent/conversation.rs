//! What was said between the agent and its model, in words of our own.

use serde::Serialize;
use serde_json::Value;

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// JSON schema of the arguments.
    pub(super) schema: Value,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Call {
    /// By what the provider knows it.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// Tokens of one call of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
    /// Read, those from a cache included.
    pub(super) input: u64,
    /// Of these, from the provider's cache.
    pub(super) cached: u64,
    /// Written, thoughts included.
    pub(super) output: u64,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ended {
    /// As the model wanted.
    Whole,
    /// At the limit of its length.
    Cut,
}

/// One answer of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) ended: Ended,
    pub(super) usage: Usage,
    /// The whole answer as the provider's library has it: signatures of thoughts are in it that must
    /// come back unchanged.
    #[serde(skip)]
    pub(super) carried: Value,
}

/// An answer, and what it was answered: one reply for each call, in their order, or a note where
/// nothing was called. So no call is ever without its reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) answer: Answer,
    pub(super) replies: Vec<String>,
    pub(super) note: Option<String>,
}

/// Everything that a model is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    /// The standing instructions.
    pub(super) system: &'a str,
    pub(super) tools: &'a [Offer],
    /// What is to be done.
    pub(super) task: &'a str,
    pub(super) turns: &'a [Turn],
}
