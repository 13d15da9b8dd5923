//! Why the server cannot start.

use std::path::PathBuf;

use crate::adapters::work_dir::NotHeld;
use crate::adapters::{gateway, github};
use crate::domain::name::Name;
use crate::ports::fault::Fault;
use crate::ports::sandbox::Unusable;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A secret's file cannot be read.
    #[error("{key}: cannot read {path}: {error}; put the secret there, or name another file")]
    Secret {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A secret is empty.
    #[error("{key}: the secret is empty; anybody could send deliveries")]
    EmptySecret {
        /// The setting.
        key: &'static str,
    },
    /// The work directory cannot be used.
    #[error("work.dir: cannot use {path}: {error}")]
    WorkDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The work directory is another process's.
    #[error(
        "work.dir: cannot take {path}: {error}; stop that process, or give this one a directory of its own"
    )]
    WorkDirTaken {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        error: NotHeld,
    },
    /// A setting of the App is wrong.
    #[error(transparent)]
    GitHub(#[from] github::InvalidSettings),
    /// An agent cannot be set up.
    #[error("agents.{0}: {1}")]
    Agent(Name, crate::adapters::agent::exec::BadAgent),
    /// The agent of our own has no model to call.
    #[error("agents.{0}.model: its endpoint has no price for a model to call")]
    NoModel(Name),
    /// This very program is not found, and could not be started inside.
    #[error("cannot find this program by {path}: {error}; was it replaced while it starts?")]
    OwnProgram {
        /// By what it was looked for.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A key of a model endpoint cannot be read.
    #[error(
        "models.{name}.key_file: cannot read {path}: {error}; put the key there, or name another file"
    )]
    ModelKey {
        /// The endpoint.
        name: Name,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A key of a model endpoint is empty.
    #[error("models.{0}.key_file: the key is empty; leave the setting out where none is needed")]
    EmptyModelKey(Name),
    /// The gateway cannot be set up.
    #[error(transparent)]
    Gateway(#[from] gateway::InvalidSettings),
    /// Sandboxes cannot be made here.
    #[error(transparent)]
    Sandbox(#[from] Unusable),
    /// The store cannot be opened.
    #[error("store.url: {0}")]
    Store(Fault),
}
