//! Repositories, accounts and what an account may do.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{InstallationId, Login, RepoId, RepoName};

/// A repository as a delivery showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repo {
    /// Its id, which renames and transfers keep.
    pub id: RepoId,
    /// Its name at that time.
    pub name: RepoName,
    /// The installation of the App that gives access to it.
    pub installation: InstallationId,
    /// The branch that policy and instructions come from.
    pub default_branch: String,
    /// Whether it is archived, so that nothing in it can be written.
    pub archived: bool,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The account's name.
    pub login: Login,
    /// The account's id, for the noreply address of a trailer.
    pub id: u64,
    /// What kind of account it is.
    pub kind: ActorKind,
}

/// What kind of account someone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    Person,
    /// An App or another machine account.
    Bot,
}

/// What an account may do in a repository, least first.
///
/// Source: `GET /repos/{owner}/{repo}/collaborators/{username}/permission`, field `role_name`
/// (custom roles fall back to `permission`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Nothing beyond what everybody may.
    None,
    /// Read.
    Read,
    /// Read, and sort issues.
    Triage,
    /// Push.
    Write,
    /// Push and some settings.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// Returns whether work may be started with it.
    #[must_use]
    pub fn starts_work(self) -> bool {
        self >= Self::Write
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "no",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        })
    }
}
