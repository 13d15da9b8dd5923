//! The merge of a base into the branch of a pull request, onto GitHub: a commit of ours with two parents,
//! which GitHub signs, and the branch moved forward to it.

use crate::app::context::Context;
use crate::app::remote;
use crate::domain::branch::BranchName;
use crate::domain::effect::Effect;
use crate::domain::footing::Pair;
use crate::domain::ids::{CommitSha, TreeSha};
use crate::domain::repo::Repo;
use crate::ports::checkouts::Merged;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::NewCommit;
use crate::ports::store::LeasedEffect;

/// Puts the merge on the branch, unless it is there already; `Conflict` when the head of the branch is
/// another than the one that was merged.
pub(crate) async fn update(ctx: &Context, leased: &LeasedEffect) -> Result<CommitSha, Fault> {
    let Effect::Update {
        branch,
        head,
        base,
        tree,
        message,
    } = &leased.effect
    else {
        return Err(Fault::permanent("merge a base", "the effect is another"));
    };
    let repo = &leased.repo;
    let doing = || format!("merge {base} into {branch}");
    let moved = |why: &str| Fault::new(Class::Conflict, doing(), why);
    let parents = [head.clone(), base.clone()];
    if let Some(there) = made_before(ctx, (repo, branch), (tree, &parents), moved).await? {
        return Ok(there);
    }
    let pair = Pair {
        base: base.clone(),
        head: head.clone(),
    };
    let merged = merge(ctx, repo, &pair).await?;
    let commit = NewCommit {
        message: message.clone(),
        parents: parents.to_vec(),
        base_tree: merged.base_tree,
        entries: merged.entries,
        tree: tree.clone(),
    };
    let made = ctx.github.commit(repo, &commit).await?;
    // Somebody may have pushed since: then it is no fast-forward, and a conflict.
    match ctx.github.move_branch(repo, branch, &made).await {
        Err(fault) if fault.class == Class::NotFound => Err(moved("the branch is gone")),
        outcome => outcome.map(|()| made),
    }
}

/// Returns the head of a branch when it is the commit with that tree and those parents already, and `None`
/// when it is the first of the parents, on which the commit is to be made; `moved` says that it is neither.
pub(super) async fn made_before(
    ctx: &Context,
    (repo, branch): (&Repo, &BranchName),
    (tree, parents): (&TreeSha, &[CommitSha]),
    moved: impl Fn(&str) -> Fault,
) -> Result<Option<CommitSha>, Fault> {
    let head = ctx.github.branch(repo, branch).await?;
    let head = head.ok_or_else(|| moved("the branch is gone"))?;
    if parents.first() == Some(&head) {
        return Ok(None);
    }
    let made = ctx.github.made(repo, &head).await?;
    if made.tree == *tree && made.parents == parents {
        Ok(Some(head))
    } else {
        Err(moved("the branch holds commits that were not seen before"))
    }
}

/// Merges as it was merged when it was decided. That may have been another process, with a mirror of its
/// own, so what is not here is fetched.
async fn merge(ctx: &Context, repo: &Repo, pair: &Pair) -> Result<Merged, Fault> {
    if let Ok(merged) = ctx.checkouts.merge(repo.id, pair).await {
        return Ok(merged);
    }
    remote::fetch_default(ctx, repo).await?;
    ctx.checkouts.merge(repo.id, pair).await
}
