//! Changed content on its way from the agent's files into the job's store.
//!
//! Git stores it from here, from files that only the server wrote, and never looks at the agent's
//! directory. Most content goes in as it is, all of it as one *stream*. What the base's
//! `.gitattributes` may convert goes through the *desk*: a working tree of just these files, whose
//! index is the base, so that git applies the line ends and encodings of the base commit. Changed
//! `.gitattributes` stay off the desk: they must not decide how other files are read.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write as _};
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
        Ok(spool)
    }

    /// Removes the spool with everything in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        removal::remove_tree(&self.dir)
    }

    fn desk(&self) -> PathBuf {
        self.dir.join("desk")
    }

    /// Where everything is that is stored as it is.
    pub(crate) fn stream(&self) -> PathBuf {
        self.dir.join("stream")
    }

    /// Begins to keep what is stored as it is.
    pub(crate) fn keep(&self) -> io::Result<Kept> {
        Ok(Kept {
            stream: BufWriter::new(fs::File::create_new(self.stream())?),
            count: 0,
        })
    }

    /// Puts a file on the desk. Its path has been vetted: no part of it is `..` or `.git`.
    pub(crate) fn put(&self, path: &[u8], content: &[u8], executable: bool) -> io::Result<()> {
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

    /// Stores what was kept, `count` contents, and returns their ids in order.
    pub(crate) async fn store_kept(
        &self,
        store: &Path,
        count: usize,
    ) -> Result<Vec<ObjectId>, Trouble> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (stream, marks) = (self.stream(), self.dir.join("marks"));
        let mut to = OsString::from("--export-marks=");
        to.push(&marks);
        let args = ["fast-import".into(), "--quiet".into(), "--done".into(), to];
        let mut call = Call::new(store, args);
        call.input = Some(&stream);
        process::run(&call).await?;
        let marks = blocking(move || fs::read(marks)).await?;
        let ids = parse_marks(&marks);
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
        let mut differing = parse_raw(&listing);
        self.keep_what_was_checked_out(store, &base, &mut differing)
            .await?;
        Ok(Converted {
            changed: differing
                .into_iter()
                .map(|(path, Differing { now, .. })| (path, now))
                .collect(),
            failed,
        })
    }

    /// Takes out what is as a checkout of the base wrote it, byte for byte.
    ///
    /// Not every blob comes back from its own checkout: line ends that were stored in spite of the
    /// attributes are other ones when git adds the file. That is no change of the agent's.
    async fn keep_what_was_checked_out(
        &self,
        store: &Path,
        base: &str,
        differing: &mut HashMap<Vec<u8>, Differing>,
    ) -> Result<(), Trouble> {
        let (index, fresh) = (self.dir.join("base"), self.dir.join("fresh"));
        let mut checkout = Call::new(store, ["checkout-index", "-z", "--stdin"]);
        for (path, Differing { was, now }) in &*differing {
            if was.is_some_and(|(_, id)| id != now.1) {
                checkout.stdin.extend(path);
                checkout.stdin.push(0);
            }
        }
        if checkout.stdin.is_empty() {
            return Ok(());
        }
        let mut list = Call::new(store, ["read-tree", base]);
        list.index = Some(&index);
        process::run(&list).await?;
        fs::create_dir(&fresh)?;
        checkout.index = Some(&index);
        checkout.work_tree = Some(&fresh);
        process::run(&checkout).await?;

        let (desk, mut compared) = (self.desk(), std::mem::take(differing));
        *differing = blocking(move || {
            let mut problem = None;
            compared.retain(|path, Differing { was, now }| {
                let path = os_path(path);
                match (*was, same(&fresh.join(&path), &desk.join(&path))) {
                    (Some((mode, id)), Ok(true)) => {
                        now.1 = id;
                        mode != now.0
                    }
                    (Some(_), Err(error)) => {
                        problem = Some(error);
                        true
                    }
                    (Some(_) | None, _) => true,
                }
            });
            problem.map_or(Ok(compared), Err)
        })
        .await?;
        Ok(())
    }

    /// Removes the spool on a thread that may block.
    pub(crate) async fn clear(self) -> io::Result<()> {
        blocking(move || self.remove()).await
    }
}

/// Content on its way into the stream, in the words of `git fast-import`.
#[derive(Debug)]
pub(crate) struct Kept {
    stream: BufWriter<fs::File>,
    count: usize,
}

impl Kept {
    /// Keeps content and returns its number, from 0.
    pub(crate) fn add(&mut self, content: &[u8]) -> io::Result<usize> {
        let number = self.count;
        self.count += 1;
        let (mark, bytes) = (self.count, content.len());
        write!(self.stream, "blob\nmark :{mark}\ndata {bytes}\n")?;
        self.stream.write_all(content)?;
        self.stream.write_all(b"\n")?;
        Ok(number)
    }

    /// Returns how many contents are kept.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Ends the stream.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.stream.write_all(b"done\n")?;
        self.stream.flush()
    }
}

/// Reads `:MARK ID` lines, which come in any order, up to the first mark that is missing.
fn parse_marks(text: &[u8]) -> Vec<ObjectId> {
    let mut ids = BTreeMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Some((mark, id)) = (line.strip_prefix(b":"))
            .and_then(|line| std::str::from_utf8(line).ok()?.split_once(' '))
        else {
            continue;
        };
        if let (Ok(mark), Some(id)) = (mark.parse::<usize>(), ObjectId::parse(id.as_bytes())) {
            ids.insert(mark, id);
        }
    }
    (1..).map_while(|mark| ids.remove(&mark)).collect()
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

/// A path of the desk whose entry differs from the base's.
#[derive(Clone, Copy, Debug)]
struct Differing {
    /// The base's, if it has a file there.
    was: Option<(Mode, ObjectId)>,
    now: (Mode, ObjectId),
}

/// Reads `:MODE MODE ID ID STATUS\0PATH\0` and leaves deletions out.
fn parse_raw(listing: &[u8]) -> HashMap<Vec<u8>, Differing> {
    let mut fields = listing.split(|&byte| byte == 0);
    let mut differing = HashMap::new();
    while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
        let mut parts = header.split(|&byte| byte == b' ');
        let modes = (parts.next(), parts.next());
        let ids = (parts.next(), parts.next());
        let file = |mode: Option<&[u8]>, id: Option<&[u8]>| {
            let mode = match mode? {
                b"100644" => Mode::File,
                b"100755" => Mode::Executable,
                _ => return None,
            };
            Some((mode, ObjectId::parse(id?)?))
        };
        let was = modes.0.and_then(|mode| mode.strip_prefix(b":"));
        if let Some(now) = file(modes.1, ids.1) {
            let was = file(was, ids.0);
            differing.insert(path.to_vec(), Differing { was, now });
        }
    }
    differing
}

/// Returns whether two files have the same content. One that is not there has none.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let content = |path| match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok(content(one)? == content(other)?)
}
