//! Answers that are asked for again and again, for asking whether they have changed: an answer that says
//! no does not count against the rate limit.
//! (<https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>)

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use moka::future::Cache;

use crate::domain::ids::RepoId;

/// The answers, bounded by their size in bytes.
pub(super) struct Known {
    kept: Cache<(RepoId, String), Arc<Told>>,
}

/// The last answer to a question.
pub(super) struct Told {
    pub(super) tag: HeaderValue,
    pub(super) body: Bytes,
}

const KEPT_BYTES: u64 = 8 * 1024 * 1024;

impl Known {
    pub(super) fn new() -> Self {
        let weight = |(_, path): &(RepoId, String), told: &Arc<Told>| {
            u32::try_from(path.len() + told.body.len() + 256).unwrap_or(u32::MAX)
        };
        Self {
            kept: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(weight)
                .support_invalidation_closures()
                .build(),
        }
    }

    /// Returns what was told last at a path of a repository.
    pub(super) async fn get(&self, repo: RepoId, path: &str) -> Option<Arc<Told>> {
        self.kept.get(&(repo, path.to_owned())).await
    }

    pub(super) async fn keep(&self, repo: RepoId, path: &str, told: Told) {
        let key = (repo, path.to_owned());
        self.kept.insert(key, Arc::new(told)).await;
    }

    /// Forgets all that was told of a repository.
    pub(super) fn forget(&self, repo: RepoId) {
        // The only error says that closures are not supported, which `new` has switched on.
        drop(
            self.kept
                .invalidate_entries_if(move |(id, _), _| *id == repo),
        );
    }
}
