//! Looking at the world, as a person would.

use aws_lc_rs::digest::{SHA256, digest};

use crate::simulator::error::SimError;
use crate::simulator::instance::Simulator;
use crate::simulator::transcript;
use crate::simulator::world::checks::CheckedBy;
use crate::simulator::world::repositories::File;

impl Simulator {
    /// A thread as a person sees it.
    ///
    /// # Errors
    ///
    /// [`SimError`] when there is no such thread (any more).
    pub fn transcript(&self, repo: &str, number: u64) -> Result<String, SimError> {
        let world = self.world();
        transcript::thread(&world, world.find_repository(repo)?, number)
    }

    /// The pages of the App's check runs, oldest first: annotations and buttons too, which a thread does
    /// not show.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn check_runs(&self, repo: &str) -> Result<String, SimError> {
        let world = self.world();
        transcript::check_runs(&world, world.find_repository(repo)?)
    }

    /// The ids of the App's check runs, oldest first.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn check_run_ids(&self, repo: &str) -> Result<Vec<u64>, SimError> {
        let world = self.world();
        let repository = world.repository(world.find_repository(repo)?)?;
        let runs = repository.check_runs.iter();
        Ok(runs
            .filter(|run| run.by == CheckedBy::App)
            .map(|run| run.id)
            .collect())
    }

    /// The check suites that wait for an App to report, oldest first: the App's name, and how they stand.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn unfinished_suites(&self, repo: &str) -> Result<Vec<String>, SimError> {
        let world = self.world();
        let repository = world.repository(world.find_repository(repo)?)?;
        let suites = repository.suites();
        let unfinished = suites.iter().filter(|suite| !suite.is_over());
        Ok(unfinished
            .map(|suite| {
                let name = match suite.by {
                    CheckedBy::App => world.app.slug.as_str(),
                    CheckedBy::Integration => "github-actions",
                };
                format!("{name} on {}: {}", suite.head_sha, suite.status())
            })
            .collect())
    }

    /// Everything a person would see in a repository, without ids and times.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn final_state(&self, repo: &str) -> Result<String, SimError> {
        let world = self.world();
        transcript::final_state(&world, world.find_repository(repo)?)
    }

    /// One digest (SHA-256 in hex) of the final state of every repository.
    ///
    /// # Errors
    ///
    /// [`SimError::Internal`] when git fails.
    pub fn state_digest(&self) -> Result<String, SimError> {
        let world = self.world();
        let mut all = String::new();
        for (id, repository) in &world.repositories {
            all.push_str(&repository.full_name());
            all.push('\n');
            all.push_str(&transcript::final_state(&world, *id)?);
        }
        Ok(hex::encode(digest(&SHA256, all.as_bytes()).as_ref()))
    }

    /// The files of a branch, in path order.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository or branch.
    pub fn files(&self, repo: &str, branch: &str) -> Result<Vec<File>, SimError> {
        let world = self.world();
        let repository = world.repository(world.find_repository(repo)?)?;
        repository.files_of(branch)
    }

    /// The commit a branch points at; `None` when there is no such branch.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn branch(&self, repo: &str, branch: &str) -> Result<Option<String>, SimError> {
        let world = self.world();
        Ok(world
            .repository(world.find_repository(repo)?)?
            .branch(branch)
            .cloned())
    }
}
