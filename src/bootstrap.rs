//! The only file that names concrete adapters together.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::adapters::agent::acp::{Acp, Manners};
use crate::adapters::agent::built_in::BuiltInRecipe;
use crate::adapters::agent::builtin::Builtin;
use crate::adapters::agent::exec::Exec;
use crate::adapters::agent::launch::Launch;
use crate::adapters::agent::preset::Known;
use crate::adapters::agent::recipe::Recipe;
use crate::adapters::gateway::{self, HttpGateway};
use crate::adapters::git::GitCheckouts;
use crate::adapters::git::local::{Asker, BadRepository, LocalForge};
use crate::adapters::github::{Client, Webhooks};
use crate::adapters::logs::LogFiles;
use crate::adapters::store::SqlStore;
use crate::adapters::system::{Disks, SystemClock, host};
use crate::adapters::wake::InProcess;
use crate::adapters::work_dir::{NotHeld, WorkDir};
use crate::adapters::{git, github, sandbox};
use crate::app::context::{Context, Remotes, Settings};
use crate::app::headroom::Headroom;
use crate::app::ingest::Ingest;
use crate::app::ledger::StoreLedger;
use crate::app::presence::{Presence, Standing};
use crate::config::presets::{self, Contract};
use crate::config::server::models::brain_of;
use crate::config::server::{self, Agent, Backend, Endpoint, Secret, ServerSettings};
use crate::domain::built_in::BuiltIn;
use crate::domain::builtin::{CONTEXT_TOKENS, Told, Wire, output_tokens};
use crate::domain::change::HarvestLimits;
use crate::domain::decide::Agents;
use crate::domain::name::Name;
use crate::domain::policy;
use crate::domain::policy::protected::Protected;
use crate::domain::process::{Process, Role};
use crate::domain::render::parts::Links;
use crate::domain::stall::Patience;
use crate::domain::time::Span;
use crate::domain::trigger::Identity;
use crate::http::body::Desk;
use crate::http::face::{Face, Vitals};
use crate::http::refusals::Refusals;
use crate::http::signature::Secrets;
use crate::inside;
use crate::ports::agent::{Agent as AgentPort, Roster};
use crate::ports::checkouts::{Cache, Checkouts};
use crate::ports::clock::Clock;
use crate::ports::fault::Fault;
use crate::ports::gateway::Gateway;
use crate::ports::github::{GitHub, Translate};
use crate::ports::live::LiveSecrets;
use crate::ports::logs::Logs;
use crate::ports::sandbox::{Limits, Profile, Sandbox, Unusable};
use crate::ports::store::{Processes as _, Queue as _, Store};
use crate::ports::wake::Wake;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A secret's file cannot be read.
    #[error("{key}: cannot read {path}: {error}; put the secret there, or name another file")]
    Secret {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A secret is empty.
    #[error("{key}: the secret is empty; anybody could send deliveries")]
    EmptySecret {
        /// The setting.
        key: &'static str,
    },
    /// The work directory cannot be used.
    #[error("work.dir: cannot use {path}: {error}")]
    WorkDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The work directory is another process's.
    #[error(
        "work.dir: cannot take {path}: {error}; stop that process, or give this one a directory of its own"
    )]
    WorkDirTaken {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        error: NotHeld,
    },
    /// A setting of the App is wrong.
    #[error(transparent)]
    GitHub(#[from] github::InvalidSettings),
    /// An agent cannot be set up.
    #[error("agents.{0}: {1}")]
    Agent(Name, crate::adapters::agent::exec::BadAgent),
    /// The agent of our own has no model to call.
    #[error("agents.{0}.model: its endpoint has no price for a model to call")]
    NoModel(Name),
    /// This very program is not found, and could not be started inside.
    #[error("cannot find this program by {path}: {error}; was it replaced while it starts?")]
    OwnProgram {
        /// By what it was looked for.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A key of a model endpoint cannot be read.
    #[error(
        "models.{name}.key_file: cannot read {path}: {error}; put the key there, or name another file"
    )]
    ModelKey {
        /// The endpoint.
        name: Name,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A key of a model endpoint is empty.
    #[error("models.{0}.key_file: the key is empty; leave the setting out where none is needed")]
    EmptyModelKey(Name),
    /// The gateway cannot be set up.
    #[error(transparent)]
    Gateway(#[from] gateway::InvalidSettings),
    /// Sandboxes cannot be made here.
    #[error(transparent)]
    Sandbox(#[from] Unusable),
    /// The store cannot be opened.
    #[error("store.url: {0}")]
    Store(Fault),
}

/// The adapters, ready to be used.
#[derive(Clone)]
pub struct House {
    settings: Arc<ServerSettings>,
    live: Arc<LiveSecrets>,
    secrets: Arc<Secrets>,
    remotes: Remotes,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What survives a crash.
    pub store: Arc<SqlStore>,
    /// GitHub.
    pub github: Arc<dyn GitHub>,
    /// Isolation.
    pub sandbox: Arc<dyn Sandbox>,
    /// The way out of it; a story may put another in its place.
    pub gateway: Arc<dyn Gateway>,
    checkouts: Arc<dyn Checkouts>,
    roster: Arc<Crew>,
    wake: Arc<dyn Wake>,
    standing: Arc<Standing>,
    /// Held until the last copy of this is gone.
    work_dir: Arc<WorkDir>,
}

impl House {
    /// Builds the adapters that the settings ask for. GitHub is not asked yet.
    pub async fn open(settings: ServerSettings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::open_as(Role::Serve, settings, (clock, Arc::default())).await
    }

    /// Builds them for a process of that role; every secret that they come to hold is told to the
    /// live ones. A worker holds no webhook secret.
    pub async fn open_as(
        role: Role,
        settings: ServerSettings,
        (clock, live): (Arc<dyn Clock>, Arc<LiveSecrets>),
    ) -> Result<Self, StartError> {
        let key = read_secret("github.private_key_file", &settings.github.private_key)?;
        let signing = match role {
            Role::Serve => signing_secrets(&settings)?,
            Role::Worker => Vec::new(),
        };
        for secret in std::iter::once(&key).chain(&signing) {
            live.learn(secret.expose_secret());
        }
        let github = open_client(&settings, clock.clone(), &live)?;
        let network = git::Protocols::Network;
        let mut house = Self::furnish(settings, (clock, live), github, network).await?;
        house.secrets = Arc::new(Secrets::new(&signing));
        match role {
            Role::Serve => house.limit().await?,
            // The servers' settings count for all.
            Role::Worker => {}
        }
        Ok(house)
    }

    /// Lets the store keep to the settings.
    async fn limit(&self) -> Result<(), StartError> {
        let limit = self.settings.work.jobs_per_repository;
        let limited = self.store.limit_lanes(limit).await;
        limited.map_err(StartError::Store)
    }

    /// Builds the adapters for work on a repository of this machine, which stands for GitHub.
    pub async fn open_local(
        settings: ServerSettings,
        (clock, live): (Arc<dyn Clock>, Arc<LiveSecrets>),
        forge: Arc<LocalForge>,
    ) -> Result<Self, StartError> {
        let remotes = Remotes::Only(forge.remote().to_owned());
        let protocols = git::Protocols::NetworkAndLocal;
        let house = Self {
            remotes,
            ..Self::furnish(settings, (clock, live), forge, protocols).await?
        };
        house.limit().await?;
        Ok(house)
    }

    async fn furnish(
        settings: ServerSettings,
        (clock, live): (Arc<dyn Clock>, Arc<LiveSecrets>),
        github: Arc<dyn GitHub>,
        protocols: git::Protocols,
    ) -> Result<Self, StartError> {
        let endpoints = endpoints(&settings)?;
        for key in endpoints.values().filter_map(|one| one.key.as_ref()) {
            live.learn(key.expose_secret());
        }
        // First of all: whoever has it may be at work.
        let work_dir = Arc::new(hold_work_dir(&settings.work.dir).await?);
        let store = open_store(&settings).await?;
        Ok(Self {
            work_dir,
            live,
            secrets: Arc::new(Secrets::new(&[])),
            remotes: Remotes::Below(settings.github.web_url.clone()),
            gateway: open_gateway(endpoints, store.clone(), clock.clone())?,
            wake: store.announce(Arc::new(InProcess::default())),
            store,
            github,
            sandbox: open_sandbox(&settings, clock.clone())?,
            checkouts: Arc::new(open_git(&settings, protocols)?),
            roster: Arc::new(Crew::new(&settings)?),
            standing: Arc::default(),
            settings: Arc::new(settings),
            clock,
        })
    }

    /// Builds what the use cases share, once the App's slug is known.
    #[must_use]
    pub fn context(&self, slug: &str) -> Context {
        let settings = &self.settings;
        let links = Links {
            web_url: match &self.remotes {
                Remotes::Below(web_url) => web_url.clone(),
                Remotes::Only(_) => String::new(),
            },
            slug: slug.to_owned(),
        };
        Context {
            clock: self.clock.clone(),
            store: self.store.clone(),
            github: self.github.clone(),
            translate: Arc::new(Webhooks) as Arc<dyn Translate>,
            logs: open_logs(settings),
            checkouts: self.checkouts.clone(),
            sandbox: self.sandbox.clone(),
            gateway: self.gateway.clone(),
            roster: self.roster.clone(),
            headroom: Arc::new(Headroom::new(Arc::new(disks(settings)))),
            settings: Arc::new(Settings {
                identity: Identity::new(slug),
                links,
                remotes: self.remotes.clone(),
                agents: Agents {
                    default: default_agent(settings),
                    fallback: settings.work.fallback.clone(),
                    known: settings.agents.keys().cloned().collect::<BTreeSet<_>>(),
                    built_in: inside::offered(),
                },
                jobs_dir: below_work(settings, "jobs"),
                worker: self.work_dir.worker().to_owned(),
                lease: settings.work.lease,
                limits: Limits {
                    wall: settings.limits.timeout,
                    output_bytes: settings.limits.output_bytes,
                    file_bytes: settings.limits.file_bytes,
                    processes: settings.limits.processes,
                    memory_bytes: settings.limits.memory_bytes,
                    milli_cpus: settings.limits.milli_cpus,
                    disk_bytes: settings.limits.disk_bytes,
                },
                patience: Patience {
                    silent: settings.limits.silent,
                    waiting: WAITING,
                    repeated: usize::try_from(settings.limits.repeated).unwrap_or(usize::MAX),
                    unanswered: settings.limits.unanswered,
                    failed_calls: FAILED_CALLS,
                },
                sessions_dir: below_work(settings, "sessions"),
                logs_kept: settings.work.logs_kept,
                profiles: profiles(settings),
                harvest: HarvestLimits {
                    file_bytes: settings.limits.changed_file_bytes,
                    changes: settings.limits.changed_files,
                    ..HarvestLimits::default()
                },
                cache: Cache {
                    bytes: settings.work.cache_bytes,
                    idle: settings.work.cache_idle,
                },
                models: models_of_agents(settings),
                budgets: settings.budget,
                reach: settings.sandbox.egress.clone(),
                egress_bytes: settings.limits.egress_bytes,
                redactor: self.live.clone(),
            }),
            wake: self.wake.clone(),
            standing: self.standing.clone(),
        }
    }

    /// Says what this process is, to be written down among those that share the store.
    pub async fn presence(&self, role: Role) -> Result<Presence, StartError> {
        let now = self.clock.now();
        let schema = self.store.schema().await.map_err(StartError::Store)?;
        Ok(Presence {
            store: self.store.clone(),
            clock: self.clock.clone(),
            standing: self.standing.clone(),
            process: Process {
                id: self.work_dir.worker().to_owned(),
                role,
                host: host(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                schema: schema.known,
                started_at: now,
                seen_at: now,
            },
        })
    }

    /// Builds what is shown of the process' health.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            clock: self.clock.clone(),
            store: self.store.clone(),
            standing: self.standing.clone(),
            refusals: Arc::new(Refusals::default()),
        }
    }

    /// Builds the HTTP face, and the task that writes what comes in.
    pub fn face(&self) -> (Face, impl Future<Output = ()> + Send + 'static) {
        let (ingest, writer) = Ingest::new(self.store.clone(), self.wake.clone());
        let vitals = self.vitals();
        let face = Face {
            clock: self.clock.clone(),
            store: self.store.clone() as Arc<dyn Store>,
            ingest,
            secrets: self.secrets.clone(),
            desk: Arc::new(Desk::default()),
            refusals: vitals.refusals.clone(),
            vitals,
            dashboard: self.settings.server.dashboard,
            live: self.live.clone(),
        };
        (face, writer)
    }
}

/// Reads what deliveries are signed with, and were before.
fn signing_secrets(settings: &ServerSettings) -> Result<Vec<SecretString>, StartError> {
    let github = &settings.github;
    let webhook = read_secret("github.webhook_secret_file", &github.webhook_secret)?;
    let previous = github.previous_webhook_secret.as_ref();
    let previous = previous
        .map(|secret| read_secret("github.previous_webhook_secret_file", secret))
        .transpose()?;
    Ok(std::iter::once(webhook).chain(previous).collect())
}

/// Where checkouts and the store are.
fn disks(settings: &ServerSettings) -> Disks {
    let store = settings.store.url.strip_prefix("sqlite://");
    let store = store.and_then(|path| Path::new(path).parent());
    let here = |dir: &Path| {
        if dir.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            dir.to_owned()
        }
    };
    let store = store.map(here);
    Disks(
        store
            .into_iter()
            .chain([settings.work.dir.clone()])
            .collect(),
    )
}

/// Sandboxes bind directories by their whole path.
fn below_work(settings: &ServerSettings, name: &str) -> PathBuf {
    let dir = settings.work.dir.join(name);
    std::path::absolute(&dir).unwrap_or(dir)
}

/// How long an agent may wait for an answer. Nobody gives one.
const WAITING: Span = Span::seconds(60);

/// How many model calls must have failed in a row before an outage counts: an agent that asks rarely
/// may have asked at bad moments.
const FAILED_CALLS: u64 = 4;

/// The permissions and the events that the App needs, as in `app.yml`.
#[must_use]
pub const fn needs() -> (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
) {
    (github::PERMISSIONS, github::EVENTS)
}

/// Returns the system's clock.
#[must_use]
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Opens the repository that `dir` is in, to stand for GitHub. `settings` say where what is under
/// way goes, and `environment` whose repository it is.
pub async fn open_repository(
    dir: &Path,
    settings: &ServerSettings,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
    clock: Arc<dyn Clock>,
) -> Result<Arc<LocalForge>, BadRepository> {
    let asker = Asker {
        home: environment("HOME").map(PathBuf::from),
        name: environment("GIT_AUTHOR_NAME"),
        email: environment("GIT_AUTHOR_EMAIL"),
    };
    let bench = settings.work.dir.join("bench");
    Ok(Arc::new(LocalForge::open(dir, bench, &asker, clock).await?))
}

/// Opens what jobs have printed.
#[must_use]
pub fn open_logs(settings: &ServerSettings) -> Arc<dyn Logs> {
    Arc::new(LogFiles::new(below_work(settings, "logs")))
}

/// Opens the store that the settings name, and brings its schema up to date.
pub async fn open_store(settings: &ServerSettings) -> Result<Arc<SqlStore>, StartError> {
    let store = SqlStore::open(&settings.store.url).await;
    store.map(Arc::new).map_err(StartError::Store)
}

/// Runs the programs of which a sandbox is made, hidden among the commands, when `args` (the whole
/// command line) ask for one.
#[must_use]
pub fn sandbox_program(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    sandbox::run_hidden(args)
}

/// Runs the programs of ours that work inside a sandbox, hidden among the commands, when `args` (the
/// whole command line) ask for one.
#[must_use]
pub fn inside_program(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    inside::program(args)
}

/// Makes the sandbox backend that the settings name.
pub fn open_sandbox(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Sandbox>, StartError> {
    let settings = sandbox::settings::Settings {
        backend: match settings.sandbox.backend {
            Backend::Auto => sandbox::settings::Backend::Auto,
            Backend::Bubblewrap => sandbox::settings::Backend::Bubblewrap,
            Backend::Container => sandbox::settings::Backend::Container,
            Backend::Kubernetes => sandbox::settings::Backend::Kubernetes,
            Backend::None => sandbox::settings::Backend::None,
        },
        mounts: settings.sandbox.mounts.clone(),
        profiles: profiles(settings).into_values().collect(),
        image: settings.sandbox.image.clone(),
        engine: settings.sandbox.engine.clone(),
        kubernetes: settings.sandbox.kubernetes.clone().into(),
        stage: settings.sandbox.stage.clone(),
        work: settings.work.dir.clone(),
        ..sandbox::settings::Settings::default()
    };
    Ok(sandbox::select(settings, clock)?)
}

fn profiles(settings: &ServerSettings) -> BTreeMap<Name, Profile> {
    let profiles = settings.sandbox.profiles.iter();
    let profile = |profile: &server::Profile| Profile {
        mounts: profile.mounts.clone(),
        env: profile.env.clone(),
        image: profile.image.clone(),
    };
    profiles
        .map(|(name, set)| (name.clone(), profile(set)))
        .collect()
}

/// Reads the model endpoints of the settings, with their keys.
fn endpoints(settings: &ServerSettings) -> Result<BTreeMap<Name, gateway::Endpoint>, StartError> {
    let endpoint = |(name, endpoint): (&Name, &Endpoint)| {
        let key = endpoint.key.as_ref();
        let read = gateway::Endpoint {
            api: endpoint.api,
            url: endpoint.url.clone(),
            key: key.map(|key| read_model_key(name, key)).transpose()?,
            models: endpoint.models.clone(),
        };
        Ok((name.clone(), read))
    };
    settings.models.iter().map(endpoint).collect()
}

fn read_model_key(name: &Name, key: &Secret) -> Result<SecretString, StartError> {
    let text = match key {
        Secret::Value(text) => text.clone(),
        Secret::File(path) => {
            std::fs::read_to_string(path).map_err(|error| StartError::ModelKey {
                name: name.clone(),
                path: path.clone(),
                error,
            })?
        }
    };
    match text.trim() {
        "" => Err(StartError::EmptyModelKey(name.clone())),
        key => Ok(SecretString::from(key)),
    }
}

fn open_gateway(
    endpoints: BTreeMap<Name, gateway::Endpoint>,
    store: Arc<SqlStore>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Gateway>, StartError> {
    let settings = gateway::Settings {
        endpoints,
        ..gateway::Settings::default()
    };
    let ledger = StoreLedger { store, clock };
    Ok(Arc::new(HttpGateway::new(settings, Arc::new(ledger))?))
}

/// Which endpoints each agent may call: those that it names, else all. A recipe gets none.
fn models_of_agents(settings: &ServerSettings) -> BTreeMap<Name, Vec<Name>> {
    let models = |agent: &Agent| match agent {
        Agent::Exec { models, .. } | Agent::Acp { models, .. } => {
            let all = || settings.models.keys().cloned().collect();
            models.clone().unwrap_or_else(all)
        }
        // The usual variables of an API are those of the first endpoint that has it.
        Agent::Preset { .. } => {
            let brain = brain_of(agent, &settings.models).and_then(Result::ok);
            brain.map(|brain| brain.endpoint).into_iter().collect()
        }
        Agent::Builtin(builtin) => vec![builtin.endpoint.clone()],
        Agent::Recipe { .. } => Vec::new(),
    };
    let agents = settings.agents.iter();
    agents
        .map(|(name, agent)| (name.clone(), models(agent)))
        .collect()
}

/// Builds the client of the App, for commands that need nothing else.
pub fn open_github(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn GitHub>, StartError> {
    open_client(settings, clock, &Arc::default())
}

fn open_client(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
    live: &Arc<LiveSecrets>,
) -> Result<Arc<dyn GitHub>, StartError> {
    github::install_crypto();
    let key = read_secret("github.private_key_file", &settings.github.private_key)?;
    let github = &settings.github;
    let settings = github::Settings::new(&github.api_url, github.app_id, key);
    let client = Client::new(&settings, clock)?;
    Ok(Arc::new(client.redacting_with(Arc::clone(live))))
}

/// How often, and how far apart, a work directory that is taken is tried again: what a server that
/// was killed has just started may still have its files.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

async fn hold_work_dir(dir: &Path) -> Result<WorkDir, StartError> {
    let path = dir.to_owned();
    if let Err(error) = std::fs::create_dir_all(dir) {
        return Err(StartError::WorkDir { path, error });
    }
    let mut tries = 1;
    loop {
        match WorkDir::hold(dir) {
            Ok(held) => return Ok(held),
            Err(NotHeld::InUse(_)) if tries < TRIES => tries += 1,
            Err(NotHeld::Io(error)) => return Err(StartError::WorkDir { path, error }),
            Err(error @ NotHeld::InUse(_)) => return Err(StartError::WorkDirTaken { path, error }),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn open_git(
    settings: &ServerSettings,
    protocols: git::Protocols,
) -> Result<GitCheckouts, StartError> {
    let dir = &settings.work.dir;
    let failed = |error| StartError::WorkDir {
        path: dir.clone(),
        error,
    };
    std::fs::create_dir_all(dir.join("jobs")).map_err(failed)?;
    let settings = git::Settings {
        work_dir: dir.clone(),
        protocols,
        fetch_limit: settings.limits.fetch.to_std(),
    };
    GitCheckouts::new(settings).map_err(failed)
}

fn read_secret(key: &'static str, secret: &Secret) -> Result<SecretString, StartError> {
    let text = match secret {
        Secret::Value(text) => text.clone(),
        Secret::File(path) => read_file(key, path)?,
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(StartError::EmptySecret { key });
    }
    Ok(SecretString::from(text))
}

fn read_file(key: &'static str, path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path).map_err(|error| StartError::Secret {
        key,
        path: path.to_owned(),
        error,
    })
}

/// The one that the settings name, or the only one there is.
fn default_agent(settings: &ServerSettings) -> Option<Name> {
    let mut names = settings.agents.keys();
    match (&settings.work.agent, names.next(), names.next()) {
        (Some(named), _, _) => Some(named.clone()),
        (None, Some(only), None) => Some(only.clone()),
        (None, _, _) => None,
    }
}

/// Builds the driver of our own agent, for the model that its settings come to.
fn open_builtin(
    settings: &ServerSettings,
    name: &Name,
    builtin: &server::Builtin,
) -> Result<Builtin, StartError> {
    let endpoint = settings.models.get(&builtin.endpoint);
    let found = endpoint.and_then(|endpoint| {
        let (model, known) = endpoint.model(builtin.model.as_deref())?;
        Some((endpoint, model, known))
    });
    let Some((endpoint, model, known)) = found else {
        return Err(StartError::NoModel(name.clone()));
    };
    let context = builtin.context_tokens.or(known.context_tokens);
    let told = Told {
        endpoint: builtin.endpoint.to_string(),
        model: model.to_owned(),
        wire: Wire::of(endpoint.api, &endpoint.url, builtin.wire),
        max_steps: builtin.max_steps,
        context_tokens: context.unwrap_or(CONTEXT_TOKENS),
        output_tokens: output_tokens(known.max_output_tokens),
    };
    // By its real path: the one of the settings means another program in another process.
    let program = settings.sandbox.stage.canonicalize();
    let program = program.map_err(|error| StartError::OwnProgram {
        path: settings.sandbox.stage.clone(),
        error,
    })?;
    Ok(Builtin::new(program, told))
}

/// Builds the driver of an agent by its preset; `None` for any other.
fn open_known(settings: &ServerSettings, agent: &Agent) -> Option<Arc<dyn AgentPort>> {
    let Agent::Preset {
        preset,
        contract,
        env,
        ..
    } = agent
    else {
        return None;
    };
    let preset = presets::find(preset)?;
    let brain = brain_of(agent, &settings.models)?.ok()?;
    Some(match contract {
        Contract::Exec => Arc::new(Known::new(preset, brain, env.clone())),
        Contract::Acp => Arc::new(Acp::known(&preset, brain, env.clone())?),
    })
}

/// The agents of the settings.
struct Crew {
    agents: BTreeMap<Name, Arc<dyn AgentPort>>,
    /// The server's own program.
    own: PathBuf,
}

impl Crew {
    fn new(settings: &ServerSettings) -> Result<Self, StartError> {
        let mut agents = BTreeMap::new();
        for (name, agent) in &settings.agents {
            let agent: Arc<dyn AgentPort> = match agent {
                Agent::Exec { command, env, .. } => Arc::new(
                    Exec::new(command.clone(), env.clone())
                        .map_err(|bad| StartError::Agent(name.clone(), bad))?,
                ),
                Agent::Preset { .. } => {
                    // Settings with one that cannot be built were refused when they were read.
                    let Some(known) = open_known(settings, agent) else {
                        continue;
                    };
                    known
                }
                Agent::Builtin(builtin) => Arc::new(open_builtin(settings, name, builtin)?),
                Agent::Acp {
                    command,
                    env,
                    models: _,
                    permissions,
                    mode,
                    authenticate,
                } => {
                    let launch = Launch {
                        command: command.clone(),
                        env: env.clone(),
                        ..Launch::default()
                    };
                    let manners = Manners {
                        permissions: *permissions,
                        mode: mode.clone(),
                        authenticate: authenticate.clone(),
                        ..Manners::default()
                    };
                    Arc::new(
                        Acp::new(launch, manners)
                            .map_err(|bad| StartError::Agent(name.clone(), bad))?,
                    )
                }
                Agent::Recipe { run } => Arc::new(Recipe::new(run)),
            };
            agents.insert(name.clone(), agent);
        }
        // Found now, and not when it is needed: later the link may say that the file was replaced.
        let own = &settings.sandbox.stage;
        let own = std::fs::canonicalize(own).unwrap_or_else(|_| own.clone());
        Ok(Self { agents, own })
    }
}

impl Roster for Crew {
    fn agent(&self, name: &Name) -> Option<Arc<dyn AgentPort>> {
        self.agents.get(name).cloned()
    }

    fn recipe(&self, recipe: &policy::Recipe) -> Arc<dyn AgentPort> {
        Arc::new(Recipe::new(&recipe.run))
    }

    fn built_in(&self, built_in: BuiltIn, protected: &Protected) -> Arc<dyn AgentPort> {
        Arc::new(BuiltInRecipe::new(self.own.clone(), built_in, protected))
    }
}
