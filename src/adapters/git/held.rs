//! What jobs hold for as long as they have a directory.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The leases of the jobs of this process, by their directories.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<PathBuf, Vec<OwnedFd>>>);

impl Held {
    /// Keeps leases until the job's directory is removed.
    pub(crate) fn keep(&self, job: &Path, leases: Vec<OwnedFd>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(job.to_owned()).or_default().extend(leases);
    }

    /// Lets go of what a job held, and whoever worked in a part of its directory.
    pub(crate) fn release(&self, job: &Path) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|holder, _| !holder.starts_with(job));
    }
}
