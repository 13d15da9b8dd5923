//! Commits and branches of the local repository.

use crate::adapters::git::local::LocalForge;
use crate::adapters::git::local::bench::Bench;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::revision::rev_parse;
use crate::adapters::git::trouble::Trouble;
use crate::domain::branch::BranchName;
use crate::domain::ids::{CommitSha, TreeSha};
use crate::domain::repo::Repo;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{Commits, MadeCommit, NewCommit};

#[async_trait::async_trait]
impl Commits for LocalForge {
    async fn commit(&self, repo: &Repo, commit: &NewCommit) -> Result<CommitSha, Fault> {
        let doing = format!("commit to {}", repo.name);
        let parents = commit.parents.iter();
        let parents: Result<Vec<_>, _> = parents
            .map(|parent| ObjectId::expect(parent.as_str(), &doing))
            .collect();
        let base = ObjectId::expect(commit.base_tree.as_str(), &doing)?;
        let wanted = ObjectId::expect(commit.tree.as_str(), &doing)?;
        let failed = |trouble: Trouble| trouble.fault(&doing);
        let bench = Bench::new(&self.bench, &self.place.objects)
            .await
            .map_err(failed)?;
        let tree = bench.tree(base, &commit.entries).await.map_err(failed)?;
        if tree != wanted {
            let why = format!("its tree {tree} is not the verified tree {wanted}");
            return Err(Fault::permanent(doing, why));
        }
        let text = self.text(commit);
        let made = bench.commit(&text).await.map_err(failed)?;
        let git_dir = &self.place.git_dir;
        bench
            .hand_over(git_dir, made, &parents?)
            .await
            .map_err(failed)?;
        let revision = format!("{made}^{{tree}}");
        let there = rev_parse(git_dir, &revision).await.map_err(failed)?;
        if there != wanted {
            let why = "the repository reads another tree from it";
            return Err(Fault::permanent(doing, why));
        }
        Ok(CommitSha::new(made.to_string()))
    }

    async fn branch(&self, _repo: &Repo, branch: &BranchName) -> Result<Option<CommitSha>, Fault> {
        let doing = format!("read branch {branch}");
        let tip = self.tip(branch).await;
        let tip = tip.map_err(|trouble| trouble.fault(doing))?;
        Ok(tip.map(|tip| CommitSha::new(tip.to_string())))
    }

    async fn made(&self, _repo: &Repo, commit: &CommitSha) -> Result<MadeCommit, Fault> {
        let doing = format!("read commit {commit}");
        let failed = |trouble: Trouble| trouble.fault(&doing);
        let read = |suffix: &'static str| async move {
            rev_parse(&self.place.git_dir, &format!("{commit}{suffix}")).await
        };
        ObjectId::expect(commit.as_str(), &doing)?;
        let tree = read("^{tree}").await.map_err(failed)?;
        // What was made here has one parent.
        let parent = read("^").await.map_err(failed)?;
        Ok(MadeCommit {
            tree: TreeSha::new(tree.to_string()),
            parents: vec![CommitSha::new(parent.to_string())],
        })
    }

    async fn create_branch(
        &self,
        _repo: &Repo,
        branch: &BranchName,
        at: &CommitSha,
    ) -> Result<(), Fault> {
        let doing = format!("create branch {branch}");
        let at = ObjectId::expect(at.as_str(), &doing)?;
        let Err(trouble) = self.point(branch, at, None).await else {
            return Ok(());
        };
        // Git has no code for it: whoever created it first is seen by looking.
        match self.tip(branch).await {
            Ok(Some(tip)) => Err(Fault::new(
                Class::Conflict,
                doing,
                format_args!("there is one already, at {tip}"),
            )),
            Ok(None) | Err(_) => Err(trouble.fault(doing)),
        }
    }

    async fn move_branch(
        &self,
        _repo: &Repo,
        branch: &BranchName,
        to: &CommitSha,
    ) -> Result<(), Fault> {
        let doing = format!("move branch {branch}");
        let to = ObjectId::expect(to.as_str(), &doing)?;
        let failed = |trouble: Trouble| trouble.fault(&doing);
        let Some(tip) = self.tip(branch).await.map_err(failed)? else {
            return Err(Fault::new(Class::NotFound, doing, "there is none"));
        };
        if tip == to {
            return Ok(());
        }
        if !self.is_ancestor(tip, to).await.map_err(failed)? {
            let why = format!("{to} does not follow {tip}, which it points at");
            return Err(Fault::new(Class::Conflict, doing, why));
        }
        if self.is_checked_out(branch).await.map_err(failed)? {
            let why = "it is checked out, and its files would not follow; check out another one";
            return Err(Fault::permanent(doing, why));
        }
        self.point(branch, to, Some(tip)).await.map_err(failed)
    }

    async fn delete_branch(&self, _repo: &Repo, branch: &BranchName) -> Result<(), Fault> {
        // What a person's own repository holds is theirs to clear away.
        let doing = format!("delete branch {branch}");
        Err(Fault::permanent(
            doing,
            "nothing is deleted in a local repository",
        ))
    }
}

impl LocalForge {
    /// Writes the whole text of a commit: by the person, through us.
    fn text(&self, commit: &NewCommit) -> String {
        let (name, email) = (&self.person.name, &self.person.email);
        let seconds = self.clock.now().as_millis().div_euclid(1_000).max(0);
        let parents = commit.parents.iter();
        let parents: Vec<_> = parents.map(|parent| format!("parent {parent}\n")).collect();
        let parents = parents.concat();
        format!(
            "tree {}\n{parents}author {name} <{email}> {seconds} +0000\n\
             committer prova <prova@localhost> {seconds} +0000\n\n{}",
            commit.tree, commit.message
        )
    }
}
