//! Conflicts of a base with the branch: where their resolution starts from, whether it is whole, and the
//! commit that it becomes.

use crate::app::context::Context;
use crate::app::run_job::brief::Problem;
use crate::app::run_job::{Attempt, Stuck};
use crate::domain::change::{ChangeKind, RepoPath};
use crate::domain::conclude::report;
use crate::domain::footing::{Merge, Pair, has_markers};
use crate::domain::ids::CommitSha;
use crate::domain::job::{Entry, Harvested, Merging};
use crate::domain::render::commit as message;
use crate::domain::render::footing::{merges_now, no_base};
use crate::domain::repo::Repo;
use crate::domain::report::Outcome;
use crate::ports::checkouts::Begun;
use crate::ports::fault::Fault;
use crate::ports::github::NewCommit;

/// The largest file with conflicts that is read, in bytes.
const MAX_FILE: u64 = 100 * 1024 * 1024;

/// Merges the base into the head of the branch, as both are now, and returns where the resolution starts
/// and the head of the base; `None` when the branch has everything of the base by now.
pub(super) async fn begin(
    ctx: &Context,
    repo: &Repo,
    (onto, head): (&str, &CommitSha),
) -> Result<Option<(Begun, CommitSha)>, Problem> {
    let heads = ctx.checkouts.heads(repo.id).await?;
    let base = heads.get(onto);
    let base = base.ok_or_else(|| Problem::Person(no_base(onto)))?.clone();
    let pair = Pair {
        base: base.clone(),
        head: head.clone(),
    };
    let merged = ctx.checkouts.merges(repo.id, std::slice::from_ref(&pair));
    match merged.await?.first() {
        Some(Merge::UpToDate) => return Ok(None),
        Some(Merge::Clean(_)) => {
            return Err(Problem::Person(merges_now(onto, &ctx.settings.links)));
        }
        Some(Merge::Conflicting(_)) | None => {}
    }
    let begun = ctx.checkouts.begin_merge(repo.id, &pair).await?;
    Ok(begun.map(|begun| (begun, base)))
}

impl Attempt<'_> {
    /// Returns the files in which conflict markers are left.
    pub(super) async fn unresolved(
        &self,
        harvested: &Harvested,
        head: &CommitSha,
        merge: &Merging,
    ) -> Result<Vec<RepoPath>, Fault> {
        let repo = self.leased.task.task.repo.id;
        let mut unresolved = Vec::new();
        for path in &merge.paths {
            // One whose name is not text can be neither read nor published.
            let Some(name) = path.as_str() else {
                unresolved.push(path.clone());
                continue;
            };
            let Some(result) = self.result(harvested, merge, path).await? else {
                continue;
            };
            let read = |commit| self.ctx.checkouts.read(repo, commit, name, MAX_FILE);
            let ours = read(head).await?.unwrap_or_default();
            let theirs = read(&merge.with).await?.unwrap_or_default();
            if has_markers(&result, [&ours, &theirs]) {
                unresolved.push(path.clone());
            }
        }
        Ok(unresolved)
    }

    /// Returns what is published at a path; `None` when nothing is.
    async fn result(
        &self,
        harvested: &Harvested,
        merge: &Merging,
        path: &RepoPath,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let repo = self.leased.task.task.repo.id;
        let kept = harvested.kept();
        let mut kept = kept
            .iter()
            .filter_map(|n| harvested.harvest.changes.get(*n));
        match kept
            .find(|change| change.path == *path)
            .map(|one| &one.kind)
        {
            Some(ChangeKind::Deleted) => Ok(None),
            Some(ChangeKind::Added(entry) | ChangeKind::Modified(entry)) => {
                let blob = self.ctx.checkouts.blob(repo, &self.dir, &entry.blob);
                blob.await.map(Some)
            }
            None => {
                let name = path.as_str().unwrap_or_default();
                let start = &merge.start;
                self.ctx.checkouts.read(repo, start, name, MAX_FILE).await
            }
        }
    }

    /// Creates the commit of a merge: its parents are the head of the branch and that of the base.
    pub(super) async fn commit_merge(
        &self,
        harvested: &Harvested,
        (head, merge): (&CommitSha, &Merging),
    ) -> Result<Entry, Stuck> {
        let task = &self.leased.task.task;
        let between = (&merge.with, &harvested.tree);
        let differing = self
            .ctx
            .checkouts
            .differing(task.repo.id, &self.dir, between);
        let (base_tree, entries) = differing.await?;
        let report = report(&self.ended());
        let agent = report.run.as_ref().map_or("", |run| run.agent.as_str());
        let host = self.ctx.settings.web_host();
        let mut text = message::resolved(task, &self.leased.work.request, agent, host);
        if report.outcome != Outcome::Proposed {
            text = format!("Partial ({}): {text}", report.outcome.word());
        }
        let commit = NewCommit {
            message: self.ctx.settings.redactor.redact(&text).into_owned(),
            parents: vec![head.clone(), merge.with.clone()],
            base_tree,
            entries,
            tree: harvested.tree.clone(),
        };
        let commit = self.ctx.github.commit(&task.repo, &commit).await?;
        Ok(Entry::Committed { commit })
    }
}
