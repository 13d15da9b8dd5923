//! What a scripted model says: a list of turns, one for each request that offers tools.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

/// What a model does when it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Says something and perhaps calls tools; without a call the agent's turn is over.
    Reply(Reply),
    /// The same, with a pause before each event of the stream.
    Slow(Reply, Duration),
    /// The same, once it is let.
    Held(Reply, Arc<Notify>),
    /// Breaks the connection off in the middle of the answer.
    Cut(Reply),
    /// Refuses, in the words of the API that was asked.
    Fail(Failure),
    /// Never answers.
    Hang,
}

/// One answer of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) usage: Usage,
}

/// A tool to be called.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A shell command, by whatever tool the agent offers for it.
    Shell(String),
    /// A tool by its name, with arguments as they are.
    Tool { name: String, input: Value },
}

/// Tokens that an answer is said to have cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// All that was read, the cached ones included.
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input: 1_000,
            cached: 0,
            output: 20,
        }
    }
}

/// An error status with the body that the API gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    /// Seconds, as a header.
    pub(crate) retry_after: Option<u32>,
}

impl Turn {
    /// Says this and ends.
    pub(crate) fn say(text: &str) -> Self {
        Self::Reply(Reply {
            text: text.to_owned(),
            ..Reply::default()
        })
    }

    /// Runs a shell command.
    pub(crate) fn shell(command: &str) -> Self {
        Self::Reply(Reply::shell(command))
    }

    /// Refuses with a status.
    pub(crate) const fn fail(status: u16) -> Self {
        Self::Fail(Failure {
            status,
            retry_after: None,
        })
    }

    /// Refuses for now: 429, with the seconds after which to ask again.
    pub(crate) const fn limited(seconds: u32) -> Self {
        Self::Fail(Failure {
            status: 429,
            retry_after: Some(seconds),
        })
    }
}

impl Reply {
    /// An answer that runs a shell command.
    pub(crate) fn shell(command: &str) -> Self {
        Self {
            text: "I will run a command.".to_owned(),
            calls: vec![Call::Shell(command.to_owned())],
            ..Self::default()
        }
    }
}

/// The turns of a model, in order. The last one is given again for as long as it is asked: one that
/// calls a tool makes an endless loop, one that fails fails for good.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    turns: Vec<Turn>,
    /// Whether a request that offers no tools is answered from the turns too.
    pub(crate) toolless: Toolless,
}

/// What a request without tools is taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Toolless {
    /// Something beside the work, such as a title for it: answered without a turn.
    Aside,
    /// The work itself, of an agent that reads commands from text.
    Work,
}

impl Script {
    pub(crate) fn of(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self {
            turns: turns.into_iter().collect(),
            toolless: Toolless::Aside,
        }
    }

    /// Returns the turn with a number, counted from 0.
    pub(crate) fn turn(&self, number: usize) -> Turn {
        let last = self.turns.len().saturating_sub(1);
        self.turns
            .get(number.min(last))
            .cloned()
            .unwrap_or_else(|| Turn::say("There is nothing in the script."))
    }
}
