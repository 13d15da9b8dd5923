//! Building the world: accounts, repositories, installations and roles.

use std::collections::BTreeSet;

use crate::simulator::error::SimError;
use crate::simulator::instance::Simulator;
use crate::simulator::world::accounts::{AccountKind, Role};
use crate::simulator::world::installations::Permissions;
use crate::simulator::world::repositories::RepositorySpec;

impl Simulator {
    /// Creates an account, unless there is one of that login.
    pub fn create_account(&self, login: &str, kind: AccountKind) {
        self.world().account(login, kind);
    }

    /// Creates a repository and returns its id.
    ///
    /// # Errors
    ///
    /// [`SimError`] when the name is not `owner/name` or the disk fails.
    pub fn create_repository(&self, spec: &RepositorySpec) -> Result<u64, SimError> {
        self.world().create_repository(spec)
    }

    /// Installs the App on an account for all of its repositories, or for some (`owner/name`), and
    /// returns the installation's id.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for a repository that does not exist.
    pub fn install_app(&self, account: &str, only: Option<&[&str]>) -> Result<u64, SimError> {
        let mut world = self.world();
        let selected = match only {
            Some(names) => Some(
                names
                    .iter()
                    .map(|name| world.find_repository(name))
                    .collect::<Result<BTreeSet<u64>, SimError>>()?,
            ),
            None => None,
        };
        Ok(world.install(account, selected))
    }

    /// Uninstalls the App; its tokens die at once.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown installation.
    pub fn uninstall_app(&self, installation: u64) -> Result<(), SimError> {
        let mut world = self.world();
        let account = world.installation(installation)?.account.clone();
        world.uninstall(installation, &account)
    }

    /// Suspends an installation, or ends its suspension.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown installation.
    pub fn suspend(&self, installation: u64, stop: bool) -> Result<(), SimError> {
        let mut world = self.world();
        let account = world.installation(installation)?.account.clone();
        world.suspend(installation, &account, stop)
    }

    /// Accepts other permissions for an installation. Tokens that exist keep theirs.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown installation.
    pub fn grant(&self, installation: u64, permissions: Permissions) -> Result<(), SimError> {
        self.world().grant(installation, permissions)
    }

    /// Adds a repository to an installation's selection, or takes it out.
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown installation or repository.
    pub fn select(&self, installation: u64, repo: &str, add: bool) -> Result<(), SimError> {
        let mut world = self.world();
        let repo = world.find_repository(repo)?;
        world.select(installation, repo, add)
    }

    /// Gives somebody a role in a repository (creating a person of that login), or takes it back
    /// with [`Role::None`].
    ///
    /// # Errors
    ///
    /// [`SimError::NotFound`] for an unknown repository.
    pub fn set_role(&self, repo: &str, login: &str, role: Role) -> Result<(), SimError> {
        let mut world = self.world();
        world.account(login, AccountKind::User);
        let repo = world.find_repository(repo)?;
        let collaborators = &mut world.repository_mut(repo)?.collaborators;
        match role {
            Role::None => collaborators.remove(&login.to_lowercase()),
            Role::Read | Role::Triage | Role::Write | Role::Maintain | Role::Admin => {
                collaborators.insert(login.to_lowercase(), role)
            }
        };
        Ok(())
    }
}
