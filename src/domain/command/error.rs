//! Why what a person asked could not be read.

use crate::domain::command::Verb;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::sanitize::neutral::inline;

/// Why a command could not be read. The text is Markdown for the thread: it says what was found,
/// what is expected, and cannot mention, link or close anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// One word that is almost a command.
    #[error("I do not know {}. Did you mean `{nearest}`?", shown(.word))]
    Unknown {
        /// The word as it was written.
        word: String,
        /// The command that it resembles.
        nearest: Verb,
    },
    /// A name that no agent or recipe can have.
    #[error("{} is not the name of {what}: {}.", shown(.found), Name::EXPECTED)]
    BadName {
        /// `an agent` or `a recipe`.
        what: Named,
        /// The name as it was written.
        found: String,
    },
    /// A command that needs something after it.
    #[error("`{verb}` needs {what} after it: `{example}`.")]
    Missing {
        /// The command.
        verb: Verb,
        /// What is missing.
        what: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// Words after a command that does not take them.
    #[error(
        "I did not understand {} after `{verb}`, so I did nothing. Write `{verb}` alone, or a request that begins with another word.",
        shown(.found)
    )]
    Unexpected {
        /// The command.
        verb: Verb,
        /// The words after it.
        found: String,
    },
    /// An amount that cannot be a budget.
    #[error("{} is not a budget: {}.", shown(.found), Usd::EXPECTED)]
    BadAmount {
        /// The amount as it was written.
        found: String,
    },
    /// More agents in one race than are let run at once.
    #[error(
        "`race` takes {limit} agents at most: each runs in a sandbox of its own at the same time."
    )]
    Crowded {
        /// How many are let run.
        limit: usize,
    },
    /// More commands in one comment than are read.
    #[error(
        "A comment may carry {limit} commands. I did not read those after the first {limit}; write them in another comment."
    )]
    TooMany {
        /// How many are read.
        limit: usize,
    },
}

/// What a name was meant to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// An agent.
    Agent,
    /// A recipe.
    Recipe,
    /// An agent or a recipe: a label says only `prova:NAME`.
    AgentOrRecipe,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agent => "an agent",
            Self::Recipe => "a recipe",
            Self::AgentOrRecipe => "an agent or a recipe",
        })
    }
}

fn shown(text: &str) -> String {
    inline(text, 60)
}
