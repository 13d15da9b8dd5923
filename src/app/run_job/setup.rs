//! The setup commands of policy, which make a working tree ready for agent and checks.
//!
//! What they leave depends on what they are, on what they run in, and on the lockfiles. Where trees
//! are layers it is laid under later jobs instead of being made again.

use sha2::{Digest, Sha256};

use crate::app::run_job::{Attempt, Stuck};
use crate::domain::evidence::Evidence;
use crate::domain::ids::TreeSha;
use crate::domain::policy::Policy;
use crate::ports::checkouts::Setup;
use crate::ports::fault::Fault;
use crate::ports::tree::Tree;

/// For whom what setup leaves is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For every job: it was left on a commit of the default branch, by which no agent has been.
    ForAll,
    /// For this job, so that it is not taken for the agent's.
    ForThisJob,
    /// For nobody: nothing is harvested from there.
    Not,
}

/// A working tree after its setup.
#[derive(Debug)]
pub struct Ready {
    /// The tree to go on with.
    pub tree: Tree,
    /// The command that failed, if one did.
    pub failed: Option<Evidence>,
}

impl Attempt<'_> {
    /// Makes `tree`, a working tree of the commit tree `of`, ready; the first command that fails ends
    /// it.
    pub async fn set_up(
        &mut self,
        policy: &Policy,
        (tree, of): (Tree, &TreeSha),
        (keep, log): (Keep, &str),
    ) -> Result<Ready, Stuck> {
        let done = |tree| Ready { tree, failed: None };
        if policy.setup.is_empty() {
            return Ok(done(tree));
        }
        let recipe = recipe(&policy.setup, self.ctx.sandbox.name())?;
        let setup = Setup {
            recipe: &recipe,
            tree: of,
        };
        let (ctx, repo) = (self.ctx, self.leased.task.task.repo.id);
        let found = ctx
            .checkouts
            .find_setup(repo, &setup, &tree, &self.place())
            .await?;
        if let Some(ready) = found {
            tracing::info!(job.id = %self.leased.lease.job, "setup was done before");
            return Ok(done(ready));
        }
        let limits = self.limits(policy);
        let mut failed = None;
        for command in &policy.setup {
            let evidence = self.command(command, (tree.clone(), limits), log).await?;
            if !evidence.ending.succeeded() {
                failed = Some(evidence);
                break;
            }
        }
        let kept = match (keep, &failed) {
            (Keep::Not, _) => return Ok(Ready { tree, failed }),
            (Keep::ForAll, None) => Some(&setup),
            // Half a setup is nobody's change either, and of use to nobody.
            (Keep::ForAll, Some(_)) | (Keep::ForThisJob, _) => None,
        };
        let tree = ctx
            .checkouts
            .keep_setup(repo, kept, &tree, &self.place())
            .await?;
        Ok(Ready { tree, failed })
    }
}

/// Returns a digest of the commands and of what they run in.
fn recipe(commands: &[String], sandbox: &str) -> Result<String, Fault> {
    let text = serde_json::to_vec(&(commands, sandbox))
        .map_err(|error| Fault::permanent("describe the setup", error))?;
    Ok(hex::encode(Sha256::digest(text)))
}
