//! Issues, and the half of a pull request that is an issue.

use serde_json::{Value, json};

use crate::simulator::error::{FieldError, SimError};
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::accounts::Role;
use crate::simulator::world::comments::{Comment, Reaction};
use crate::simulator::world::pulls::Pull;
use crate::simulator::world::render;

/// The most characters a body may have.
pub(crate) const BODY_LIMIT: usize = 65_536;

/// An issue or a pull request.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: String,
    pub(crate) closed: Option<Closed>,
    pub(crate) locked: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) assignees: Vec<String>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) pull: Option<Pull>,
    pub(crate) fate: Fate,
    /// What was done with labels and assignees, oldest first.
    pub(crate) acts: Vec<Act>,
}

/// Something that was done on a thread, as `issues/{number}/events` lists it.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) id: u64,
    /// `labeled`, `unlabeled`, `assigned` or `unassigned`.
    pub(crate) event: &'static str,
    pub(crate) actor: String,
    /// The label's name, or the login.
    pub(crate) what: String,
    pub(crate) at: i64,
}

/// When and why a thread was closed.
#[derive(Debug, Clone)]
pub(crate) struct Closed {
    pub(crate) at: i64,
    pub(crate) reason: String,
}

/// What became of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Present,
    Deleted,
    /// Now that number in that repository.
    Transferred(u64, u64),
}

impl Thread {
    /// `open` or `closed`.
    pub(crate) fn state(&self) -> &'static str {
        if self.closed.is_some() {
            "closed"
        } else {
            "open"
        }
    }

    /// What it has as a pull request; an issue is a 404 here.
    pub(crate) fn as_pull(&self) -> Result<&Pull, SimError> {
        self.pull.as_ref().ok_or_else(SimError::not_found)
    }

    /// Refuses when it was deleted (410) or transferred (301).
    pub(crate) fn present(&self, origin: &str) -> Result<(), SimError> {
        match self.fate {
            Fate::Present => Ok(()),
            Fate::Deleted => Err(SimError::Gone("This issue was deleted".to_owned())),
            Fate::Transferred(repo, number) => Err(SimError::Moved(format!(
                "{origin}/repositories/{repo}/issues/{number}"
            ))),
        }
    }
}

/// Fields of a thread to change; `None` leaves one as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct ThreadEdit {
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
}

/// Refuses a body that is too long. Characters count, not bytes.
pub(crate) fn check_body(resource: &'static str, body: &str) -> Result<(), SimError> {
    if body.chars().count() <= BODY_LIMIT {
        return Ok(());
    }
    let message = format!("is too long (maximum is {BODY_LIMIT} characters)");
    // Issues and pull requests name the field, comments speak of "data".
    let (code, field, message) = match resource {
        "Issue" | "PullRequest" => ("custom", "body", format!("body {message}")),
        _ => ("unprocessable", "data", format!("Body {message}")),
    };
    Err(SimError::validation(FieldError {
        resource,
        code,
        field: Some(field),
        message: Some(message),
    }))
}

impl World {
    /// Adds a thread with the next free number; emits nothing.
    pub(crate) fn insert_thread(
        &mut self,
        repo: u64,
        author: &str,
        title: &str,
        body: Option<&str>,
    ) -> Result<u64, SimError> {
        let (id, now) = (self.next_id(), self.now());
        let repository = self.repository_mut(repo)?;
        let number = repository
            .threads
            .keys()
            .next_back()
            .map_or(1, |last| last + 1);
        let thread = Thread {
            id,
            number,
            title: title.to_owned(),
            body: body.map(str::to_owned),
            author: author.to_owned(),
            closed: None,
            locked: false,
            labels: Vec::new(),
            assignees: Vec::new(),
            comments: Vec::new(),
            reactions: Vec::new(),
            created_at: now,
            updated_at: now,
            pull: None,
            fate: Fate::Present,
            acts: Vec::new(),
        };
        repository.threads.insert(number, thread);
        Ok(number)
    }

    /// Opens an issue. Labels given at creation are on it in `opened` and arrive again as one
    /// `labeled` each; without triage they are dropped silently, as GitHub does.
    pub(crate) fn open_issue(
        &mut self,
        repo: u64,
        author: &str,
        draft: (&str, Option<&str>),
        labels: &[String],
    ) -> Result<u64, SimError> {
        let (title, body) = draft;
        self.writable(repo)?;
        if title.trim().is_empty() {
            return Err(SimError::field("Issue", "title", "missing_field"));
        }
        check_body("Issue", body.unwrap_or_default())?;
        let number = self.insert_thread(repo, author, title, body)?;
        let may_label = self.acts_with(repo, author, Role::Triage);
        let labels = if may_label { labels } else { &[] };
        for label in labels {
            self.label(repo, label)?;
        }
        self.thread_mut(repo, number)?.labels = labels.to_vec();
        self.emit_thread(repo, number, author, json!({"action": "opened"}))?;
        for label in labels {
            self.note_act(repo, number, (author, "labeled"), label)?;
            let label = render::label(self, repo, label);
            self.emit_thread(
                repo,
                number,
                author,
                json!({"action": "labeled", "label": label}),
            )?;
        }
        Ok(number)
    }

    fn note_act(
        &mut self,
        repo: u64,
        number: u64,
        (actor, event): (&str, &'static str),
        what: &str,
    ) -> Result<(), SimError> {
        let (id, at) = (self.next_act(), self.now());
        let act = Act {
            id,
            event,
            actor: actor.to_owned(),
            what: what.to_owned(),
            at,
        };
        self.thread_mut(repo, number)?.acts.push(act);
        Ok(())
    }

    /// Tells whether somebody has a role; the App's own user is bounded by its permissions instead.
    pub(crate) fn acts_with(&self, repo: u64, login: &str, role: Role) -> bool {
        login == self.app.bot_login() || self.role(repo, login) >= role
    }

    /// Sends `issues` or `pull_request`, whichever the thread is, with the thread in it.
    pub(crate) fn emit_thread(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        payload: Value,
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let thread = repository
            .threads
            .get(&number)
            .ok_or_else(SimError::not_found)?;
        let mut payload = payload;
        let event = if thread.pull.is_some() {
            payload.set("number", json!(number));
            payload.set(
                "pull_request",
                render::pulls::pull(self, repository, thread),
            );
            "pull_request"
        } else {
            payload.set("issue", render::issue(self, repository, thread));
            "issues"
        };
        self.emit(repo, actor, event, payload);
        Ok(())
    }

    /// Changes title or body.
    pub(crate) fn edit_thread(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        edit: ThreadEdit,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        let resource = if self.thread(repo, number)?.pull.is_some() {
            "PullRequest"
        } else {
            "Issue"
        };
        check_body(resource, edit.body.as_deref().unwrap_or_default())?;
        let now = self.now();
        let thread = self.thread_mut(repo, number)?;
        let mut changes = json!({});
        if let Some(title) = edit.title.filter(|title| *title != thread.title) {
            changes.set(
                "title",
                json!({"from": std::mem::replace(&mut thread.title, title)}),
            );
        }
        if let Some(body) = edit.body.filter(|body| thread.body.as_ref() != Some(body)) {
            changes.set("body", json!({"from": thread.body.replace(body)}));
        }
        if changes == json!({}) {
            return Ok(());
        }
        thread.updated_at = now;
        self.emit_thread(
            repo,
            number,
            actor,
            json!({"action": "edited", "changes": changes}),
        )
    }

    /// Puts labels on a thread, one `labeled` for each that was not there.
    pub(crate) fn add_labels(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        names: &[String],
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        for name in names {
            let label = self.label(repo, name)?.name;
            let now = self.now();
            let thread = self.thread_mut(repo, number)?;
            if thread
                .labels
                .iter()
                .any(|have| have.eq_ignore_ascii_case(&label))
            {
                continue;
            }
            thread.labels.push(label.clone());
            thread.updated_at = now;
            self.note_act(repo, number, (actor, "labeled"), &label)?;
            let label = render::label(self, repo, &label);
            self.emit_thread(
                repo,
                number,
                actor,
                json!({"action": "labeled", "label": label}),
            )?;
        }
        Ok(())
    }

    /// Takes a label off a thread.
    pub(crate) fn remove_label(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        name: &str,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        let now = self.now();
        let thread = self.thread_mut(repo, number)?;
        let Some(at) = thread
            .labels
            .iter()
            .position(|have| have.eq_ignore_ascii_case(name))
        else {
            return Err(SimError::NotFound("Label does not exist".to_owned()));
        };
        let removed = thread.labels.remove(at);
        thread.updated_at = now;
        self.note_act(repo, number, (actor, "unlabeled"), &removed)?;
        let label = render::label(self, repo, &removed);
        self.emit_thread(
            repo,
            number,
            actor,
            json!({"action": "unlabeled", "label": label}),
        )
    }

    /// Assigns an account, or takes it off again; one event each, none when nothing changes.
    pub(crate) fn assign(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        change: (&str, bool),
    ) -> Result<(), SimError> {
        let (login, on) = change;
        self.writable(repo)?;
        let now = self.now();
        let thread = self.thread_mut(repo, number)?;
        let at = thread
            .assignees
            .iter()
            .position(|have| have.eq_ignore_ascii_case(login));
        let action = match (at, on) {
            (None, true) => {
                thread.assignees.push(login.to_owned());
                "assigned"
            }
            (Some(at), false) => {
                thread.assignees.remove(at);
                "unassigned"
            }
            (None, false) | (Some(_), true) => return Ok(()),
        };
        thread.updated_at = now;
        self.note_act(repo, number, (actor, action), login)?;
        let assignee = render::user(self, login);
        self.emit_thread(
            repo,
            number,
            actor,
            json!({"action": action, "assignee": assignee}),
        )
    }

    /// Closes a thread for a reason, or reopens it without one.
    pub(crate) fn set_closed(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        reason: Option<&str>,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        let now = self.now();
        let thread = self.thread_mut(repo, number)?;
        if thread.closed.is_some() == reason.is_some() {
            return Ok(());
        }
        if thread
            .pull
            .as_ref()
            .is_some_and(|pull| pull.merged.is_some())
        {
            return Err(SimError::custom(
                "PullRequest",
                "state cannot be changed. The pull request is merged.",
            ));
        }
        thread.closed = reason.map(|reason| Closed {
            at: now,
            reason: reason.to_owned(),
        });
        thread.updated_at = now;
        let action = if reason.is_some() {
            "closed"
        } else {
            "reopened"
        };
        self.emit_thread(repo, number, actor, json!({"action": action}))
    }

    /// Locks the conversation, or unlocks it.
    pub(crate) fn set_locked(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        locked: bool,
    ) -> Result<(), SimError> {
        self.thread_mut(repo, number)?.locked = locked;
        let action = if locked { "locked" } else { "unlocked" };
        self.emit_thread(repo, number, actor, json!({"action": action}))
    }

    /// Deletes an issue; its number answers 410 from then on.
    pub(crate) fn delete_thread(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
    ) -> Result<(), SimError> {
        self.thread_mut(repo, number)?.fate = Fate::Deleted;
        self.emit_thread(repo, number, actor, json!({"action": "deleted"}))
    }

    /// Moves an issue to another repository; its old number redirects.
    pub(crate) fn transfer(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        target: u64,
    ) -> Result<u64, SimError> {
        let old = self.thread(repo, number)?.clone();
        let to = self.insert_thread(target, &old.author, &old.title, old.body.as_deref())?;
        let new = self.thread_mut(target, to)?;
        new.comments = old.comments;
        new.created_at = old.created_at;
        let target_repository = self.repository(target)?;
        let changes = json!({
            "new_issue": render::issue(self, target_repository, self.thread(target, to)?),
            "new_repository": render::repository(self, target_repository),
        });
        let payload = json!({"action": "transferred", "changes": changes});
        self.thread_mut(repo, number)?.fate = Fate::Transferred(target, to);
        self.emit_thread(repo, number, actor, payload)?;
        self.emit_thread(target, to, actor, json!({"action": "opened"}))?;
        Ok(to)
    }
}
