//! Mirrors, checkouts and harvest: everything that needs git.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::change::{Harvest, HarvestLimits, RepoPath};
use crate::domain::diff::{Diff, Patch};
use crate::domain::footing::{Merge, Pair, Said};
use crate::domain::ids::{CommitSha, RepoId, ThreadNumber, TreeSha};
use crate::domain::job::Restored;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::Fault;
use crate::ports::github::TreeEntry;
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

/// A base merged into a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The tree that comes out.
    pub tree: TreeSha,
    /// The tree of the base.
    pub base_tree: TreeSha,
    /// What the one has that the other has not.
    pub entries: Vec<TreeEntry>,
}

/// A merge with conflicts, to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The commit of the server's own that the checkout is made from.
    pub start: CommitSha,
    /// Its tree, with markers.
    pub tree: TreeSha,
    /// The paths with conflicts, ordered.
    pub paths: Vec<RepoPath>,
    /// What the commits of the base say that touch them, the newest first.
    pub said: Vec<Said>,
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

    /// Brings the mirror up to date with the head of a pull request too, wherever that comes from, and
    /// returns its commit; `NotFound` when there is none.
    async fn fetch_pull(&self, remote: &Remote, pull: ThreadNumber) -> Result<CommitSha, Fault>;

    /// Returns what the head of a pair changes since it parted from the base, both in the mirror, as git
    /// prints it with three lines of context: at most `most` bytes, whole lines. No program is run for
    /// it, whatever a repository says.
    async fn diff(&self, repo: RepoId, pair: &Pair, most: usize) -> Result<Diff, Fault>;

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

    /// Returns where the branches of the mirror point, as last fetched.
    async fn heads(&self, repo: RepoId) -> Result<BTreeMap<String, CommitSha>, Fault>;

    /// Merges bases into heads of tasks' branches, all of them in the mirror, without a checkout, and
    /// keeps nothing of it. One answer each, in order.
    async fn merges(&self, repo: RepoId, pairs: &[Pair]) -> Result<Vec<Merge>, Fault>;

    /// Merges a base into the head of a branch, both in the mirror, where that is without conflicts.
    async fn merge(&self, repo: RepoId, pair: &Pair) -> Result<Merged, Fault>;

    /// Makes a commit, on no branch, that merges a base into the head of a branch and holds the markers
    /// of the conflicts; `None` when there are none.
    async fn begin_merge(&self, repo: RepoId, pair: &Pair) -> Result<Option<Begun>, Fault>;

    /// Returns the tree of the commit `from`, and what `to`, a tree in the job's own store, has that it
    /// has not.
    async fn differing(
        &self,
        repo: RepoId,
        job: &Path,
        between: (&CommitSha, &TreeSha),
    ) -> Result<(TreeSha, Vec<TreeEntry>), Fault>;

    /// Returns what a tree in the job's own store changes of another that is there or in the mirror, as
    /// `git apply` takes it: at most `most` bytes.
    async fn patch(
        &self,
        job: &Path,
        trees: (&TreeSha, &TreeSha),
        most: usize,
    ) -> Result<Patch, Fault>;

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

    /// Returns the working tree `tree` with what `setup` left in an earlier job laid under what is
    /// written to it; `None` when nothing was kept that fits, so that its commands have to be run.
    async fn find_setup(
        &self,
        repo: RepoId,
        setup: &Setup<'_>,
        tree: &Tree,
        place: &Place<'_>,
    ) -> Result<Option<Tree>, Fault>;

    /// Takes what was written to the checkout `tree` so far for what setup left: it is no change of
    /// the agent's, and, when `setup` is given, kept for other jobs to stand on. Returns the tree to
    /// go on with. A plain tree stays as it is, and what setup changed there counts as changed.
    ///
    /// Only what the commands of policy left on a commit of the default branch may be given to
    /// others.
    async fn keep_setup(
        &self,
        repo: RepoId,
        setup: Option<&Setup<'_>>,
        tree: &Tree,
        place: &Place<'_>,
    ) -> Result<Tree, Fault>;

    /// Reads one harvested blob.
    async fn blob(&self, repo: RepoId, job: &Path, blob: &str) -> Result<Vec<u8>, Fault>;

    /// Takes away mirrors, bases and kept setups that are not in use and beyond what `cache` allows.
    /// All of it can be fetched or made again.
    async fn tidy(&self, cache: &Cache, now: Timestamp) -> Result<(), Fault>;

    /// Removes a job's directory with everything an agent may have left in it, following no link.
    async fn remove(&self, job: &Path) -> Result<(), Fault>;
}

/// How much of what can be fetched or made again is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Bytes in all.
    pub bytes: u64,
    /// How long something is kept that nobody uses.
    pub idle: Span,
}

/// What the result of setup commands depends on.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// A digest of the commands and of what they run in.
    pub recipe: &'a str,
    /// The commit's tree; its lockfiles count.
    pub tree: &'a TreeSha,
}

/// A job's directory and who owns what is written there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The job's directory.
    pub job: &'a Path,
    /// User and group id for the files, when they differ from the server's.
    pub owner: Option<(u32, u32)>,
    /// Whether whoever shows the tree can show layers; without, every file is written anew.
    pub layers: bool,
}
