//! Turns: who may change what belongs to one repository.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FlockOperation;

use crate::adapters::git::blocking::blocking;
use crate::domain::ids::RepoId;

/// The turns of all repositories below one directory.
#[derive(Debug)]
pub(crate) struct Turns {
    dir: PathBuf,
    tasks: Mutex<HashMap<RepoId, Arc<tokio::sync::Mutex<()>>>>,
}

/// The right to change what belongs to one repository: against other tasks of this server, and
/// against other servers on the same directory. The system lets go of a dead process's lock.
pub(crate) struct Turn {
    _task: tokio::sync::OwnedMutexGuard<()>,
    _process: OwnedFd,
}

impl Turns {
    /// Keeps its lock files in `dir`, which need not exist yet.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            tasks: Mutex::default(),
        }
    }

    /// Waits until it is our turn.
    pub(crate) async fn take(&self, repo: RepoId) -> io::Result<Turn> {
        let turn = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tasks.entry(repo).or_default())
        };
        let task = turn.lock_owned().await;
        let dir = self.dir.clone();
        let process = blocking(move || {
            fs::create_dir_all(&dir)?;
            let file = fs::File::create(dir.join(format!("{repo}.lock")))?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            Ok(OwnedFd::from(file))
        })
        .await?;
        Ok(Turn {
            _task: task,
            _process: process,
        })
    }
}
