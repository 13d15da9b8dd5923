//! The isolation around a checkout.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::domain::evidence::Ending;
use crate::domain::time::Span;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::tree::Tree;

/// Where the checkout stands inside every sandbox; the working directory of what runs there.
pub const INSIDE_CHECKOUT: &str = "/workspace";
/// Where the job's input stands inside, read-only: brief and job description.
pub const INSIDE_INPUT: &str = "/prova/in";
/// Where the agent may leave its result inside, writable.
pub const INSIDE_OUTPUT: &str = "/prova/out";
/// The home directory inside.
pub const INSIDE_HOME: &str = "/home/prova";
/// Where the repository's shared objects stand inside, read-only, when the checkout borrows them.
pub const INSIDE_OBJECTS: &str = "/prova/objects";

/// Where the server's own program stands inside, read-only, for runs that are one of its hidden
/// commands.
pub const INSIDE_PROGRAM: &str = "/prova/bin/prova";

/// One command to run in one fresh sandbox. Paths are on the host unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The program and its arguments, as seen inside.
    pub command: Vec<String>,
    /// The whole environment inside, beside what the backend itself sets (`PATH HOME LANG TMPDIR`).
    /// Nothing of the server's environment gets in.
    pub env: BTreeMap<String, String>,
    /// The working tree, writable inside at [`INSIDE_CHECKOUT`].
    pub tree: Tree,
    /// Names at the root of the tree. What stands there, if anything does, is seen inside as an empty
    /// read-only file or directory; the tree itself stays as it is.
    pub hide: Vec<String>,
    /// Directory bound read-only at [`INSIDE_INPUT`].
    pub input: Option<PathBuf>,
    /// Directory bound writable at [`INSIDE_OUTPUT`].
    pub output: Option<PathBuf>,
    /// Object store bound read-only at [`INSIDE_OBJECTS`].
    pub objects: Option<PathBuf>,
    /// Directory bound writable at [`INSIDE_HOME`]; none: an empty one that is gone afterwards.
    pub home: Option<PathBuf>,
    /// The server's own program, bound read-only at [`INSIDE_PROGRAM`].
    pub own: Option<PathBuf>,
    /// Where the raw output (both streams, in order of arrival) is appended, up to the cap.
    pub log: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// What stands inside beside the system, as the server's settings name it.
    pub profile: Profile,
}

/// A conversation with a program while it runs.
pub struct Talk {
    /// What it reads; the end of this ends its input. None: its input is empty.
    pub input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Gets its standard output, as it comes. The program waits for who does not read; once this is
    /// closed, the output goes to the log alone. None: it does from the start.
    pub output: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Counts the bytes of both outputs as they come, kept or not.
    pub stirred: Arc<AtomicU64>,
}

impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Talk")
    }
}

/// What a repository's toolchain needs inside, named in the server's settings. A policy picks one by
/// name; it never says what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Files and directories of the host that stand inside at the same path, read-only, beside those
    /// that stand in every sandbox. The `bin` directory of each is searched first for programs.
    pub mounts: Vec<PathBuf>,
    /// Variables; those of [`Spec::env`] win.
    pub env: BTreeMap<String, String>,
    /// The image to start from, for backends that have images.
    pub image: Option<String>,
}

/// What one run may use. Enforced outside the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock; at its end everything inside is killed.
    pub wall: Span,
    /// Bytes of output kept; what comes after is counted and thrown away.
    pub output_bytes: u64,
    /// The largest file a process may write, in bytes.
    pub file_bytes: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Memory of all processes together, with what they write to private directories in memory.
    pub memory_bytes: u64,
    /// Thousandths of a processor of all processes together; none: all that there are.
    pub milli_cpus: Option<u32>,
    /// What the tree's own directory, the output and the home may take on disk together, in bytes.
    pub disk_bytes: u64,
}

/// What was observed of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Wall clock from start to end.
    pub took: Span,
    /// The last bytes of the kept output, at most [`TAIL_BYTES`].
    pub tail: Vec<u8>,
    /// Bytes of output in all, kept or not.
    pub output_bytes: u64,
    /// SHA-256 of the kept output, in hexadecimal.
    pub log_digest: String,
}

/// How much of the output's end [`Outcome::tail`] holds.
pub const TAIL_BYTES: usize = 16 * 1024;

/// Why a backend cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sandbox backend {backend} does not work here: {reason}. {remedy}")]
pub struct Unusable {
    /// The backend's name in the settings.
    pub backend: &'static str,
    /// What was tried and how it failed.
    pub reason: String,
    /// What the operator can do about it; a whole sentence, with the command where there is one.
    pub remedy: String,
}

/// A limit that a backend cannot enforce here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unenforced {
    /// Its key in `[limits]`.
    pub setting: &'static str,
    /// Why it cannot.
    pub reason: String,
    /// What the operator can do about it; a whole sentence.
    pub remedy: String,
}

/// Runs commands in isolation. A sandbox is made for one run and gone after it.
#[async_trait::async_trait]
pub trait Sandbox: Send + Sync {
    /// Returns the backend's name in the settings.
    fn name(&self) -> &'static str;

    /// Returns whether it isolates at all; `false` is said at every start and in every pull request.
    fn isolates(&self) -> bool;

    /// Runs a trivial command inside and returns what it saw of the isolation, in one line.
    async fn probe(&self) -> Result<String, Unusable>;

    /// Returns which of the limits are not enforced on this host, and why.
    fn unenforced(&self) -> Vec<Unenforced> {
        Vec::new()
    }

    /// Returns the user and group id that own files inside, when they differ from the server's:
    /// checkouts must be handed over to them.
    fn owner(&self) -> Option<(u32, u32)>;

    /// Returns whether it can show a tree of layers ([`Tree::Layered`]) here. Known after a
    /// [`probe`](Self::probe) that succeeded; `false` before it, and where no layers can be mounted.
    /// A plain tree is shown everywhere.
    fn layers(&self) -> bool {
        false
    }

    /// Runs `spec` to its end, to the end of its wall clock, or until `cancel`, whichever is first;
    /// every process inside is dead when it returns. Without a `door` there is no way out.
    async fn run(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        self.converse(spec, door, None, cancel).await
    }

    /// Does as [`run`](Self::run), and lets somebody talk with the program meanwhile.
    async fn converse(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault>;
}
