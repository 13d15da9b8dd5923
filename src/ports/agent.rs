//! Programs that edit a checkout when given a brief.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

use crate::domain::built_in::BuiltIn;
use crate::domain::evidence::Claim;
use crate::domain::name::Name;
use crate::domain::policy::Recipe;
use crate::domain::policy::protected::Protected;
use crate::domain::progress::Update;
use crate::ports::checkouts::Checkout;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Limits, Outcome, Profile, Sandbox};

/// One run of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The brief as Markdown.
    pub brief: &'a str,
    /// The job as JSON: repo, thread, role, base.
    pub job_json: &'a str,
    /// The working copy it edits.
    pub checkout: &'a Checkout,
    /// The job's directory; input, output and log go below it.
    pub job: &'a Path,
    /// What it may use.
    pub limits: Limits,
    /// What stands inside beside the system.
    pub profile: &'a Profile,
    /// Its way out of the sandbox, if it has one.
    pub door: Option<&'a dyn Door>,
    /// Recipes only: what a person gave the recipe to work on.
    pub input: Option<&'a str>,
    /// What earlier runs of this agent for the same task left it.
    pub session: Session<'a>,
    /// Who follows the run.
    pub watcher: &'a dyn Watcher,
    /// Who has more for an agent that can be steered, if anybody has.
    pub steering: Option<&'a dyn Steering>,
}

/// Where an agent keeps what it remembers from one run for a task to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// A directory of the task's and the agent's own, which may not be there yet: the home of agents
    /// that remember. Only the same agent for the same task sees it again.
    pub home: &'a Path,
    /// The name under which the agent said that it can go on; it may be wrong.
    pub resume: Option<&'a str>,
}

/// Follows a run while it lasts.
pub trait Watcher: Send + Sync + std::fmt::Debug {
    /// Takes what the agent says. Must not block, and bounds what it keeps.
    fn heard(&self, update: Update);

    /// Returns where the bytes that the agent prints are counted.
    fn stirred(&self) -> Arc<AtomicU64>;
}

/// Has more for an agent while it runs.
#[async_trait::async_trait]
pub trait Steering: Send + Sync + std::fmt::Debug {
    /// Returns what is to be said next, as Markdown, to an agent that has done what it was told last;
    /// `None` when it is to end. What was returned counts as heard.
    async fn next(&self) -> Option<String>;
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What the sandbox observed.
    pub outcome: Outcome,
    /// What the agent says it did; shown, never counted.
    pub claim: Option<Claim>,
}

/// A way to drive agents.
#[async_trait::async_trait]
pub trait Agent: Send + Sync {
    /// Returns whether it works by a model: then a run without a call that was answered has done
    /// nothing, whatever it says.
    fn thinks(&self) -> bool {
        false
    }

    /// Returns whether it asks, when it has done what it was told, whether there is more.
    fn can_be_steered(&self) -> bool {
        false
    }

    /// Runs the agent once. Non-zero exits, timeouts and cancellation are outcomes, not faults.
    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault>;
}

/// The agents that can be asked for.
pub trait Roster: Send + Sync {
    /// Returns the agent of that name in the server's settings.
    fn agent(&self, name: &Name) -> Option<Arc<dyn Agent>>;

    /// Returns an agent that runs a recipe of a repository's policy.
    fn recipe(&self, recipe: &Recipe) -> Arc<dyn Agent>;

    /// Returns an agent that runs a built-in recipe, which leaves `protected` paths alone.
    fn built_in(&self, built_in: BuiltIn, protected: &Protected) -> Arc<dyn Agent>;
}
