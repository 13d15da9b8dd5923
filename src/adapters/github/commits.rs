//! Commits and branches by the Git data API.
//!
//! A commit that names neither author nor committer is signed by GitHub and shown as verified;
//! one that git pushes, or that names anybody, is not.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::adapters::github::Client;
use crate::adapters::github::answer::Answer;
use crate::adapters::github::request::{Request, in_repo, segments};
use crate::domain::branch::BranchName;
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{CommitSha, TreeSha};
use crate::domain::repo::Repo;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{Commits, MadeCommit, NewCommit, TreeEntry};

/// Bytes of file content that travel inside the tree; what is more goes in requests of its own.
const INLINE_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Object {
    sha: String,
}

#[derive(Deserialize)]
struct Made {
    tree: Object,
    parents: Vec<Object>,
}

#[derive(Deserialize)]
struct Reference {
    object: Object,
}

#[async_trait::async_trait]
impl Commits for Client {
    async fn commit(&self, repo: &Repo, commit: &NewCommit) -> Result<CommitSha, Fault> {
        let tree = if commit.entries.is_empty() {
            commit.base_tree.as_str().to_owned()
        } else {
            let blobs = self.upload_large(repo, &commit.entries).await?;
            self.create_tree(repo, commit, &blobs).await?
        };
        if tree != commit.tree.as_str() {
            let cause = format!(
                "GitHub's tree {tree} is not the verified tree {}; nothing was committed",
                commit.tree
            );
            return Err(Fault::permanent(doing_commit(repo), cause));
        }
        let body = json!({
            "message": commit.message,
            "tree": tree,
            "parents": commit.parents,
        });
        let request = Request::post(doing_commit(repo), in_repo(repo, "/git/commits"), &body);
        let created: Object = self.send(repo, &request).await?.json()?;
        Ok(CommitSha::new(created.sha))
    }

    async fn branch(&self, repo: &Repo, branch: &BranchName) -> Result<Option<CommitSha>, Fault> {
        let doing = format!("read branch {branch} of {}", repo.name);
        let path = format!("/git/ref/heads/{}", segments(branch.as_str()));
        let request = Request::get(doing, in_repo(repo, &path));
        let answer = self.send(repo, &request).await?;
        let empty = answer.status == StatusCode::CONFLICT && answer.says("repository is empty");
        if empty || answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let found: Reference = answer.json()?;
        Ok(Some(CommitSha::new(found.object.sha)))
    }

    async fn create_branch(
        &self,
        repo: &Repo,
        branch: &BranchName,
        at: &CommitSha,
    ) -> Result<(), Fault> {
        let doing = format!("create branch {branch} in {}", repo.name);
        let body = json!({
            "ref": branch.full(),
            "sha": at.as_str(),
        });
        let request = Request::post(doing, in_repo(repo, "/git/refs"), &body);
        let answer = self.send(repo, &request).await?;
        if unprocessable(&answer, "already exists") {
            return Err(answer.fault_of(Class::Conflict));
        }
        answer.succeeded()?;
        Ok(())
    }

    async fn made(&self, repo: &Repo, commit: &CommitSha) -> Result<MadeCommit, Fault> {
        let doing = format!("read commit {commit} of {}", repo.name);
        let path = format!("/git/commits/{}", segments(commit.as_str()));
        let request = Request::get(doing, in_repo(repo, &path));
        let made: Made = self.send(repo, &request).await?.json()?;
        Ok(MadeCommit {
            tree: TreeSha::new(made.tree.sha),
            parents: (made.parents.into_iter())
                .map(|parent| CommitSha::new(parent.sha))
                .collect(),
        })
    }

    async fn move_branch(
        &self,
        repo: &Repo,
        branch: &BranchName,
        to: &CommitSha,
    ) -> Result<(), Fault> {
        let doing = format!("move branch {branch} of {}", repo.name);
        let path = format!("/git/refs/heads/{}", segments(branch.as_str()));
        let body = json!({ "sha": to.as_str(), "force": false });
        let request = Request::patch(doing, in_repo(repo, &path), &body);
        let answer = self.send(repo, &request).await?;
        if unprocessable(&answer, "fast forward") || unprocessable(&answer, "fast-forward") {
            return Err(answer.fault_of(Class::Conflict));
        }
        if unprocessable(&answer, "reference does not exist") {
            return Err(answer.fault_of(Class::NotFound));
        }
        answer.succeeded()?;
        Ok(())
    }

    async fn delete_branch(&self, repo: &Repo, branch: &BranchName) -> Result<(), Fault> {
        let doing = format!("delete branch {branch} of {}", repo.name);
        let path = format!("/git/refs/heads/{}", segments(branch.as_str()));
        let request = Request::delete(doing, in_repo(repo, &path)).of(Importance::Bulk);
        let answer = self.send(repo, &request).await?;
        if unprocessable(&answer, "reference does not exist") {
            return Err(answer.fault_of(Class::NotFound));
        }
        answer.succeeded()?;
        Ok(())
    }
}

fn doing_commit(repo: &Repo) -> String {
    format!("commit to {}", repo.name)
}

fn unprocessable(answer: &Answer, because: &str) -> bool {
    answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.says(because)
}

impl Client {
    /// Creates a blob for every entry whose content the tree cannot carry, and returns their ids by
    /// path.
    async fn upload_large<'a>(
        &self,
        repo: &Repo,
        entries: &'a [TreeEntry],
    ) -> Result<BTreeMap<&'a str, String>, Fault> {
        let mut blobs = BTreeMap::new();
        for (path, content) in apart(entries) {
            let doing = format!("upload {path} to {}", repo.name);
            let body = json!({ "content": STANDARD.encode(content), "encoding": "base64" });
            let request = Request::post(doing, in_repo(repo, "/git/blobs"), &body);
            let created: Object = self.send(repo, &request).await?.json()?;
            blobs.insert(path, created.sha);
        }
        Ok(blobs)
    }

    async fn create_tree(
        &self,
        repo: &Repo,
        commit: &NewCommit,
        blobs: &BTreeMap<&str, String>,
    ) -> Result<String, Fault> {
        // Deletions first: a file that becomes a directory has to go before what is put below it.
        // What lies below a directory that becomes a file goes with the directory.
        let (deleted, put): (Vec<_>, Vec<_>) =
            commit.entries.iter().partition(|entry| entry.put.is_none());
        let files: BTreeSet<&str> = put.iter().map(|entry| entry.path.as_str()).collect();
        let replaced = |entry: &&TreeEntry| {
            let mut above = entry.path.match_indices('/');
            above.any(|(at, _)| entry.path.get(..at).is_some_and(|dir| files.contains(dir)))
        };
        let deleted = deleted.into_iter().filter(|entry| !replaced(entry));
        let tree: Vec<Value> = (deleted.chain(put))
            .map(|entry| tree_entry(entry, blobs))
            .collect();
        let body = json!({ "base_tree": commit.base_tree.as_str(), "tree": tree });
        let request = Request::post(doing_commit(repo), in_repo(repo, "/git/trees"), &body);
        let answer = self.send(repo, &request).await?;
        let created: Result<Object, Fault> = answer.json();
        created.map(|tree| tree.sha).map_err(|fault| {
            let workflow = |entry: &TreeEntry| entry.path.starts_with(".github/workflows/");
            match fault.class {
                Class::AuthLost | Class::NotFound if commit.entries.iter().any(workflow) => {
                    let needs = "an App may change .github/workflows only with the permission \
                                 workflows: write";
                    Fault::permanent(fault.doing, format!("{}; {needs}", fault.cause))
                }
                Class::Transient
                | Class::RateLimited(_)
                | Class::AuthLost
                | Class::Conflict
                | Class::NotFound
                | Class::Permanent => fault,
            }
        })
    }
}

/// Returns the entries that need a blob of their own: what is not text, and the largest of the rest
/// until the others fit.
fn apart(entries: &[TreeEntry]) -> Vec<(&str, &[u8])> {
    let puts = entries
        .iter()
        .filter_map(|entry| Some((entry.path.as_str(), entry.put.as_ref()?.1.as_slice())));
    let (mut texts, mut apart): (Vec<_>, Vec<_>) = puts.partition(|(_, bytes)| is_text(bytes));
    texts.sort_by_key(|(_, bytes)| bytes.len());
    let mut room = INLINE_BYTES;
    apart.extend(
        texts
            .into_iter()
            .filter(|(_, bytes)| match room.checked_sub(bytes.len()) {
                Some(rest) => {
                    room = rest;
                    false
                }
                None => true,
            }),
    );
    apart
}

/// NUL is UTF-8 but ends a string in too many places to be trusted to JSON.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

fn tree_entry(entry: &TreeEntry, blobs: &BTreeMap<&str, String>) -> Value {
    let path = entry.path.as_str();
    match &entry.put {
        // The mode of what is deleted does not matter, but has to be there.
        None => json!({ "path": path, "mode": "100644", "type": "blob", "sha": null }),
        Some((mode, content)) => {
            let mode = mode.octal();
            match blobs.get(path) {
                Some(sha) => json!({ "path": path, "mode": mode, "type": "blob", "sha": sha }),
                None => json!({
                    "path": path,
                    "mode": mode,
                    "type": "blob",
                    "content": String::from_utf8_lossy(content),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Mode;

    fn entry(path: &str, content: Vec<u8>) -> TreeEntry {
        TreeEntry {
            path: path.to_owned(),
            put: Some((Mode::File, content)),
        }
    }

    #[test]
    fn what_is_not_text_or_does_not_fit_goes_apart() {
        let half = INLINE_BYTES / 2;
        let entries = [
            entry("large", vec![b'a'; INLINE_BYTES + 1]),
            entry("half", vec![b'a'; half]),
            entry("small", b"text".to_vec()),
            entry("half too", vec![b'a'; half]),
            entry("binary", vec![0xff, 0xfe]),
            entry("nul", vec![b'a', 0]),
            entry("empty", Vec::new()),
            TreeEntry {
                path: "gone".to_owned(),
                put: None,
            },
        ];
        let paths: Vec<_> = apart(&entries).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["binary", "nul", "half too", "large"]);
    }
}
