//! The state of the simulated GitHub and its transitions, apart from HTTP.
//!
//! Every transition emits the webhooks that GitHub would send for it, whoever caused it: a person
//! through [`Person`](crate::simulator::people::Person) or the App through the API.

pub mod accounts;
pub(crate) mod branches;
pub(crate) mod checks;
pub(crate) mod comments;
pub mod installations;
pub mod integration;
pub(crate) mod pulls;
pub(crate) mod render;
pub mod repositories;
pub mod reviews;
pub(crate) mod suites;
pub(crate) mod threads;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::simulator::error::SimError;
use crate::simulator::webhooks::{Draft, Outbox};
use crate::simulator::world::accounts::{Account, AccountKind};
use crate::simulator::world::installations::{App, Installation, Token};
use crate::simulator::world::repositories::Repository;
use crate::simulator::world::threads::Thread;

/// Tells the time of the simulated world, in milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Everything the simulated GitHub knows.
pub(crate) struct World {
    clock: Clock,
    /// `http://127.0.0.1:PORT`, of the API and of git alike.
    pub(crate) origin: String,
    /// The directory of all bare repositories, each named by its id.
    pub(crate) git_root: PathBuf,
    last_id: u64,
    /// Acts are numbered by themselves.
    last_act: u64,
    /// Requests an installation may send in an hour.
    pub(crate) hourly_limit: u32,
    pub(crate) app: App,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) repositories: BTreeMap<u64, Repository>,
    /// Full names that a repository had before it was renamed.
    pub(crate) former_names: BTreeMap<String, u64>,
    pub(crate) outbox: Outbox,
}

impl World {
    pub(crate) fn new(clock: Clock, git_root: PathBuf, app: App, hourly_limit: u32) -> Self {
        let mut world = Self {
            clock,
            origin: String::new(),
            git_root,
            last_id: 1000,
            last_act: 0,
            hourly_limit,
            app,
            accounts: BTreeMap::new(),
            installations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            repositories: BTreeMap::new(),
            former_names: BTreeMap::new(),
            outbox: Outbox::default(),
        };
        let bot = world.app.bot_login();
        world.account(&bot, AccountKind::Bot);
        world
    }

    /// Now, in milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// An id that nothing else has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A number that no other act has.
    pub(crate) fn next_act(&mut self) -> u64 {
        self.last_act += 1;
        self.last_act
    }

    /// The repository of that id, unless it was deleted.
    pub(crate) fn repository(&self, id: u64) -> Result<&Repository, SimError> {
        self.repositories.get(&id).ok_or_else(SimError::not_found)
    }

    pub(crate) fn repository_mut(&mut self, id: u64) -> Result<&mut Repository, SimError> {
        self.repositories
            .get_mut(&id)
            .ok_or_else(SimError::not_found)
    }

    /// Finds a repository by its present full name (`owner/name`, in any case).
    pub(crate) fn find_repository(&self, full_name: &str) -> Result<u64, SimError> {
        self.repositories
            .values()
            .find(|repository| repository.full_name().eq_ignore_ascii_case(full_name))
            .map(|repository| repository.id)
            .ok_or_else(SimError::not_found)
    }

    /// An issue or pull request that is still there: 404, 410 or 301 otherwise.
    pub(crate) fn thread(&self, repo: u64, number: u64) -> Result<&Thread, SimError> {
        let thread = self
            .repository(repo)?
            .threads
            .get(&number)
            .ok_or_else(SimError::not_found)?;
        thread.present(&self.origin)?;
        Ok(thread)
    }

    pub(crate) fn thread_mut(&mut self, repo: u64, number: u64) -> Result<&mut Thread, SimError> {
        self.thread(repo, number)?;
        let thread = self.repository_mut(repo)?.threads.get_mut(&number);
        thread.ok_or_else(SimError::not_found)
    }

    /// Sends a webhook about a repository, if the App is installed there and subscribed.
    ///
    /// `payload` holds what is particular to the event; `repository`, `sender` and `installation`
    /// are added here as in every payload.
    pub(crate) fn emit(&mut self, repo: u64, actor: &str, event: &str, payload: Value) {
        if !self.app.events.iter().any(|subscribed| subscribed == event) {
            return;
        }
        let Some(repository) = self.repositories.get(&repo) else {
            return;
        };
        let Some(installation) = self
            .installation_of(repo)
            .filter(|found| !found.is_suspended())
        else {
            return;
        };
        let mut body = object(payload);
        body.insert(
            "repository".to_owned(),
            render::repository(self, repository),
        );
        body.insert("sender".to_owned(), render::user(self, actor));
        body.insert(
            "installation".to_owned(),
            json!({"id": installation.id, "node_id": format!("MDIzOklucw{}", installation.id)}),
        );
        let installation = installation.id;
        self.send(event, Some(repo), installation, &Value::Object(body));
    }

    /// Puts a payload into the outbox, signed.
    pub(crate) fn send(&mut self, event: &str, repo: Option<u64>, installation: u64, body: &Value) {
        let draft = Draft {
            id: self.next_id(),
            event,
            repo,
            installation,
            body,
            app: self.app.id,
            secret: &self.app.webhook_secret,
            at: self.now(),
        };
        self.outbox.push(&draft);
    }
}

/// The map inside a JSON object; anything else is an empty one.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
