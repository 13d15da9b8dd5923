//! Where what is done for a task goes: onto a branch of ours, or onto that of a person's pull request,
//! where much less may be done unasked.

use serde::{Deserialize, Serialize};

use crate::domain::branch::BranchName;
use crate::domain::ids::CommitSha;

/// Whose branch the work of a task goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// One that we made.
    #[default]
    Own,
    /// The head branch of a pull request that a person opened from the repository itself.
    Theirs,
    /// None: the pull request comes from a fork, where an App cannot push. What is done is proposed in
    /// words.
    Fork,
}

impl Home {
    /// Returns whether it is a branch of ours.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        match self {
            Self::Own => true,
            Self::Theirs | Self::Fork => false,
        }
    }

    /// Returns whether commits go to it.
    #[must_use]
    pub const fn takes_commits(self) -> bool {
        match self {
            Self::Own | Self::Theirs => true,
            Self::Fork => false,
        }
    }

    /// Returns whether work goes to it that is not whole, or of which a check fails. A person's branch
    /// gets only what can be reviewed as it is.
    #[must_use]
    pub const fn takes_partial(self) -> bool {
        self.is_own()
    }

    /// Returns whether anything is done there that nobody asked for: the base brought in, failing checks
    /// of others mended, bots heard, the branch deleted in the end.
    #[must_use]
    pub const fn is_looked_after(self) -> bool {
        self.is_own()
    }
}

/// A pull request as it stands on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullNow {
    /// The branch that it is to be merged into.
    pub base: String,
    /// The commit at its head.
    pub head: CommitSha,
    /// Where its head is.
    pub source: Source,
}

/// Where the head of a pull request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On a branch of the repository itself.
    Here(BranchName),
    /// In a fork.
    Fork,
    /// In a fork that is not there any more.
    Gone,
}

/// Why nothing can be done for a pull request that a person opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its head is the default branch.
    DefaultBranch,
    /// The fork that it came from is gone.
    SourceGone,
    /// GitHub does not show it.
    Unseen,
}

/// Returns whose branch the work on a person's pull request goes to.
///
/// # Errors
/// When there is no branch that it could go to, and no way to propose it either.
pub fn home(pull: Option<&PullNow>, default_branch: &str) -> Result<Home, Unfit> {
    match pull.map(|pull| &pull.source) {
        None => Err(Unfit::Unseen),
        Some(Source::Here(branch)) if branch.as_str() == default_branch => {
            Err(Unfit::DefaultBranch)
        }
        Some(Source::Here(_)) => Ok(Home::Theirs),
        Some(Source::Fork) => Ok(Home::Fork),
        Some(Source::Gone) => Err(Unfit::SourceGone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_head_is_says_whose_branch_it_is() {
        let now = |source| PullNow {
            base: "main".to_owned(),
            head: CommitSha::new("a".repeat(40)),
            source,
        };
        let here = |name: &str| Source::Here(name.parse().unwrap());
        for (source, expected) in [
            (here("fix"), Ok(Home::Theirs)),
            (here("prova/1-fix"), Ok(Home::Theirs)),
            (here("main"), Err(Unfit::DefaultBranch)),
            (Source::Fork, Ok(Home::Fork)),
            (Source::Gone, Err(Unfit::SourceGone)),
        ] {
            let pull = now(source);
            assert_eq!(home(Some(&pull), "main"), expected, "{pull:?}");
        }
        assert_eq!(home(None, "main"), Err(Unfit::Unseen));
    }

    #[test]
    fn on_a_branch_of_others_nothing_is_done_unasked() {
        for (home, commits, partial, cared) in [
            (Home::Own, true, true, true),
            (Home::Theirs, true, false, false),
            (Home::Fork, false, false, false),
        ] {
            assert_eq!(home.takes_commits(), commits, "{home:?}");
            assert_eq!(home.takes_partial(), partial, "{home:?}");
            assert_eq!(home.is_looked_after(), cared, "{home:?}");
        }
    }
}
