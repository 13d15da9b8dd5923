//! The fifth step where nothing can be pushed: what is proposed in the place of a commit.

use crate::app::run_job::change::change;
use crate::app::run_job::{Attempt, Stuck};
use crate::domain::change::{ChangeKind, RepoPath};
use crate::domain::diff::shown;
use crate::domain::ids::CommitSha;
use crate::domain::job::{Entry, Harvested};
use crate::domain::suggested::{Misfit, Offer, applied};
use crate::ports::fault::Fault;

/// The most of a change that is read, in bytes; no comment carries that much.
const MOST: usize = 1024 * 1024;
/// The largest file that suggestions are for, in bytes.
const MAX_FILE: u64 = 10 * 1024 * 1024;

impl Attempt<'_> {
    /// Puts what was harvested into suggestions on what the pull request changes, or into a patch.
    pub(super) async fn offer(
        &self,
        head: &CommitSha,
        harvested: &Harvested,
    ) -> Result<Entry, Stuck> {
        let (ctx, trees) = (self.ctx, (&harvested.harvest.base_tree, &harvested.tree));
        let patch = ctx.checkouts.patch(&self.dir, trees, MOST).await?;
        let diff = change(ctx, self.leased, head).await?;
        let shown = diff.map(|diff| shown(&diff.text)).unwrap_or_default();
        let mut offer = Offer::of(head.clone(), &patch, &shown);
        if let Some(misfit) = self.inexact(&offer, harvested).await? {
            offer.misfit = Some(misfit);
            offer.suggestions.clear();
        }
        Ok(Entry::Offered(Box::new(offer)))
    }

    /// Applies the suggestions as GitHub would; returns what does not come out as it was checked.
    async fn inexact(&self, offer: &Offer, harvested: &Harvested) -> Result<Option<Misfit>, Fault> {
        let mut paths: Vec<&str> = offer.suggestions.iter().map(|one| &*one.path).collect();
        paths.dedup();
        for path in paths {
            let before = self.text(&offer.head, path).await?;
            let of_file = offer.suggestions.iter().filter(|one| one.path == path);
            let of_file: Vec<_> = of_file.cloned().collect();
            let after = before.map(|text| applied(&text, &of_file));
            if after != self.harvested_text(path, harvested).await? {
                return Ok(Some(Misfit::Characters(path.to_owned())));
            }
        }
        Ok(None)
    }

    async fn text(&self, commit: &CommitSha, path: &str) -> Result<Option<String>, Fault> {
        let repo = self.leased.task.task.repo.id;
        let read = self.ctx.checkouts.read(repo, commit, path, MAX_FILE);
        Ok(read.await?.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    async fn harvested_text(
        &self,
        path: &str,
        harvested: &Harvested,
    ) -> Result<Option<String>, Fault> {
        let repo = self.leased.task.task.repo.id;
        let path = RepoPath::new(path);
        let mut changes = harvested.harvest.changes.iter();
        let entry = changes.find_map(|change| match &change.kind {
            ChangeKind::Added(entry) | ChangeKind::Modified(entry) if change.path == path => {
                Some(entry)
            }
            ChangeKind::Added(_) | ChangeKind::Modified(_) | ChangeKind::Deleted => None,
        });
        let Some(entry) = entry else {
            return Ok(None);
        };
        let blob = self.ctx.checkouts.blob(repo, &self.dir, &entry.blob);
        Ok(String::from_utf8(blob.await?).ok())
    }
}
