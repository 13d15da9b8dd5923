//! Continuous integration: GitHub Actions, which reports check runs of its own.

use crate::simulator::error::SimError;
use crate::simulator::instance::Simulator;
use crate::simulator::world::integration::{Finding, Rule};

impl Simulator {
    /// Has continuous integration report what it found at the tip of a branch; returns the id of the
    /// check run.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository or branch.
    pub fn integration(&self, repo: &str, branch: &str, found: Finding) -> Result<u64, SimError> {
        let mut world = self.world();
        let repo = world.find_repository(repo)?;
        world.report(repo, branch, (found, 1))
    }

    /// Has a check run on the default branch now, and on every commit that is pushed from now on. They are
    /// over at once.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn integrate(&self, repo: &str, rule: Rule) -> Result<(), SimError> {
        let mut world = self.world();
        let repo = world.find_repository(repo)?;
        let repository = world.repository_mut(repo)?;
        let branch = repository.default_branch.clone();
        repository.rules.push(rule);
        world.integrate(repo, &branch)
    }
}
