//! The fourth step: the checks of policy, run by the server on the harvested tree. The agent's own
//! directory is not used: what is in it beside the tree was put there by the agent.

use std::collections::BTreeMap;

use crate::app::run_job::setup::{Keep, Ready};
use crate::app::run_job::{Attempt, Stuck};
use crate::domain::change::ChangeKind;
use crate::domain::evidence::Evidence;
use crate::domain::ids::CommitSha;
use crate::domain::job::{Entry, Progress};
use crate::ports::fault::{Class, Fault};

/// Most files beside the changed ones that are looked for because a check has named them.
const MAX_LOOKS: usize = 40;
/// The largest file of which lines are shown, in bytes.
const MAX_READ: u64 = 1024 * 1024;

impl Attempt<'_> {
    /// Runs setup and checks in a clean working tree; the first setup command that fails ends it.
    pub async fn check(&mut self) -> Result<Entry, Stuck> {
        let policy = self.policy().await?;
        if policy.checks.is_empty() {
            return self.checked(Vec::new()).await;
        }
        let Some(harvested) = &self.progress.harvested else {
            return Err(Fault::permanent("run the checks", "there is no harvest").into());
        };
        let (repo, harvested) = (self.leased.task.task.repo.id, harvested.tree.clone());
        let tree = self
            .ctx
            .checkouts
            .materialise(repo, &harvested, &self.place())
            .await?;
        let room = self.room(&policy, tree)?;
        let mut evidence = Vec::new();
        let Ready { room, failed } = self
            .set_up(&policy.setup, (room, &harvested), (Keep::Not, "checks.log"))
            .await?;
        if let Some(failed) = failed {
            evidence.push(failed);
            return self.checked(evidence).await;
        }
        for command in &policy.checks {
            evidence.push(self.command(command, &room, "checks.log").await?);
            if self.cancel.is_cancelled() {
                break;
            }
        }
        self.checked(evidence).await
    }

    async fn checked(&mut self, mut evidence: Vec<Evidence>) -> Result<Entry, Stuck> {
        self.keep_what_is_there(&mut evidence).await?;
        Ok(Entry::Checked {
            evidence,
            traffic: std::mem::take(&mut self.traffic),
        })
    }

    /// Keeps of the places that checks name those in files of the change, and in files of the base. An
    /// output can name anything, and GitHub shows whatever it is told.
    async fn keep_what_is_there(&self, evidence: &mut [Evidence]) -> Result<(), Fault> {
        let Progress {
            harvested: Some(harvested),
            briefed: Some(briefed),
            ..
        } = &self.progress
        else {
            return Ok(());
        };
        let mut known = BTreeMap::new();
        for at in harvested.kept() {
            let change = harvested.harvest.changes.get(at);
            if let Some((change, path)) = change.and_then(|one| Some((one, one.path.as_str()?))) {
                known.insert(path.to_owned(), change.kind != ChangeKind::Deleted);
            }
        }
        let mut looks = 0;
        for one in evidence {
            let mut kept = Vec::with_capacity(one.places.len());
            for place in std::mem::take(&mut one.places) {
                let is_there = match known.get(&place.path) {
                    Some(is_there) => *is_there,
                    None if looks >= MAX_LOOKS => false,
                    None => {
                        looks += 1;
                        let is_there = self.is_in(&briefed.base, &place.path).await?;
                        known.insert(place.path.clone(), is_there);
                        is_there
                    }
                };
                if is_there {
                    kept.push(place);
                }
            }
            one.places = kept;
        }
        Ok(())
    }

    /// Returns whether a commit has a file that a person would read lines of.
    async fn is_in(&self, commit: &CommitSha, path: &str) -> Result<bool, Fault> {
        let repo = self.leased.task.task.repo.id;
        let read = self.ctx.checkouts.read(repo, commit, path, MAX_READ);
        match read.await {
            Ok(content) => Ok(content.is_some()),
            Err(fault) => match fault.class {
                Class::Transient | Class::RateLimited(_) => Err(fault),
                Class::AuthLost | Class::Conflict | Class::NotFound | Class::Permanent => Ok(false),
            },
        }
    }
}
