//! Changed content on its way from the agent's files into the job's store.
//!
//! Git stores it from here, from files that only the server wrote, and never looks at the agent's
//! directory. Most content goes in as it is. Where the base has `.gitattributes`, it goes through
//! the *desk*: a working tree of just the changed files, whose index is the base, so that git
//! applies the line ends and encodings of the base commit. Changed `.gitattributes` stay off the
//! desk: they must not decide how other files are read.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::adapters::git::beneath::os_path;
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::halves::Halves;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::removal;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::Mode;

/// The job's spool.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
}

/// What came of the desk.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    /// Mode and content of the paths that differ from the base.
    pub(crate) changed: HashMap<Vec<u8>, (Mode, ObjectId)>,
    /// Paths that git could not convert: not in the encoding that the base says they have.
    pub(crate) failed: Vec<Vec<u8>>,
}

impl Spool {
    /// Makes an empty spool in the job's directory.
    pub(crate) fn fresh(job: &Path) -> io::Result<Self> {
        let spool = Self {
            dir: job.join("spool"),
        };
        spool.remove()?;
        fs::create_dir_all(spool.desk())?;
        fs::create_dir_all(spool.dir.join("raw"))?;
        Ok(spool)
    }

    /// Removes the spool with everything in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        removal::remove_tree(&self.dir)
    }

    fn desk(&self) -> PathBuf {
        self.dir.join("desk")
    }

    fn raw(&self, number: usize) -> PathBuf {
        self.dir.join("raw").join(number.to_string())
    }

    /// Keeps content that is stored as it is, by a number.
    pub(crate) fn keep(&self, number: usize, content: &[u8]) -> io::Result<()> {
        fs::write(self.raw(number), content)
    }

    /// Puts a file on the desk. Its path has been vetted: no part of it is `..` or `.git`.
    pub(crate) fn put(&self, path: &[u8], content: &[u8], executable: bool) -> io::Result<()> {
        use io::Write as _;
        let file = self.desk().join(os_path(path));
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if executable { 0o700 } else { 0o600 })
            .open(file)?
            .write_all(content)
    }

    /// Stores what was kept under the first `count` numbers and returns the ids in order.
    pub(crate) async fn store_kept(
        &self,
        store: &Path,
        count: usize,
    ) -> Result<Vec<ObjectId>, Trouble> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut call = Call::new(
            store,
            ["hash-object", "-w", "--no-filters", "--stdin-paths"],
        );
        for number in 0..count {
            call.stdin.extend(self.raw(number).as_os_str().as_bytes());
            call.stdin.push(b'\n');
        }
        let printed = process::run(&call).await?;
        let ids: Vec<ObjectId> = printed
            .split(|&byte| byte == b'\n')
            .filter_map(ObjectId::parse)
            .collect();
        if ids.len() == count {
            Ok(ids)
        } else {
            let said = format!("git stored {} of {count} files", ids.len());
            Err(Trouble::new(Kind::Lasting, said))
        }
    }

    /// Stores what is on the desk as git would add it to the base.
    pub(crate) async fn store_desk(
        &self,
        store: &Path,
        base: ObjectId,
        paths: &[&[u8]],
    ) -> Result<Converted, Trouble> {
        if paths.is_empty() {
            return Ok(Converted::default());
        }
        let desk = self.desk();
        let index = self.dir.join("index");
        let on_desk = |args: &[&str]| {
            let mut call = Call::new(store, args);
            call.index = Some(&index);
            call.work_tree = Some(&desk);
            call
        };
        let base = base.to_string();
        process::run(&on_desk(&["read-tree", &base])).await?;
        let add = |paths: &[&[u8]]| {
            let mut call = on_desk(&["update-index", "--add", "--replace", "-z", "--stdin"]);
            for path in paths {
                call.stdin.extend(*path);
                call.stdin.push(0);
            }
            call
        };
        // One file that is not in its encoding ends the whole run: find out which.
        let mut search = Halves::of(paths.len());
        while let Some(range) = search.next() {
            match process::run(&add(paths.get(range.clone()).unwrap_or(&[]))).await {
                Ok(_) => {}
                Err(trouble) if is_about_content(&trouble) => search.fails(range),
                Err(trouble) => return Err(trouble),
            }
        }
        let failed = (search.failed().into_iter())
            .filter_map(|at| paths.get(at).map(|path| path.to_vec()))
            .collect();
        let compare = [
            "diff-index",
            "--cached",
            "--raw",
            "-z",
            "--no-renames",
            "--abbrev=40",
            &base,
        ];
        let listing = process::run(&on_desk(&compare)).await?;
        Ok(Converted {
            changed: parse_raw(&listing),
            failed,
        })
    }

    /// Removes the spool on a thread that may block.
    pub(crate) async fn clear(self) -> io::Result<()> {
        blocking(move || self.remove()).await
    }
}

/// Returns whether the failure is that of a file's content and not of the machine.
fn is_about_content(trouble: &Trouble) -> bool {
    match trouble.kind {
        Kind::Lasting => true,
        Kind::Denied
        | Kind::Missing
        | Kind::Moved
        | Kind::Passing
        | Kind::DiskFull
        | Kind::Damaged => false,
    }
}

/// Reads `:MODE MODE ID ID STATUS\0PATH\0` and leaves deletions out.
fn parse_raw(listing: &[u8]) -> HashMap<Vec<u8>, (Mode, ObjectId)> {
    let mut fields = listing.split(|&byte| byte == 0);
    let mut changed = HashMap::new();
    while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
        let mut parts = header.split(|&byte| byte == b' ');
        let mode = match parts.nth(1) {
            Some(b"100644") => Mode::File,
            Some(b"100755") => Mode::Executable,
            Some(b"120000") => Mode::Link,
            _ => continue,
        };
        if let Some(id) = parts.nth(1).and_then(ObjectId::parse) {
            changed.insert(path.to_vec(), (mode, id));
        }
    }
    changed
}
