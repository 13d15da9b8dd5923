//! What became of a job, as it is told on the thread, in the pull request and in the check run.

use serde::{Deserialize, Serialize};

use crate::domain::branch::BranchName;
use crate::domain::budget::Exceeded;
use crate::domain::change::{ChangeKind, Refusal, RepoPath};
use crate::domain::evidence::{Claim, Ending, Evidence};
use crate::domain::ids::{CommentId, CommitSha, JobId, TreeSha};
use crate::domain::job::{PassedOver, Told};
use crate::domain::money::Usd;
use crate::domain::secrets::Leak;
use crate::domain::suggested::Offer;
use crate::domain::time::Span;
use crate::domain::traffic::Traffic;

/// What became of a job. Everything here but `claim` was observed by the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which job.
    pub job: JobId,
    /// How it ended.
    pub outcome: Outcome,
    /// The run of the agent; `None` when it did not come to that.
    pub run: Option<RunFacts>,
    /// What the published commit changes.
    pub changes: Vec<Changed>,
    /// What the checkout held that was left out, and why, beside protected paths.
    pub refused: Vec<Refusal>,
    /// Protected paths that were left out, with the pattern that protects them.
    pub protected: Vec<(RepoPath, String)>,
    /// Secrets that the change says; with any, nothing of it was published.
    #[serde(default)]
    pub leaks: Vec<Leak>,
    /// The checks, in order; empty when policy has none or they did not run.
    pub evidence: Vec<Evidence>,
    /// The commit that carries the change, and its tree, which is the one that was checked.
    pub commit: Option<(CommitSha, TreeSha)>,
    /// What the agent said.
    pub claim: Option<Claim>,
    /// What passed the gateway: model calls, hosts, and what was not let through.
    #[serde(default)]
    pub traffic: Traffic,
    /// Agents that could not work before the one that ran, oldest first.
    #[serde(default)]
    pub passed_over: Vec<PassedOver>,
    /// Those who did the same in a race and whose work is not proposed, the best first.
    #[serde(default)]
    pub rivals: Vec<Rival>,
    /// The comments whose conversations it ends, by policy, once the change is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolves: Vec<CommentId>,
    /// What is proposed, where nothing could be pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<Offer>>,
}

/// What became of a contestant of a race whose work is not proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// Its name.
    pub agent: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How many checks passed, and of how many.
    pub checks: (usize, usize),
    /// How many files its change has.
    pub changed: usize,
    /// What its model calls cost.
    pub cost: Usd,
    /// How long it ran.
    pub took: Span,
    /// Where its change is, if there is one.
    pub branch: Option<(BranchName, CommitSha)>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is a change, it is complete, and every check passed or there are none.
    Proposed,
    /// Words were asked for, and the agent ended well and said something.
    Answered,
    /// The agent ended well and changed nothing.
    NothingChanged,
    /// A check failed on the change.
    ChecksFailed,
    /// The change holds things that may not be published.
    Refused,
    /// The change says secrets, so nothing of it was published.
    Secret,
    /// Conflicts with the base are left in these files, so nothing of the merge was published.
    Unresolved(Vec<RepoPath>),
    /// The agent ended with an error, a signal, or at the end of its time.
    AgentFailed,
    /// A setup command failed before the agent could start.
    SetupFailed(Evidence),
    /// A limit of what model calls may cost was reached, or had been before the agent could start.
    OutOfBudget(Exceeded),
    /// A person stopped it.
    Stopped,
    /// Something else stood in the way: what, and what to do, as Markdown.
    Faulted(String),
}

/// What was observed of an agent's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// The agent or recipe.
    pub agent: String,
    /// How it ended.
    pub ending: Ending,
    /// Wall clock.
    pub took: Span,
    /// The end of its output, redacted.
    pub excerpt: String,
    /// SHA-256 of its kept output.
    pub log_digest: String,
    /// The sandbox backend.
    pub sandbox: String,
    /// What it said while it ran, as far as anything follows from it.
    #[serde(default)]
    pub told: Told,
    /// SHA-256 of its brief.
    pub brief_digest: String,
    /// The commit it started from.
    pub base: CommitSha,
}

/// One changed path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Where.
    pub path: RepoPath,
    /// `added`, `modified` or `deleted`, with what stands there now.
    pub kind: ChangeKind,
}

impl Outcome {
    /// Returns the one word that the job's row ends with.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Answered => "answered",
            Self::NothingChanged => "empty",
            Self::ChecksFailed => "checks failed",
            Self::Refused => "refused",
            Self::Secret => "secret found",
            Self::Unresolved(_) => "conflicts left",
            Self::AgentFailed => "agent failed",
            Self::SetupFailed(_) => "setup failed",
            Self::OutOfBudget(_) => "out of budget",
            Self::Stopped => "stopped",
            Self::Faulted(_) => "faulted",
        }
    }
}

impl Report {
    /// Returns whether the published commit changes that file.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        let path = RepoPath::new(path);
        self.changes.iter().any(|change| change.path == path)
    }

    /// Returns how many checks passed, and of how many.
    #[must_use]
    pub fn checks_passed(&self) -> (usize, usize) {
        let passed = self.evidence.iter().filter(|one| one.ending.succeeded());
        (passed.count(), self.evidence.len())
    }

    /// Returns it as that of a job that a person has stopped.
    #[must_use]
    pub fn stopped(self) -> Self {
        match self.outcome {
            Outcome::Faulted(_) => self,
            Outcome::Stopped
            | Outcome::Proposed
            | Outcome::Answered
            | Outcome::NothingChanged
            | Outcome::ChecksFailed
            | Outcome::Refused
            | Outcome::Secret
            | Outcome::Unresolved(_)
            | Outcome::AgentFailed
            | Outcome::SetupFailed(_)
            | Outcome::OutOfBudget(_) => Self {
                outcome: Outcome::Stopped,
                ..self
            },
        }
    }

    /// Returns it as one of a race tells it, with where its change is to be looked at.
    #[must_use]
    pub fn as_rival(&self, branch: Option<(BranchName, CommitSha)>) -> Rival {
        let run = self.run.as_ref();
        Rival {
            agent: run.map_or_else(|| "(not started)".to_owned(), |run| run.agent.clone()),
            outcome: self.outcome.clone(),
            checks: self.checks_passed(),
            changed: self.changes.len(),
            cost: self.traffic.cost(),
            took: run.map_or(Span::ZERO, |run| run.took),
            branch,
        }
    }
}
