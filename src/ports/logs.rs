//! What agents and commands have printed, whole, kept longer than their job's directory.

use std::io::BufRead;
use std::path::Path;

use crate::domain::ids::JobId;
use crate::domain::name::Name;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;

/// One log of a job that is over.
pub struct KeptLog {
    /// Whose: `agent`, `setup` or `checks`; in a race with the contestant before it: `codex/agent`.
    pub name: String,
    /// What was printed, both streams together, byte for byte. Nothing is taken out of it.
    pub text: Box<dyn BufRead + Send>,
}

/// The logs of jobs that are over.
#[async_trait::async_trait]
pub trait Logs: Send + Sync {
    /// Keeps the logs in the directory of a job, or of a contestant's part of it. Keeping one again
    /// replaces it; a job without any leaves nothing.
    async fn keep(&self, job: JobId, contestant: Option<&Name>, dir: &Path) -> Result<(), Fault>;

    /// Returns what is kept of a job, by name; empty when nothing is, or nothing any more.
    async fn kept(&self, job: JobId) -> Result<Vec<KeptLog>, Fault>;

    /// Forgets what was kept before a time, and returns of how many jobs.
    async fn forget(&self, before: Timestamp) -> Result<u64, Fault>;
}
