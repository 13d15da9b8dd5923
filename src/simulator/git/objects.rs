//! Git objects of one bare repository.
//!
//! Objects that the API creates are written as loose files directly, since spawning `git` for each
//! would dominate a benchmark; objects that arrive by push are read with `git cat-file`. Both are
//! the same to git: `git fsck --strict` is clean after API writes.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;

use crate::simulator::git;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Tree,
    Commit,
    Tag,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Blob, Self::Tree, Self::Commit, Self::Tag]
            .into_iter()
            .find(|k| k.name() == name)
    }
}

/// One object: its kind and its bytes without the header.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) data: Bytes,
}

/// Refuses a push that touches workflows, unless the pusher's token has the permission for it; git
/// passes ref, old and new id. A branch that is new is compared with the default branch.
const UPDATE_HOOK: &str = "#!/bin/sh
[ \"$SIMULATOR_WORKFLOWS\" = yes ] && exit 0
case $3 in *[!0]*) ;; *) exit 0 ;; esac
case $2 in *[!0]*) old=$2 ;; *) old=HEAD ;; esac
file=$(git diff --name-only \"$old\" \"$3\" -- .github/workflows | head -n 1)
[ -z \"$file\" ] && exit 0
echo \"refusing to allow a GitHub App to create or update workflow \\`$file\\` without \\`workflows\\` permission\" >&2
exit 1
";

/// The objects of one bare repository. They never change, so what was read once is kept.
#[derive(Debug)]
pub(crate) struct Objects {
    dir: PathBuf,
    known: Mutex<HashMap<String, Object>>,
}

impl Objects {
    /// Creates a bare repository at `dir`, as `git init --bare` would, without spawning it.
    pub(crate) fn create(dir: &Path, default_branch: &str) -> io::Result<Self> {
        for sub in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        fs::write(
            dir.join("HEAD"),
            format!("ref: refs/heads/{default_branch}\n"),
        )?;
        // GitHub lets a client fetch any commit by its id and keeps refs/pull to itself; and no
        // background gc may pack the refs that are read here as files, or write while all is removed.
        let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\
            [http]\n\treceivepack = true\n[receive]\n\thideRefs = refs/pull\n\tautogc = false\n\
            [uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
        fs::write(dir.join("config"), config)?;
        let hook = dir.join("hooks/update");
        fs::create_dir_all(dir.join("hooks"))?;
        fs::write(&hook, UPDATE_HOOK)?;
        fs::set_permissions(&hook, Permissions::from_mode(0o755))?;
        Ok(Self {
            dir: dir.to_owned(),
            known: Mutex::default(),
        })
    }

    /// Where the bare repository is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes an object and returns its id.
    pub(crate) fn write(&self, kind: Kind, data: &[u8]) -> io::Result<String> {
        let mut raw = format!("{} {}\0", kind.name(), data.len()).into_bytes();
        raw.extend_from_slice(data);
        let sha = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &raw).as_ref());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&sha) {
            let (fan, rest) = sha.split_at(2);
            let home = self.dir.join("objects").join(fan);
            fs::create_dir_all(&home)?;
            // Renamed into place: a concurrent `git` must never see half an object.
            let partial = home.join(format!("tmp_obj_{rest}"));
            fs::write(&partial, stored_zlib(&raw))?;
            fs::rename(&partial, home.join(rest))?;
            known.insert(
                sha.clone(),
                Object {
                    kind,
                    data: Bytes::copy_from_slice(data),
                },
            );
        }
        Ok(sha)
    }

    /// Reads an object; `None` when the repository does not have it.
    pub(crate) fn read(&self, sha: &str) -> io::Result<Option<Object>> {
        if let Some(object) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sha)
            .cloned()
        {
            return Ok(Some(object));
        }
        if !is_sha(sha) {
            return Ok(None);
        }
        let found = self.cat_file(sha)?;
        if let Some(object) = &found {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(sha.to_owned(), object.clone());
        }
        Ok(found)
    }

    /// Reads an object if it is of that kind.
    pub(crate) fn read_as(&self, sha: &str, kind: Kind) -> io::Result<Option<Bytes>> {
        Ok(self
            .read(sha)?
            .filter(|object| object.kind == kind)
            .map(|object| object.data))
    }

    fn cat_file(&self, sha: &str) -> io::Result<Option<Object>> {
        let mut child = git::command(&self.dir)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            writeln!(input, "{sha}")?;
        }
        let output = child.wait_with_output()?.stdout;
        Ok(parse_batch(&output).pop().map(|(_, object)| object))
    }

    /// Reads the commits and trees that `tips` have and `known` have not in one go; object by object
    /// a push of a long history would take a `git` process for each.
    pub(crate) fn prefetch(&self, tips: &[&String], known: &[&String]) -> io::Result<()> {
        let mut listing = git::command(&self.dir)
            .args([
                "rev-list",
                "--objects",
                "--no-object-names",
                "--filter=blob:none",
            ])
            .args(tips)
            .arg("--not")
            .args(known)
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(ids) = listing.stdout.take() {
            let mut reading = git::command(&self.dir);
            let output = reading.args(["cat-file", "--batch"]).stdin(ids).output()?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(parse_batch(&output.stdout));
        }
        listing.wait()?;
        Ok(())
    }
}

/// Reads what `git cat-file --batch` prints: for each object `ID KIND SIZE`, its bytes and a newline;
/// for one that is missing a line without a size, which is skipped.
fn parse_batch(mut output: &[u8]) -> Vec<(String, Object)> {
    let mut objects = Vec::new();
    while let Some(end) = output.iter().position(|byte| *byte == b'\n') {
        let (header, rest) = output.split_at(end);
        output = rest.get(1..).unwrap_or_default();
        let header = String::from_utf8_lossy(header);
        let mut words = header.split(' ');
        let (Some(sha), Some(kind), Some(size)) = (
            words.next(),
            words.next().and_then(Kind::parse),
            words.next(),
        ) else {
            continue;
        };
        let Some((data, rest)) = output.split_at_checked(size.parse().unwrap_or(0)) else {
            break;
        };
        objects.push((
            sha.to_owned(),
            Object {
                kind,
                data: Bytes::copy_from_slice(data),
            },
        ));
        output = rest.get(1..).unwrap_or_default();
    }
    objects
}

/// Tells whether the text is a full object id.
pub(crate) fn is_sha(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A zlib stream of stored blocks: valid for every reader, and nothing is spent on compression
/// that a short-lived repository would never earn back.
fn stored_zlib(raw: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = raw.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(raw).to_be_bytes());
    stream
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // 5552 is the longest run for which the sums cannot overflow 32 bits (RFC 1950).
    let (mut a, mut b) = (1_u32, 0_u32);
    for run in data.chunks(5552) {
        for byte in run {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    (b << 16) | a
}
