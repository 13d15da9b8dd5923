//! The rules of the harvest that meet an agent's bytes first, for those who throw bytes at them:
//! the fuzz targets in `fuzz`, and the tests that do the same on every run. Nothing else uses this.

use std::io;
use std::path::Path;

use crate::adapters::git::base::Base;
use crate::adapters::git::collisions::find;
use crate::adapters::git::ignored::Rules;
use crate::adapters::git::links;
use crate::adapters::git::names;
use crate::adapters::git::paths::{last, prefixes};
use crate::adapters::git::pattern::Effort;
use crate::adapters::git::spool::Spool;
use crate::adapters::git::survey;
use crate::domain::change::{HarvestLimits, RefusalReason};

/// What a survey found.
#[derive(Debug)]
pub struct Surveyed {
    /// The paths that differ from an empty base.
    pub found: Vec<Vec<u8>>,
    /// Everything that was read, on its way to git.
    pub kept: Vec<u8>,
}

/// Surveys a directory against an empty base; `job` is an empty directory for the spool.
///
/// # Errors
/// When one of the server's own files cannot be written.
pub fn survey(dir: &Path, job: &Path, limits: &HarvestLimits) -> io::Result<Surveyed> {
    let spool = Spool::fresh(job)?;
    let survey = survey::survey(dir, &Base::default(), limits, &spool)?;
    let differing = survey.differing.into_iter();
    Ok(Surveyed {
        found: differing.map(|differing| differing.path).collect(),
        kept: std::fs::read(spool.stream())?,
    })
}

/// Returns why a new path is refused, for itself or one of its directories.
#[must_use]
pub fn name(path: &[u8]) -> Option<RefusalReason> {
    prefixes(path).find_map(|path| {
        if names::is_git(last(path)) {
            Some(RefusalReason::NestedGit)
        } else {
            names::refuse(path, last(path))
        }
    })
}

/// Returns whether a new link stays inside a repository that had none.
#[must_use]
pub fn stays_inside(path: &[u8], target: &[u8]) -> bool {
    links::stays_inside(path, target, |_| false)
}

/// Finds which of the new paths fall together with another.
#[must_use]
pub fn collisions<'a>(paths: &[&'a [u8]]) -> Vec<&'a [u8]> {
    find(paths, std::iter::empty())
}

/// Returns what a `.gitignore` says of a path.
#[must_use]
pub fn is_ignored(rules: &[u8], path: &[u8], is_directory: bool) -> Option<bool> {
    Rules::parse(rules).verdict(path, is_directory, &mut Effort::for_a_harvest())
}
