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
//! bases/REPO/…        the trees of commits, for jobs to stand on (`bases`)
//! setups/REPO/…       what setup commands left, for jobs to stand on (`setups`)
//! JOB/checkout        the agent's working copy; its .git is never read again
//! JOB/objects         bare, what the harvest stored, borrowing from the mirror
//! JOB/verify          the harvested tree, for the checks
//! ```
//!
//! Where the sandbox can show layers, `checkout` and `verify` hold only what differs from a base:
//! an upper layer, which a job writes, and below it what the server wrote.
//!
//! What counts as a change: every tracked file that differs, and untracked files that neither the
//! `.gitignore` files of the working tree ignore nor `.git` holds. The agent's own commits count as
//! the files they left; `.git/info/exclude` and settings of users do not count.

mod address;
mod base;
mod bases;
mod beneath;
mod blocking;
mod call;
mod collisions;
mod diff;
mod evict;
mod graft;
mod halves;
mod harvest;
mod held;
mod ignored;
mod index;
mod layer;
mod layered;
mod lease;
mod leavings;
mod links;
pub mod local;
mod lockfile;
mod merges;
mod mirror;
mod names;
mod object;
mod overlay;
mod paths;
mod pattern;
mod process;
mod refname;
mod removal;
mod restore;
mod revision;
mod settle;
mod setups;
mod skeleton;
mod spool;
mod store;
mod survey;
mod trouble;
mod turn;
#[doc(hidden)]
pub mod untrusted;
mod vetting;
mod walk;
mod working;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapters::git::address::Address;
pub use crate::adapters::git::address::Protocols;
use crate::adapters::git::base::Base;
use crate::adapters::git::bases::{Bases, Which};
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::held::Held;
use crate::adapters::git::mirror::{Mirrors, Point};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::overlay::Marks;
use crate::adapters::git::revision::rev_parse;
use crate::adapters::git::setups::Setups;
use crate::adapters::git::store::Store;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::adapters::git::working::{Branch, Failure, Target};
use crate::domain::change::{Change, Harvest, HarvestLimits};
use crate::domain::diff::{Diff, Patch};
use crate::domain::footing::{Merge, Pair};
use crate::domain::ids::{CommitSha, RepoId, ThreadNumber, TreeSha};
use crate::domain::job::Restored;
use crate::domain::time::Timestamp;
use crate::ports::checkouts::{Begun, Cache, Checkout, Checkouts, Merged, Place, Remote, Setup};
use crate::ports::fault::Fault;
use crate::ports::github::TreeEntry;
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
    bases: Bases,
    setups: Setups,
    held: Held,
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
            bases: Bases::new(work_dir.join("bases")),
            setups: Setups::new(work_dir.join("setups")),
            held: Held::default(),
            protocols: settings.protocols,
        })
    }

    /// Writes the commit that `branch` points at, and returns the working copy and its tree.
    async fn write_checkout(
        &self,
        repo: RepoId,
        branch: Branch,
        place: &Place<'_>,
        job: &Path,
    ) -> Result<(Tree, ObjectId), Failure> {
        let mirror = self.mirrors.path(repo);
        let tree = rev_parse(&mirror, &format!("{}^{{tree}}", branch.commit)).await?;
        let target = Target {
            dir: job.join("checkout"),
            owner: place.owner,
        };
        if !place.layers {
            working::write(&mirror, tree, &target, Some(branch)).await?;
            return Ok((Tree::Plain(target.dir), tree));
        }
        let owner = place.owner;
        let mut stand = self
            .bases
            .stand(&mirror, Which { repo, tree, owner })
            .await?;
        self.held.keep(job, std::mem::take(&mut stand.leases));
        let layers = blocking(move || layered::check_out(&stand, &target, &branch)).await?;
        Ok((Tree::Layered(layers), tree))
    }

    /// Writes a harvested tree from the job's own store.
    async fn write_harvested(
        &self,
        repo: RepoId,
        tree: ObjectId,
        place: &Place<'_>,
        job: &Path,
    ) -> Result<Tree, Failure> {
        let store = Store::of(job);
        let target = Target {
            dir: job.join("verify"),
            owner: place.owner,
        };
        if place.layers
            && let Some(stand) = self.bases.newest_full(repo, place.owner).await?
            && let Some(files) = stand.lower.first()
            && let below = (&stand.full, files.as_path())
            && let Some(layers) = layered::write(&store.dir, below, tree, &target).await?
        {
            self.held.keep(job, stand.leases);
            return Ok(Tree::Layered(layers));
        }
        working::write(&store.dir, tree, &target, None).await?;
        Ok(Tree::Plain(target.dir))
    }

    /// Holds the mirror for a job, whose objects are borrowed from it.
    fn hold_mirror(&self, repo: RepoId, job: &Path) -> std::io::Result<()> {
        let lease = self.mirrors.lease(repo)?;
        self.held.keep(job, lease.into_iter().collect());
        Ok(())
    }

    async fn tidy_up(&self, cache: &Cache, now: Timestamp) -> std::io::Result<()> {
        let mut shelf = self.mirrors.shelf().await?;
        let setups = self.setups.clone();
        shelf.extend(blocking(move || setups.shelf()).await?);
        for repo in self.bases.repositories()? {
            shelf.extend(self.bases.shelf(repo).await?);
        }
        for dir in evict::doomed(shelf, cache, now) {
            let place = dir.clone();
            let gone = if dir.extension().is_some_and(|end| end == "git") {
                self.mirrors.take_away(place).await?
            } else {
                blocking(move || evict::take_away(&place)).await?
            };
            if gone {
                tracing::info!(path = %dir.display(), "removed what nobody used");
            }
        }
        Ok(())
    }

    /// Returns what the result of `setup` is kept under.
    async fn setup_key(
        &self,
        repo: RepoId,
        setup: &Setup<'_>,
        place: &Place<'_>,
        doing: &str,
    ) -> Result<String, Fault> {
        let tree = ObjectId::expect(setup.tree.as_str(), doing)?;
        let store = Store::of(&absolute(place.job, doing)?);
        // A harvested tree is in the job's own store; until there is one, the mirror has the tree.
        let git_dir = if store.dir.join("HEAD").exists() {
            store.dir
        } else {
            self.mirrors.path(repo)
        };
        let digest = lockfile::digest(&git_dir, tree, setup.recipe).await;
        let digest = digest.map_err(|trouble| trouble.fault(doing))?;
        Ok(format!("{digest}{}", bases::suffix(place.owner)))
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
        let branch = Point::Branch(branch);
        let commit = self.mirrors.fetch(remote, &address, branch).await?;
        Ok(CommitSha::new(commit.to_string()))
    }

    async fn fetch_pull(&self, remote: &Remote, pull: ThreadNumber) -> Result<CommitSha, Fault> {
        let address = Address::parse(&remote.url, self.protocols)?;
        let head = Point::Pull(pull);
        let commit = self.mirrors.fetch(remote, &address, head).await?;
        Ok(CommitSha::new(commit.to_string()))
    }

    async fn diff(&self, repo: RepoId, pair: &Pair, most: usize) -> Result<Diff, Fault> {
        let doing = format!("compare {} with {}", pair.head, pair.base);
        let base = ObjectId::expect(pair.base.as_str(), &doing)?;
        let head = ObjectId::expect(pair.head.as_str(), &doing)?;
        let diff = diff::diff(&self.mirrors.path(repo), (base, head), most).await;
        diff.map_err(|trouble| trouble.fault(doing))
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

    async fn heads(&self, repo: RepoId) -> Result<BTreeMap<String, CommitSha>, Fault> {
        let heads = merges::heads(&self.mirrors.path(repo)).await;
        heads.map_err(|trouble| trouble.fault("list the branches of the mirror"))
    }

    async fn merges(&self, repo: RepoId, pairs: &[Pair]) -> Result<Vec<Merge>, Fault> {
        let merged = merges::merges(&self.mirrors.path(repo), pairs).await;
        merged.map_err(|trouble| trouble.fault("compare branches with their bases"))
    }

    async fn merge(&self, repo: RepoId, pair: &Pair) -> Result<Merged, Fault> {
        let doing = format!("merge {} into {}", pair.base, pair.head);
        let merged = merges::merge(&self.mirrors.path(repo), pair).await;
        let (tree, base_tree, entries) = merged.map_err(|trouble| trouble.fault(doing))?;
        Ok(Merged {
            tree,
            base_tree,
            entries,
        })
    }

    async fn begin_merge(&self, repo: RepoId, pair: &Pair) -> Result<Option<Begun>, Fault> {
        let doing = format!("merge {} into {}", pair.base, pair.head);
        let begun = merges::begin(&self.mirrors.path(repo), pair).await;
        begun.map_err(|trouble| trouble.fault(doing))
    }

    async fn differing(
        &self,
        repo: RepoId,
        job: &Path,
        (from, to): (&CommitSha, &TreeSha),
    ) -> Result<(TreeSha, Vec<TreeEntry>), Fault> {
        let doing = format!("compare {to} with {from}");
        let to = ObjectId::expect(to.as_str(), &doing)?;
        ObjectId::expect(from.as_str(), &doing)?;
        let store = Store::of(&absolute(job, &doing)?);
        let work = async {
            let mirror = self.mirrors.path(repo);
            let base = rev_parse(&mirror, &format!("{from}^{{tree}}")).await?;
            let entries = merges::differing(&store.dir, base, to).await?;
            Ok((TreeSha::new(base.to_string()), entries))
        };
        work.await.map_err(|trouble: Trouble| trouble.fault(doing))
    }

    async fn patch(
        &self,
        job: &Path,
        (from, to): (&TreeSha, &TreeSha),
        most: usize,
    ) -> Result<Patch, Fault> {
        let doing = format!("compare {to} with {from}");
        let from = ObjectId::expect(from.as_str(), &doing)?;
        let to = ObjectId::expect(to.as_str(), &doing)?;
        let store = Store::of(&absolute(job, &doing)?);
        let patch = diff::patch(&store.dir, (from, to), most).await;
        patch.map_err(|trouble| trouble.fault(doing))
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
        let branch = Branch {
            name: branch.to_owned(),
            commit,
        };
        self.hold_mirror(repo, &job)
            .map_err(|error| Fault::io(&doing, &error))?;
        let (tree, base_tree) = match self.write_checkout(repo, branch, place, &job).await {
            Ok(written) => written,
            Err(failure) => {
                self.heal(repo, &failure)
                    .await
                    .map_err(|error| Fault::io(&doing, &error))?;
                return Err(failure.fault(&doing));
            }
        };
        Ok(Checkout {
            tree,
            objects: self.mirrors.objects(repo),
            base: base.clone(),
            base_tree: TreeSha::new(base_tree.to_string()),
        })
    }

    async fn harvest(
        &self,
        repo: RepoId,
        checkout: &Checkout,
        job: &Path,
        limits: &HarvestLimits,
    ) -> Result<Harvest, Fault> {
        let doing = "harvest the checkout";
        let job = absolute(job, doing)?;
        let marks = match checkout.tree {
            Tree::Plain(_) => Marks::User,
            Tree::Layered(_) => Marks::of(&job).map_err(|error| Fault::io(doing, &error))?,
        };
        let mirror = self.mirrors.objects(repo);
        harvest::harvest(&mirror, (checkout, marks), &job, limits).await
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

    async fn holds(&self, repo: RepoId, job: &Path, tree: &TreeSha) -> bool {
        let (Some(tree), Ok(job)) = (
            ObjectId::parse(tree.as_str().as_bytes()),
            std::path::absolute(job),
        ) else {
            return false;
        };
        if self.hold_mirror(repo, &job).is_err() {
            return false;
        }
        // Whatever is wrong with the store: it is not there to go on with.
        Store::of(&job).holds(tree).await.unwrap_or(false)
    }

    async fn materialise(
        &self,
        repo: RepoId,
        tree: &TreeSha,
        place: &Place<'_>,
    ) -> Result<Tree, Fault> {
        let doing = format!("write the harvested tree {tree}");
        let tree = ObjectId::expect(tree.as_str(), &doing)?;
        let job = absolute(place.job, &doing)?;
        self.write_harvested(repo, tree, place, &job)
            .await
            .map_err(|failure| failure.fault(&doing))
    }

    async fn find_setup(
        &self,
        repo: RepoId,
        setup: &Setup<'_>,
        tree: &Tree,
        place: &Place<'_>,
    ) -> Result<Option<Tree>, Fault> {
        let doing = "find what setup left before";
        let Tree::Layered(layers) = tree else {
            return Ok(None);
        };
        let key = self.setup_key(repo, setup, place, doing).await?;
        let (setups, under) = (self.setups.clone(), layers.clone());
        let found = blocking(move || setups.find(repo, &key, &under)).await;
        let Some(layer) = found.map_err(|error| Fault::io(doing, &error))? else {
            return Ok(None);
        };
        let job = absolute(place.job, doing)?;
        self.held.keep(&job, layer.lease.into_iter().collect());
        let layers = layered::slip_in(layers, layer.files);
        Ok(Some(Tree::Layered(layers)))
    }

    async fn keep_setup(
        &self,
        repo: RepoId,
        setup: Option<&Setup<'_>>,
        tree: &Tree,
        place: &Place<'_>,
    ) -> Result<Tree, Fault> {
        let doing = "keep what setup left";
        let Tree::Layered(layers) = tree else {
            return Ok(tree.clone());
        };
        let key = match setup {
            Some(setup) => Some(self.setup_key(repo, setup, place, doing).await?),
            None => None,
        };
        let job = absolute(place.job, doing)?;
        let (setups, layers) = (self.setups.clone(), layers.clone());
        let target = Target {
            dir: job.join("checkout"),
            owner: place.owner,
        };
        let kept = blocking(move || setups.settle((repo, key.as_deref()), &layers, &target));
        let (layers, lease) = kept.await.map_err(|error| Fault::io(doing, &error))?;
        self.held.keep(&job, lease.into_iter().collect());
        Ok(Tree::Layered(layers))
    }

    async fn blob(&self, _repo: RepoId, job: &Path, blob: &str) -> Result<Vec<u8>, Fault> {
        let doing = "read a harvested file";
        let id = ObjectId::expect(blob, doing)?;
        let store = Store::of(&absolute(job, doing)?);
        store.blob(id).await.map_err(|trouble| trouble.fault(doing))
    }

    async fn tidy(&self, cache: &Cache, now: Timestamp) -> Result<(), Fault> {
        self.tidy_up(cache, now)
            .await
            .map_err(|error| Fault::io("tidy up the work directory", &error))
    }

    async fn remove(&self, job: &Path) -> Result<(), Fault> {
        let doing = "remove a job's directory";
        let job = absolute(job, doing)?;
        let place = job.clone();
        blocking(move || removal::remove_tree(&place))
            .await
            .map_err(|error| Fault::io(doing, &error))?;
        self.held.release(&job);
        Ok(())
    }
}

fn absolute(path: &Path, doing: &str) -> Result<PathBuf, Fault> {
    std::path::absolute(path).map_err(|error| Fault::io(doing, &error))
}
