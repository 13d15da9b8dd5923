//! Repositories.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::simulator::error::SimError;
use crate::simulator::git::history::{Commit, Signature};
use crate::simulator::git::objects::{Kind, Objects};
use crate::simulator::git::trees::{Edit, EditError, Entry};
use crate::simulator::world::World;
use crate::simulator::world::accounts::{AccountKind, Role};
use crate::simulator::world::checks::CheckRun;
use crate::simulator::world::integration::Rule;
use crate::simulator::world::threads::Thread;

/// One file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From the root, with slashes.
    pub path: String,
    /// What is in it; of a symbolic link, where it points.
    pub content: Vec<u8>,
    /// `100644`, `100755` (executable) or `120000` (symbolic link).
    pub mode: &'static str,
}

impl File {
    /// A plain file.
    #[must_use]
    pub fn new(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.to_owned(),
            content: content.into(),
            mode: "100644",
        }
    }

    /// A file that may be executed.
    #[must_use]
    pub fn executable(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            mode: "100755",
            ..Self::new(path, content)
        }
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(path: &str, target: &str) -> Self {
        Self {
            mode: "120000",
            ..Self::new(path, target)
        }
    }
}

/// A repository to create.
#[derive(Debug, Clone)]
pub struct RepositorySpec {
    /// `owner/name`; the owner is created as a person when nobody has that login.
    pub full_name: String,
    /// Whether only collaborators see it.
    pub private: bool,
    /// Such as `main`.
    pub default_branch: String,
    /// The first commit; without a file there is no commit, and the repository is empty.
    pub files: Vec<File>,
}

impl RepositorySpec {
    /// A public repository with a `main` branch.
    #[must_use]
    pub fn new(full_name: &str, files: Vec<File>) -> Self {
        Self {
            full_name: full_name.to_owned(),
            private: false,
            default_branch: "main".to_owned(),
            files,
        }
    }

    /// The same, for collaborators only.
    #[must_use]
    pub fn private(self) -> Self {
        Self {
            private: true,
            ..self
        }
    }
}

/// A repository.
#[derive(Debug)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) default_branch: String,
    /// By lower-case login.
    pub(crate) collaborators: BTreeMap<String, Role>,
    pub(crate) labels: BTreeMap<String, Label>,
    pub(crate) threads: BTreeMap<u64, Thread>,
    pub(crate) check_runs: Vec<CheckRun>,
    /// The check suites that are to run again, and of which nothing was reported since.
    pub(crate) awaited: BTreeSet<u64>,
    /// What continuous integration runs on every push.
    pub(crate) rules: Vec<Rule>,
    /// Full names of branches and tags to object ids; the same as on disk.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) objects: Objects,
    /// Commits that GitHub made and signed on behalf of the App or of a person in the browser.
    pub(crate) verified: BTreeSet<String>,
    pub(crate) created_at: i64,
    pub(crate) pushed_at: i64,
}

/// A label of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Repository {
    /// `owner/name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The commit a branch points at.
    pub(crate) fn branch(&self, name: &str) -> Option<&String> {
        self.refs.get(&format!("refs/heads/{name}"))
    }

    /// Finds a commit by branch, tag, full ref or id; no name means the default branch.
    pub(crate) fn resolve(&self, name: &str) -> Result<Option<Commit>, SimError> {
        let name = if name.is_empty() || name == "HEAD" {
            &self.default_branch
        } else {
            name
        };
        let candidates = [
            format!("refs/heads/{name}"),
            format!("refs/tags/{name}"),
            name.to_owned(),
            format!("refs/{name}"),
        ];
        let sha = candidates
            .iter()
            .find_map(|full| self.refs.get(full))
            .map_or(name, |sha| sha);
        Ok(self.objects.commit(sha)?)
    }

    /// Writes the files as blobs and returns the edits that put them into a tree.
    pub(crate) fn edits(&self, files: &[File]) -> Result<Vec<(String, Edit)>, SimError> {
        let mut edits = Vec::new();
        for file in files {
            let sha = self.objects.write(Kind::Blob, &file.content)?;
            edits.push((file.path.clone(), Edit::Put(Entry::new(file.mode, &sha))));
        }
        Ok(edits)
    }

    /// The files of a branch, in path order.
    pub(crate) fn files_of(&self, branch: &str) -> Result<Vec<File>, SimError> {
        let commit = match self.branch(branch) {
            Some(sha) => self.objects.commit(sha)?,
            None => None,
        };
        let commit = commit.ok_or_else(SimError::not_found)?;
        let mut files = Vec::new();
        for (path, entry) in self.objects.files(&commit.tree)? {
            let mode = match entry.mode.as_str() {
                "100755" => "100755",
                "120000" => "120000",
                _ => "100644",
            };
            let content = self
                .objects
                .read_as(&entry.sha, Kind::Blob)?
                .unwrap_or_default();
            files.push(File {
                path,
                content: content.to_vec(),
                mode,
            });
        }
        Ok(files)
    }

    /// Commits edits on top of a branch (or as the first commit), without moving the branch.
    pub(crate) fn commit_edits(
        &self,
        branch: &str,
        edits: &[(String, Edit)],
        author: Signature,
        message: &str,
    ) -> Result<Commit, SimError> {
        let parent = self.branch(branch).cloned();
        let base = match &parent {
            Some(sha) => self.objects.commit(sha)?.map(|commit| commit.tree),
            None => None,
        };
        let tree = self
            .objects
            .edit_tree(base.as_deref(), edits)
            .map_err(|error| match error {
                EditError::Io(error) => SimError::from(error),
                EditError::Missing(path) => {
                    SimError::unprocessable(format!("{path} is not in {branch}"))
                }
            })?;
        Ok(self.objects.write_commit(Commit {
            sha: String::new(),
            tree,
            parents: parent.into_iter().collect(),
            committer: author.clone(),
            author,
            message: message.to_owned(),
        })?)
    }
}

impl World {
    /// Creates a repository with its first commit.
    pub(crate) fn create_repository(&mut self, spec: &RepositorySpec) -> Result<u64, SimError> {
        let Some((owner, name)) = spec.full_name.split_once('/') else {
            return Err(SimError::unprocessable(format!(
                "{}: want owner/name",
                spec.full_name
            )));
        };
        self.account(owner, AccountKind::User);
        let id = self.next_id();
        let now = self.now();
        let mut repository = Repository {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            private: spec.private,
            archived: false,
            default_branch: spec.default_branch.clone(),
            collaborators: BTreeMap::new(),
            labels: BTreeMap::new(),
            threads: BTreeMap::new(),
            check_runs: Vec::new(),
            awaited: BTreeSet::new(),
            rules: Vec::new(),
            refs: BTreeMap::new(),
            objects: Objects::create(
                &self.git_root.join(format!("{id}.git")),
                &spec.default_branch,
            )?,
            verified: BTreeSet::new(),
            created_at: now,
            pushed_at: now,
        };
        if !spec.files.is_empty() {
            let edits = repository.edits(&spec.files)?;
            let author = self.signature(owner);
            let branch = &spec.default_branch;
            let commit = repository.commit_edits(branch, &edits, author, "Initial commit")?;
            let name = format!("refs/heads/{branch}");
            repository.objects.write_ref(&name, &commit.sha)?;
            repository.refs.insert(name, commit.sha);
        }
        self.repositories.insert(id, repository);
        Ok(id)
    }

    /// How an account signs commits, now.
    pub(crate) fn signature(&self, login: &str) -> Signature {
        let id = self.find_account(login).map_or(0, |account| account.id);
        Signature {
            name: login.to_owned(),
            email: format!("{id}+{login}@users.noreply.github.com"),
            seconds: self.now() / 1000,
        }
    }

    /// Renames a repository; the old name redirects.
    pub(crate) fn rename(&mut self, repo: u64, actor: &str, name: &str) -> Result<(), SimError> {
        let repository = self.repository_mut(repo)?;
        let old = repository.full_name().to_lowercase();
        let from = std::mem::replace(&mut repository.name, name.to_owned());
        self.former_names.insert(old, repo);
        let changes = json!({"repository": {"name": {"from": from}}});
        self.emit(
            repo,
            actor,
            "repository",
            json!({"action": "renamed", "changes": changes}),
        );
        Ok(())
    }

    /// Archives a repository (read-only from then on) or brings it back.
    pub(crate) fn archive(&mut self, repo: u64, actor: &str, yes: bool) -> Result<(), SimError> {
        self.repository_mut(repo)?.archived = yes;
        let action = if yes { "archived" } else { "unarchived" };
        self.emit(repo, actor, "repository", json!({"action": action}));
        Ok(())
    }

    /// Deletes a repository.
    pub(crate) fn delete_repository(&mut self, repo: u64, actor: &str) -> Result<(), SimError> {
        self.repository(repo)?;
        self.emit(repo, actor, "repository", json!({"action": "deleted"}));
        self.repositories.remove(&repo);
        Ok(())
    }

    /// Refuses a write to an archived repository.
    pub(crate) fn writable(&self, repo: u64) -> Result<(), SimError> {
        if self.repository(repo)?.archived {
            return Err(SimError::Forbidden(
                "Repository was archived so is read-only.".to_owned(),
            ));
        }
        Ok(())
    }

    /// Finds a label of a repository, creating it when there is none of that name.
    pub(crate) fn label(&mut self, repo: u64, name: &str) -> Result<Label, SimError> {
        let id = self.next_id();
        let key = name.to_lowercase();
        let labels = &mut self.repository_mut(repo)?.labels;
        Ok(labels
            .entry(key)
            .or_insert_with(|| Label {
                id,
                name: name.to_owned(),
            })
            .clone())
    }
}
