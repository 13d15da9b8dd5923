//! People, bots and organizations, and what they may do in a repository.

use crate::simulator::error::SimError;
use crate::simulator::world::World;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A person.
    User,
    /// The user behind an App; its login ends in `[bot]`.
    Bot,
    /// An owner of repositories that nobody signs in as.
    Organization,
}

impl AccountKind {
    /// The `type` in GitHub's JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Bot => "Bot",
            Self::Organization => "Organization",
        }
    }
}

/// What somebody may do in a repository, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing, not even see a private repository.
    None,
    /// See it, open issues, comment.
    Read,
    /// Label, assign, close.
    Triage,
    /// Push and merge.
    Write,
    /// Write, and some settings.
    Maintain,
    /// Everything.
    Admin,
}

impl Role {
    /// The `role_name` in GitHub's JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The `permission` in GitHub's JSON, which knows only four of the six.
    pub(crate) fn legacy_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

/// Somebody with a login.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: AccountKind,
}

impl World {
    /// Creates an account, or finds the one of that login (in any case).
    pub(crate) fn account(&mut self, login: &str, kind: AccountKind) -> u64 {
        let key = login.to_lowercase();
        if let Some(account) = self.accounts.get(&key) {
            return account.id;
        }
        let id = self.next_id();
        self.accounts.insert(
            key,
            Account {
                id,
                login: login.to_owned(),
                kind,
            },
        );
        id
    }

    /// Finds an account by login, in any case.
    pub(crate) fn find_account(&self, login: &str) -> Option<&Account> {
        self.accounts.get(&login.to_lowercase())
    }

    /// What an account may do in a repository. Everybody may read what is public.
    pub(crate) fn role(&self, repo: u64, login: &str) -> Role {
        let Ok(repository) = self.repository(repo) else {
            return Role::None;
        };
        if repository.owner.eq_ignore_ascii_case(login) {
            return Role::Admin;
        }
        let floor = if repository.private {
            Role::None
        } else {
            Role::Read
        };
        let given = repository.collaborators.get(&login.to_lowercase()).copied();
        given.unwrap_or(Role::None).max(floor)
    }

    /// Refuses an account that has not at least that role.
    pub(crate) fn demand(&self, repo: u64, login: &str, role: Role) -> Result<(), SimError> {
        let has = self.role(repo, login);
        if has >= role {
            return Ok(());
        }
        if has == Role::None {
            return Err(SimError::not_found());
        }
        Err(SimError::Forbidden(format!(
            "{login} needs the role {}",
            role.name()
        )))
    }
}
