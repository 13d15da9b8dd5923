//! The server's settings: `prova.toml`, and each key as `PROVA_SECTION__KEY` in the environment.

pub mod brain;
mod builtin;
mod kubernetes;
mod layer;
pub mod load;
pub mod models;
mod preset;
mod show;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::presets::Contract;
use crate::domain::builtin::Wire;
use crate::domain::model::{Api, Model};
use crate::domain::name::Name;
use crate::domain::reach::Reach;
use crate::domain::spend::Budgets;
use crate::domain::store_url::shown;
use crate::domain::time::Span;

/// Everything that an operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// `[server]`
    pub server: Server,
    /// `[github]`
    pub github: GitHub,
    /// `[store]`
    pub store: Store,
    /// `[work]`
    pub work: Work,
    /// `[worker]`
    pub worker: Worker,
    /// `[sandbox]`
    pub sandbox: Sandbox,
    /// `[agents.NAME]`
    pub agents: BTreeMap<Name, Agent>,
    /// `[models.NAME]`
    pub models: BTreeMap<Name, Endpoint>,
    /// `[budget]`
    pub budget: Budgets,
    /// `[limits]`
    pub limits: Limits,
}

/// Where Prova is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where people and GitHub reach it from outside.
    pub public_url: Option<String>,
    /// Whether the read-only pages of tasks are served at `/`, to whoever can reach the address.
    pub dashboard: bool,
}

/// The App on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHub {
    /// The REST API, without a slash at its end.
    pub api_url: String,
    /// Pages for people and git remotes, without a slash at its end.
    pub web_url: String,
    /// The App's id.
    pub app_id: u64,
    /// The limits that it is asked within.
    pub rate_limits: RateLimits,
    /// The App's private key.
    pub private_key: Secret,
    /// What deliveries are signed with.
    pub webhook_secret: Secret,
    /// What deliveries were signed with before; good for while it is being changed.
    pub previous_webhook_secret: Option<Secret>,
}

/// The limits of GitHub's that are kept without its having to refuse anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimits {
    /// Those of github.com.
    GitHub,
    /// None, as on a GitHub Enterprise Server whose operator has set none.
    None,
}

impl RateLimits {
    /// Returns the word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::None => "none",
        }
    }
}

/// Where a secret comes from. The value itself is read when it is needed and shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The content of a file.
    File(PathBuf),
    /// A value of the environment.
    Value(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Value(_) => f.write_str("Value(…)"),
        }
    }
}

/// What survives a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    /// `sqlite://PATH` or `postgres://…`, which may have a password in it.
    pub url: String,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown(&self.url))
    }
}

/// Jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The directory for mirrors and checkouts.
    pub dir: PathBuf,
    /// Jobs at once in this process; none: it leaves them to others.
    pub jobs: u32,
    /// Jobs at once in one repository.
    pub jobs_per_repository: u32,
    /// Jobs at once in one installation; 0: no limit.
    pub jobs_per_installation: u32,
    /// Jobs at once in all of them, in all processes; 0: no limit.
    pub jobs_in_all: u32,
    /// How long jobs that run may take to end when the process is stopped, before they go back to
    /// the queue.
    pub drain: Span,
    /// How long a job stays a worker's that is not heard of.
    pub lease: Span,
    /// How many bytes of what can be fetched or made again are kept: mirrors, bases, setups.
    pub cache_bytes: u64,
    /// How long such a thing is kept that nobody uses.
    pub cache_idle: Span,
    /// How long what jobs have printed is kept.
    pub logs_kept: Span,
    /// The agent that works when neither policy nor a person names one.
    pub agent: Option<Name>,
    /// The agents that take over, in this order, when that one cannot work, unless policy says
    /// otherwise.
    pub fallback: Vec<Name>,
}

/// A process that only works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The address at which its health and metrics are; none: it listens nowhere.
    pub listen: Option<SocketAddr>,
}

/// Isolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Which backend.
    pub backend: Backend,
    /// Directories that are read-only inside, at the same path, beside the system's own.
    pub mounts: Vec<PathBuf>,
    /// The image that containers are started from.
    pub image: Option<String>,
    /// The container engine's socket; none: the first of the usual ones that exists.
    pub engine: Option<PathBuf>,
    /// `[sandbox.kubernetes]`
    pub kubernetes: Kubernetes,
    /// The program that sets the stage of a sandbox: the server's own, which no setting changes.
    pub stage: PathBuf,
    /// Hosts that policies may ask for.
    pub egress: Reach,
    /// `[sandbox.profiles.NAME]`
    pub profiles: BTreeMap<Name, Profile>,
}

/// Pods of a Kubernetes cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// The file that says where the cluster is and who the server is there; none: the cluster that
    /// the server runs in, or the user's own.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace, which is for sandboxes alone.
    pub namespace: String,
    /// An image of Prova, for the container beside the command.
    pub keeper: Option<String>,
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

/// A toolchain that a policy may pick by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Directories that are read-only inside, at the same path, beside [`Sandbox::mounts`].
    pub mounts: Vec<PathBuf>,
    /// Environment. Not for secrets: the agent sees it.
    pub env: BTreeMap<String, String>,
    /// The image that sandboxes are made from, for backends that have images.
    pub image: Option<String>,
}

/// A sandbox backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The best that works here; never `None`.
    Auto,
    /// bubblewrap.
    Bubblewrap,
    /// Containers of Docker or Podman.
    Container,
    /// Pods of a Kubernetes cluster.
    Kubernetes,
    /// No isolation at all, for trying things out.
    None,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// A program that keeps the `exec` contract.
    Exec {
        /// The program and its arguments; `{brief}`, `{job}`, `{result}` and `{checkout}` stand for
        /// paths inside the sandbox.
        command: Vec<String>,
        /// More environment for it. Not for secrets: the agent sees it.
        env: BTreeMap<String, String>,
        /// The model endpoints that it may call; all of them when it names none.
        models: Option<Vec<Name>>,
    },
    /// A program that a preset knows how to drive.
    Preset {
        /// The preset's name.
        preset: String,
        /// How it is driven.
        contract: Contract,
        /// The model endpoints that it may call; all of them when it names none.
        models: Option<Vec<Name>>,
        /// The model; none: the first that its endpoint names.
        model: Option<String>,
        /// Environment beside the preset's own. Not for secrets: the agent sees it.
        env: BTreeMap<String, String>,
    },
    /// The agent of our own.
    Builtin(Builtin),
    /// A program that speaks the Agent Client Protocol.
    Acp {
        /// The program and its arguments.
        command: Vec<String>,
        /// More environment for it. Not for secrets: the agent sees it.
        env: BTreeMap<String, String>,
        /// The model endpoints that it may call; all of them when it names none.
        models: Option<Vec<Name>>,
        /// What it is told when it asks whether it may.
        permissions: Permissions,
        /// The mode that its session is put into.
        mode: Option<String>,
        /// How it is to log in, by its own name for that.
        authenticate: Option<String>,
    },
    /// A fixed shell command, without a model.
    Recipe {
        /// The command.
        run: String,
    },
}

/// What is set for the agent of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// The model endpoint that it calls.
    pub endpoint: Name,
    /// The model; none: the first that the endpoint has a price for.
    pub model: Option<String>,
    /// How an endpoint of `OpenAI`'s API is spoken to; none: as fits the address.
    pub wire: Option<Wire>,
    /// The most answers that are asked of the model.
    pub max_steps: u32,
    /// The most tokens that one request may have; none: what the endpoint says.
    pub context_tokens: Option<u64>,
}

/// What an agent is told that asks whether it may do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permissions {
    /// It may: what it can do is bounded by the sandbox.
    #[default]
    Allow,
    /// It may not.
    Deny,
}

/// A model endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The language it speaks.
    pub api: Api,
    /// Its base URL, without a slash at its end.
    pub url: String,
    /// Its key; a server of one's own may need none.
    pub key: Option<Secret>,
    /// The models that may be called, by the name that requests use; `*` stands for every other.
    pub models: BTreeMap<String, Model>,
}

/// The name that stands for every model without a price of its own.
const ANY_MODEL: &str = "*";

impl Endpoint {
    /// Returns the model that goes by `named`, or the first, with what is known of it.
    #[must_use]
    pub fn model<'a>(&'a self, named: Option<&'a str>) -> Option<(&'a str, &'a Model)> {
        if let Some(name) = named {
            let model = self.models.get(name).or_else(|| self.models.get(ANY_MODEL));
            return model.map(|model| (name, model));
        }
        let mut own = self.models.iter().filter(|(name, _)| *name != ANY_MODEL);
        own.next().map(|(name, model)| (name.as_str(), model))
    }
}

/// What one run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock of one command in a sandbox.
    pub timeout: Span,
    /// How long an agent may print nothing before its run is ended.
    pub silent: Span,
    /// How often an agent may do the same in a row before its run is ended.
    pub repeated: u32,
    /// How long the model of an agent may answer none of its calls before its run is ended.
    pub unanswered: Span,
    /// Wall clock of one fetch; the first of a large repository takes minutes.
    pub fetch: Span,
    /// Bytes of output that are kept of it.
    pub output_bytes: u64,
    /// Largest file that a process may write, in bytes.
    pub file_bytes: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Most bytes to and from the hosts that policy asks for, by one job.
    pub egress_bytes: u64,
    /// Memory of everything in one sandbox, in bytes.
    pub memory_bytes: u64,
    /// Thousandths of a processor for everything in one sandbox; none: all that there are.
    pub milli_cpus: Option<u32>,
    /// What a checkout with all that was written to it may take on disk, in bytes.
    pub disk_bytes: u64,
    /// Largest changed file that is published, in bytes.
    pub changed_file_bytes: u64,
    /// Most changed files that are published.
    pub changed_files: u64,
}
