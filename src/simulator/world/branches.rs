//! Branches and tags: what moves them, and everything that follows from a move.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::git::history::Commit;
use crate::simulator::world::World;
use crate::simulator::world::render;

/// The object id that stands for "no object".
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

/// A ref that moved: created when there is no `before`, deleted when there is no `after`.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) name: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl World {
    /// Moves a ref on disk and in state, with everything that follows.
    pub(crate) fn move_ref(
        &mut self,
        repo: u64,
        actor: &str,
        moved: &Move,
    ) -> Result<(), SimError> {
        let repository = self.repository_mut(repo)?;
        match &moved.after {
            Some(sha) => repository.objects.write_ref(&moved.name, sha)?,
            None => repository.objects.remove_ref(&moved.name)?,
        }
        self.ref_moved(repo, actor, moved)
    }

    /// Takes over what a push over smart HTTP has left on disk.
    pub(crate) fn refresh_refs(&mut self, repo: u64, actor: &str) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let on_disk = repository.objects.read_refs()?;
        let known: BTreeMap<String, String> = repository.refs.clone();
        let tips: Vec<&String> = known.values().collect();
        let new: Vec<&String> = on_disk.values().filter(|sha| !tips.contains(sha)).collect();
        if !new.is_empty() {
            repository.objects.prefetch(&new, &tips)?;
        }
        for name in known
            .keys()
            .chain(on_disk.keys().filter(|name| !known.contains_key(*name)))
        {
            let (before, after) = (known.get(name).cloned(), on_disk.get(name).cloned());
            if before != after {
                self.ref_moved(
                    repo,
                    actor,
                    &Move {
                        name: name.clone(),
                        before,
                        after,
                    },
                )?;
            }
        }
        Ok(())
    }

    fn ref_moved(&mut self, repo: u64, actor: &str, moved: &Move) -> Result<(), SimError> {
        let now = self.now();
        let repository = self.repository_mut(repo)?;
        repository.pushed_at = now;
        match &moved.after {
            Some(sha) => repository.refs.insert(moved.name.clone(), sha.clone()),
            None => repository.refs.remove(&moved.name),
        };
        self.emit_push(repo, actor, moved)?;
        if let Some(branch) = moved.name.strip_prefix("refs/heads/") {
            self.update_pulls(repo, actor, branch)?;
            if moved.after.is_some() {
                self.integrate(repo, branch)?;
            }
        }
        Ok(())
    }

    /// Sends `push`, and `create` or `delete` beside it.
    fn emit_push(&mut self, repo: u64, actor: &str, moved: &Move) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let master = repository.default_branch.clone();
        let (kind, short) = match moved.name.strip_prefix("refs/tags/") {
            Some(tag) => ("tag", tag),
            None => ("branch", moved.name.trim_start_matches("refs/heads/")),
        };
        let commits = self.pushed_commits(repo, moved)?;
        let mut rendered = Vec::new();
        for commit in &commits {
            rendered.push(render::commits::pushed(self, repository, commit)?);
        }
        let forced = match (&moved.before, &moved.after) {
            (Some(before), Some(after)) => !repository.objects.is_ancestor(before, after)?,
            (None, _) | (_, None) => false,
        };
        let before = moved.before.as_deref().unwrap_or(ZERO);
        let after = moved.after.as_deref().unwrap_or(ZERO);
        let push = json!({
            "ref": moved.name,
            "before": before,
            "after": after,
            "created": moved.before.is_none(),
            "deleted": moved.after.is_none(),
            "forced": forced,
            "base_ref": null,
            "compare": format!("{}/{}/compare/{before}...{after}", self.origin, repository.full_name()),
            "head_commit": rendered.last().cloned().unwrap_or(Value::Null),
            "commits": rendered,
            "pusher": {"name": actor, "email": self.signature(actor).email},
        });
        let created = json!({
            "ref": short,
            "ref_type": kind,
            "master_branch": master,
            "description": null,
            "pusher_type": "user",
        });
        let deleted = json!({"ref": short, "ref_type": kind, "pusher_type": "user"});
        self.emit(repo, actor, "push", push);
        if moved.before.is_none() {
            self.emit(repo, actor, "create", created);
        }
        if moved.after.is_none() {
            self.emit(repo, actor, "delete", deleted);
        }
        Ok(())
    }

    /// The commits a move added, oldest first. For a new branch: what the default branch lacks.
    fn pushed_commits(&self, repo: u64, moved: &Move) -> Result<Vec<Commit>, SimError> {
        let repository = self.repository(repo)?;
        let Some(after) = &moved.after else {
            return Ok(Vec::new());
        };
        let base = moved
            .before
            .as_ref()
            .or_else(|| repository.branch(&repository.default_branch));
        Ok(match base {
            Some(base) => repository.objects.commits_between(base, after)?,
            None => repository.objects.commit(after)?.into_iter().collect(),
        })
    }
}
