//! The fifth step: the commit, made through the API so that GitHub signs it. No branch points at
//! it yet; that is the outbox's.

use crate::app::run_job::{Attempt, Stuck};
use crate::domain::change::{Change, ChangeKind};
use crate::domain::conclude::report;
use crate::domain::job::Entry;
use crate::domain::render::commit as message;
use crate::domain::report::Outcome;
use crate::ports::fault::Fault;
use crate::ports::github::{NewCommit, TreeEntry};

impl Attempt<'_> {
    /// Creates the commit of what was harvested, whole or partial.
    pub async fn commit(&self) -> Result<Entry, Stuck> {
        let (Some(briefed), Some(harvested)) = (&self.progress.briefed, &self.progress.harvested)
        else {
            return Err(Fault::permanent("create the commit", "there is no harvest").into());
        };
        let task = &self.leased.task.task;
        if !task.home.takes_commits() {
            return self.offer(&briefed.base, harvested).await;
        }
        if let Some(merge) = &briefed.merge {
            return self.commit_merge(harvested, (&briefed.base, merge)).await;
        }
        let mut entries = Vec::new();
        for n in harvested.kept() {
            if let Some(change) = harvested.harvest.changes.get(n) {
                entries.push(self.entry(change).await?);
            }
        }
        let report = report(&self.ended());
        let request = &self.leased.work.request;
        let host = self.ctx.settings.web_host();
        let message = if report.outcome == Outcome::Proposed {
            let title = report
                .claim
                .as_ref()
                .and_then(|claim| claim.title.as_deref());
            message::message(task.id, request, title, host)
        } else {
            message::partial(task.id, request, &report, host)
        };
        let commit = NewCommit {
            message: self.ctx.settings.redactor.redact(&message).into_owned(),
            parents: vec![briefed.base.clone()],
            base_tree: harvested.harvest.base_tree.clone(),
            entries,
            tree: harvested.tree.clone(),
        };
        let commit = self.ctx.github.commit(&task.repo, &commit).await?;
        Ok(Entry::Committed { commit })
    }

    async fn entry(&self, change: &Change) -> Result<TreeEntry, Fault> {
        let path = change.path.as_str().ok_or_else(|| {
            Fault::permanent("create the commit", format!("{} is not UTF-8", change.path))
        })?;
        let put = match &change.kind {
            ChangeKind::Deleted => None,
            ChangeKind::Added(entry) | ChangeKind::Modified(entry) => {
                let repo = self.leased.task.task.repo.id;
                let content = self
                    .ctx
                    .checkouts
                    .blob(repo, &self.dir, &entry.blob)
                    .await?;
                Some((entry.mode, content))
            }
        };
        Ok(TreeEntry {
            path: path.to_owned(),
            put,
        })
    }
}
