//! What is read of a payload: the few fields that are needed, nothing else.
//!
//! More than a third of real payloads do not match GitHub's own newest description, so a field is
//! required here only when an event makes no sense without it.

use serde::{Deserialize, Deserializer};

use crate::adapters::github::association::is_insider;
use crate::adapters::github::date;
use crate::domain::event::{Thread, ThreadKind};
use crate::domain::ids::{InstallationId, Login, RepoId, RepoName, ThreadNumber};
use crate::domain::repo::{Actor, ActorKind, Repo};
use crate::domain::time::Timestamp;

/// What every payload may have.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) action: Option<String>,
    #[serde(default)]
    pub(super) installation: Option<Installation>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
}

/// Payloads of `issues` and `issue_comment`.
#[derive(Debug, Deserialize)]
pub(super) struct OnIssue {
    pub(super) repository: Repository,
    #[serde(default)]
    pub(super) sender: Option<Account>,
    pub(super) issue: Issue,
    #[serde(default)]
    pub(super) label: Option<Label>,
    #[serde(default)]
    pub(super) assignee: Option<Account>,
    #[serde(default)]
    pub(super) comment: Option<Comment>,
}

/// Payloads of `pull_request` and `pull_request_review`.
#[derive(Debug, Deserialize)]
pub(super) struct OnPull {
    pub(super) repository: Repository,
    #[serde(default)]
    pub(super) sender: Option<Account>,
    pub(super) pull_request: Issue,
    #[serde(default)]
    pub(super) review: Option<Review>,
    /// What was edited, by the names of the fields.
    #[serde(default)]
    pub(super) changes: Option<Changes>,
}

/// What was edited of a pull request.
#[derive(Debug, Deserialize)]
pub(super) struct Changes {
    /// There when it has another base now.
    #[serde(default)]
    pub(super) base: Option<serde::de::IgnoredAny>,
}

/// Payloads of `push`.
#[derive(Debug, Deserialize)]
pub(super) struct OnPush {
    pub(super) repository: Repository,
    #[serde(default)]
    pub(super) sender: Option<Account>,
    #[serde(rename = "ref")]
    pub(super) name: String,
    /// Zeros when it was deleted.
    pub(super) after: String,
    #[serde(default)]
    pub(super) forced: Option<bool>,
}

/// Payloads of `repository`.
#[derive(Debug, Deserialize)]
pub(super) struct OnRepository {
    pub(super) repository: Repository,
}

/// Payloads of `installation_repositories`.
#[derive(Debug, Deserialize)]
pub(super) struct OnAccess {
    pub(super) repositories_removed: Vec<RemovedRepository>,
}

/// Payloads of `check_suite`.
#[derive(Debug, Deserialize)]
pub(super) struct OnChecks {
    pub(super) repository: Repository,
    #[serde(default)]
    pub(super) sender: Option<Account>,
    pub(super) check_suite: Suite,
}

/// Payloads of `check_run`.
#[derive(Debug, Deserialize)]
pub(super) struct OnCheckRun {
    pub(super) repository: Repository,
    #[serde(default)]
    pub(super) sender: Option<Account>,
    pub(super) check_run: Run,
    /// The button; none when all of the run is to be done again.
    #[serde(default)]
    pub(super) requested_action: Option<RequestedAction>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) head_sha: String,
    #[serde(default)]
    pub(super) external_id: Option<String>,
    #[serde(default)]
    pub(super) app: Option<ByApp>,
    #[serde(default)]
    pub(super) check_suite: Option<OfSuite>,
}

/// What a check run tells of its suite.
#[derive(Debug, Deserialize)]
pub(super) struct OfSuite {
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) head_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RequestedAction {
    #[serde(default)]
    pub(super) identifier: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Suite {
    /// None in what we tell ourselves.
    #[serde(default)]
    pub(super) id: u64,
    pub(super) head_sha: String,
    /// None for a commit of a fork.
    #[serde(default)]
    pub(super) head_branch: Option<String>,
    #[serde(default)]
    pub(super) app: Option<ByApp>,
    /// None in what we tell ourselves.
    #[serde(default)]
    pub(super) conclusion: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ByApp {
    #[serde(default)]
    pub(super) slug: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RemovedRepository {
    pub(super) id: u64,
}

#[derive(Debug, Deserialize)]
pub(in crate::adapters::github) struct Repository {
    pub(super) id: u64,
    #[serde(deserialize_with = "repo_name")]
    pub(super) full_name: RepoName,
    #[serde(default)]
    default_branch: Option<String>,
    #[serde(default)]
    archived: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(in crate::adapters::github) struct Account {
    pub(in crate::adapters::github) login: String,
    id: u64,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::adapters::github) struct Label {
    pub(in crate::adapters::github) name: String,
}

/// An issue or a pull request: the fields that are read have the same names in both.
#[derive(Debug, Deserialize)]
pub(in crate::adapters::github) struct Issue {
    number: u64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<Account>,
    #[serde(default)]
    author_association: Option<String>,
    #[serde(default)]
    labels: Option<Vec<Label>>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    locked: Option<bool>,
    #[serde(default)]
    comments: Option<u64>,
    /// Only on an issue that is the conversation of a pull request.
    #[serde(default)]
    pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    merged: Option<bool>,
    #[serde(default)]
    created_at: Option<Moment>,
    #[serde(default)]
    updated_at: Option<Moment>,
    #[serde(default)]
    closed_at: Option<Moment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    created_at: Option<Moment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    submitted_at: Option<Moment>,
}

/// A point in time, which GitHub writes as text in most payloads and as seconds in some.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Seconds(i64),
    Text(String),
    Unknown(serde::de::IgnoredAny),
}

impl Moment {
    fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Seconds(seconds) => Some(Timestamp::from_millis(seconds.saturating_mul(1_000))),
            Self::Text(text) => date::iso(text),
            Self::Unknown(_) => None,
        }
    }
}

fn when(moment: Option<&Moment>) -> Option<Timestamp> {
    moment.and_then(Moment::timestamp)
}

fn repo_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RepoName, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The name GitHub shows for an account that was deleted.
const GHOST: &str = "ghost";

impl Account {
    /// Returns the account as an actor; a deleted account becomes `ghost`, who may do nothing.
    pub(in crate::adapters::github) fn actor(account: Option<Self>) -> Actor {
        let Some(Self { login, id, kind }) = account else {
            return Actor {
                login: Login::new(GHOST),
                id: 0,
                kind: ActorKind::Person,
            };
        };
        let machine = kind.as_deref() == Some("Bot") || login.ends_with("[bot]");
        Actor {
            login: Login::new(login),
            id,
            kind: if machine {
                ActorKind::Bot
            } else {
                ActorKind::Person
            },
        }
    }
}

impl Repository {
    pub(in crate::adapters::github) fn repo(self, installation: InstallationId) -> Repo {
        Repo {
            id: RepoId(self.id),
            name: self.full_name,
            installation,
            // An empty repository has none.
            default_branch: self.default_branch.unwrap_or_default(),
            archived: self.archived.unwrap_or_default(),
        }
    }
}

impl Issue {
    pub(in crate::adapters::github) fn is_conversation_of_pull(&self) -> bool {
        self.pull_request.is_some()
    }

    pub(super) fn is_merged(&self) -> bool {
        self.merged == Some(true)
    }

    pub(super) fn created_at(&self) -> Option<Timestamp> {
        when(self.created_at.as_ref())
    }

    pub(in crate::adapters::github) fn updated_at(&self) -> Option<Timestamp> {
        when(self.updated_at.as_ref())
    }

    pub(super) fn closed_at(&self) -> Option<Timestamp> {
        when(self.closed_at.as_ref())
    }

    pub(in crate::adapters::github) fn thread(self, kind: ThreadKind) -> Thread {
        Thread {
            number: ThreadNumber(self.number),
            kind,
            title: self.title.unwrap_or_default(),
            body: self.body.unwrap_or_default(),
            author: Account::actor(self.user).login,
            insider: is_insider(self.author_association.as_deref()),
            labels: (self.labels.unwrap_or_default().into_iter())
                .map(|label| label.name)
                .collect(),
            open: self.state.as_deref() != Some("closed"),
            locked: self.locked.unwrap_or_default(),
            comments: self.comments.unwrap_or_default(),
        }
    }
}

impl Review {
    pub(super) fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }

    pub(super) fn submitted_at(&self) -> Option<Timestamp> {
        when(self.submitted_at.as_ref())
    }
}

impl Comment {
    pub(super) fn created_at(&self) -> Option<Timestamp> {
        when(self.created_at.as_ref())
    }
}
