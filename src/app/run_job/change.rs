//! Where a job stands, and what the pull request that it reads changes.

use crate::app::context::Context;
use crate::app::remote;
use crate::app::run_job::brief::Problem;
use crate::domain::diff::Diff;
use crate::domain::event::ThreadKind;
use crate::domain::footing::Pair;
use crate::domain::home::Home;
use crate::domain::ids::CommitSha;
use crate::domain::job::Wanted;
use crate::domain::render::refusal::{no_base_now, no_head_now, no_pull_head};
use crate::ports::checkouts::Remote;
use crate::ports::fault::Class;
use crate::ports::store::LeasedJob;

/// The most of a diff that is read, in bytes; no brief shows that much.
const MOST: usize = 8 * 1024 * 1024;

/// Where a job stands.
#[derive(Clone, Debug)]
pub(super) struct Stand {
    /// The commit that the checkout is made from.
    pub base: CommitSha,
    /// Whether that is the head of the task's own branch.
    pub on_branch: bool,
}

/// Chooses the commit: the head of the task's own branch, that of the pull request which is only read,
/// whoever opened it and wherever from, or that of the default branch.
pub(super) async fn stand(
    ctx: &Context,
    leased: &LeasedJob,
    (remote, default): (&Remote, &CommitSha),
) -> Result<Stand, Problem> {
    let (task, request) = (&leased.task.task, &leased.work.request);
    if task.head.is_some() {
        match remote::fetch(ctx, remote, task.branch.as_str()).await {
            Ok(base) => {
                return Ok(Stand {
                    base,
                    on_branch: true,
                });
            }
            Err(fault) if fault.class == Class::NotFound && !task.home.is_own() => {
                return Err(Problem::Person(no_head_now(&task.branch)));
            }
            // Somebody deleted the branch: begin again from the default one.
            Err(fault) if fault.class == Class::NotFound => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    let of_fork = task.home == Home::Fork;
    let reads = of_fork || request.wanted.is_words() && request.thread.kind == ThreadKind::Pull;
    let base = if reads {
        let number = request.thread.number;
        let head = remote::fetch_pull(ctx, remote, number).await;
        head.map_err(|fault| match fault.class {
            Class::NotFound => Problem::Person(no_pull_head(number)),
            Class::Transient
            | Class::RateLimited(_)
            | Class::AuthLost
            | Class::Conflict
            | Class::Permanent => fault.into(),
        })?
    } else {
        default.clone()
    };
    Ok(Stand {
        base,
        on_branch: false,
    })
}

/// Compares the head of a pull request with its base, where it is to be reviewed or is a person's that is
/// to be changed; `None` for everything else.
pub(super) async fn change(
    ctx: &Context,
    leased: &LeasedJob,
    head: &CommitSha,
) -> Result<Option<Diff>, Problem> {
    let (repo, request) = (&leased.task.task.repo, &leased.work.request);
    let of_person = !leased.task.task.home.is_own();
    match request.wanted {
        Wanted::Review => {}
        Wanted::Change if of_person && leased.work.resolve.is_none() => {}
        Wanted::Change | Wanted::Plan | Wanted::PlanFirst | Wanted::Answer => return Ok(None),
    }
    let now = ctx.github.pull(repo, request.thread.number).await?;
    let heads = ctx.checkouts.heads(repo.id).await?;
    let base = heads.get(&now.base);
    let base = base.ok_or_else(|| Problem::Person(no_base_now(&now.base)))?;
    let pair = Pair {
        base: base.clone(),
        head: head.clone(),
    };
    Ok(Some(ctx.checkouts.diff(repo.id, &pair, MOST).await?))
}
