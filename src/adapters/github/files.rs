//! Files that were read, for asking whether they have changed: an answer that says no does not
//! count against the rate limit.

use std::sync::Arc;

use http::HeaderValue;
use moka::future::Cache;

use crate::domain::ids::RepoId;

/// The files, bounded by their size in bytes.
pub(super) struct Files {
    kept: Cache<(RepoId, String), Arc<File>>,
}

/// A file as it was last answered.
pub(super) struct File {
    pub(super) tag: HeaderValue,
    pub(super) bytes: Vec<u8>,
}

const KEPT_BYTES: u64 = 8 * 1024 * 1024;

impl Files {
    pub(super) fn new() -> Self {
        let weight = |(_, path): &(RepoId, String), file: &Arc<File>| {
            u32::try_from(path.len() + file.bytes.len() + 256).unwrap_or(u32::MAX)
        };
        Self {
            kept: Cache::builder()
                .max_capacity(KEPT_BYTES)
                .weigher(weight)
                .support_invalidation_closures()
                .build(),
        }
    }

    pub(super) async fn get(&self, repo: RepoId, path: &str) -> Option<Arc<File>> {
        self.kept.get(&(repo, path.to_owned())).await
    }

    pub(super) async fn keep(&self, repo: RepoId, path: &str, tag: HeaderValue, bytes: &[u8]) {
        let file = File {
            tag,
            bytes: bytes.to_vec(),
        };
        self.kept
            .insert((repo, path.to_owned()), Arc::new(file))
            .await;
    }

    /// Forgets every file of a repository.
    pub(super) fn forget(&self, repo: RepoId) {
        // The only error says that closures are not supported, which `new` has switched on.
        drop(
            self.kept
                .invalidate_entries_if(move |(id, _), _| *id == repo),
        );
    }
}
