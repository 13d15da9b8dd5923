//! GitHub's webhook payloads, put into our own words.
//!
//! octocrab's payload types are not used: an action that they do not know is an error to them, and
//! GitHub adds actions all the time.

pub(super) mod payload;
mod told;
mod topic;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::adapters::github::bounded;
use crate::domain::branch::BranchName;
use crate::domain::button::Button;
use crate::domain::event::{
    Checked, Comment, Event, Happening, NotOurs, Pressed, Push, ThreadEvent, ThreadKind,
};
use crate::domain::ids::{
    CheckRunId, CheckSuiteId, CommentId, CommitSha, InstallationId, Login, RepoId, ReviewId,
};
use crate::domain::integration::CheckState;
use crate::domain::overlooked::{Act, Standing};
use crate::domain::repo::Repo;
use crate::domain::review::{Review, Verdict};
use crate::domain::time::Timestamp;
use crate::ports::github::{Translate, Unreadable};
use payload::{
    Account, Envelope, Issue, OnAccess, OnCheckRun, OnChecks, OnIssue, OnPull, OnPush,
    OnRepository, Repository,
};
use topic::{IssueAction, PullAction, Topic};

/// Understands the payloads of github.com and of GitHub Enterprise Server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webhooks;

const REASON_CHARS: usize = 300;
const NAME_CHARS: usize = 80;

impl Translate for Webhooks {
    fn translate(
        &self,
        event: &str,
        body: &[u8],
        received: Timestamp,
    ) -> Result<Event, Unreadable> {
        translate(event, body, received).map_err(|reason| Unreadable {
            event: bounded(event, NAME_CHARS),
            reason: bounded(&reason, REASON_CHARS),
        })
    }

    fn tell(&self, repo: &Repo, standing: &Standing, act: &Act) -> Option<(String, Bytes)> {
        told::tell(repo, standing, act)
    }

    fn tell_checked(
        &self,
        repo: &Repo,
        branch: &BranchName,
        commit: &CommitSha,
    ) -> (String, Bytes) {
        told::tell_checked(repo, branch, commit)
    }
}

fn translate(event: &str, body: &[u8], received: Timestamp) -> Result<Event, String> {
    let body = std::str::from_utf8(body)
        .map_err(|e| format!("not UTF-8 from byte {} on", e.valid_up_to()))?;
    // serde takes an array for a struct by position, which GitHub never means.
    if !body.trim_start().starts_with('{') {
        return Err("expected a JSON object".to_owned());
    }
    let envelope: Envelope = parse(body)?;
    let action = envelope.action.as_deref().unwrap_or_default();
    let not_ours = |why| Ok(Event::NotOurs(named(event, action, why)));
    let topic = match topic::of(event, action) {
        Ok(topic) => topic,
        Err(why) => return not_ours(why),
    };
    let Some(installation) = &envelope.installation else {
        return not_ours("not sent to an App installation");
    };
    let delivered = Delivered {
        body,
        installation: InstallationId(installation.id),
        received,
    };
    delivered.read(topic)?.or_else(not_ours)
}

fn named(event: &str, action: &str, why: &'static str) -> NotOurs {
    let event = bounded(event, NAME_CHARS);
    NotOurs {
        what: if action.is_empty() {
            event
        } else {
            format!("{event}.{}", bounded(action, NAME_CHARS))
        },
        why,
    }
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(body);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let (path, cause) = (e.path().to_string(), e.into_inner());
        match path.as_str() {
            "." => cause.to_string(),
            path => format!("{path}: {cause}"),
        }
    })?;
    json.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// A payload that is ours, with what its envelope told.
struct Delivered<'a> {
    body: &'a str,
    installation: InstallationId,
    received: Timestamp,
}

/// An event, or why it is not ours after all.
type Read = Result<Event, &'static str>;

impl Delivered<'_> {
    fn read(&self, topic: Topic) -> Result<Read, String> {
        match topic {
            Topic::Issue(action) => self.issue(action),
            Topic::IssueComment => self.issue_comment(),
            Topic::Pull(action) => self.pull(action),
            Topic::Review => self.review(),
            Topic::ChecksCompleted => self.checks(),
            Topic::RunPressed => self.run_pressed(),
            Topic::SuitePressed => self.suite_pressed(),
            Topic::Push => self.push(),
            Topic::RepositoryRenamed => {
                let OnRepository { repository } = parse(self.body)?;
                Ok(Ok(Event::RepositoryRenamed {
                    repo: RepoId(repository.id),
                    to: repository.full_name,
                }))
            }
            Topic::RepositoryDeleted => {
                let OnRepository { repository } = parse(self.body)?;
                Ok(Ok(Event::RepositoriesLost(vec![RepoId(repository.id)])))
            }
            Topic::RepositoriesRemoved => {
                let OnAccess {
                    repositories_removed: removed,
                } = parse(self.body)?;
                let removed = removed.into_iter().map(|r| RepoId(r.id)).collect();
                Ok(Ok(Event::RepositoriesLost(removed)))
            }
            Topic::InstallationLost => Ok(Ok(Event::InstallationLost(self.installation))),
        }
    }

    fn issue(&self, action: IssueAction) -> Result<Read, String> {
        let on: OnIssue = parse(self.body)?;
        let label = on.label.map(|label| label.name);
        let account = on.assignee.map(|account| Login::new(account.login));
        let updated = on.issue.updated_at();
        let (what, at) = match action {
            IssueAction::Opened => (Some(Happening::Opened), on.issue.created_at()),
            IssueAction::Labeled => (label.map(Happening::Labeled), updated),
            IssueAction::Unlabeled => (label.map(Happening::Unlabeled), updated),
            IssueAction::Assigned => (account.map(Happening::Assigned), updated),
            IssueAction::Unassigned => (account.map(Happening::Unassigned), updated),
            IssueAction::Closed => (Some(Happening::Closed), on.issue.closed_at()),
            IssueAction::Reopened => (Some(Happening::Reopened), updated),
            // Neither payload tells when.
            IssueAction::Gone => (Some(Happening::Gone), None),
        };
        let Some(what) = what else {
            return Ok(Err("the label or the account that it is about is gone"));
        };
        let subject = (on.repository, on.sender, on.issue, ThreadKind::Issue);
        Ok(Ok(self.thread_event(subject, what, at)))
    }

    fn issue_comment(&self) -> Result<Read, String> {
        let on: OnIssue = parse(self.body)?;
        let comment = on.comment.ok_or("comment: missing")?;
        let at = comment.created_at();
        let what = Happening::Commented(Comment {
            id: CommentId(comment.id),
            body: comment.body.unwrap_or_default(),
        });
        let kind = if on.issue.is_conversation_of_pull() {
            ThreadKind::Pull
        } else {
            ThreadKind::Issue
        };
        let subject = (on.repository, on.sender, on.issue, kind);
        Ok(Ok(self.thread_event(subject, what, at)))
    }

    fn pull(&self, action: PullAction) -> Result<Read, String> {
        let on: OnPull = parse(self.body)?;
        let pull = on.pull_request;
        let (what, at) = match action {
            PullAction::Edited => {
                let retargeted = on.changes.is_some_and(|changes| changes.base.is_some());
                return Ok(if retargeted {
                    let repo = on.repository.repo(self.installation);
                    Ok(Event::Retargeted(Box::new(repo)))
                } else {
                    Err("what a pull request says changes nothing that a task depends on")
                });
            }
            PullAction::Closed if pull.is_merged() => (Happening::Merged, pull.closed_at()),
            PullAction::Closed => (Happening::Closed, pull.closed_at()),
            PullAction::Reopened => (Happening::Reopened, pull.updated_at()),
        };
        let subject = (on.repository, on.sender, pull, ThreadKind::Pull);
        Ok(Ok(self.thread_event(subject, what, at)))
    }

    fn push(&self) -> Result<Read, String> {
        let on: OnPush = parse(self.body)?;
        let Some(branch) = on.name.strip_prefix("refs/heads/") else {
            return Ok(Err("only branches are followed"));
        };
        let gone = on.after.bytes().all(|byte| byte == b'0');
        Ok(Ok(Event::Pushed(Box::new(Push {
            branch: branch.to_owned(),
            repo: on.repository.repo(self.installation),
            actor: Account::actor(on.sender),
            head: (!gone).then(|| CommitSha::new(on.after)),
            forced: on.forced.unwrap_or(false),
        }))))
    }

    fn review(&self) -> Result<Read, String> {
        let on: OnPull = parse(self.body)?;
        let review = on.review.ok_or("review: missing")?;
        let verdict = match review.state() {
            "approved" => Verdict::Approved,
            "changes_requested" => Verdict::ChangesRequested,
            "commented" => Verdict::Commented,
            _ => return Ok(Err("a review in a state that asks for nothing")),
        };
        let at = review.submitted_at();
        let what = Happening::Reviewed(Review {
            id: ReviewId(review.id),
            verdict,
            body: review.body.unwrap_or_default(),
            comments: Vec::new(),
        });
        let subject = (on.repository, on.sender, on.pull_request, ThreadKind::Pull);
        Ok(Ok(self.thread_event(subject, what, at)))
    }

    fn checks(&self) -> Result<Read, String> {
        let OnChecks {
            repository,
            check_suite: suite,
            ..
        } = parse(self.body)?;
        Ok(Ok(Event::Checked(Box::new(Checked {
            repo: repository.repo(self.installation),
            app: suite.app.and_then(|app| app.slug).unwrap_or_default(),
            branch: suite.head_branch,
            commit: CommitSha::new(suite.head_sha),
            failed: CheckState::of("completed", suite.conclusion.as_deref()) == CheckState::Failed,
        }))))
    }

    fn run_pressed(&self) -> Result<Read, String> {
        let on: OnCheckRun = parse(self.body)?;
        let run = on.check_run;
        let (suite, branch) = match run.check_suite {
            Some(suite) => (suite.id.map(CheckSuiteId), suite.head_branch),
            None => (None, None),
        };
        let (button, suite) = match on.requested_action {
            Some(action) => (Button::of(&action.identifier.unwrap_or_default()), None),
            None => (Some(Button::Retry), suite),
        };
        let Some(button) = button else {
            return Ok(Err("a button that Prova does not have"));
        };
        Ok(Ok(Event::Pressed(Box::new(Pressed {
            repo: on.repository.repo(self.installation),
            actor: Account::actor(on.sender),
            app: run.app.and_then(|app| app.slug).unwrap_or_default(),
            key: run.external_id,
            branch,
            on: CheckRunId(run.id),
            suite,
            button,
            commit: CommitSha::new(run.head_sha),
            at: self.received,
        }))))
    }

    fn suite_pressed(&self) -> Result<Read, String> {
        let on: OnChecks = parse(self.body)?;
        let suite = on.check_suite;
        Ok(Ok(Event::Pressed(Box::new(Pressed {
            repo: on.repository.repo(self.installation),
            actor: Account::actor(on.sender),
            app: suite.app.and_then(|app| app.slug).unwrap_or_default(),
            key: None,
            branch: suite.head_branch,
            on: CheckRunId(suite.id),
            suite: Some(CheckSuiteId(suite.id)),
            button: Button::Retry,
            commit: CommitSha::new(suite.head_sha),
            at: self.received,
        }))))
    }

    fn thread_event(
        &self,
        (repository, sender, issue, kind): (Repository, Option<Account>, Issue, ThreadKind),
        what: Happening,
        at: Option<Timestamp>,
    ) -> Event {
        Event::Thread(Box::new(ThreadEvent {
            repo: repository.repo(self.installation),
            actor: Account::actor(sender),
            thread: issue.thread(kind),
            what,
            at: at.unwrap_or(self.received),
        }))
    }
}
