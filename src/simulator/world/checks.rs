//! Check runs.

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::render;
use crate::simulator::world::suites::suite_id;

/// Whose App reported a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckedBy {
    /// The App that is tested.
    App,
    /// Continuous integration, which here is GitHub's own.
    Integration,
}

/// A check run on a commit.
#[derive(Debug, Clone)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    /// Whose it is.
    pub(crate) by: CheckedBy,
    pub(crate) name: String,
    pub(crate) head_sha: String,
    /// The branch whose tip that was.
    pub(crate) branch: String,
    /// How often its suite had run, this time included.
    pub(crate) attempt: u32,
    /// What its job has printed.
    pub(crate) log: String,
    pub(crate) external_id: String,
    pub(crate) details_url: Option<String>,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    /// As they were sent; an update appends.
    pub(crate) annotations: Vec<Value>,
    /// Buttons, as they were sent.
    pub(crate) actions: Vec<Value>,
}

impl World {
    /// Finds a check run by id.
    pub(crate) fn check_run(&self, repo: u64, id: u64) -> Result<&CheckRun, SimError> {
        let mut runs = self.repository(repo)?.check_runs.iter();
        runs.find(|run| run.id == id)
            .ok_or_else(SimError::not_found)
    }

    /// Stores a check run, new or updated, and sends what GitHub sends: `created` for a new one,
    /// `completed` once it has ended. One that reports how it stands, even if that is not new, is what
    /// its suite may have waited for.
    pub(crate) fn put_check_run(
        &mut self,
        repo: u64,
        run: CheckRun,
        reports: bool,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        let actor = self.app.bot_login();
        let suite = self.repository(repo)?.suite(&run.head_sha, run.by);
        let was_over = suite.is_some_and(|suite| suite.is_over());
        let repository = self.repository_mut(repo)?;
        if reports {
            repository.awaited.remove(&suite_id(&run.head_sha, run.by));
        }
        let runs = &mut repository.check_runs;
        let (id, is_completed) = (run.id, run.status == "completed");
        let mut was_completed = false;
        if let Some(have) = runs.iter_mut().find(|have| have.id == id) {
            was_completed = have.status == "completed";
            *have = run;
        } else {
            runs.push(run);
            self.emit_check_run(repo, id, &actor, json!({"action": "created"}))?;
        }
        let is_new = is_completed && !was_completed;
        if is_new {
            self.emit_check_run(repo, id, &actor, json!({"action": "completed"}))?;
        }
        if is_new || !was_over {
            self.end_suite(repo, id)?;
        }
        Ok(())
    }

    /// Sends `check_run`.
    pub(crate) fn emit_check_run(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
        payload: Value,
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let mut payload = payload;
        let run = render::checks::check_run(self, repository, self.check_run(repo, id)?);
        payload.set("check_run", run);
        self.emit(repo, actor, "check_run", payload);
        Ok(())
    }
}
