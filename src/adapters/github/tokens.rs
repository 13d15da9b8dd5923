//! Installation tokens: minted for one repository with the least permissions, kept while they are
//! good, minted once however many ask at the same time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use moka::future::Cache;
use moka::ops::compute::Op;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::adapters::github::gate::Payer;
use crate::adapters::github::manifest::{
    FETCH_PERMISSIONS, LOGS_PERMISSIONS, PERMISSIONS, RERUN_PERMISSIONS,
};
use crate::domain::ids::{InstallationId, RepoId};
use crate::domain::repo::Repo;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::Fault;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// Everything that the client itself does.
    Work,
    /// Fetching by git, nothing else.
    Fetch,
    /// Reading the logs of GitHub Actions, where the App may.
    Logs,
    /// Running workflows once more, where the App may.
    Rerun,
}

impl Scope {
    /// How long a token must still be good to be handed out.
    pub(super) fn least_left(self) -> Span {
        match self {
            Self::Work | Self::Logs | Self::Rerun => Span::minutes(5),
            Self::Fetch => Span::minutes(10),
        }
    }

    fn permissions(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Work => PERMISSIONS,
            Self::Fetch => FETCH_PERMISSIONS,
            Self::Logs => LOGS_PERMISSIONS,
            Self::Rerun => RERUN_PERMISSIONS,
        }
    }

    /// Returns the body that asks for such a token.
    pub(super) fn wish(self, repo: RepoId) -> Value {
        let permissions: BTreeMap<_, _> = self.permissions().iter().copied().collect();
        json!({ "repository_ids": [repo.0], "permissions": permissions })
    }
}

/// Returns the body that asks for a token which lists repositories: the only one that is good for
/// more than one of them, and good for nothing else.
pub(super) fn listing_wish() -> Value {
    json!({ "permissions": { "metadata": "read" } })
}

/// A token as GitHub handed it out.
pub(super) struct Minted {
    pub(super) token: SecretString,
    pub(super) installation: InstallationId,
    /// By GitHub's clock.
    pub(super) expires: Timestamp,
}

impl Minted {
    /// Returns it with whose limits its use counts towards.
    pub(super) fn pays(&self) -> (&SecretString, Payer) {
        (&self.token, Payer::Installation(self.installation))
    }
}

type Key = (RepoId, Scope);

/// More repositories at work at once than any one server has.
const CAPACITY: u64 = 4_096;

/// The tokens that are good.
pub(super) struct Tokens {
    kept: Cache<Key, Arc<Minted>>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            kept: Cache::builder()
                .max_capacity(CAPACITY)
                .support_invalidation_closures()
                .build(),
        }
    }

    /// Returns the kept token if it is good at `now`, else what `mint` makes. Whoever asks while it
    /// is being minted gets the same token, or the same fault.
    pub(super) async fn get<F, M>(
        &self,
        repo: &Repo,
        scope: Scope,
        now: Timestamp,
        mint: M,
    ) -> Result<Arc<Minted>, Fault>
    where
        M: Fn() -> F,
        F: Future<Output = Result<Minted, Fault>>,
    {
        let minted = self.get_or_mint((repo.id, scope), mint()).await?;
        let good = minted.installation == repo.installation
            && minted.expires.since(now) >= scope.least_left();
        if good {
            return Ok(minted);
        }
        self.discard(repo.id, scope, &minted).await;
        self.get_or_mint((repo.id, scope), mint()).await
    }

    async fn get_or_mint(
        &self,
        key: Key,
        mint: impl Future<Output = Result<Minted, Fault>>,
    ) -> Result<Arc<Minted>, Fault> {
        let mint = async { mint.await.map(Arc::new) };
        Box::pin(self.kept.try_get_with(key, mint))
            .await
            .map_err(|shared| Fault::new(shared.class, shared.doing.as_str(), &shared.cause))
    }

    /// Forgets this very token, not one that somebody else has put in its place meanwhile.
    pub(super) async fn discard(&self, repo: RepoId, scope: Scope, minted: &Arc<Minted>) {
        let stale = Arc::clone(minted);
        self.kept
            .entry((repo, scope))
            .and_compute_with(|kept| async move {
                match kept {
                    Some(entry) if Arc::ptr_eq(entry.value(), &stale) => Op::Remove,
                    Some(_) | None => Op::Nop,
                }
            })
            .await;
    }

    /// Forgets every token of a repository.
    pub(super) fn forget(&self, repo: RepoId) {
        // The only error says that closures are not supported, which `new` has switched on.
        drop(
            self.kept
                .invalidate_entries_if(move |(id, _), _| *id == repo),
        );
    }
}
