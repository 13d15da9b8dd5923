//! Check suites: what the check runs of an App on a commit come to.

use serde_json::json;

use crate::simulator::error::SimError;
use crate::simulator::world::World;
use crate::simulator::world::checks::{CheckRun, CheckedBy};
use crate::simulator::world::integration;
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;

/// All check runs of an App on a commit.
#[derive(Debug)]
pub(crate) struct Suite<'a> {
    /// Whose runs they are.
    pub(crate) by: CheckedBy,
    pub(crate) head_sha: &'a str,
    /// The branch whose tip that was.
    pub(crate) branch: &'a str,
    /// The newest run of each name, which is what counts, the newest first.
    pub(crate) newest: Vec<&'a CheckRun>,
    /// Whether somebody has asked for all or one of it again, and nobody has reported since.
    is_awaited: bool,
}

/// What a suite concludes is what the first of these does that any of its runs has. GitHub says that one
/// goes before another, and by an example that `timed_out` goes before `success` and `neutral`; the rest
/// of the order is ours.
const PRIORITY: [&str; 9] = [
    "failure",
    "timed_out",
    "cancelled",
    "action_required",
    "startup_failure",
    "stale",
    "neutral",
    "success",
    "skipped",
];

impl Suite<'_> {
    pub(crate) fn id(&self) -> u64 {
        suite_id(self.head_sha, self.by)
    }

    pub(crate) fn status(&self) -> &'static str {
        let all = |status: &str| self.newest.iter().all(|run| run.status == status);
        match (self.is_awaited, all("completed"), all("queued")) {
            (false, true, _) => "completed",
            (true, _, _) | (false, false, true) => "queued",
            (false, false, false) => "in_progress",
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.status() == "completed"
    }

    pub(crate) fn conclusion(&self) -> Option<&'static str> {
        let has = |word: &&str| {
            let mut runs = self.newest.iter();
            runs.any(|run| run.conclusion.as_deref() == Some(*word))
        };
        PRIORITY.into_iter().find(has).filter(|_| self.is_over())
    }
}

/// The id of the suite that all runs of an App on a commit share; of GitHub Actions, it is the run of the
/// workflow as well.
pub(crate) fn suite_id(head_sha: &str, by: CheckedBy) -> u64 {
    let commit = u64::from_str_radix(head_sha.get(..8).unwrap_or_default(), 16).unwrap_or(0);
    match by {
        CheckedBy::Integration => commit,
        CheckedBy::App => commit | 1 << 32,
    }
}

impl Repository {
    /// The suite of an App on a commit; `None` when it has no run there.
    pub(crate) fn suite(&self, head_sha: &str, by: CheckedBy) -> Option<Suite<'_>> {
        let mut newest: Vec<&CheckRun> = Vec::new();
        let runs = self.check_runs.iter().rev();
        for run in runs.filter(|run| run.head_sha == head_sha && run.by == by) {
            if !newest.iter().any(|have| have.name == run.name) {
                newest.push(run);
            }
        }
        let first = newest.first()?;
        Some(Suite {
            by,
            head_sha: &first.head_sha,
            branch: &first.branch,
            is_awaited: self.awaited.contains(&suite_id(head_sha, by)),
            newest,
        })
    }

    /// All suites, in the order in which they came up.
    pub(crate) fn suites(&self) -> Vec<Suite<'_>> {
        let mut suites: Vec<Suite<'_>> = Vec::new();
        for run in &self.check_runs {
            let is_there = |have: &Suite<'_>| have.head_sha == run.head_sha && have.by == run.by;
            if !suites.iter().any(is_there) {
                suites.extend(self.suite(&run.head_sha, run.by));
            }
        }
        suites
    }
}

impl World {
    /// Finds the suite of an App on a commit.
    pub(crate) fn suite(
        &self,
        repo: u64,
        head_sha: &str,
        by: CheckedBy,
    ) -> Result<Suite<'_>, SimError> {
        let suite = self.repository(repo)?.suite(head_sha, by);
        suite.ok_or_else(SimError::not_found)
    }

    /// Sends `check_suite` when all runs of the suite of a run have ended.
    pub(crate) fn end_suite(&mut self, repo: u64, run: u64) -> Result<(), SimError> {
        let run = self.check_run(repo, run)?;
        let (head_sha, by) = (run.head_sha.clone(), run.by);
        if !self.suite(repo, &head_sha, by)?.is_over() {
            return Ok(());
        }
        let actor = match by {
            CheckedBy::App => self.app.bot_login(),
            CheckedBy::Integration => integration::BOT.to_owned(),
        };
        self.emit_suite(repo, (&head_sha, by), (&actor, "completed"))
    }

    /// Tells the App that a check run is to run again. GitHub has its suite wait for that, and leaves the
    /// run itself as it is.
    pub(crate) fn rerequest_run(
        &mut self,
        repo: u64,
        run: u64,
        actor: &str,
    ) -> Result<(), SimError> {
        let found = self.check_run(repo, run)?;
        let suite = suite_id(&found.head_sha, found.by);
        self.repository_mut(repo)?.awaited.insert(suite);
        self.emit_check_run(repo, run, actor, json!({"action": "rerequested"}))
    }

    /// Tells the App that all of its runs on the tip of a branch are to run again.
    pub(crate) fn rerequest_suite(
        &mut self,
        repo: u64,
        branch: &str,
        actor: &str,
    ) -> Result<(), SimError> {
        let head_sha = self.repository(repo)?.branch(branch).cloned();
        let head_sha = head_sha.ok_or_else(SimError::not_found)?;
        let id = self.suite(repo, &head_sha, CheckedBy::App)?.id();
        self.repository_mut(repo)?.awaited.insert(id);
        self.emit_suite(repo, (&head_sha, CheckedBy::App), (actor, "rerequested"))
    }

    fn emit_suite(
        &mut self,
        repo: u64,
        (head_sha, by): (&str, CheckedBy),
        (actor, action): (&str, &str),
    ) -> Result<(), SimError> {
        let suite = self.suite(repo, head_sha, by)?;
        let suite = render::checks::check_suite(self, self.repository(repo)?, &suite)?;
        let payload = json!({"action": action, "check_suite": suite});
        self.emit(repo, actor, "check_suite", payload);
        Ok(())
    }
}
