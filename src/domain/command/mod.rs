//! What people ask: by comment (`@prova retry`), and by label (`prova:fmt`).
//!
//! Errors are values with text fit to show to the person; nothing here fails silently.

pub mod error;
pub mod label;
pub mod mention;
pub mod parse;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::domain::money::Usd;
use crate::domain::name::Name;

/// How many agents make a race: each runs in a sandbox of its own at the same time.
pub const RACERS: RangeInclusive<usize> = 2..=4;

/// What a person asked for.
///
/// Free text is as the person wrote it, hidden parts included: clean it with
/// `domain::sanitize` before it goes anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Say what can be asked.
    Help,
    /// Say how the task stands.
    Status,
    /// Make a plan, or change it as the text says.
    Plan {
        /// What the person wants of the plan; may be empty.
        text: String,
    },
    /// Carry the plan out.
    Approve,
    /// Stop the task and keep what is there.
    Stop,
    /// Try again.
    Retry {
        /// With this agent instead of the last.
        agent: Option<Name>,
    },
    /// Take the last commits of ours back.
    Undo,
    /// Run a recipe.
    Run {
        /// The recipe.
        recipe: Name,
        /// Words for it.
        input: Vec<String>,
        /// The content of the fenced block right below the command.
        block: Option<String>,
    },
    /// Bring the branch onto the newest base.
    Rebase,
    /// Review the pull request.
    Review {
        /// What to look at; may be empty.
        text: String,
    },
    /// Show the budget, or set the task's.
    Budget {
        /// The new limit; `None` shows the one that holds.
        limit: Option<Usd>,
    },
    /// Answer a question without changing anything.
    Ask {
        /// The question.
        text: String,
    },
    /// Let several agents do it at the same time, and take the best.
    Race {
        /// The agents, each once.
        agents: Vec<Name>,
        /// The request; empty to work on the thread as it stands.
        text: String,
    },
    /// Do what the text says.
    Request {
        /// With this agent instead of the policy's.
        agent: Option<Name>,
        /// The request; empty, with an agent, to work on the thread as it stands.
        text: String,
    },
}

impl Command {
    /// Returns whether it asks for work that has not been asked for before.
    #[must_use]
    pub const fn begins_work(&self) -> bool {
        match self {
            Self::Request { .. }
            | Self::Run { .. }
            | Self::Race { .. }
            | Self::Plan { .. }
            | Self::Review { .. }
            | Self::Ask { .. } => true,
            Self::Help
            | Self::Status
            | Self::Approve
            | Self::Stop
            | Self::Retry { .. }
            | Self::Undo
            | Self::Rebase
            | Self::Budget { .. } => false,
        }
    }

    /// Returns whether a change may come of it that has no branch to go to yet.
    #[must_use]
    pub const fn may_change(&self) -> bool {
        match self {
            Self::Request { .. }
            | Self::Run { .. }
            | Self::Race { .. }
            | Self::Approve
            | Self::Retry { .. }
            | Self::Rebase => true,
            Self::Plan { .. }
            | Self::Review { .. }
            | Self::Ask { .. }
            | Self::Help
            | Self::Status
            | Self::Stop
            | Self::Undo
            | Self::Budget { .. } => false,
        }
    }
}

/// The first word of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `help`
    Help,
    /// `status`
    Status,
    /// `plan`
    Plan,
    /// `approve`
    Approve,
    /// `stop`
    Stop,
    /// `retry`
    Retry,
    /// `undo`
    Undo,
    /// `run`
    Run,
    /// `rebase`
    Rebase,
    /// `review`
    Review,
    /// `budget`
    Budget,
    /// `ask`
    Ask,
    /// `race`
    Race,
}

impl Verb {
    /// All of them, as help lists them.
    pub const ALL: [Self; 13] = [
        Self::Help,
        Self::Status,
        Self::Plan,
        Self::Approve,
        Self::Stop,
        Self::Retry,
        Self::Undo,
        Self::Run,
        Self::Rebase,
        Self::Review,
        Self::Budget,
        Self::Ask,
        Self::Race,
    ];

    /// Returns the word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Status => "status",
            Self::Plan => "plan",
            Self::Approve => "approve",
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::Undo => "undo",
            Self::Run => "run",
            Self::Rebase => "rebase",
            Self::Review => "review",
            Self::Budget => "budget",
            Self::Ask => "ask",
            Self::Race => "race",
        }
    }

    /// Finds the verb that a word is, in any case.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str().eq_ignore_ascii_case(word))
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Command {
    /// Writes the command as it would be typed after the mention.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let with_text = |f: &mut std::fmt::Formatter<'_>, verb: Verb, text: &str| {
            if text.is_empty() {
                write!(f, "{verb}")
            } else {
                write!(f, "{verb} {text}")
            }
        };
        match self {
            Self::Help => write!(f, "{}", Verb::Help),
            Self::Status => write!(f, "{}", Verb::Status),
            Self::Plan { text } => with_text(f, Verb::Plan, text),
            Self::Approve => write!(f, "{}", Verb::Approve),
            Self::Stop => write!(f, "{}", Verb::Stop),
            Self::Retry { agent: None } => write!(f, "{}", Verb::Retry),
            Self::Retry { agent: Some(agent) } => write!(f, "{} with {agent}", Verb::Retry),
            Self::Undo => write!(f, "{}", Verb::Undo),
            Self::Run {
                recipe,
                input,
                block,
            } => {
                write!(f, "{} {recipe}", Verb::Run)?;
                input.iter().try_for_each(|word| write!(f, " {word}"))?;
                block.as_deref().map_or(Ok(()), |text| fence(f, text))
            }
            Self::Rebase => write!(f, "{}", Verb::Rebase),
            Self::Review { text } => with_text(f, Verb::Review, text),
            Self::Budget { limit: None } => write!(f, "{}", Verb::Budget),
            Self::Budget { limit: Some(limit) } => write!(f, "{} {limit}", Verb::Budget),
            Self::Ask { text } => with_text(f, Verb::Ask, text),
            Self::Race { agents, text } => {
                write!(f, "{}", Verb::Race)?;
                agents.iter().try_for_each(|agent| write!(f, " {agent}"))?;
                if text.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {text}")
                }
            }
            Self::Request { agent: None, text } => f.write_str(text),
            Self::Request {
                agent: Some(agent),
                text,
            } if text.is_empty() => write!(f, "with {agent}"),
            Self::Request {
                agent: Some(agent),
                text,
            } => write!(f, "with {agent} {text}"),
        }
    }
}

/// Writes a block below a command, in a fence that it cannot close.
fn fence(f: &mut std::fmt::Formatter<'_>, text: &str) -> std::fmt::Result {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.saturating_add(1).max(3));
    write!(f, "\n{fence}\n{text}{fence}")
}
