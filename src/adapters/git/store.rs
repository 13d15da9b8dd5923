//! A job's own object store: new blobs and trees, on top of the mirror's objects.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::graft::graft;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::removal;
use crate::adapters::git::skeleton;
use crate::adapters::git::trouble::Trouble;
use crate::domain::change::Change;

/// The most that one harvested blob may have to be read back, in bytes.
const MAX_BLOB: usize = 1024 * 1024 * 1024;

/// The check of all loose objects of a repository's own. Git would start itself again for what it
/// keeps beside the objects of the mirror that a store borrows from; none of that is read here.
pub(crate) const FSCK: [&str; 9] = [
    "-c",
    "core.commitGraph=false",
    "-c",
    "core.multiPackIndex=false",
    "fsck",
    "--no-full",
    "--strict",
    "--no-dangling",
    "--no-progress",
];

/// A bare repository in the job's directory, outside everything that the agent sees.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// Where it stands.
    pub(crate) dir: PathBuf,
}

impl Store {
    /// Names the store of a job, there or not.
    pub(crate) fn of(job: &Path) -> Self {
        Self {
            dir: job.join("objects"),
        }
    }

    /// Makes an empty store that borrows from `mirror`, an absolute path of an object directory.
    pub(crate) fn fresh(job: &Path, mirror: &Path) -> io::Result<Self> {
        let store = Self::of(job);
        removal::remove_tree(&store.dir)?;
        std::fs::create_dir_all(&store.dir)?;
        skeleton::bare(&store.dir, Some(mirror))?;
        Ok(store)
    }

    /// Builds the tree that is `base` with `changes`.
    pub(crate) async fn build(
        &self,
        base: ObjectId,
        changes: &[&Change],
    ) -> Result<ObjectId, Trouble> {
        if changes.is_empty() {
            return Ok(base);
        }
        graft(&self.dir, base, changes).await
    }

    /// Has git check every object that is new in the store, content and form.
    pub(crate) async fn check(&self) -> Result<(), Trouble> {
        let loose = async { process::run(&Call::new(&self.dir, FSCK)).await.map(drop) };
        tokio::try_join!(loose, self.check_packs()).map(drop)
    }

    /// Checks the store's own packs: fsck would check the mirror's along with them.
    async fn check_packs(&self) -> Result<(), Trouble> {
        let packs = self.dir.join("objects/pack");
        let packs = blocking(move || indexes(&packs)).await?;
        if packs.is_empty() {
            return Ok(());
        }
        let args = std::iter::once("verify-pack".into()).chain(packs);
        process::run(&Call::new(&self.dir, args)).await.map(drop)
    }

    /// Returns whether the store holds `tree` with everything in it, undamaged.
    pub(crate) async fn holds(&self, tree: ObjectId) -> Result<bool, Trouble> {
        if !self.dir.join("objects/info/alternates").is_file() {
            return Ok(false);
        }
        self.check().await?;
        let tree = tree.to_string();
        let walk = Call::new(&self.dir, ["rev-list", "--objects", "--quiet", &tree]);
        process::run(&walk).await.map(|_| true)
    }

    /// Reads a blob.
    pub(crate) async fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Trouble> {
        let mut call = Call::new(&self.dir, ["cat-file", "blob", &id.to_string()]);
        call.most = MAX_BLOB;
        process::run(&call).await
    }

    /// Returns the sizes of blobs, in order.
    pub(crate) async fn sizes(&self, ids: &[ObjectId]) -> Result<Vec<u64>, Trouble> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = Call::new(&self.dir, ["cat-file", "--batch-check=%(objectsize)"]);
        for id in ids {
            call.stdin.extend(format!("{id}\n").into_bytes());
        }
        let printed = process::run(&call).await?;
        Ok(String::from_utf8_lossy(&printed)
            .lines()
            .map(|line| line.parse().unwrap_or(0))
            .collect())
    }
}

/// Lists the indexes of the packs in a directory.
fn indexes(packs: &Path) -> io::Result<Vec<OsString>> {
    let mut indexes = Vec::new();
    for entry in std::fs::read_dir(packs)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "idx") {
            indexes.push(path.into_os_string());
        }
    }
    Ok(indexes)
}
