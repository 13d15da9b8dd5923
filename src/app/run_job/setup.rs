//! The setup commands of policy, which make a working tree ready for agent and checks.
//!
//! What they leave depends on what they are, on what they run in, and on the lockfiles. Where trees
//! are layers it is laid under later jobs instead of being made again.

use sha2::{Digest, Sha256};

use crate::app::run_job::run::Room;
use crate::app::run_job::{Attempt, Stuck};
use crate::domain::evidence::Evidence;
use crate::domain::ids::TreeSha;
use crate::ports::checkouts::Setup;
use crate::ports::fault::Fault;
use crate::ports::sandbox::Profile;

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

/// Where commands run after setup.
#[derive(Debug)]
pub struct Ready {
    /// What to go on with.
    pub room: Room,
    /// The command that failed, if one did.
    pub failed: Option<Evidence>,
}

impl Attempt<'_> {
    /// Makes the working tree of `room`, one of the commit tree `of`, ready; the first command that
    /// fails ends it.
    pub async fn set_up(
        &mut self,
        commands: &[String],
        (mut room, of): (Room, &TreeSha),
        (keep, log): (Keep, &str),
    ) -> Result<Ready, Stuck> {
        if commands.is_empty() {
            return Ok(Ready { room, failed: None });
        }
        let recipe = recipe(commands, self.ctx.sandbox.name(), &room.profile)?;
        let setup = Setup {
            recipe: &recipe,
            tree: of,
        };
        let (ctx, repo) = (self.ctx, self.leased.task.task.repo.id);
        let found = ctx
            .checkouts
            .find_setup(repo, &setup, &room.tree, &self.place())
            .await?;
        if let Some(tree) = found {
            tracing::info!(job.id = %self.leased.lease.job, "setup was done before");
            room.tree = tree;
            return Ok(Ready { room, failed: None });
        }
        let mut failed = None;
        for command in commands {
            let evidence = self.command(command, &room, log).await?;
            if !evidence.ending.succeeded() {
                failed = Some(evidence);
                break;
            }
        }
        let kept = match (keep, &failed) {
            (Keep::Not, _) => return Ok(Ready { room, failed }),
            (Keep::ForAll, None) => Some(&setup),
            // Half a setup is nobody's change either, and of use to nobody.
            (Keep::ForAll, Some(_)) | (Keep::ForThisJob, _) => None,
        };
        room.tree = ctx
            .checkouts
            .keep_setup(repo, kept, &room.tree, &self.place())
            .await?;
        Ok(Ready { room, failed })
    }
}

/// Returns a digest of the commands and of what they run in.
fn recipe(commands: &[String], sandbox: &str, profile: &Profile) -> Result<String, Fault> {
    let text = serde_json::to_vec(&(commands, sandbox, format!("{profile:?}")))
        .map_err(|error| Fault::permanent("describe the setup", error))?;
    Ok(hex::encode(Sha256::digest(text)))
}
