//! The tree that a checkout was made from, as far as a harvest compares with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
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

/// Every path of the base tree.
#[derive(Debug, Default)]
pub(crate) struct Base {
    paths: BTreeMap<Vec<u8>, Tracked>,
    /// Whether any `.gitattributes` may change how content is stored.
    pub(crate) has_attributes: bool,
    /// Whether any of them names an encoding, so that any content may be stored as another.
    has_encodings: bool,
}

impl Base {
    /// Lists `tree` from a repository of the server's own.
    pub(crate) async fn list(git_dir: &Path, tree: ObjectId) -> Result<Self, Trouble> {
        let listing = Self::ask(git_dir, tree).await?;
        Self::parse(&listing)?.with_encodings(git_dir).await
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
        Self::parse(&listing)?.with_encodings(git_dir).await
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

    fn parse(listing: &[u8]) -> Result<Self, Trouble> {
        let mut has_attributes = false;
        let mut paths = Vec::new();
        for line in listing
            .split(|&byte| byte == 0)
            .filter(|line| !line.is_empty())
        {
            let (path, tracked) = parse(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line).into_owned();
                Trouble::new(
                    Kind::Lasting,
                    format!("git listed what is not an entry: {line:?}"),
                )
            })?;
            has_attributes |= last(path) == ATTRIBUTES;
            paths.push((path.to_vec(), tracked));
        }
        Ok(Self {
            // Git has sorted them, so this is cheaper than one after another.
            paths: paths.into_iter().collect(),
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
        self.paths.get(path)
    }

    /// Returns whether anything stands below this path.
    pub(crate) fn has_below(&self, path: &[u8]) -> bool {
        let start = [path, b"/"].concat();
        self.paths
            .range(start.clone()..)
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
            .range(start.clone()..)
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
        let exactly = self.paths.get_key_value(path);
        let below = self
            .paths
            .range(start.clone()..)
            .take_while(move |(next, _)| next.starts_with(&start));
        exactly
            .into_iter()
            .chain(below)
            .map(|(path, tracked)| (path.as_slice(), tracked))
    }

    /// Yields every path, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Tracked)> {
        self.paths
            .iter()
            .map(|(path, tracked)| (path.as_slice(), tracked))
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

    #[test]
    fn a_directory_is_known_by_what_is_below_it() {
        let mut base = Base::default();
        for path in ["a-b", "a.c", "a/x"] {
            base.paths.insert(path.into(), Tracked::Submodule);
        }
        assert!(base.has_below(b"a"));
        assert!(!base.has_below(b"a-b") && !base.has_below(b"b") && !base.has_below(b""));
        let listed = |path: &[u8]| -> Vec<Vec<u8>> {
            let listed = base.at_or_below(path);
            listed.map(|(path, _)| path.to_vec()).collect()
        };
        assert_eq!(listed(b"a"), [b"a/x"]);
        assert_eq!(listed(b"a/x"), [b"a/x"]);
        assert_eq!(listed(b"").len(), 3);
        assert!(base.has_name(b"a", b"X") && base.has_name(b"", b"A"));
        assert!(!base.has_name(b"a", b"y") && !base.has_name(b"a-b", b"x"));
    }
}
