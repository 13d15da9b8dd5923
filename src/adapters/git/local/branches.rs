//! References of the local repository: looked at, created, moved; only ever branches of ours.

use crate::adapters::git::call::Call;
use crate::adapters::git::local::{LocalForge, ask};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::branch::BranchName;
use crate::domain::ids::ThreadNumber;
use crate::ports::fault::Fault;

impl LocalForge {
    /// Returns how many of a thread's branches there are already, counted as they are numbered: the
    /// next task of that thread begins with the first that is free.
    pub async fn taken(&self, number: ThreadNumber, title: &str) -> Result<u32, Fault> {
        let mut taken = 0;
        loop {
            let branch = BranchName::for_thread(number, title).numbered(taken + 1);
            let reference = branch.full();
            // Also finds branches below it, which would be in its way.
            let args = ["for-each-ref", "--count=1", "--format=x", &reference];
            let found = process::run(&Call::new(&self.place.git_dir, args))
                .await
                .map_err(|trouble| trouble.fault(format!("look for branch {branch}")))?;
            if found.is_empty() {
                return Ok(taken);
            }
            taken += 1;
        }
    }

    /// Returns whether there is a branch of that name.
    pub(super) async fn exists(&self, branch: &str) -> Result<bool, Trouble> {
        let reference = format!("refs/heads/{branch}");
        let args = ["show-ref", "--verify", "--quiet", &reference];
        Ok(ask(&self.place.git_dir, &args).await?.is_some())
    }

    /// Returns the commit that a branch points at.
    pub(super) async fn tip(&self, branch: &BranchName) -> Result<Option<ObjectId>, Trouble> {
        let revision = format!("{}^{{commit}}", branch.full());
        let args = ["rev-parse", "--verify", "--quiet", &revision];
        let printed = ask(&self.place.git_dir, &args).await?;
        Ok(printed.and_then(|line| ObjectId::parse(line.as_bytes())))
    }

    /// Points a branch at a commit, if it points at `from` now, or does not exist for `None`.
    pub(super) async fn point(
        &self,
        branch: &BranchName,
        to: ObjectId,
        from: Option<ObjectId>,
    ) -> Result<(), Trouble> {
        if !branch.is_ours() {
            let said = format!("{branch} is not one of ours; only prova/… is ever written");
            return Err(Trouble::new(Kind::Lasting, said));
        }
        let none = "0".repeat(40);
        let from = from.map_or(none, |from| from.to_string());
        // For the line in the branch's log, where there is one.
        let name = format!("user.name={}", self.person.name);
        let email = format!("user.email={}", self.person.email);
        let (reference, to) = (branch.full(), to.to_string());
        let args = [
            "-c",
            &name,
            "-c",
            &email,
            "update-ref",
            "--no-deref",
            "-m",
            "prova",
            &reference,
            &to,
            &from,
        ];
        process::run(&Call::new(&self.place.git_dir, args))
            .await
            .map(drop)
    }

    /// Returns whether `later` has `earlier` in its history.
    pub(super) async fn is_ancestor(
        &self,
        earlier: ObjectId,
        later: ObjectId,
    ) -> Result<bool, Trouble> {
        let (earlier, later) = (earlier.to_string(), later.to_string());
        let args = ["merge-base", "--is-ancestor", &earlier, &later];
        Ok(ask(&self.place.git_dir, &args).await?.is_some())
    }

    /// Returns whether the branch is the current one of any working tree.
    pub(super) async fn is_checked_out(&self, branch: &BranchName) -> Result<bool, Trouble> {
        let args = ["worktree", "list", "--porcelain"];
        let listed = process::run(&Call::new(&self.place.git_dir, args)).await?;
        let line = format!("branch {}", branch.full());
        Ok(listed
            .split(|&byte| byte == b'\n')
            .any(|listed| listed == line.as_bytes()))
    }
}
