//! What a harvest found: changes, and what it refused to take.

use serde::{Deserialize, Serialize};

use crate::domain::ids::TreeSha;

/// The modes that a harvested entry may have; everything else an agent can make is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A regular file, git's 100644.
    File,
    /// An executable file, git's 100755.
    Executable,
    /// A symbolic link, git's 120000; its blob is the target.
    Link,
}

impl Mode {
    /// Returns git's octal spelling.
    #[must_use]
    pub const fn octal(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
        }
    }
}

/// A path in a repository: bytes without NUL, as git keeps it. Serialised as text when it is UTF-8
/// and as `{"hex": …}` when it is not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as text, unless it is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl std::fmt::Display for RepoPath {
    /// Shows the path on one line: backslashes, characters that cannot be seen and bytes that are
    /// not UTF-8 are escaped.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if ['\'', '"'].contains(&c) {
                    write!(f, "{c}")?;
                } else {
                    write!(f, "{}", c.escape_debug())?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredPath {
    Text(String),
    Bytes { hex: String },
}

impl Serialize for RepoPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => StoredPath::Text(text.to_owned()),
            None => StoredPath::Bytes {
                hex: hex::encode(&self.0),
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match StoredPath::deserialize(deserializer)? {
            StoredPath::Text(text) => Self(text.into_bytes()),
            StoredPath::Bytes { hex } => Self(hex::decode(hex).map_err(serde::de::Error::custom)?),
        })
    }
}

/// One path that differs between the base and the harvested tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: RepoPath,
    /// What was done there.
    pub kind: ChangeKind,
}

/// What was done at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// There was nothing before.
    Added(Entry),
    /// Content, mode or both differ.
    Modified(Entry),
    /// It is gone.
    Deleted,
}

/// What stands at a path now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its mode.
    pub mode: Mode,
    /// Its blob's object id in hexadecimal.
    pub blob: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Something in the checkout that the harvest would not take, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where.
    pub path: RepoPath,
    /// Why.
    pub reason: RefusalReason,
}

/// Why the harvest would not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// A `.git`, in any spelling that some file system takes for it.
    NestedGit,
    /// A device node, FIFO or socket.
    SpecialFile,
    /// A link whose target is absolute or leaves the repository.
    EscapingLink,
    /// A name that git refuses, that would run or overwrite things on some system, or that is
    /// too long.
    HostileName,
    /// A name that is not UTF-8: GitHub's API has no way to carry it.
    NotUtf8,
    /// A file over the size limit.
    TooLarge,
    /// A `.gitmodules` that git's fsck refuses.
    HostileModules,
    /// Two names that are one on a case-insensitive file system.
    CaseCollision,
    /// A directory deeper than the limit.
    TooDeep,
    /// More files than the limit; the rest was not read.
    TooMany,
    /// It could not be read.
    Unreadable,
}

/// What a harvest found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvest {
    /// The tree of the base commit.
    pub base_tree: TreeSha,
    /// The tree with every change below in it; equals `base_tree` when nothing changed.
    pub tree: TreeSha,
    /// What differs, ordered by path.
    pub changes: Vec<Change>,
    /// What was not taken, ordered by path. Not empty: the change is not complete.
    pub refused: Vec<Refusal>,
}

/// How much a harvest takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HarvestLimits {
    /// The largest file in bytes, by apparent size.
    pub file_bytes: u64,
    /// The sum of changed files in bytes.
    pub total_bytes: u64,
    /// Entries in the whole working tree.
    pub entries: u64,
    /// Changed paths.
    pub changes: u64,
    /// Directory depth.
    pub depth: u32,
}

impl Default for HarvestLimits {
    /// Room for any change that a person could review, and for large repositories.
    fn default() -> Self {
        Self {
            file_bytes: 10 * 1024 * 1024,
            total_bytes: 40 * 1024 * 1024,
            entries: 500_000,
            changes: 3_000,
            depth: 100,
        }
    }
}
