//! The only place that names concrete adapters together.

mod crew;
mod disk;
mod error;
mod isolation;
mod models;
mod secrets;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::adapters::git::local::LocalForge;
use crate::adapters::github::{Client, Webhooks};
use crate::adapters::store::SqlStore;
use crate::adapters::system::{SystemClock, host};
use crate::adapters::wake::InProcess;
use crate::adapters::work_dir::WorkDir;
use crate::adapters::{git, github, sandbox};
use crate::app::context::{Context, Remotes, Settings};
use crate::app::headroom::Headroom;
use crate::app::ingest::Ingest;
use crate::app::ledger::StoreLedger;
use crate::app::presence::{Presence, Standing};
use crate::bootstrap::crew::{Crew, default_agent};
use crate::bootstrap::disk::{below_work, disks, hold_work_dir, open_git};
use crate::bootstrap::isolation::profiles;
use crate::bootstrap::models::{endpoints, models_of_agents, open_gateway};
use crate::bootstrap::secrets::{read_secret, signing_secrets};
use crate::config::server::{RateLimits, ServerSettings};
use crate::domain::change::HarvestLimits;
use crate::domain::decide::agents::Agents;
use crate::domain::governor::limits::Limits as RateLimit;
use crate::domain::name::Name;
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
use crate::ports::agent::Roster as _;
use crate::ports::checkouts::{Cache, Checkouts};
use crate::ports::clock::Clock;
use crate::ports::gateway::Gateway;
use crate::ports::github::{GitHub, Translate};
use crate::ports::held_up::HeldUp;
use crate::ports::live::LiveSecrets;
use crate::ports::sandbox::{Limits, Sandbox};
use crate::ports::store::{JobLimits, Processes as _, Queue as _, Store};
use crate::ports::wake::Wake;

pub use crate::bootstrap::disk::{open_logs, open_repository, open_store};
pub use crate::bootstrap::error::StartError;
pub use crate::bootstrap::isolation::open_sandbox;

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
    held_up: Arc<HeldUp>,
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
        let held_up = Arc::new(HeldUp::default());
        let github = open_client(&settings, clock.clone(), (&live, &held_up))?;
        let network = git::Protocols::Network;
        let mut house = Self::furnish(settings, (clock, live), github, network).await?;
        house.secrets = Arc::new(Secrets::new(&signing));
        house.held_up = held_up;
        match role {
            Role::Serve => house.limit().await?,
            // The servers' settings count for all.
            Role::Worker => {}
        }
        Ok(house)
    }

    /// Lets the store keep to the settings.
    async fn limit(&self) -> Result<(), StartError> {
        let work = &self.settings.work;
        let limits = JobLimits {
            per_repository: work.jobs_per_repository,
            per_installation: work.jobs_per_installation,
            in_all: work.jobs_in_all,
        };
        let limited = self.store.limit_jobs(limits).await;
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
        let ledger = StoreLedger {
            store: store.clone(),
            clock: clock.clone(),
            worker: work_dir.worker().to_owned(),
        };
        Ok(Self {
            work_dir,
            live,
            secrets: Arc::new(Secrets::new(&[])),
            remotes: Remotes::Below(settings.github.web_url.clone()),
            gateway: open_gateway(endpoints, ledger)?,
            wake: store.announce(Arc::new(InProcess::default())),
            store,
            github,
            sandbox: open_sandbox(&settings, clock.clone())?,
            checkouts: Arc::new(open_git(&settings, protocols)?),
            roster: Arc::new(Crew::new(&settings)?),
            held_up: Arc::default(),
            standing: Arc::default(),
            settings: Arc::new(settings),
            clock,
        })
    }

    /// Returns the agents that can be handed more while they run.
    fn steerable(&self) -> BTreeSet<Name> {
        let can = |name: &&Name| {
            let agent = self.roster.agent(name);
            agent.is_some_and(|agent| agent.can_be_steered())
        };
        self.settings.agents.keys().filter(can).cloned().collect()
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
            pages: (settings.server.public_url.clone()).filter(|_| settings.server.dashboard),
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
                    steerable: self.steerable(),
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
            held_up: self.held_up.clone(),
        }
    }

    /// Builds the HTTP face, and the task that writes what comes in.
    pub fn face(&self) -> (Face, impl Future<Output = ()> + Send + 'static) {
        let (ingest, writer) = Ingest::new(self.store.clone(), self.wake.clone());
        let vitals = self.vitals();
        let face = Face {
            clock: self.clock.clone(),
            store: self.store.clone() as Arc<dyn Store>,
            logs: open_logs(&self.settings),
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

/// Returns the permissions of the App that it can do without.
#[must_use]
pub const fn optional() -> &'static [(&'static str, &'static str)] {
    github::OPTIONAL
}

/// Returns the system's clock.
#[must_use]
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
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

/// Builds the client of the App, for commands that need nothing else.
pub fn open_github(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn GitHub>, StartError> {
    open_client(settings, clock, (&Arc::default(), &Arc::default()))
}

fn open_client(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
    (live, held_up): (&Arc<LiveSecrets>, &Arc<HeldUp>),
) -> Result<Arc<dyn GitHub>, StartError> {
    github::install_crypto();
    let key = read_secret("github.private_key_file", &settings.github.private_key)?;
    let github = &settings.github;
    let settings = github::Settings {
        limits: match github.rate_limits {
            RateLimits::GitHub => RateLimit::GITHUB,
            RateLimits::None => RateLimit::NONE,
        },
        ..github::Settings::new(&github.api_url, github.app_id, key)
    };
    let client = Client::new(&settings, clock)?
        .redacting_with(Arc::clone(live))
        .counting_into(Arc::clone(held_up));
    Ok(Arc::new(client))
}
