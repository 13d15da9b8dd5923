//! The fourth step: the checks of policy, run by the server on the harvested tree. The agent's own
//! directory is not used: what is in it beside the tree was put there by the agent.

use crate::app::run_job::{Attempt, Stuck};
use crate::domain::evidence::Evidence;
use crate::domain::job::Entry;
use crate::ports::fault::Fault;

impl Attempt<'_> {
    /// Runs setup and checks in a clean working tree; the first setup command that fails ends it.
    pub async fn check(&mut self) -> Result<Entry, Stuck> {
        let policy = self.policy().await?;
        if policy.checks.is_empty() {
            return Ok(self.checked(Vec::new()));
        }
        let Some(harvested) = &self.progress.harvested else {
            return Err(Fault::permanent("run the checks", "there is no harvest").into());
        };
        let repo = self.leased.task.task.repo.id;
        let tree = self
            .ctx
            .checkouts
            .materialise(repo, &harvested.tree, &self.place())
            .await?;
        let room = self.room(&policy, tree)?;
        let mut evidence = Vec::new();
        for command in &policy.setup {
            let one = self.command(command, &room, "checks.log").await?;
            if !one.ending.succeeded() {
                evidence.push(one);
                return Ok(self.checked(evidence));
            }
        }
        for command in &policy.checks {
            evidence.push(self.command(command, &room, "checks.log").await?);
            if self.cancel.is_cancelled() {
                break;
            }
        }
        Ok(self.checked(evidence))
    }

    fn checked(&mut self, evidence: Vec<Evidence>) -> Entry {
        Entry::Checked {
            evidence,
            traffic: std::mem::take(&mut self.traffic),
        }
    }
}
