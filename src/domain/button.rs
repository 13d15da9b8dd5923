//! The buttons of our check run: what a person can ask for without writing a comment.

use serde::{Deserialize, Serialize};

use crate::domain::command::Command;
use crate::domain::ids::{CheckRunId, CommitSha};

/// A button. GitHub shows three of them at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// Try again. GitHub's own `Re-run` asks for the same.
    Retry,
    /// Take the commit back that the check run is of.
    Undo,
}

impl Button {
    const ALL: [Self; 2] = [Self::Retry, Self::Undo];

    /// Returns the name by which GitHub tells of it, at most 20 characters.
    #[must_use]
    pub const fn identifier(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Undo => "undo",
        }
    }

    /// Returns the button of that name; `None` for one that another version has had.
    #[must_use]
    pub fn of(identifier: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|button| button.identifier() == identifier)
    }

    /// Returns what pressing it asks for.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::Retry => Command::Retry { agent: None },
            Self::Undo => Command::Undo,
        }
    }
}

/// A button that was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// The check run that it is on; the suite, where all of one are to run again.
    pub on: CheckRunId,
    /// Which button.
    pub button: Button,
    /// The commit that the check run is of.
    pub commit: CommitSha,
    /// Where the branch pointed when the press was heard of; `None` when there was none.
    pub head: Option<CommitSha>,
}

impl Press {
    /// Returns whether the check run is of what the branch holds: of anything else it tells nothing.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.head.as_ref() == Some(&self.commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_are_known_by_their_names() {
        for button in Button::ALL {
            let name = button.identifier();
            assert_eq!(Button::of(name), Some(button));
            assert!(name.len() <= 20, "{name} is too long for GitHub");
        }
        assert_eq!(Button::of("lgtm"), None);
    }
}
