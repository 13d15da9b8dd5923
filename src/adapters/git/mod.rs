//! Git, by its command line: mirrors, checkouts and harvest.
//!
//! Two rules shape this room. Every call of git goes through one function that says what it may do
//! and see (`call`), and no call is ever made in a directory that an agent could write: what the
//! agent changed is read as plain files (`walk`, `survey`), copied into the job's own store
//! (`spool`, `store`) and judged there (`names`, `links`, `collisions`, `vetting`).
//!
//! On disk, below the server's work directory and each job's:
//!
//! ```text
//! mirrors/REPO.git    bare, only fetches write it
//! JOB/checkout        the agent's working copy; its .git is never read again
//! JOB/objects         bare, what the harvest stored, borrowing from the mirror
//! JOB/verify          the harvested tree, for the checks
//! ```
//!
//! What counts as a change: every tracked file that differs, and untracked files that neither the
//! `.gitignore` files of the working tree ignore nor `.git` holds. The agent's own commits count as
//! the files they left; `.git/info/exclude` and settings of users do not count.

mod address;
mod base;
mod beneath;
mod blocking;
mod call;
mod collisions;
mod halves;
mod harvest;
mod ignored;
mod index;
mod links;
pub mod local;
mod mirror;
mod names;
mod object;
mod paths;
mod pattern;
mod process;
mod refname;
mod removal;
mod restore;
mod revision;
mod settle;
mod skeleton;
mod spool;
mod store;
mod survey;
mod trouble;
mod vetting;
mod walk;
mod working;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapters::git::address::Address;
pub use crate::adapters::git::address::Protocols;
use crate::adapters::git::base::Base;
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::mirror::Mirrors;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::store::Store;
use crate::adapters::git::trouble::Kind;
use crate::adapters::git::working::{Branch, Failure, Target};
use crate::domain::change::{Change, Harvest, HarvestLimits};
use crate::domain::ids::{CommitSha, RepoId, TreeSha};
use crate::domain::job::Restored;
use crate::ports::checkouts::{Checkout, Checkouts, Place, Remote};
use crate::ports::fault::Fault;
use crate::ports::tree::Tree;

/// What git work needs to know of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's work directory; mirrors go below it.
    pub work_dir: PathBuf,
    /// Which remotes may be fetched.
    pub protocols: Protocols,
    /// The longest that one fetch may take; the first of a large repository takes minutes.
    pub fetch_limit: Duration,
}

/// Mirrors, checkouts and harvest on this machine.
#[derive(Debug)]
pub struct GitCheckouts {
    mirrors: Mirrors,
    protocols: Protocols,
}

impl GitCheckouts {
    /// Works below the given directory, which need not exist yet.
    ///
    /// # Errors
    ///
    /// When the directory's path is empty, or relative and the current directory is gone.
    pub fn new(settings: Settings) -> std::io::Result<Self> {
        // Alternates and git's own changes of directory need paths that mean the same everywhere.
        let work_dir = std::path::absolute(settings.work_dir)?;
        Ok(Self {
            mirrors: Mirrors::new(work_dir.join("mirrors"), settings.fetch_limit),
            protocols: settings.protocols,
        })
    }

    /// Takes a damaged mirror away, so that the next fetch builds it anew.
    async fn heal(&self, repo: RepoId, failure: &Failure) -> std::io::Result<()> {
        match failure {
            Failure::Git(trouble) if trouble.kind == Kind::Damaged => {
                tracing::warn!(repo.id = %repo, %trouble, "mirror damaged, setting it aside");
                self.mirrors.set_aside(repo).await
            }
            Failure::Git(_) | Failure::Files(_) => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Checkouts for GitCheckouts {
    async fn fetch(&self, remote: &Remote, branch: &str) -> Result<CommitSha, Fault> {
        let address = Address::parse(&remote.url, self.protocols)?;
        let commit = self.mirrors.fetch(remote, &address, branch).await?;
        Ok(CommitSha::new(commit.to_string()))
    }

    async fn read(
        &self,
        repo: RepoId,
        commit: &CommitSha,
        path: &str,
        max: u64,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let doing = format!("read {path} of {commit}");
        let commit = ObjectId::expect(commit.as_str(), &doing)?;
        let mirror = self.mirrors.path(repo);
        let found = Base::find_file(&mirror, commit, path).await;
        let Some((blob, bytes)) = found.map_err(|trouble| trouble.fault(&doing))? else {
            return Ok(None);
        };
        if bytes > max {
            return Err(Fault::permanent(
                doing,
                format_args!("it has {bytes} bytes, more than the {max} allowed"),
            ));
        }
        let mut call = Call::new(&mirror, ["cat-file", "blob", &blob.to_string()]);
        call.most = usize::try_from(max).unwrap_or(usize::MAX);
        let content = process::run(&call).await;
        content.map(Some).map_err(|trouble| trouble.fault(doing))
    }

    async fn restore(
        &self,
        repo: RepoId,
        base: &CommitSha,
        from: &CommitSha,
    ) -> Result<Option<Restored>, Fault> {
        let doing = format!("put what steers agents back to {from}");
        let base = ObjectId::expect(base.as_str(), &doing)?;
        let from = ObjectId::expect(from.as_str(), &doing)?;
        let restored = restore::restore(&self.mirrors.path(repo), base, from).await;
        restored.map_err(|trouble| trouble.fault(doing))
    }

    async fn checkout(
        &self,
        repo: RepoId,
        base: &CommitSha,
        branch: &str,
        place: &Place<'_>,
    ) -> Result<Checkout, Fault> {
        let doing = format!("check out {base}");
        let commit = ObjectId::expect(base.as_str(), &doing)?;
        if !refname::is_branch(branch) {
            return Err(Fault::permanent(
                doing,
                format_args!("{branch:?} is not a name for a branch"),
            ));
        }
        let job = absolute(place.job, &doing)?;
        let mirror = self.mirrors.path(repo);
        let target = Target {
            dir: job.join("checkout"),
            owner: place.owner,
        };
        let branch = Branch {
            name: branch.to_owned(),
            commit,
        };
        let tree = match working::check_out(&mirror, &target, branch).await {
            Ok(tree) => tree,
            Err(failure) => {
                self.heal(repo, &failure)
                    .await
                    .map_err(|error| Fault::io(&doing, &error))?;
                return Err(failure.fault(&doing));
            }
        };
        Ok(Checkout {
            tree: Tree::Plain(target.dir),
            objects: self.mirrors.objects(repo),
            base: base.clone(),
            base_tree: TreeSha::new(tree.to_string()),
        })
    }

    async fn harvest(
        &self,
        repo: RepoId,
        checkout: &Checkout,
        job: &Path,
        limits: &HarvestLimits,
    ) -> Result<Harvest, Fault> {
        let job = absolute(job, "harvest the checkout")?;
        harvest::harvest(&self.mirrors.objects(repo), checkout, &job, limits).await
    }

    async fn narrow(
        &self,
        _repo: RepoId,
        job: &Path,
        harvest: &Harvest,
        keep: &[usize],
    ) -> Result<TreeSha, Fault> {
        let doing = "leave changes out of the harvest";
        let kept: Option<Vec<&Change>> = keep.iter().map(|&at| harvest.changes.get(at)).collect();
        let kept =
            kept.ok_or_else(|| Fault::permanent(doing, "there is no change of that number"))?;
        let base = ObjectId::expect(harvest.base_tree.as_str(), doing)?;
        let store = Store::of(&absolute(job, doing)?);
        let tree = store.build(base, &kept).await;
        let tree = tree.map_err(|trouble| trouble.fault(doing))?;
        Ok(TreeSha::new(tree.to_string()))
    }

    async fn holds(&self, _repo: RepoId, job: &Path, tree: &TreeSha) -> bool {
        let (Some(tree), Ok(job)) = (
            ObjectId::parse(tree.as_str().as_bytes()),
            std::path::absolute(job),
        ) else {
            return false;
        };
        // Whatever is wrong with the store: it is not there to go on with.
        Store::of(&job).holds(tree).await.unwrap_or(false)
    }

    async fn materialise(
        &self,
        _repo: RepoId,
        tree: &TreeSha,
        place: &Place<'_>,
    ) -> Result<Tree, Fault> {
        let doing = format!("write the harvested tree {tree}");
        let tree = ObjectId::expect(tree.as_str(), &doing)?;
        let job = absolute(place.job, &doing)?;
        let target = Target {
            dir: job.join("verify"),
            owner: place.owner,
        };
        let store = Store::of(&job);
        working::write(&store.dir, tree, &target, None)
            .await
            .map_err(|failure| failure.fault(&doing))?;
        Ok(Tree::Plain(target.dir))
    }

    async fn blob(&self, _repo: RepoId, job: &Path, blob: &str) -> Result<Vec<u8>, Fault> {
        let doing = "read a harvested file";
        let id = ObjectId::expect(blob, doing)?;
        let store = Store::of(&absolute(job, doing)?);
        store.blob(id).await.map_err(|trouble| trouble.fault(doing))
    }

    async fn remove(&self, job: &Path) -> Result<(), Fault> {
        let doing = "remove a job's directory";
        let job = absolute(job, doing)?;
        blocking(move || removal::remove_tree(&job))
            .await
            .map_err(|error| Fault::io(doing, &error))
    }
}

fn absolute(path: &Path, doing: &str) -> Result<PathBuf, Fault> {
    std::path::absolute(path).map_err(|error| Fault::io(doing, &error))
}
