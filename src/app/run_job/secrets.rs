//! The look for secrets in what was harvested, before anything of it is checked or published.

use crate::app::run_job::Attempt;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::evidence::{Claim, Finding};
use crate::domain::ids::CommitSha;
use crate::domain::job::Harvested;
use crate::domain::policy::Policy;
use crate::domain::secrets::{self, Leak, MAX_LEAKS, Suspect};
use crate::ports::fault::Fault;

/// The largest file of the base that is read for what it says already, in bytes.
const MAX_BASE: u64 = 100 * 1024 * 1024;
/// Files that the change takes away and that are read for it. A secret in more of them is news.
const MAX_GONE: usize = 200;

impl Attempt<'_> {
    /// Returns the secrets that the change would publish, at most [`MAX_LEAKS`].
    pub async fn leaks(
        &self,
        harvested: &Harvested,
        base: &CommitSha,
        policy: &Policy,
    ) -> Result<Vec<Leak>, Fault> {
        let changes = &harvested.harvest.changes;
        let kept: Vec<&Change> = harvested
            .kept()
            .into_iter()
            .filter_map(|n| changes.get(n))
            .collect();
        let mut leaks = Vec::new();
        let mut suspected: Vec<(&Change, Vec<Suspect>)> = Vec::new();
        for change in &kept {
            let entry = match &change.kind {
                ChangeKind::Added(entry) => {
                    leaks.extend(secrets::leak_in_name(
                        &change.path,
                        &self.ctx.settings.redactor.now(),
                    ));
                    entry
                }
                ChangeKind::Modified(entry) => entry,
                ChangeKind::Deleted => continue,
            };
            let repo = self.leased.task.task.repo.id;
            let content = self
                .ctx
                .checkouts
                .blob(repo, &self.dir, &entry.blob)
                .await?;
            let mut found = self.suspects(content).await?;
            found.retain(|suspect| !secrets::is_allowed(&change.path, suspect, policy));
            if !found.is_empty() {
                suspected.push((change, found));
            }
        }
        if !suspected.is_empty() {
            let known = self.known(base, &kept, &suspected).await?;
            for (change, found) in &suspected {
                leaks.extend(secrets::leaks(&change.path, found, &known));
            }
        }
        leaks.truncate(MAX_LEAKS);
        Ok(leaks)
    }

    /// Returns what the base says already, where the change could have it from.
    async fn known(
        &self,
        base: &CommitSha,
        kept: &[&Change],
        suspected: &[(&Change, Vec<Suspect>)],
    ) -> Result<Vec<Suspect>, Fault> {
        let gone = kept
            .iter()
            .filter(|change| change.kind == ChangeKind::Deleted);
        let before = suspected
            .iter()
            .map(|(change, _)| change)
            .chain(gone.take(MAX_GONE));
        let mut known = Vec::new();
        for path in before.filter_map(|change| change.path.as_str()) {
            let repo = self.leased.task.task.repo.id;
            if let Some(content) = self.ctx.checkouts.read(repo, base, path, MAX_BASE).await? {
                known.extend(self.suspects(content).await?);
            }
        }
        Ok(known)
    }

    /// Takes secrets out of what the agent says, before it is kept anywhere.
    #[must_use]
    pub fn redacted(&self, claim: Claim) -> Claim {
        let live = self.ctx.settings.redactor.now();
        let clean = |text: Option<String>| text.map(|text| live.redact(&text).into_owned());
        Claim {
            title: clean(claim.title),
            summary: clean(claim.summary),
            notes: clean(claim.notes),
            replies: (claim.replies.into_iter())
                .map(|(number, text)| (number, live.redact(&text).into_owned()))
                .collect(),
            left: claim.left,
            findings: (claim.findings.into_iter())
                .map(|found| Finding {
                    path: live.redact(&found.path).into_owned(),
                    body: live.redact(&found.body).into_owned(),
                    ..found
                })
                .collect(),
        }
    }

    /// Looks through a file on a thread of its own: the largest take a while.
    async fn suspects(&self, content: Vec<u8>) -> Result<Vec<Suspect>, Fault> {
        let live = self.ctx.settings.redactor.now();
        tokio::task::spawn_blocking(move || secrets::suspects(&content, &live))
            .await
            .map_err(|error| Fault::permanent("look for secrets in the change", error))
    }
}
