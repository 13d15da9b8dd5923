//! The policy of a repository: what `.github/prova.toml` says, as plain values.
//!
//! It is read from the default branch, never from the change that an agent made. Without the file,
//! [`Policy::default`] holds.

pub mod protected;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::egress::HostRule;
use crate::domain::event::ThreadKind;
use crate::domain::ids::Login;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::policy::protected::Protected;

/// Where the policy stands in a repository.
pub const POLICY_PATH: &str = ".github/prova.toml";

/// What a repository lets the App do, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The label that starts a task; `LABEL:NAME` starts it with agent or recipe `NAME`.
    pub label: String,
    /// Accounts whose assignment to an issue starts a task, besides the App's own.
    pub assignees: Vec<Login>,
    /// The agent that works unless a person names another; `None` is the server's default.
    pub agent: Option<Name>,
    /// The agents that take over, in this order, when that one cannot work; `None` is the server's
    /// list.
    #[serde(default)]
    pub fallback: Option<Vec<Name>>,
    /// Who does jobs of a role, where that is somebody else.
    #[serde(default)]
    pub roles: Roles,
    /// Files of the default branch that go into every brief, when they exist.
    pub instructions: Vec<String>,
    /// Commands run in the sandbox before the agent.
    pub setup: Vec<String>,
    /// Commands run by the server on the result; what they return is the evidence.
    pub checks: Vec<String>,
    /// Whether a plan is made first.
    pub plan: PlanMode,
    /// Paths that a change may not touch.
    pub protect: Protected,
    /// Hosts that a sandbox may reach through the gateway, besides the models.
    pub egress: Vec<HostRule>,
    /// Whether pull requests are opened as drafts.
    pub draft: bool,
    /// Deterministic jobs, without a model.
    pub recipes: BTreeMap<Name, Recipe>,
    /// What work may cost.
    pub budget: Budget,
    /// Jobs that start by the clock.
    pub schedules: BTreeMap<Name, Schedule>,
    /// How long work may take.
    pub limits: Limits,
    /// What becomes of foreign text.
    pub text: Text,
    /// What a change may say.
    pub secrets: Secrets,
    /// The profile of the server's settings that its commands run with; `None` is none.
    #[serde(default)]
    pub profile: Option<Name>,
    /// What is done about failing checks of others.
    #[serde(default)]
    pub ci: Ci,
    /// Which bots are heard on pull requests of ours.
    #[serde(default)]
    pub bots: BotsPolicy,
    /// What becomes of branches.
    #[serde(default)]
    pub branch: BranchPolicy,
    /// What becomes of what reviews say.
    #[serde(default)]
    pub review: ReviewPolicy,
}

/// What is done about checks of others that fail on a pull request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ci {
    /// How many jobs each failure gets before a person is asked; none: they are left alone.
    pub rounds: u32,
    /// Whether what failed runs once more first, where GitHub Actions can be asked to.
    pub rerun: bool,
}

impl Default for Ci {
    fn default() -> Self {
        Self {
            rounds: 2,
            rerun: true,
        }
    }
}

/// Which bots are heard on pull requests of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BotsPolicy {
    /// Their logins, `name[bot]`; none: no bot is.
    pub allow: Vec<Login>,
    /// How many of their requests a task takes until a person speaks.
    pub rounds: u32,
}

impl Default for BotsPolicy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            rounds: 3,
        }
    }
}

/// What becomes of the branch of a pull request: when its base has moved, and when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BranchPolicy {
    /// Where the two merge without conflicts.
    pub update: WhenBehind,
    /// Where they do not.
    pub conflict: OnConflict,
    /// When its task is over.
    pub delete: WhenOver,
}

/// What becomes of what a review of a pull request says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReviewPolicy {
    /// Which of its conversations are resolved when a job has heeded it.
    pub resolve: WhenHeeded,
}

/// Which conversations about lines are resolved when a job has heeded the review.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenHeeded {
    /// None: who opened them looks, and resolves them.
    #[default]
    Never,
    /// Those about files that the commit changes, unless the agent says that it did nothing about them.
    Changed,
}

/// After which end of a task its branch is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenOver {
    /// After none.
    #[default]
    Never,
    /// When the pull request was merged.
    Merged,
    /// When the pull request or its issue has ended, however.
    Ended,
}

/// What becomes of a branch that its base merges into without conflicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenBehind {
    /// Nothing, until somebody asks.
    #[default]
    Never,
    /// The base is merged into it.
    Clean,
}

/// What becomes of a branch that conflicts with its base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It is said.
    #[default]
    Say,
    /// An agent resolves it.
    Resolve,
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What an issue asks for.
    Work,
    /// What is asked for on a pull request.
    FollowUp,
    /// A plan.
    Plan,
    /// The answer to a question.
    Ask,
    /// A review of a pull request.
    Review,
}

impl Role {
    /// Returns what is asked for on a thread of a kind.
    #[must_use]
    pub const fn on(kind: ThreadKind) -> Self {
        match kind {
            ThreadKind::Issue => Self::Work,
            ThreadKind::Pull => Self::FollowUp,
        }
    }

    /// Returns the word that agents are told.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::FollowUp => "follow_up",
            Self::Plan => "plan",
            Self::Ask => "ask",
            Self::Review => "review",
        }
    }
}

/// The agents of roles; `None` is the repository's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roles {
    /// What is asked for on a pull request.
    pub follow_up: Option<Name>,
    /// Plans.
    pub plan: Option<Name>,
    /// Answers to questions.
    pub ask: Option<Name>,
    /// Reviews of pull requests.
    pub review: Option<Name>,
}

impl Policy {
    /// Returns the agent that does jobs of a role; `None` is the server's default.
    #[must_use]
    pub const fn agent_for(&self, role: Role) -> Option<&Name> {
        let own = match role {
            Role::Work => None,
            Role::FollowUp => self.roles.follow_up.as_ref(),
            Role::Plan => self.roles.plan.as_ref(),
            Role::Ask => self.roles.ask.as_ref(),
            Role::Review => self.roles.review.as_ref(),
        };
        match own {
            Some(name) => Some(name),
            None => self.agent.as_ref(),
        }
    }
}

/// Whether a task begins with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanMode {
    /// Plan what is large enough for it, and carry it out.
    Auto,
    /// Plan, and wait for a person's `approve`.
    Approve,
    /// Work without one.
    Off,
}

/// A job that runs a command instead of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The command, for a shell in the checkout.
    pub run: String,
    /// The pull request's title; `None` makes one from the name.
    pub title: Option<String>,
}

/// What work may cost, in US dollars; `None` leaves it to the server's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// For one job.
    pub job_usd: Option<Usd>,
}

/// A job that starts by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// When, in the five fields of cron, in UTC.
    pub cron: String,
    /// What to do: a request, as it would stand after a mention.
    pub run: String,
}

/// What becomes of foreign text on its way to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// What people without a place in the repository wrote.
    pub untrusted: Untrusted,
}

/// What an agent gets of the text of people without a place in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untrusted {
    /// All of it, quoted and called untrusted.
    Quote,
    /// Nothing but how much there was.
    Drop,
}

/// What a change may say although it looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// Paths where test data may look like one. The server's own secrets are found there too.
    pub allow: Protected,
}

/// How long work may take; `None` leaves it to the server's limits, which it cannot exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall clock of one job in minutes.
    pub timeout_minutes: Option<u32>,
}

impl Default for Policy {
    /// Returns what holds without a file: nothing runs on the server's word alone but the agent, no
    /// host can be reached, and what acts on merge or on checkout stays as it is.
    fn default() -> Self {
        Self {
            label: "prova".to_owned(),
            assignees: Vec::new(),
            agent: None,
            fallback: None,
            roles: Roles::default(),
            instructions: vec!["AGENTS.md".to_owned()],
            setup: Vec::new(),
            checks: Vec::new(),
            plan: PlanMode::Off,
            protect: Protected::default(),
            egress: Vec::new(),
            draft: true,
            recipes: BTreeMap::new(),
            budget: Budget::default(),
            schedules: BTreeMap::new(),
            limits: Limits::default(),
            text: Text {
                untrusted: Untrusted::Quote,
            },
            secrets: Secrets {
                allow: Protected::none(),
            },
            profile: None,
            ci: Ci::default(),
            bots: BotsPolicy::default(),
            branch: BranchPolicy::default(),
            review: ReviewPolicy::default(),
        }
    }
}
