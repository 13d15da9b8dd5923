//! The tree that a checkout was made from, as far as a harvest compares with it.

use std::collections::BTreeMap;
use std::path::Path;

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
}

impl Base {
    /// Lists `tree` from a repository of the server's own.
    pub(crate) async fn list(git_dir: &Path, tree: ObjectId) -> Result<Self, Trouble> {
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
        let listing = process::run(&call).await?;
        let mut base = Self::default();
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
            base.has_attributes |= last(path) == ATTRIBUTES;
            base.paths.insert(path.to_vec(), tracked);
        }
        Ok(base)
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

    /// Yields every path, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Tracked)> {
        self.paths
            .iter()
            .map(|(path, tracked)| (path.as_slice(), tracked))
    }
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
    }
}
