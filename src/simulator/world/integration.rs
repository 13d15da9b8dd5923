//! Continuous integration: what it does on a push, and what it tells.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::world::World;
use crate::simulator::world::checks::{CheckRun, CheckedBy};
use crate::simulator::world::render;
use crate::simulator::world::repositories::File;
use crate::simulator::world::suites::suite_id;

/// What continuous integration found.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// What the check is called.
    pub name: String,
    /// `success`, `failure`, …; empty while it runs.
    pub conclusion: String,
    /// The title of its output.
    pub title: Option<String>,
    /// The summary of its output.
    pub summary: Option<String>,
    /// Annotations, as the API takes them.
    pub annotations: Vec<Value>,
    /// What its job has printed; empty when no log is kept.
    pub log: String,
}

/// What continuous integration looks at.
#[derive(Debug)]
pub struct Looked<'a> {
    /// The branch that was pushed to.
    pub branch: &'a str,
    /// The files of its commit.
    pub files: &'a [File],
    /// How often it has looked at the commit, this time included.
    pub attempt: u32,
}

impl Looked<'_> {
    /// Returns whether a file holds a text.
    #[must_use]
    pub fn says(&self, path: &str, text: &str) -> bool {
        let file = self.files.iter().find(|file| file.path == path);
        file.is_some_and(|file| String::from_utf8_lossy(&file.content).contains(text))
    }
}

/// What a check finds in each commit that is pushed; `None` where it does not run.
#[derive(Clone)]
pub struct Rule(Arc<Judge>);

type Judge = dyn Fn(&Looked<'_>) -> Option<Finding> + Send + Sync;

impl Rule {
    /// Makes one of how it judges.
    pub fn new(judge: impl Fn(&Looked<'_>) -> Option<Finding> + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }

    pub(crate) fn judge(&self, looked: &Looked<'_>) -> Option<Finding> {
        (self.0)(looked)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

impl World {
    /// Runs every check on the tip of a branch.
    pub(crate) fn integrate(&mut self, repo: u64, branch: &str) -> Result<(), SimError> {
        let rules = self.repository(repo)?.rules.clone();
        self.run_rules(repo, branch, (&rules, 1))
    }

    fn run_rules(
        &mut self,
        repo: u64,
        branch: &str,
        (rules, attempt): (&[Rule], u32),
    ) -> Result<(), SimError> {
        if rules.is_empty() {
            return Ok(());
        }
        let files = self.repository(repo)?.files_of(branch)?;
        let looked = Looked {
            branch,
            files: &files,
            attempt,
        };
        let found: Vec<_> = rules
            .iter()
            .filter_map(|rule| rule.judge(&looked))
            .collect();
        let last = found.len();
        for (at, finding) in found.into_iter().enumerate() {
            let id = self.put_finding(repo, branch, (finding, attempt))?;
            if at + 1 == last {
                self.end_suite(repo, id)?;
            }
        }
        Ok(())
    }

    /// Reports what one check found, and the end of the suite, if that is it.
    pub(crate) fn report(
        &mut self,
        repo: u64,
        branch: &str,
        found: (Finding, u32),
    ) -> Result<u64, SimError> {
        let id = self.put_finding(repo, branch, found)?;
        self.end_suite(repo, id)?;
        Ok(id)
    }

    /// Runs once more what has failed in the suite of a commit.
    pub(crate) fn rerun_suite(&mut self, repo: u64, head_sha: &str) -> Result<(), SimError> {
        let newest = self.suite(repo, head_sha, CheckedBy::Integration)?.newest;
        if newest.iter().any(|run| run.status != "completed") {
            let running = "This workflow is already running".to_owned();
            return Err(SimError::Forbidden(running));
        }
        let failed = |name: &str| {
            let of_name = newest.iter().find(|run| run.name == name);
            of_name.is_some_and(|run| run.conclusion.as_deref() == Some("failure"))
        };
        let Some(first) = newest.first() else {
            return Err(SimError::not_found());
        };
        let (branch, attempt) = (first.branch.clone(), first.attempt + 1);
        if self.repository(repo)?.branch(&branch).map(String::as_str) != Some(head_sha) {
            // GitHub would run it where it ran; nobody waits for that here.
            return Err(SimError::not_found());
        }
        let files = self.repository(repo)?.files_of(&branch)?;
        let looked = Looked {
            branch: &branch,
            files: &files,
            attempt,
        };
        let rules = self.repository(repo)?.rules.clone();
        let found = rules.iter().filter_map(|rule| rule.judge(&looked));
        let found: Vec<_> = found.filter(|finding| failed(&finding.name)).collect();
        let mut last = None;
        for finding in found {
            last = Some(self.put_finding(repo, &branch, (finding, attempt))?);
        }
        match last {
            Some(id) => self.end_suite(repo, id),
            None => Ok(()),
        }
    }

    /// How often the suite of a commit has run.
    pub(crate) fn attempts(&self, repo: u64, head_sha: &str) -> Result<u32, SimError> {
        let suite = self.suite(repo, head_sha, CheckedBy::Integration)?;
        let attempts = suite.newest.iter().map(|run| run.attempt);
        attempts.max().ok_or_else(SimError::not_found)
    }

    fn put_finding(
        &mut self,
        repo: u64,
        branch: &str,
        (found, attempt): (Finding, u32),
    ) -> Result<u64, SimError> {
        let head_sha = self.repository(repo)?.branch(branch).cloned();
        let head_sha = head_sha.ok_or_else(SimError::not_found)?;
        let now = Some(render::time(self.now()));
        let is_over = !found.conclusion.is_empty();
        let run = CheckRun {
            id: self.next_id(),
            by: CheckedBy::Integration,
            name: found.name,
            head_sha,
            branch: branch.to_owned(),
            attempt,
            log: found.log,
            external_id: String::new(),
            details_url: None,
            status: if is_over { "completed" } else { "in_progress" }.to_owned(),
            conclusion: is_over.then_some(found.conclusion),
            started_at: now.clone(),
            completed_at: now.filter(|_| is_over),
            title: found.title,
            summary: found.summary,
            text: None,
            annotations: found.annotations,
            actions: Vec::new(),
        };
        let id = run.id;
        self.writable(repo)?;
        let suite = suite_id(&run.head_sha, run.by);
        let repository = self.repository_mut(repo)?;
        repository.check_runs.push(run);
        repository.awaited.remove(&suite);
        self.emit_check_run(repo, id, BOT, json!({"action": "created"}))?;
        if is_over {
            self.emit_check_run(repo, id, BOT, json!({"action": "completed"}))?;
        }
        Ok(id)
    }
}

/// Who does what GitHub Actions does.
pub(crate) const BOT: &str = "github-actions[bot]";
