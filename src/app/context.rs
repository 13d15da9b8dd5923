//! What every use case works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::duty::Turn;
use crate::app::headroom::Headroom;
use crate::app::presence::Standing;
use crate::domain::change::HarvestLimits;
use crate::domain::decide::agents::Agents;
use crate::domain::ids::{JobId, RepoName, TaskId};
use crate::domain::name::Name;
use crate::domain::reach::Reach;
use crate::domain::render::parts::Links;
use crate::domain::spend::Budgets;
use crate::domain::stall::Patience;
use crate::domain::time::{Span, Timestamp};
use crate::domain::trigger::Identity;
use crate::ports::agent::Roster;
use crate::ports::checkouts::{Cache, Checkouts};
use crate::ports::clock::Clock;
use crate::ports::fault::Fault;
use crate::ports::gateway::Gateway;
use crate::ports::github::{GitHub, Translate};
use crate::ports::live::LiveSecrets;
use crate::ports::logs::Logs;
use crate::ports::sandbox::{Limits, Profile, Sandbox};
use crate::ports::store::{Changes, Store};
use crate::ports::wake::{Waiting, Wake};

/// The ports and the settings that the use cases share.
#[derive(Clone)]
pub struct Context {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What survives a crash.
    pub store: Arc<dyn Store>,
    /// GitHub.
    pub github: Arc<dyn GitHub>,
    /// GitHub's deliveries, into our words.
    pub translate: Arc<dyn Translate>,
    /// What jobs have printed.
    pub logs: Arc<dyn Logs>,
    /// Mirrors, checkouts and harvest.
    pub checkouts: Arc<dyn Checkouts>,
    /// Isolation.
    pub sandbox: Arc<dyn Sandbox>,
    /// The way out of it.
    pub gateway: Arc<dyn Gateway>,
    /// The agents that the settings name.
    pub roster: Arc<dyn Roster>,
    /// Whether the disk has room for another job.
    pub headroom: Arc<Headroom>,
    /// Settings.
    pub settings: Arc<Settings>,
    /// Wakes the loops when there is work.
    pub wake: Arc<dyn Wake>,
    /// Whether this process may work.
    pub standing: Arc<Standing>,
}

/// What the operator has set.
pub struct Settings {
    /// Who Prova is on GitHub.
    pub identity: Identity,
    /// How texts link and mention.
    pub links: Links,
    /// Where git fetches from.
    pub remotes: Remotes,
    /// The agents that people can name.
    pub agents: Agents,
    /// The directory that jobs get theirs in.
    pub jobs_dir: PathBuf,
    /// This process among the workers of one store: no other that lives has this name.
    pub worker: String,
    /// How long a lease on a job lasts without a heartbeat.
    pub lease: Span,
    /// What one run in a sandbox may use.
    pub limits: Limits,
    /// When a run that goes on has come to nothing.
    pub patience: Patience,
    /// The directory that tasks keep in what their agents remember.
    pub sessions_dir: PathBuf,
    /// How long what jobs have printed is kept.
    pub logs_kept: Span,
    /// What sandboxes hold beside the system, for the policies that pick it.
    pub profiles: BTreeMap<Name, Profile>,
    /// How much a harvest takes.
    pub harvest: HarvestLimits,
    /// How much of what can be fetched or made again is kept.
    pub cache: Cache,
    /// The model endpoints that each agent may call.
    pub models: BTreeMap<Name, Vec<Name>>,
    /// What model calls may cost.
    pub budgets: Budgets,
    /// Hosts that policies may ask for.
    pub reach: Reach,
    /// Most bytes to and from those hosts, by one job.
    pub egress_bytes: u64,
    /// Takes secrets out of what is shown.
    pub redactor: Arc<LiveSecrets>,
}

/// Where git fetches repositories from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remotes {
    /// Below this address, as GitHub lays them out: `ADDRESS/OWNER/NAME.git`.
    Below(String),
    /// From this one repository of this machine, whatever it is called.
    Only(String),
}

impl Settings {
    /// Returns a job's directory.
    #[must_use]
    pub fn job_dir(&self, job: JobId) -> PathBuf {
        self.jobs_dir.join(job.to_string())
    }

    /// Returns what the agents of a task remember, a directory for each.
    #[must_use]
    pub fn sessions(&self, task: TaskId) -> PathBuf {
        self.sessions_dir.join(task.to_string())
    }

    /// Returns the model endpoints that an agent may call.
    #[must_use]
    pub fn models_of(&self, agent: &Name) -> &[Name] {
        self.models.get(agent).map_or(&[], Vec::as_slice)
    }

    /// Returns where git fetches a repository from.
    #[must_use]
    pub fn remote_url(&self, repo: &RepoName) -> String {
        match &self.remotes {
            Remotes::Below(address) => format!("{address}/{repo}.git"),
            Remotes::Only(path) => path.clone(),
        }
    }

    /// Returns GitHub's host for people, without a port; empty when work does not go to GitHub.
    #[must_use]
    pub fn web_host(&self) -> &str {
        let rest = self
            .links
            .web_url
            .split_once("://")
            .map_or("", |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default()
    }
}

impl Context {
    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Commits a change, and tells the loops of this process what there is to do then.
    pub async fn commit(&self, changes: &Changes) -> Result<(), Fault> {
        self.store.commit(changes, self.now()).await?;
        self.wake.tell(Waiting::Effects);
        if changes.job.is_some() {
            self.wake.tell(Waiting::Jobs);
        }
        if changes.compare.is_some() {
            self.wake.tell(Waiting::Bases);
        }
        Ok(())
    }

    /// Returns whether a duty is this process' now.
    pub async fn is_ours(&self, turn: &Turn) -> Result<bool, Fault> {
        turn.is_ours(self.store.as_ref(), &self.settings.worker, self.now())
            .await
    }
}
