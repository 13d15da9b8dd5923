//! Continuous integration: another App that reports check runs.

use serde_json::Value;

use crate::simulator::error::SimError;
use crate::simulator::instance::Simulator;
use crate::simulator::world::checks::{CheckRun, CheckedBy};
use crate::simulator::world::render;

/// What continuous integration found.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// What the check is called.
    pub name: String,
    /// `success`, `failure`, …
    pub conclusion: String,
    /// The title of its output.
    pub title: Option<String>,
    /// The summary of its output.
    pub summary: Option<String>,
    /// Annotations, as the API takes them.
    pub annotations: Vec<Value>,
}

impl Simulator {
    /// Has continuous integration report what it found at the tip of a branch; returns the id of the
    /// check run.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository or branch.
    pub fn integration(&self, repo: &str, branch: &str, found: Finding) -> Result<u64, SimError> {
        let head_sha = self.branch(repo, branch)?.ok_or_else(SimError::not_found)?;
        let mut world = self.world();
        let repo = world.find_repository(repo)?;
        let now = Some(render::time(world.now()));
        let run = CheckRun {
            id: 0,
            by: CheckedBy::Integration,
            name: found.name,
            head_sha,
            external_id: String::new(),
            details_url: None,
            status: "completed".to_owned(),
            conclusion: Some(found.conclusion),
            started_at: now.clone(),
            completed_at: now,
            title: found.title,
            summary: found.summary,
            text: None,
            annotations: found.annotations,
            actions: Vec::new(),
        };
        world.put_integration(repo, run)
    }
}
