//! Fetching a repository.

use crate::app::context::Context;
use crate::domain::ids::{CommitSha, ThreadNumber};
use crate::domain::repo::Repo;
use crate::ports::checkouts::Remote;
use crate::ports::fault::{Class, Fault};

/// Fetches a repository, and returns the head of its default branch. A token that GitHub does not take
/// (any more) is minted anew, once.
pub(crate) async fn fetch_default(
    ctx: &Context,
    repo: &Repo,
) -> Result<(Remote, CommitSha), Fault> {
    let mut remote = Remote {
        repo: repo.id,
        url: ctx.settings.remote_url(&repo.name),
        token: Some(ctx.github.fetch_token(repo).await?),
    };
    let mut fetched = fetch(ctx, &remote, &repo.default_branch).await;
    if matches!(&fetched, Err(fault) if fault.class == Class::AuthLost) {
        ctx.github.forget(repo.id);
        remote.token = Some(ctx.github.fetch_token(repo).await?);
        fetched = fetch(ctx, &remote, &repo.default_branch).await;
    }
    fetched.map(|commit| (remote, commit))
}

/// Fetches a branch. A repository that was renamed a moment ago has a new address as soon as its
/// event is dispatched, so that passes.
pub(crate) async fn fetch(
    ctx: &Context,
    remote: &Remote,
    branch: &str,
) -> Result<CommitSha, Fault> {
    ctx.checkouts.fetch(remote, branch).await.map_err(passing)
}

/// Fetches the head of a pull request.
pub(crate) async fn fetch_pull(
    ctx: &Context,
    remote: &Remote,
    pull: ThreadNumber,
) -> Result<CommitSha, Fault> {
    let fetched = ctx.checkouts.fetch_pull(remote, pull);
    fetched.await.map_err(passing)
}

fn passing(fault: Fault) -> Fault {
    match fault.class {
        Class::Conflict => Fault {
            class: Class::Transient,
            ..fault
        },
        Class::Transient
        | Class::RateLimited(_)
        | Class::AuthLost
        | Class::NotFound
        | Class::Permanent => fault,
    }
}
