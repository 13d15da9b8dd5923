//! The App, where it is installed, and the tokens it holds.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::world::World;
use crate::simulator::world::accounts::AccountKind;
use crate::simulator::world::render;

/// How far a permission of the App reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// May look.
    Read,
    /// May change.
    Write,
    /// May administer.
    Admin,
}

impl Access {
    /// The word in GitHub's JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads the word in GitHub's JSON.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin]
            .into_iter()
            .find(|access| access.name() == word)
    }
}

/// Permissions by name, such as `contents` to `Write`.
pub type Permissions = BTreeMap<String, Access>;

/// The App as it is registered.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) webhook_secret: String,
    pub(crate) permissions: Permissions,
    pub(crate) events: Vec<String>,
    /// PKCS#1 DER of the key that its JSON Web Tokens are checked with.
    pub(crate) public_key: Vec<u8>,
    /// Milliseconds since the epoch.
    pub(crate) created_at: i64,
}

impl App {
    /// The login of the App's user.
    pub(crate) fn bot_login(&self) -> String {
        format!("{}[bot]", self.slug)
    }
}

/// The App installed on an account.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: String,
    /// Chosen repositories; `None` is all of the account, future ones too.
    pub(crate) selected: Option<BTreeSet<u64>>,
    pub(crate) permissions: Permissions,
    pub(crate) suspended_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) budget: Budget,
}

impl Installation {
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended_at.is_some()
    }
}

/// Requests that an installation has used in the present hour.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    pub(crate) used: u32,
    /// Seconds since the epoch at which it is filled again.
    pub(crate) reset: i64,
}

/// A token of an installation.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    /// Narrowed to these repositories; `None` is all of the installation.
    pub(crate) repositories: Option<BTreeSet<u64>>,
    pub(crate) permissions: Permissions,
    /// Milliseconds since the epoch.
    pub(crate) expires_at: i64,
}

impl World {
    /// The installation that covers a repository.
    pub(crate) fn installation_of(&self, repo: u64) -> Option<&Installation> {
        self.installations
            .values()
            .find(|installation| self.covers(installation, repo))
    }

    /// Tells whether an installation covers a repository.
    pub(crate) fn covers(&self, installation: &Installation, repo: u64) -> bool {
        let Ok(repository) = self.repository(repo) else {
            return false;
        };
        let same_account = repository.owner.eq_ignore_ascii_case(&installation.account);
        let selected = installation.selected.as_ref();
        same_account && selected.is_none_or(|selected| selected.contains(&repo))
    }

    /// The repositories an installation covers, by id.
    pub(crate) fn covered(&self, installation: &Installation) -> Vec<u64> {
        self.repositories
            .keys()
            .copied()
            .filter(|repo| self.covers(installation, *repo))
            .collect()
    }

    /// Installs the App on an account, for all repositories or for some.
    pub(crate) fn install(&mut self, account: &str, selected: Option<BTreeSet<u64>>) -> u64 {
        self.account(account, AccountKind::User);
        let id = self.next_id();
        let installation = Installation {
            id,
            account: account.to_owned(),
            selected,
            permissions: self.app.permissions.clone(),
            suspended_at: None,
            created_at: self.now(),
            budget: Budget::default(),
        };
        self.installations.insert(id, installation);
        self.emit_installation(id, account, "created", "installation");
        id
    }

    /// Uninstalls the App: its tokens die with it.
    pub(crate) fn uninstall(&mut self, id: u64, actor: &str) -> Result<(), SimError> {
        self.installation(id)?;
        self.emit_installation(id, actor, "deleted", "installation");
        self.installations.remove(&id);
        self.tokens.retain(|_, token| token.installation != id);
        Ok(())
    }

    /// Suspends an installation, or ends its suspension.
    pub(crate) fn suspend(&mut self, id: u64, actor: &str, stop: bool) -> Result<(), SimError> {
        let now = self.now();
        let installation = self
            .installations
            .get_mut(&id)
            .ok_or_else(SimError::not_found)?;
        installation.suspended_at = stop.then_some(now);
        self.emit_installation(
            id,
            actor,
            if stop { "suspend" } else { "unsuspend" },
            "installation",
        );
        Ok(())
    }

    /// Accepts new permissions on behalf of the owner; existing tokens keep what they have.
    pub(crate) fn grant(&mut self, id: u64, permissions: Permissions) -> Result<(), SimError> {
        let installation = self
            .installations
            .get_mut(&id)
            .ok_or_else(SimError::not_found)?;
        installation.permissions = permissions;
        let account = installation.account.clone();
        self.emit_installation(id, &account, "new_permissions_accepted", "installation");
        Ok(())
    }

    /// Adds a repository to a selection, or takes it out.
    pub(crate) fn select(&mut self, id: u64, repo: u64, add: bool) -> Result<(), SimError> {
        let listed = {
            let repository = self.repository(repo)?;
            json!([render::short_repository(repository)])
        };
        let all: BTreeSet<u64> = self.covered(self.installation(id)?).into_iter().collect();
        let installation = self
            .installations
            .get_mut(&id)
            .ok_or_else(SimError::not_found)?;
        let account = installation.account.clone();
        let selected = installation.selected.get_or_insert(all);
        if add {
            selected.insert(repo)
        } else {
            selected.remove(&repo)
        };
        let (action, added, removed) = if add {
            ("added", listed, json!([]))
        } else {
            ("removed", json!([]), listed)
        };
        let body = json!({
            "action": action,
            "installation": render::installation(self, self.installation(id)?),
            "repository_selection": "selected",
            "repositories_added": added,
            "repositories_removed": removed,
            "requester": null,
            "sender": render::user(self, &account),
        });
        self.send("installation_repositories", None, id, &body);
        Ok(())
    }

    /// The installation of that id.
    pub(crate) fn installation(&self, id: u64) -> Result<&Installation, SimError> {
        self.installations.get(&id).ok_or_else(SimError::not_found)
    }

    /// These events reach every App without a subscription.
    fn emit_installation(&mut self, id: u64, actor: &str, action: &str, event: &str) {
        let Ok(installation) = self.installation(id) else {
            return;
        };
        let repositories: Vec<Value> = self
            .covered(installation)
            .iter()
            .filter_map(|repo| self.repositories.get(repo))
            .map(render::short_repository)
            .collect();
        let body = json!({
            "action": action,
            "installation": render::installation(self, installation),
            "repositories": repositories,
            "requester": null,
            "sender": render::user(self, actor),
        });
        self.send(event, None, id, &body);
    }

    /// Mints a token that lives one hour. Its text is long, of no fixed length, and holds dots and
    /// underscores, as GitHub's are since April 2026.
    pub(crate) fn mint(&mut self, mut token: Token) -> String {
        let serial = self.next_id();
        token.expires_at = self.now() + 3_600_000;
        let mut noise = String::new();
        let rounds = 14 + serial % 3;
        for round in 0..rounds {
            let seed = format!(
                "{}:{serial}:{round}:{}",
                self.app.webhook_secret,
                self.now()
            );
            noise.push_str(&URL_SAFE_NO_PAD.encode(digest(&SHA256, seed.as_bytes()).as_ref()));
            if round == 1 || round == 8 {
                noise.push('.');
            }
        }
        let text = format!("ghs_{}_{noise}", self.app.id);
        self.tokens.insert(text.clone(), token);
        text
    }

    /// Counts one request against an installation's hour; refuses when the hour is used up.
    pub(crate) fn charge(&mut self, id: u64) -> Result<(), SimError> {
        let now = self.now() / 1000;
        let limit = self.hourly_limit;
        let installation = self
            .installations
            .get_mut(&id)
            .ok_or_else(SimError::not_found)?;
        if now >= installation.budget.reset {
            installation.budget = Budget {
                used: 0,
                reset: now + 3600,
            };
        }
        let budget = &mut installation.budget;
        if budget.used >= limit {
            return Err(SimError::RateLimited {
                installation: id,
                reset: budget.reset,
            });
        }
        budget.used += 1;
        Ok(())
    }
}
