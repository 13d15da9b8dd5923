//! Making a commit apart from the repository, which then gets all of its objects at once: no
//! setting of the person's has a say in what is written, and what fails leaves nothing behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::store::Store;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::{Change, ChangeKind, Entry, RepoPath};
use crate::ports::github::TreeEntry;

/// The most that the new objects of one commit may have, packed, in bytes.
const MAX_PACK: usize = 512 * 1024 * 1024;

/// A store for one commit, gone when dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    /// Makes an empty bench below `within` that borrows from `objects`.
    pub(crate) async fn new(within: &Path, objects: &Path) -> Result<Self, Trouble> {
        let (within, objects) = (within.to_owned(), objects.to_owned());
        let made = blocking(move || {
            fs::create_dir_all(&within)?;
            let dir = tempfile::Builder::new()
                .prefix("commit-")
                .tempdir_in(within)?;
            let store = Store::fresh(dir.path(), &objects)?;
            Ok(Self { dir, store })
        });
        Ok(made.await?)
    }

    /// Builds the tree that is `base` with `entries`.
    pub(crate) async fn tree(
        &self,
        base: ObjectId,
        entries: &[TreeEntry],
    ) -> Result<ObjectId, Trouble> {
        let blobs = self.blobs(entries).await?;
        let mut blobs = blobs.into_iter();
        let mut changes = Vec::with_capacity(entries.len());
        for entry in entries {
            let kind = match &entry.put {
                None => ChangeKind::Deleted,
                Some((mode, content)) => ChangeKind::Modified(Entry {
                    mode: *mode,
                    blob: blobs.next().ok_or_else(odd)?.to_string(),
                    bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
                }),
            };
            let path = RepoPath::new(entry.path.as_bytes());
            changes.push(Change { path, kind });
        }
        let changes: Vec<&Change> = changes.iter().collect();
        self.store.build(base, &changes).await
    }

    /// Writes the contents as blobs and returns their ids in order.
    async fn blobs(&self, entries: &[TreeEntry]) -> Result<Vec<ObjectId>, Trouble> {
        let contents: Vec<Vec<u8>> = entries
            .iter()
            .filter_map(|entry| Some(entry.put.as_ref()?.1.clone()))
            .collect();
        if contents.is_empty() {
            return Ok(Vec::new());
        }
        let count = contents.len();
        let spool = self.dir.path().join("blobs");
        let paths = blocking(move || spooled(&spool, &contents)).await?;
        let args = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
        let mut call = Call::new(&self.store.dir, args);
        call.stdin = paths;
        let printed = process::run(&call).await?;
        let ids: Option<Vec<ObjectId>> = printed
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(ObjectId::parse)
            .collect();
        ids.filter(|ids| ids.len() == count).ok_or_else(odd)
    }

    /// Writes a commit, whose whole text is given.
    pub(crate) async fn commit(&self, text: &str) -> Result<ObjectId, Trouble> {
        let args = ["hash-object", "-w", "-t", "commit", "--stdin"];
        let mut call = Call::new(&self.store.dir, args);
        text.as_bytes().clone_into(&mut call.stdin);
        let printed = process::run(&call).await?;
        ObjectId::parse(printed.trim_ascii_end()).ok_or_else(odd)
    }

    /// Gives the repository the commit and what it has that its parents have not.
    pub(crate) async fn hand_over(
        &self,
        git_dir: &Path,
        commit: ObjectId,
        parents: &[ObjectId],
    ) -> Result<(), Trouble> {
        let args = ["pack-objects", "--revs", "--stdout", "--quiet"];
        let mut pack = Call::new(&self.store.dir, args);
        let known: Vec<_> = parents
            .iter()
            .map(|parent| format!("^{parent}\n"))
            .collect();
        let known = known.concat();
        pack.stdin = format!("{commit}\n{known}").into_bytes();
        pack.most = MAX_PACK;
        let pack = process::run(&pack).await?;
        let mut unpack = Call::new(git_dir, ["unpack-objects", "-q", "--strict"]);
        unpack.stdin = pack;
        process::run(&unpack).await.map(drop)
    }
}

fn odd() -> Trouble {
    Trouble::new(Kind::Lasting, "git printed something else than object ids")
}

/// Writes each content to a file of its own and returns their paths, a line each.
fn spooled(dir: &PathBuf, contents: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt as _;
    fs::create_dir_all(dir)?;
    let mut paths = Vec::new();
    for (n, content) in contents.iter().enumerate() {
        let path = dir.join(n.to_string());
        fs::write(&path, content)?;
        paths.extend_from_slice(path.as_os_str().as_bytes());
        paths.push(b'\n');
    }
    Ok(paths)
}
