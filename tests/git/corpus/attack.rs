//! The format of `fixtures/attacks`: what a hostile agent does, and what must come of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prova::domain::change::{HarvestLimits, RefusalReason};
use serde::Deserialize;

/// One attack.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attack {
    /// What it is after, and by which road.
    #[expect(
        dead_code,
        reason = "for readers of the file, who must not have to guess"
    )]
    pub(crate) tries: String,
    /// What the repository has beside the usual files before the agent comes.
    #[serde(default)]
    pub(crate) base: Vec<Step>,
    /// What the agent does in its checkout.
    pub(crate) steps: Vec<Step>,
    /// Limits that differ from the corpus' own.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Whom the attack would hit.
    pub(crate) naive: Option<Naive>,
    /// What the harvest must make of it.
    pub(crate) expect: Expect,
}

/// One thing done to a directory. Texts and paths know the [`Words`](super::scene::Words).
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Writes a file anew.
    Write {
        path: String,
        text: String,
        mode: Option<String>,
    },
    /// Adds to a file's end.
    Append { path: String, text: String },
    /// Makes a symbolic link, in place of what stood there.
    Link { path: String, to: String },
    /// Makes a hard link.
    Hardlink { path: String, to: String },
    /// Makes an empty directory.
    Directory { path: String },
    /// Makes a FIFO, in place of what stood there.
    Fifo { path: String },
    /// Makes a socket that nobody listens on.
    Socket { path: String },
    /// Makes a device; an ordinary user, who can make none, makes a FIFO.
    Device { path: String },
    /// Removes a file or a whole directory.
    Remove { path: String },
    /// Moves a file or directory, maybe out of the checkout.
    Rename { path: String, to: String },
    /// Changes the permissions; octal.
    Chmod { path: String, mode: String },
    /// Makes a file of that apparent size without content.
    Sparse { path: String, bytes: u64 },
    /// Writes many files; `{n}` in path and text counts from 0.
    Many {
        path: String,
        count: u32,
        text: String,
    },
    /// Nests directories of that name.
    Nest { path: String, depth: u32 },
    /// Commits trees of trees, each `width` times the one below it. Nothing of it is written out.
    Bomb { levels: u32, width: u32 },
    /// Runs git as an agent does, in the checkout.
    Git { args: Vec<String> },
}

/// Limits of the harvest; absent ones are the corpus' own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    entries: Option<u64>,
    changes: Option<u64>,
    total_bytes: Option<u64>,
}

impl Limits {
    /// Returns the whole limits.
    pub(crate) fn whole(&self) -> HarvestLimits {
        let usual = HarvestLimits::default();
        HarvestLimits {
            entries: self.entries.unwrap_or(5_000),
            changes: self.changes.unwrap_or(usual.changes),
            total_bytes: self.total_bytes.unwrap_or(usual.total_bytes),
            ..usual
        }
    }
}

/// What somebody does who trusts the checkout, and what happens to them. It shows that the attack
/// is alive: an expectation that nothing happens proves little where nothing could.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Naive {
    /// Calls of git in the checkout, one after the other.
    #[serde(default)]
    pub(crate) git: Vec<Vec<String>>,
    /// What the last call reads.
    #[serde(default)]
    pub(crate) input: String,
    /// A file that is read by its path.
    pub(crate) read: Option<String>,
    /// What comes of it.
    pub(crate) shows: Shows,
}

/// What an attack does to the naive.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shows {
    /// The agent's program runs.
    Execution,
    /// What they read or print holds the host's secret.
    Leak,
    /// Something is sent to the agent's server.
    Connection,
    /// What they are told does not have the word `changed`, which the change has.
    Hiding,
}

/// What the harvest finds, whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// `+path`, `~path` and `-path`, in order; `+dir/*` for any number below.
    pub(crate) changes: Vec<String>,
    /// Paths as people are shown them, and why each was not taken.
    #[serde(default)]
    pub(crate) refused: BTreeMap<String, RefusalReason>,
    /// Files of the harvested tree and what they hold, exactly.
    #[serde(default)]
    pub(crate) content: BTreeMap<String, String>,
    /// `mode path` of lines that the tree must have.
    #[serde(default)]
    pub(crate) modes: Vec<String>,
}

/// Where the attacks are.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/attacks")
}

impl Attack {
    /// Reads an attack by its name.
    pub(crate) fn named(name: &str) -> Self {
        let file = home().join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}
