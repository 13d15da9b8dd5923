//! Open tasks compared with what GitHub shows of them, repository by repository.
//!
//! A delivery that was lost for good may have told of a merge, of an issue that was closed, of a new
//! name, of access that was taken away. What it would have changed is changed here, and nothing else.
//! Every change assumes the version of the task that was read before GitHub was asked: whoever was
//! faster is right.

use std::collections::BTreeSet;

use crate::app::context::Context;
use crate::app::dispatch::changes;
use crate::app::dispatch::checks::{Why, look_again};
use crate::app::dispatch::ending::end as end_of;
use crate::domain::decide::Decision;
use crate::domain::drift::{Proposal, Shown, end, follow, reopened, unknown};
use crate::domain::ids::{RepoId, TaskId, ThreadKey, ThreadNumber};
use crate::domain::repo::{Actor, ActorKind, Repo};
use crate::domain::task::{State, Task};
use crate::domain::time::Timestamp;
use crate::domain::trigger::Ended;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, Versioned};
use crate::ports::wake::Waiting;

/// Most open tasks that are looked through for those in repositories that were not seen.
const TASKS: u32 = 1_000;
/// How many of a thread's last tasks may have opened a pull request that is open again.
const TASKS_BACK: u32 = 5;

/// Compares the open tasks of a repository; returns how many requests that took.
pub(super) async fn compare(
    ctx: &Context,
    (repo, open): (&Repo, u64),
    tasks: Vec<Versioned>,
) -> Result<usize, Fault> {
    if repo.archived {
        for task in &tasks {
            // Nothing can be written there any more.
            Box::pin(close(ctx, task, Ended::Gone, "the repository is archived")).await?;
        }
        return Ok(0);
    }
    let tasks = Box::pin(follow_all(ctx, repo, tasks)).await?;
    let mut asked = 0;
    let mut proposals = Vec::new();
    if open > 0 {
        asked += 1;
        let us = &ctx.settings.identity.login;
        proposals = ctx.github.proposals(repo, us).await?;
    }
    for task in &tasks {
        asked += 1 + usize::from(task.task.pull.is_some());
        match how_ended(ctx, &task.task, &proposals).await? {
            Some(how) => Box::pin(close(ctx, task, how, "no delivery told of it")).await?,
            None => compare_checks(ctx, &task.task).await?,
        }
    }
    if tasks.iter().any(|one| one.task.pull.is_some()) {
        compare_bases(ctx, repo).await?;
    }
    for proposal in proposals.iter().filter(|one| one.ours) {
        Box::pin(take_up(ctx, repo, proposal)).await?;
    }
    Ok(asked)
}

/// Has branches compared with their bases, of which a push may have been lost.
async fn compare_bases(ctx: &Context, repo: &Repo) -> Result<(), Fault> {
    let now = ctx.now();
    let change = Changes {
        compare: Some((repo.id, now)),
        ..Changes::default()
    };
    ctx.store.commit(&change, now).await
}

/// Has the checks of others looked at on what is under review, of whose end no word may have come.
async fn compare_checks(ctx: &Context, task: &Task) -> Result<(), Fault> {
    match (&task.head, &task.state) {
        (Some(head), State::InReview) if task.pull.is_some() && task.home.is_looked_after() => {
            let why = Why::PerhapsUntold(ctx.now());
            look_again(ctx, task, head, why).await
        }
        _ => Ok(()),
    }
}

/// Brings tasks to the repository as it is now; returns them as they are then.
async fn follow_all(
    ctx: &Context,
    repo: &Repo,
    tasks: Vec<Versioned>,
) -> Result<Vec<Versioned>, Fault> {
    if !(tasks.iter()).any(|one| follow(&one.task, repo).is_some()) {
        return Ok(tasks);
    }
    ctx.github.forget(repo.id);
    if tasks.iter().any(|one| one.task.repo.name != repo.name) {
        // What was not sent yet follows, too.
        ctx.store.rename(repo.id, &repo.name).await?;
    }
    for one in ctx.store.open_tasks_of(None, &[repo.id]).await? {
        if let Some(task) = follow(&one.task, repo) {
            tracing::info!(task = %task.id, repo.name = %repo.name, "followed a repository");
            let decision = Decision {
                reasons: vec![format!("task {}: the repository is {}", task.id, repo.name)],
                task: Some(task),
                ..Decision::default()
            };
            commit(ctx, decision, repo, Some(&one)).await?;
        }
    }
    ctx.store.open_tasks_of(None, &[repo.id]).await
}

async fn how_ended(
    ctx: &Context,
    task: &Task,
    proposals: &[Proposal],
) -> Result<Option<Ended>, Fault> {
    let issue = shown(ctx, &task.repo, task.id.thread.number).await?;
    let pull = match task.pull {
        Some(number) if proposals.iter().any(|one| one.number == number) => Some(Shown::Open),
        Some(number) => Some(shown(ctx, &task.repo, number).await?),
        None => None,
    };
    Ok(end(issue, pull))
}

async fn shown(ctx: &Context, repo: &Repo, number: ThreadNumber) -> Result<Shown, Fault> {
    match ctx.github.thread(repo, number).await {
        Ok(now) if now.merged => Ok(Shown::Merged),
        Ok(now) if now.open => Ok(Shown::Open),
        Ok(_) => Ok(Shown::Closed),
        Err(fault) if fault.class == Class::NotFound => Ok(Shown::Gone),
        Err(fault) => Err(fault),
    }
}

/// Gives a pull request of ours a task, if its thread has none.
async fn take_up(ctx: &Context, repo: &Repo, proposal: &Proposal) -> Result<(), Fault> {
    let Some(number) = proposal.branch.thread() else {
        return Ok(());
    };
    let thread = ThreadKey {
        repo: repo.id,
        number,
    };
    let tasks = ctx.store.thread_tasks(thread).await?;
    let by_pull = ctx.store.task_by_pull(repo.id, proposal.number).await?;
    if tasks.open.is_some() || by_pull.is_some() {
        return Ok(());
    }
    // A pull request may well outlive its issue, and then nobody works on it.
    if shown(ctx, repo, number).await? != Shown::Open {
        return Ok(());
    }
    let ordinal = tasks.count + 1;
    let ended = last_of(ctx, thread, tasks.count, proposal).await?;
    let decision = if let Some(task) = ended {
        let task = follow(&task, repo).unwrap_or(task);
        reopened(proposal, &task, ordinal, &ctx.settings.links)
    } else {
        let posted = ctx.github.text(repo, number).await?;
        let id = TaskId { thread, ordinal };
        unknown(proposal, (id, posted.thread), (repo, us(ctx)), ctx.now())
    };
    commit(ctx, decision, repo, None).await
}

/// Returns the last task of a thread that opened the pull request.
async fn last_of(
    ctx: &Context,
    thread: ThreadKey,
    count: u32,
    proposal: &Proposal,
) -> Result<Option<Task>, Fault> {
    for ordinal in (1..=count).rev().take(TASKS_BACK as usize) {
        let found = ctx.store.task(TaskId { thread, ordinal }).await?;
        let of_pull = found.filter(|one| one.task.pull == Some(proposal.number));
        if let Some(found) = of_pull {
            return Ok(Some(found.task));
        }
    }
    Ok(None)
}

/// Nobody is known to have asked, so it is ourselves.
fn us(ctx: &Context) -> Actor {
    Actor {
        login: ctx.settings.identity.login.clone(),
        id: 0,
        kind: ActorKind::Bot,
    }
}

/// Ends the open tasks in repositories that a whole round has not seen, once GitHub has refused each
/// of them by itself: a list may be read while it changes.
pub(super) async fn end_unseen(
    ctx: &Context,
    seen: &BTreeSet<RepoId>,
    began: Timestamp,
) -> Result<(), Fault> {
    let tasks = ctx.store.tasks(true, TASKS).await?;
    let unseen = tasks
        .iter()
        .filter(|one| !seen.contains(&one.task.repo.id) && one.updated_at < began);
    for one in unseen {
        let (repo, number) = (&one.task.repo, one.task.id.thread.number);
        let refused = match ctx.github.thread(repo, number).await {
            Ok(_) => false,
            Err(fault) => match fault.class {
                Class::NotFound | Class::AuthLost | Class::Permanent => true,
                Class::Transient | Class::Conflict => false,
                Class::RateLimited(_) => return Err(fault),
            },
        };
        if refused {
            close(ctx, one, Ended::Gone, "access to the repository is lost").await?;
        }
    }
    Ok(())
}

async fn close(ctx: &Context, read: &Versioned, how: Ended, why: &str) -> Result<(), Fault> {
    let mut decision = Box::pin(end_of(ctx, &read.task, how)).await?;
    tracing::info!(task = %read.task.id, ?how, why, "ended a task by what GitHub shows");
    for reason in &mut decision.reasons {
        *reason = format!("{reason}: {why}");
    }
    if how == Ended::Gone {
        ctx.github.forget(read.task.repo.id);
    }
    commit(ctx, decision, &read.task.repo, Some(read)).await
}

async fn commit(
    ctx: &Context,
    decision: Decision,
    repo: &Repo,
    read: Option<&Versioned>,
) -> Result<(), Fault> {
    let now = ctx.now();
    let change: Changes = changes(decision, repo, read, "github", now);
    match ctx.store.commit(&change, now).await {
        // A delivery, a person or a job was faster, and the next round looks again.
        Err(fault) if fault.class == Class::Conflict => Ok(()),
        Err(fault) => Err(fault),
        Ok(()) => {
            ctx.wake.tell(Waiting::Effects);
            Ok(())
        }
    }
}
