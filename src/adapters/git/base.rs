//! The tree that a checkout was made from, as far as a harvest compares with it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::paths::last;
use crate::adapters::git::process;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::Mode;

/// The most that listing a tree may print: about three million paths.
const MAX_LISTING: usize = 512 * 1024 * 1024;

/// What stands at a path of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracked {
    /// A file or link.
    Blob {
        /// Its mode.
        mode: Mode,
        /// Its content.
        id: ObjectId,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A submodule: a commit of another repository.
    Submodule,
}

impl Tracked {
    /// Returns whether it is a symbolic link.
    pub(crate) fn is_link(&self) -> bool {
        match self {
            Self::Blob { mode, .. } => *mode == Mode::Link,
            Self::Submodule => false,
        }
    }
}

/// What git listed, and where in it the paths are, sorted. A large base is read for every harvest,
/// so nothing is copied out of it.
#[derive(Debug, Default)]
struct Listing {
    text: Vec<u8>,
    entries: Vec<(Range<usize>, Tracked)>,
}

impl Listing {
    /// Yields what stands at `start` and after it.
    fn from<'s>(&'s self, start: &[u8]) -> impl Iterator<Item = (&'s [u8], &'s Tracked)> + use<'s> {
        let first = self
            .entries
            .partition_point(|(at, _)| self.path(at) < start);
        let rest = self.entries.get(first..).unwrap_or_default();
        rest.iter().map(|(at, tracked)| (self.path(at), tracked))
    }

    fn get(&self, path: &[u8]) -> Option<(&[u8], &Tracked)> {
        self.from(path).next().filter(|(found, _)| *found == path)
    }

    fn path(&self, at: &Range<usize>) -> &[u8] {
        self.text.get(at.clone()).unwrap_or_default()
    }
}

/// Every path of the base tree.
#[derive(Debug, Default)]
pub(crate) struct Base {
    paths: Listing,
    /// Whether any `.gitattributes` may change how content is stored.
    pub(crate) has_attributes: bool,
    /// Whether any of them names an encoding, so that any content may be stored as another.
    has_encodings: bool,
}

impl Base {
    /// Lists `tree` from a repository of the server's own.
    pub(crate) async fn list(git_dir: &Path, tree: ObjectId) -> Result<Self, Trouble> {
        let listing = Self::ask(git_dir, tree).await?;
        Self::parse(listing)?.with_encodings(git_dir).await
    }

    /// Lists `tree` from the file `kept`, which is written when it is not there.
    pub(crate) async fn list_kept(
        git_dir: &Path,
        tree: ObjectId,
        kept: PathBuf,
    ) -> Result<Self, Trouble> {
        let file = kept.clone();
        let read = blocking(move || match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        });
        let listing = if let Some(listing) = read.await? {
            listing
        } else {
            let listing = Self::ask(git_dir, tree).await?;
            blocking(move || keep(&kept, listing)).await?
        };
        Self::parse(listing)?.with_encodings(git_dir).await
    }

    async fn ask(git_dir: &Path, tree: ObjectId) -> Result<Vec<u8>, Trouble> {
        let mut call = Call::new(
            git_dir,
            [
                "ls-tree",
                "-r",
                "-z",
                "-l",
                "--full-tree",
                &tree.to_string(),
            ],
        );
        call.most = MAX_LISTING;
        process::run(&call).await
    }

    fn parse(text: Vec<u8>) -> Result<Self, Trouble> {
        let mut has_attributes = false;
        let mut entries = Vec::new();
        let mut end = 0;
        for line in text.split(|&byte| byte == 0) {
            end += line.len();
            if !line.is_empty() {
                let (path, tracked) = parse(line).ok_or_else(|| {
                    let line = String::from_utf8_lossy(line).into_owned();
                    Trouble::new(
                        Kind::Lasting,
                        format!("git listed what is not an entry: {line:?}"),
                    )
                })?;
                has_attributes |= last(path) == ATTRIBUTES;
                entries.push((end - path.len()..end, tracked));
            }
            end += 1;
        }
        let mut paths = Listing { text, entries };
        // Git lists a tree in this order.
        if !paths.from(b"").map(|(path, _)| path).is_sorted() {
            let Listing { text, entries } = &mut paths;
            entries.sort_by(|(one, _), (other, _)| {
                text.get(one.clone()).cmp(&text.get(other.clone()))
            });
        }
        Ok(Self {
            paths,
            has_attributes,
            has_encodings: false,
        })
    }

    async fn with_encodings(self, git_dir: &Path) -> Result<Self, Trouble> {
        Ok(Self {
            has_encodings: self.has_attributes && self.names_encodings(git_dir).await?,
            ..self
        })
    }

    async fn names_encodings(&self, git_dir: &Path) -> Result<bool, Trouble> {
        let ids: BTreeSet<String> = self
            .iter()
            .filter(|(path, _)| last(path) == ATTRIBUTES)
            .filter_map(|(_, tracked)| match tracked {
                Tracked::Blob { id, .. } => Some(format!("{id}\n")),
                Tracked::Submodule => None,
            })
            .collect();
        let mut call = Call::new(git_dir, ["cat-file", "--batch"]);
        call.stdin = ids.into_iter().collect::<String>().into_bytes();
        match process::run(&call).await {
            Ok(text) => Ok(contains(&text, b"working-tree-encoding")),
            // More than anybody reads: anything may be in it.
            Err(trouble) if trouble.kind == Kind::Lasting => Ok(true),
            Err(trouble) => Err(trouble),
        }
    }

    /// Returns whether git may store such content otherwise than it stands in a file: as another
    /// encoding, with other line ends, or without the id in a keyword. The server's git knows no
    /// filter, so there is nothing else.
    pub(crate) fn may_convert(&self, content: &[u8]) -> bool {
        self.has_attributes
            && (self.has_encodings || content.contains(&b'\r') || contains(content, b"$Id"))
    }

    /// Finds one regular file of `commit`: its blob and size. Links and directories are no files.
    pub(crate) async fn find_file(
        git_dir: &Path,
        commit: ObjectId,
        path: &str,
    ) -> Result<Option<(ObjectId, u64)>, Trouble> {
        let commit = commit.to_string();
        let args = ["ls-tree", "-z", "-l", "--full-tree", &commit, "--", path];
        let listing = process::run(&Call::new(git_dir, args)).await?;
        let line = listing.strip_suffix(b"\0").unwrap_or(&listing);
        Ok(match parse(line) {
            Some((found, Tracked::Blob { mode, id, bytes }))
                if found == path.as_bytes() && mode != Mode::Link =>
            {
                Some((id, bytes))
            }
            Some((_, Tracked::Blob { .. } | Tracked::Submodule)) | None => None,
        })
    }

    /// Returns what stands at exactly this path.
    pub(crate) fn at(&self, path: &[u8]) -> Option<&Tracked> {
        self.paths.get(path).map(|(_, tracked)| tracked)
    }

    /// Returns whether anything stands below this path.
    pub(crate) fn has_below(&self, path: &[u8]) -> bool {
        let start = [path, b"/"].concat();
        self.paths
            .from(&start)
            .next()
            .is_some_and(|(next, _)| next.starts_with(&start))
    }

    /// Returns whether the directory has an entry of this name, whatever its case.
    pub(crate) fn has_name(&self, dir: &[u8], name: &[u8]) -> bool {
        let start = if dir.is_empty() {
            Vec::new()
        } else {
            [dir, b"/"].concat()
        };
        self.paths
            .from(&start)
            .map_while(|(path, _)| path.strip_prefix(start.as_slice()))
            .filter_map(|below| below.split(|&byte| byte == b'/').next())
            .any(|first| first.eq_ignore_ascii_case(name))
    }

    /// Yields what stands at and below a path, sorted; everything for the empty one.
    pub(crate) fn at_or_below<'a>(
        &'a self,
        path: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a Tracked)> + use<'a> {
        let start = if path.is_empty() {
            Vec::new()
        } else {
            [path, b"/"].concat()
        };
        let exactly = self.paths.get(path);
        let below = self.paths.from(&start);
        let below = below.take_while(move |(next, _)| next.starts_with(&start));
        exactly.into_iter().chain(below)
    }

    /// Yields every path, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Tracked)> {
        self.paths.from(b"")
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Writes a listing whole or not at all, and returns it.
fn keep(file: &Path, listing: Vec<u8>) -> io::Result<Vec<u8>> {
    use io::Write as _;
    if let Some(dir) = file.parent() {
        let mut making = tempfile::NamedTempFile::new_in(dir)?;
        making.write_all(&listing)?;
        making.persist(file).map_err(|error| error.error)?;
    }
    Ok(listing)
}

/// The file that says how content is stored.
pub(crate) const ATTRIBUTES: &[u8] = b".gitattributes";

/// Reads `MODE TYPE ID SIZE\tPATH`, where a submodule's size is `-`.
fn parse(line: &[u8]) -> Option<(&[u8], Tracked)> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let (fields, path) = line.split_at_checked(tab)?;
    let path = path.get(1..)?;
    let mut fields = std::str::from_utf8(fields).ok()?.split_ascii_whitespace();
    let (mode, _, id, bytes) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    let mode = match mode {
        "160000" => return Some((path, Tracked::Submodule)),
        "120000" => Mode::Link,
        "100755" => Mode::Executable,
        // Old trees also have 100664, which git itself takes for 100644.
        _ => Mode::File,
    };
    Some((
        path,
        Tracked::Blob {
            mode,
            id: ObjectId::parse(id.as_bytes())?,
            bytes: bytes.parse().ok()?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_with_any_path() {
        let (path, tracked) =
            parse(b"100755 blob b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0       5\td/a\tb\nc")
                .unwrap();
        assert_eq!(path, b"d/a\tb\nc");
        let Tracked::Blob { mode, bytes, .. } = tracked else {
            panic!("{tracked:?}");
        };
        assert_eq!((mode, bytes), (Mode::Executable, 5));
        let link = b"160000 commit b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0       -\tsub";
        assert_eq!(parse(link).unwrap().1, Tracked::Submodule);
        assert!(parse(b"junk").is_none());
    }

    fn listed(paths: &[&str]) -> Base {
        let id = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        let line = |path: &&str| format!("160000 commit {id}       -\t{path}\0");
        Base::parse(paths.iter().map(line).collect::<String>().into_bytes()).unwrap()
    }

    #[test]
    fn a_listing_is_sorted_whatever_its_order() {
        let base = listed(&["b", "a", "c/d"]);
        let paths: Vec<&[u8]> = base.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [&b"a"[..], b"b", b"c/d"]);
        assert!(base.at(b"c/d").is_some() && base.at(b"c").is_none());
        assert_eq!(listed(&[]).iter().count(), 0);
        assert!(Base::parse(b"junk\0".to_vec()).is_err());
    }

    #[test]
    fn a_directory_is_known_by_what_is_below_it() {
        let base = listed(&["a-b", "a.c", "a/x"]);
        assert!(base.has_below(b"a"));
        assert!(!base.has_below(b"a-b") && !base.has_below(b"b") && !base.has_below(b""));
        let below = |path: &[u8]| -> Vec<Vec<u8>> {
            let below = base.at_or_below(path);
            below.map(|(path, _)| path.to_vec()).collect()
        };
        assert_eq!(below(b"a"), [b"a/x"]);
        assert_eq!(below(b"a/x"), [b"a/x"]);
        assert_eq!(below(b"").len(), 3);
        assert!(base.has_name(b"a", b"X") && base.has_name(b"", b"A"));
        assert!(!base.has_name(b"a", b"y") && !base.has_name(b"a-b", b"x"));
    }
}
