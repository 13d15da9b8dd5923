//! Mirrors, checkouts and harvest: everything that needs git.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::change::{Harvest, HarvestLimits};
use crate::domain::ids::{CommitSha, RepoId, TreeSha};
use crate::domain::job::Restored;
use crate::ports::fault::Fault;
use crate::ports::tree::Tree;

/// Where a repository is fetched from.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Which repository; names its mirror.
    pub repo: RepoId,
    /// The URL of the remote, without credentials.
    pub url: String,
    /// A token for it; goes to git by its environment, never by argument or URL.
    pub token: Option<SecretString>,
}

/// An ephemeral working copy for one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The working tree with a throw-away `.git`.
    pub tree: Tree,
    /// The mirror's objects, which the throw-away `.git` borrows; read-only for the agent.
    pub objects: PathBuf,
    /// The commit it was made from.
    pub base: CommitSha,
    /// That commit's tree.
    pub base_tree: TreeSha,
}

/// Mirrors, checkouts and harvest. A job's directory belongs to the caller, who removes it with
/// [`Checkouts::remove`].
#[async_trait::async_trait]
pub trait Checkouts: Send + Sync {
    /// Brings the repository's mirror up to date and returns the commit that `branch` points at;
    /// a fault of class `NotFound` names the branch when the remote has none of that name.
    ///
    /// Only what is new is transferred. Concurrent calls for one repository wait for each other.
    async fn fetch(&self, remote: &Remote, branch: &str) -> Result<CommitSha, Fault>;

    /// Reads a file of a commit from the mirror; `None` when there is none at `path`.
    /// Links are not followed; a file over `max` bytes is a permanent fault.
    async fn read(
        &self,
        repo: RepoId,
        commit: &CommitSha,
        path: &str,
        max: u64,
    ) -> Result<Option<Vec<u8>>, Fault>;

    /// Makes a commit on top of `base`, on no branch, in which every file that steers agents
    /// ([`crate::domain::steering`]) is as `from` has it; `None` when the base has them so already.
    async fn restore(
        &self,
        repo: RepoId,
        base: &CommitSha,
        from: &CommitSha,
    ) -> Result<Option<Restored>, Fault>;

    /// Writes a working copy of `base` to `job/checkout`, owned by `owner` when given, with a
    /// throw-away `.git` on a branch called `branch`. What stood there before is removed.
    async fn checkout(
        &self,
        repo: RepoId,
        base: &CommitSha,
        branch: &str,
        place: &Place<'_>,
    ) -> Result<Checkout, Fault>;

    /// Reads what changed in the working tree since its base, without trusting anything in it and
    /// without running git there. The agent's processes must be dead.
    ///
    /// New objects go to a store of the job's own (`job/objects`), so a crash after this needs no
    /// second agent run.
    async fn harvest(
        &self,
        repo: RepoId,
        checkout: &Checkout,
        job: &Path,
        limits: &HarvestLimits,
    ) -> Result<Harvest, Fault>;

    /// Builds the tree that has only those of the harvest's changes that `keep` names (indexes
    /// into [`Harvest::changes`]) and returns it.
    async fn narrow(
        &self,
        repo: RepoId,
        job: &Path,
        harvest: &Harvest,
        keep: &[usize],
    ) -> Result<TreeSha, Fault>;

    /// Returns whether the job's own store still holds `tree`, complete.
    async fn holds(&self, repo: RepoId, job: &Path, tree: &TreeSha) -> bool;

    /// Writes the harvested `tree` to `job/verify`, without any `.git`, for the checks.
    async fn materialise(
        &self,
        repo: RepoId,
        tree: &TreeSha,
        place: &Place<'_>,
    ) -> Result<Tree, Fault>;

    /// Reads one harvested blob.
    async fn blob(&self, repo: RepoId, job: &Path, blob: &str) -> Result<Vec<u8>, Fault>;

    /// Removes a job's directory with everything an agent may have left in it, following no link.
    async fn remove(&self, job: &Path) -> Result<(), Fault>;
}

/// A job's directory and who owns what is written there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The job's directory.
    pub job: &'a Path,
    /// User and group id for the files, when they differ from the server's.
    pub owner: Option<(u32, u32)>,
}
