//! A repository of this machine in GitHub's place, for work that does not go to GitHub.
//!
//! The person's repository is trusted to be read and to be given objects and branches below
//! `prova/`; nothing else of it is touched: not the working tree, the index, or the branch that is
//! checked out. Its settings and hooks run nothing: every call of git is as bare as all others of
//! this room. What GitHub would show (comments, pull requests, check runs) is kept in memory.

mod bench;
mod branches;
mod commits;
mod memory;
mod person;
mod place;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::adapters::git::call::Call;
use crate::adapters::git::local::memory::Memory;
use crate::adapters::git::local::person::Person;
use crate::adapters::git::local::place::Place;
use crate::adapters::git::process;
use crate::adapters::git::trouble::Trouble;
use crate::domain::ids::{CommitSha, InstallationId, RepoId, RepoName};
use crate::domain::repo::{Actor, Repo};
use crate::ports::clock::Clock;

pub use crate::adapters::git::local::person::Asker;

/// What makes a directory unfit to work on.
#[derive(Debug, thiserror::Error)]
pub enum BadRepository {
    /// The directory cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// There is no repository.
    #[error("{0} is not in a git repository; name one, or make one there: git init")]
    NotARepository(PathBuf),
    /// There is nothing to start from.
    #[error("{0} has no commit yet, so there is nothing to work on; commit something first")]
    NoCommit(PathBuf),
    /// No branch is the current one.
    #[error(
        "HEAD of {0} is detached, and work starts from a branch; check one out: git switch BRANCH"
    )]
    DetachedHead(PathBuf),
    /// Part of its history is missing.
    #[error(
        "{0} is a shallow clone, which cannot be fetched from; complete it: git fetch --unshallow"
    )]
    Shallow(PathBuf),
    /// Its objects have ids of the newer kind.
    #[error(
        "{0} has {1} object ids; only repositories with SHA-1 ids, as GitHub has them, are worked on"
    )]
    ObjectFormat(PathBuf, String),
    /// A branch stands where the work's branches would go.
    #[error(
        "{0} has a branch called `prova`, so no branch can be called prova/…; rename it: git branch -m prova NAME"
    )]
    InTheWay(PathBuf),
    /// Git says no.
    #[error("{0}: {1}")]
    Git(PathBuf, String),
}

/// A repository of this machine that stands for GitHub: it implements every trait of
/// [`crate::ports::github`], and everybody may do everything.
pub struct LocalForge {
    place: Place,
    /// Where new objects are made before the repository gets them.
    bench: PathBuf,
    head: CommitSha,
    repo: Repo,
    person: Person,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

impl LocalForge {
    /// Opens the repository that `dir` is in. `bench` is a directory of ours for what is under way.
    ///
    /// # Errors
    /// When there is no repository, or nothing that work could start from.
    pub async fn open(
        dir: &Path,
        bench: PathBuf,
        asker: &Asker,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BadRepository> {
        let dir = std::fs::canonicalize(dir)
            .map_err(|error| BadRepository::Unreadable(dir.to_owned(), error))?;
        let place = Place::find(&dir).await?;
        let git = |trouble: Trouble| BadRepository::Git(dir.clone(), trouble.said);
        let head = ask(&place.git_dir, &["symbolic-ref", "--quiet", "HEAD"]);
        let branch = match head.await.map_err(git)? {
            Some(reference) => reference.strip_prefix("refs/heads/").map(str::to_owned),
            None => None,
        };
        let branch = branch.ok_or_else(|| BadRepository::DetachedHead(dir.clone()))?;
        let commit = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
        let commit = ask(&place.git_dir, &commit).await.map_err(git)?;
        let head = commit.ok_or_else(|| BadRepository::NoCommit(dir.clone()))?;
        let person = Person::find(&place.git_dir, asker).await.map_err(git)?;
        let forge = Self {
            repo: Repo {
                id: RepoId(1),
                name: name(&place.root),
                installation: InstallationId(1),
                default_branch: branch,
                archived: false,
            },
            place,
            bench,
            head: CommitSha::new(head),
            person,
            clock,
            memory: Mutex::default(),
        };
        let taken = forge.exists("prova").await.map_err(git)?;
        if taken {
            return Err(BadRepository::InTheWay(dir));
        }
        Ok(forge)
    }

    /// Returns the repository, called `local/` and the name of its directory; its default branch is
    /// the one that is checked out.
    #[must_use]
    pub const fn repo(&self) -> &Repo {
        &self.repo
    }

    /// Returns the commit that is checked out.
    #[must_use]
    pub const fn head(&self) -> &CommitSha {
        &self.head
    }

    /// Returns the person whose repository it is.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.person.actor
    }

    /// Returns the directory that a person would go to: the working tree, or the bare repository.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// Returns where git fetches it from.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.place.remote
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks git a question that it answers with one line, or with no.
async fn ask(git_dir: &Path, args: &[&str]) -> Result<Option<String>, Trouble> {
    let printed = process::ask(&Call::new(git_dir, args)).await?;
    Ok(printed.map(|line| String::from_utf8_lossy(line.trim_ascii_end()).into_owned()))
}

/// Names a repository after its directory, with the characters that GitHub allows.
fn name(root: &Path) -> RepoName {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(100)
        .collect();
    let only_dots = name.chars().all(|c| c == '.');
    RepoName {
        owner: "local".to_owned(),
        name: if only_dots {
            "repository".to_owned()
        } else {
            name
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_names_its_repository() {
        let named = |path: &str| name(Path::new(path)).to_string();
        assert_eq!(named("/home/ada/hello"), "local/hello");
        assert_eq!(named("/srv/hello.git"), "local/hello");
        assert_eq!(named("/srv/über uns"), "local/-ber-uns");
        assert_eq!(named("/"), "local/repository");
        assert_eq!(named("/srv/.git"), "local/repository");
    }
}
