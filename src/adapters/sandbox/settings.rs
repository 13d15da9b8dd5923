//! How sandboxes are made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::server;
use crate::domain::time::Span;
use crate::ports::sandbox::Profile;

/// Which isolation to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The strongest that this build has for one machine, which is bubblewrap. Never none.
    #[default]
    Auto,
    /// Namespaces made by the `bwrap` program.
    Bubblewrap,
    /// Containers made by Docker or Podman.
    Container,
    /// Pods of a Kubernetes cluster.
    Kubernetes,
    /// No isolation at all; only by name.
    None,
}

/// How sandboxes are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which isolation.
    pub backend: Backend,
    /// Files and directories of the host that stand inside at the same path, read-only. The `bin`
    /// directory of each is searched for programs, before the system's.
    pub mounts: Vec<PathBuf>,
    /// What a run may have beside them. Checked like the mounts when the backend is made.
    pub profiles: Vec<Profile>,
    /// User id, and group id of the same number, that everything inside runs as on the host when the
    /// server is root; it must not be 0. A server that is not root can only use its own.
    pub uid: u32,
    /// The bubblewrap program: a path, or a name that is searched for among the system's programs.
    pub bwrap: PathBuf,
    /// This program, as which the stage of every sandbox is set: the server's own, unless a program
    /// of another name stands for it.
    pub stage: PathBuf,
    /// The image that containers are started from. It must be there: none is fetched.
    pub image: Option<String>,
    /// The socket of the container engine; none: the first of the usual ones that exists.
    pub engine: Option<PathBuf>,
    /// Where pods are made, and how.
    pub kubernetes: Kubernetes,
    /// A directory on the file system where jobs will be, to try there whether trees in layers can be
    /// shown.
    pub work: PathBuf,
    /// Bytes that each of the private `/tmp`, home directory and `/dev/shm` may hold, in memory.
    pub scratch_bytes: u64,
    /// Bytes of the disk that are left to everybody else: with less, a run is ended.
    pub floor_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            mounts: Vec::new(),
            profiles: Vec::new(),
            uid: 65_534, // nobody on every distribution
            bwrap: PathBuf::from("bwrap"),
            stage: PathBuf::from("/proc/self/exe"),
            image: None,
            engine: None,
            kubernetes: Kubernetes::default(),
            work: std::env::temp_dir(),
            scratch_bytes: 1 << 30,
            floor_bytes: 512 << 20,
        }
    }
}

/// Where pods are made, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// The file that says where the cluster is and who the server is there; none: the cluster that
    /// the server runs in, or the user's own.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace, which is for sandboxes alone.
    pub namespace: String,
    /// An image with Prova in it, of this version, for the container beside the command.
    pub keeper: String,
    /// What runs the containers, where that is not the nodes' usual runtime.
    pub runtime_class: Option<String>,
    /// Labels of the nodes that may be used.
    pub node_selector: BTreeMap<String, String>,
    /// Secrets of the namespace by which the nodes fetch images.
    pub pull_secrets: Vec<String>,
    /// Whether each pod has a user namespace of its own.
    pub user_namespaces: bool,
    /// How long a pod may take to start.
    pub start: Span,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            namespace: "prova-sandboxes".to_owned(),
            keeper: String::new(),
            runtime_class: None,
            node_selector: BTreeMap::new(),
            pull_secrets: Vec::new(),
            user_namespaces: true,
            start: Span::minutes(5),
        }
    }
}

impl From<server::Kubernetes> for Kubernetes {
    fn from(set: server::Kubernetes) -> Self {
        Self {
            kubeconfig: set.kubeconfig,
            namespace: set.namespace,
            keeper: set.keeper.unwrap_or_default(),
            runtime_class: set.runtime_class,
            node_selector: set.node_selector,
            pull_secrets: set.pull_secrets,
            user_namespaces: set.user_namespaces,
            start: set.start,
        }
    }
}
