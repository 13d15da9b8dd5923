//! Pull requests: opening, following their branches, merging.

use std::collections::BTreeSet;

use serde_json::json;

use crate::simulator::error::{FieldError, SimError};
use crate::simulator::git::history::Commit;
use crate::simulator::git::trees::Change;
use crate::simulator::world::World;
use crate::simulator::world::branches::Move;
use crate::simulator::world::repositories::Repository;
use crate::simulator::world::reviews::{Review, ReviewComment};
use crate::simulator::world::threads::{Closed, check_body};

/// The half of a pull request that is no issue.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) head: String,
    /// Whose fork the head branch is in; `None`: the repository's own.
    pub(crate) fork: Option<String>,
    /// Where the head branch points; kept when the branch is deleted.
    pub(crate) head_sha: String,
    pub(crate) base: String,
    pub(crate) base_sha: String,
    pub(crate) draft: bool,
    pub(crate) maintainer_can_modify: bool,
    pub(crate) merged: Option<Merged>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) review_comments: Vec<ReviewComment>,
    /// The comments that resolved conversations begin with.
    pub(crate) resolved: BTreeSet<u64>,
    pub(crate) requested_reviewers: Vec<String>,
}

impl Pull {
    /// The review of that id.
    pub(crate) fn review(&self, id: u64) -> Result<&Review, SimError> {
        let mut reviews = self.reviews.iter();
        reviews
            .find(|review| review.id == id)
            .ok_or_else(SimError::not_found)
    }
}

/// How a pull request was merged.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) at: i64,
    pub(crate) by: String,
    pub(crate) sha: String,
}

/// A pull request to open.
#[derive(Debug, Clone)]
pub(crate) struct PullDraft {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) head: String,
    pub(crate) base: String,
    pub(crate) draft: bool,
    pub(crate) maintainer_can_modify: bool,
}

/// Where a new pull request comes from and goes to.
#[derive(Debug)]
struct Sides {
    head: String,
    head_sha: String,
    base_sha: String,
    fork: Option<String>,
}

/// Commits and changed files of a pull request.
#[derive(Debug)]
pub(crate) struct PullContents {
    pub(crate) commits: Vec<Commit>,
    pub(crate) changes: Vec<Change>,
}

impl Repository {
    /// What a pull request would bring: commits that the base lacks, and the difference from where
    /// the two sides parted.
    pub(crate) fn contents(&self, base: &str, head: &str) -> Result<PullContents, SimError> {
        let parted = self.objects.merge_base(base, head)?;
        let tree_of = |sha: &str| -> Result<Option<String>, SimError> {
            Ok(self.objects.commit(sha)?.map(|commit| commit.tree))
        };
        let before = parted.as_deref().map_or(Ok(None), tree_of)?;
        let after = tree_of(head)?.unwrap_or_default();
        Ok(PullContents {
            commits: self.objects.commits_between(base, head)?,
            changes: self.objects.changes(before.as_deref(), &after)?,
        })
    }
}

impl World {
    /// Opens a pull request between two branches of one repository.
    pub(crate) fn open_pull(
        &mut self,
        repo: u64,
        author: &str,
        draft: PullDraft,
    ) -> Result<u64, SimError> {
        self.writable(repo)?;
        let repository = self.repository(repo)?;
        // `owner:branch` and `branch` name the same here; a fork would name another owner.
        let own = format!("{}:", repository.owner.to_lowercase());
        let head = match draft.head.to_lowercase().strip_prefix(&own) {
            Some(_) => draft.head.get(own.len()..).unwrap_or_default().to_owned(),
            None => draft.head.clone(),
        };
        let invalid = |field| SimError::field("PullRequest", field, "invalid");
        let head_sha = repository
            .branch(&head)
            .cloned()
            .ok_or_else(|| invalid("head"))?;
        let base_sha = repository
            .branch(&draft.base)
            .cloned()
            .ok_or_else(|| invalid("base"))?;
        if draft.title.trim().is_empty() {
            return Err(SimError::field("PullRequest", "title", "missing_field"));
        }
        check_body("PullRequest", draft.body.as_deref().unwrap_or_default())?;
        let already = repository.threads.values().any(|thread| {
            let pull = thread.pull.as_ref();
            thread.closed.is_none()
                && pull.is_some_and(|pull| {
                    pull.fork.is_none() && pull.head == head && pull.base == draft.base
                })
        });
        if already {
            let message = format!(
                "A pull request already exists for {}:{head}.",
                repository.owner
            );
            return Err(SimError::custom("PullRequest", message));
        }
        if repository.objects.is_ancestor(&head_sha, &base_sha)? {
            let message = format!("No commits between {} and {head}", draft.base);
            return Err(SimError::custom("PullRequest", message));
        }
        let sides = Sides {
            head,
            head_sha,
            base_sha,
            fork: None,
        };
        self.insert_pull(repo, author, draft, sides)
    }

    /// Opens a pull request for a commit of somebody's fork.
    pub(crate) fn open_fork_pull(
        &mut self,
        repo: u64,
        author: &str,
        (title, head_sha): (&str, &str),
    ) -> Result<u64, SimError> {
        self.writable(repo)?;
        let repository = self.repository(repo)?;
        let base = repository.default_branch.clone();
        let base_sha = repository.branch(&base).cloned();
        let sides = Sides {
            head: "patch-1".to_owned(),
            head_sha: head_sha.to_owned(),
            base_sha: base_sha.ok_or_else(SimError::not_found)?,
            fork: Some(author.to_owned()),
        };
        let draft = PullDraft {
            title: title.to_owned(),
            body: None,
            head: sides.head.clone(),
            base,
            draft: false,
            maintainer_can_modify: false,
        };
        self.insert_pull(repo, author, draft, sides)
    }

    fn insert_pull(
        &mut self,
        repo: u64,
        author: &str,
        draft: PullDraft,
        sides: Sides,
    ) -> Result<u64, SimError> {
        let number = self.insert_thread(repo, author, &draft.title, draft.body.as_deref())?;
        let head_sha = sides.head_sha.clone();
        let pull = Pull {
            id: self.next_id(),
            head: sides.head,
            fork: sides.fork,
            head_sha: sides.head_sha,
            base: draft.base,
            base_sha: sides.base_sha,
            draft: draft.draft,
            maintainer_can_modify: draft.maintainer_can_modify,
            merged: None,
            reviews: Vec::new(),
            review_comments: Vec::new(),
            resolved: BTreeSet::new(),
            requested_reviewers: Vec::new(),
        };
        self.thread_mut(repo, number)?.pull = Some(pull);
        self.repository(repo)?
            .objects
            .write_ref(&format!("refs/pull/{number}/head"), &head_sha)?;
        self.emit_thread(repo, number, author, json!({"action": "opened"}))?;
        Ok(number)
    }

    /// Gives a pull request another base.
    pub(crate) fn retarget(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        base: &str,
    ) -> Result<(), SimError> {
        let sha = self
            .repository(repo)?
            .branch(base)
            .cloned()
            .ok_or_else(|| {
                SimError::validation(FieldError {
                    resource: "PullRequest",
                    code: "invalid",
                    field: Some("base"),
                    message: Some(format!("Proposed base branch '{base}' was not found")),
                })
            })?;
        let pull = self.pull_mut(repo, number)?;
        if pull.base == base {
            return Ok(());
        }
        let from = std::mem::replace(&mut pull.base, base.to_owned());
        let from_sha = std::mem::replace(&mut pull.base_sha, sha);
        let changes = json!({"base": {"ref": {"from": from}, "sha": {"from": from_sha}}});
        self.emit_thread(
            repo,
            number,
            actor,
            json!({"action": "edited", "changes": changes}),
        )
    }

    /// The pull request of that number; an issue is a 404 here.
    pub(crate) fn pull_mut(&mut self, repo: u64, number: u64) -> Result<&mut Pull, SimError> {
        self.thread_mut(repo, number)?
            .pull
            .as_mut()
            .ok_or_else(SimError::not_found)
    }

    /// Turns a draft into a pull request that is ready for review, or back.
    pub(crate) fn set_draft(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        draft: bool,
    ) -> Result<(), SimError> {
        self.pull_mut(repo, number)?.draft = draft;
        let action = if draft {
            "converted_to_draft"
        } else {
            "ready_for_review"
        };
        self.emit_thread(repo, number, actor, json!({"action": action}))
    }

    /// Lets open pull requests follow a branch that moved: `synchronize` for a head, closing when
    /// the head is gone.
    pub(crate) fn update_pulls(
        &mut self,
        repo: u64,
        actor: &str,
        branch: &str,
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let tip = repository.branch(branch).cloned();
        let open = repository
            .threads
            .values()
            .filter(|thread| thread.closed.is_none());
        let pulls = open.filter_map(|thread| Some((thread.number, thread.pull.as_ref()?)));
        let touched: Vec<(u64, bool)> = pulls
            .map(|(number, pull)| {
                let is_head = pull.fork.is_none() && pull.head == branch;
                (number, is_head, pull.base == branch)
            })
            .filter(|(_, is_head, is_base)| *is_head || *is_base)
            .map(|(number, is_head, _)| (number, is_head))
            .collect();
        for (number, is_head) in touched {
            match (&tip, is_head) {
                (Some(tip), true) => {
                    let pull = self.pull_mut(repo, number)?;
                    let before = std::mem::replace(&mut pull.head_sha, tip.clone());
                    let name = format!("refs/pull/{number}/head");
                    self.repository(repo)?.objects.write_ref(&name, tip)?;
                    let payload = json!({"action": "synchronize", "before": before, "after": tip});
                    self.emit_thread(repo, number, actor, payload)?;
                }
                (Some(tip), false) => self.pull_mut(repo, number)?.base_sha.clone_from(tip),
                (None, _) => self.set_closed(repo, number, actor, Some("completed"))?,
            }
        }
        Ok(())
    }

    /// Merges a pull request with a merge commit, and closes the issues that its body promises to
    /// close when it goes to the default branch.
    pub(crate) fn merge(&mut self, repo: u64, number: u64, actor: &str) -> Result<(), SimError> {
        self.writable(repo)?;
        let author = self.signature(actor);
        let repository = self.repository(repo)?;
        let thread = self.thread(repo, number)?;
        let pull = thread.as_pull()?;
        let refused = |why: &str| Err(SimError::Forbidden(why.to_owned()));
        if thread.closed.is_some() {
            return refused("Pull Request is closed");
        }
        if pull.draft {
            return refused("Pull Request is still a draft");
        }
        let Some(tree) = repository
            .objects
            .merge_tree(&pull.base_sha, &pull.head_sha)?
        else {
            return refused("Pull Request is not mergeable");
        };
        let commit = repository.objects.write_commit(Commit {
            sha: String::new(),
            tree,
            parents: vec![pull.base_sha.clone(), pull.head_sha.clone()],
            committer: author.clone(),
            author,
            message: format!(
                "Merge pull request #{number} from {}/{}\n\n{}",
                repository.owner, pull.head, thread.title
            ),
        })?;
        let to_default = pull.base == repository.default_branch;
        let body = thread.body.clone().unwrap_or_default();
        let moved = Move {
            name: format!("refs/heads/{}", pull.base),
            before: Some(pull.base_sha.clone()),
            after: Some(commit.sha.clone()),
        };
        let now = self.now();
        let thread = self.thread_mut(repo, number)?;
        thread.closed = Some(Closed {
            at: now,
            reason: "completed".to_owned(),
        });
        if let Some(pull) = &mut thread.pull {
            let (by, sha) = (actor.to_owned(), commit.sha.clone());
            pull.merged = Some(Merged { at: now, by, sha });
        }
        self.repository_mut(repo)?.verified.insert(commit.sha);
        self.move_ref(repo, actor, &moved)?;
        self.emit_thread(repo, number, actor, json!({"action": "closed"}))?;
        if to_default {
            for issue in closing_references(&body) {
                // A number that names nothing closes nothing.
                if self.thread(repo, issue).is_ok() {
                    self.set_closed(repo, issue, actor, Some("completed"))?;
                }
            }
        }
        Ok(())
    }
}

/// Numbers that a body promises to close (`Closes #12`).
fn closing_references(body: &str) -> Vec<u64> {
    const WORDS: [&str; 9] = [
        "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved",
    ];
    let words: Vec<&str> = body.split_whitespace().collect();
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [word, reference] => Some((word.trim_end_matches(':').to_lowercase(), *reference)),
        _ => None,
    });
    pairs
        .filter(|(word, _)| WORDS.contains(&word.as_str()))
        .filter_map(|(_, reference)| {
            let digits = reference.strip_prefix('#')?;
            digits
                .trim_end_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_issues_a_body_closes() {
        assert_eq!(
            closing_references("Closes #12, fixes: #3.\nsee #4, resolve x"),
            [12, 3]
        );
        assert_eq!(closing_references("closes 12 and #5"), Vec::<u64>::new());
    }
}
