//! Branches of pull requests compared with their bases, repository by repository: after a push, and now
//! and then without one.
//!
//! One fetch and one list of pull requests are all that is asked of GitHub, however many branches there
//! are; they are merged in memory, and only those of which either side has moved. Every change assumes
//! the version of the task that was read: whoever was faster is right, and the task is looked at again.

use std::collections::BTreeMap;

use crate::app::context::Context;
use crate::app::dispatch::{PAUSE, again, changes};
use crate::app::remote;
use crate::app::run_job::brief;
use crate::domain::footing::{Merge, Pair};
use crate::domain::ids::{CommitSha, RepoId, ThreadNumber};
use crate::domain::policy::BranchPolicy;
use crate::domain::rebase::{Found, found};
use crate::domain::repo::Repo;
use crate::domain::retry::Verdict;
use crate::domain::task::Task;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{DueBases, Versioned};

/// Compares the branches of the repository that is due; `false` when there is none.
pub async fn compare_next(ctx: &Context) -> Result<bool, Fault> {
    let Some(due) = ctx.store.next_bases(ctx.now()).await? else {
        return Ok(false);
    };
    match compare(ctx, due.repo).await {
        Ok(()) => {
            let again = ctx.now().plus(PAUSE);
            ctx.store.bases_compared(&due, again).await?;
        }
        Err(fault) => put_off(ctx, &due, &fault).await?,
    }
    Ok(true)
}

/// Tries a comparison again later when that can help. One that is given up is asked for again by the next
/// push, and by the next comparison with GitHub.
async fn put_off(ctx: &Context, due: &DueBases, fault: &Fault) -> Result<(), Fault> {
    let now = ctx.now();
    match again(fault, due.attempts + 1, now) {
        Verdict::RetryAt(at) => {
            tracing::warn!(repo.id = %due.repo, %fault, "put a comparison of branches off");
            ctx.store.put_bases_off(due, at).await
        }
        Verdict::GiveUp => {
            tracing::error!(repo.id = %due.repo, %fault, "gave a comparison of branches up");
            ctx.store.bases_compared(due, now.plus(PAUSE)).await
        }
    }
}

async fn compare(ctx: &Context, id: RepoId) -> Result<(), Fault> {
    let tasks = ctx.store.open_tasks_of(None, &[id]).await?;
    let tasks: Vec<_> = tasks
        .into_iter()
        .filter(|one| is_compared(&one.task))
        .collect();
    let Some(repo) = tasks.first().map(|one| one.task.repo.clone()) else {
        return Ok(());
    };
    let bases = bases(ctx, &repo, &tasks).await?;
    let (_, default) = remote::fetch_default(ctx, &repo).await?;
    let policy = policy(ctx, &repo, &default).await?;
    let heads = ctx.checkouts.heads(id).await?;
    let mut looks = Vec::new();
    for one in &tasks {
        looks.extend(look(&one.task, &bases, &heads).map(|look| (one, look)));
    }
    let merged = merge(ctx, id, &looks).await?;
    let mut moved = false;
    for (one, look) in looks {
        let finding = match look.pair {
            Ok(pair) => match merged.get(&pair) {
                Some(merge) => Found::Merged(pair, merge.clone()),
                None => Found::Same,
            },
            Err(finding) => finding,
        };
        moved |= !commit(ctx, one, (&look.onto, &finding), &policy).await?;
    }
    if moved {
        let doing = "compare branches with their bases";
        return Err(Fault::transient(doing, "a task was written meanwhile"));
    }
    Ok(())
}

/// Returns whether it can have a footing: there is a pull request, or there may be one soon.
fn is_compared(task: &Task) -> bool {
    task.home.takes_commits() && (task.pull.is_some() || task.state.is_busy())
}

/// Returns what the open pull requests of tasks are for. One that is too far back to be listed is read by
/// itself where somebody waits for an answer.
async fn bases(
    ctx: &Context,
    repo: &Repo,
    tasks: &[Versioned],
) -> Result<BTreeMap<ThreadNumber, String>, Fault> {
    if tasks.iter().all(|one| one.task.pull.is_none()) {
        return Ok(BTreeMap::new());
    }
    let listed = (ctx.github.proposals(repo, &ctx.settings.identity.login)).await?;
    let listed = listed.into_iter().map(|one| (one.number, one.base));
    let mut bases: BTreeMap<_, _> = listed.collect();
    for Versioned { task, .. } in tasks {
        let asked = task.pull.filter(|_| task.footing.asked.is_some());
        let Some(number) = asked.filter(|number| !bases.contains_key(number)) else {
            continue;
        };
        if let Some(base) = base(ctx, repo, number).await? {
            bases.insert(number, base);
        }
    }
    Ok(bases)
}

/// Reads what a pull request is for; `None` when it is not open any more.
async fn base(ctx: &Context, repo: &Repo, number: ThreadNumber) -> Result<Option<String>, Fault> {
    let read = async {
        if !ctx.github.text(repo, number).await?.thread.open {
            return Ok(None);
        }
        let pull = ctx.github.pull(repo, number).await?;
        Ok(Some(pull.base))
    };
    match read.await {
        Err(Fault {
            class: Class::NotFound,
            ..
        }) => Ok(None),
        read => read,
    }
}

/// What is to be compared for a task.
struct Look {
    onto: String,
    pair: Result<Pair, Found>,
}

/// Returns what is to be compared; `None` for a pull request that has ended, or that is too far back for
/// a look that nobody has asked for.
fn look(
    task: &Task,
    bases: &BTreeMap<ThreadNumber, String>,
    heads: &BTreeMap<String, CommitSha>,
) -> Option<Look> {
    let onto = match task.pull {
        Some(number) => bases.get(&number)?.clone(),
        None => task.base().to_owned(),
    };
    let pair = match (heads.get(&onto), heads.get(task.branch.as_str())) {
        (_, None) => Err(Found::NoBranch),
        (None, _) => Err(Found::NoBase),
        (Some(base), Some(head)) => Ok(Pair {
            base: base.clone(),
            head: head.clone(),
        }),
    };
    Some(Look { onto, pair })
}

/// Merges what was not merged before.
async fn merge(
    ctx: &Context,
    repo: RepoId,
    looks: &[(&Versioned, Look)],
) -> Result<BTreeMap<Pair, Merge>, Fault> {
    let news = looks.iter().filter_map(|(one, look)| {
        let pair = look.pair.as_ref().ok()?;
        (one.task.footing.compared.as_ref() != Some(pair)).then(|| pair.clone())
    });
    let pairs: Vec<Pair> = news.collect();
    if pairs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let merged = ctx.checkouts.merges(repo, &pairs).await?;
    Ok(pairs.into_iter().zip(merged).collect())
}

/// Reads what becomes of branches whose base has moved. With a policy that cannot be used, nothing does;
/// that it cannot is said when something is asked for.
async fn policy(ctx: &Context, repo: &Repo, default: &CommitSha) -> Result<BranchPolicy, Fault> {
    match brief::read_policy(ctx, repo.id, default).await {
        Ok(policy) => Ok(policy.branch),
        Err(brief::Problem::Person(_)) => Ok(BranchPolicy::default()),
        Err(brief::Problem::Fault(fault)) => Err(fault),
    }
}

/// Commits what follows for a task; `false` when it was written meanwhile.
async fn commit(
    ctx: &Context,
    read: &Versioned,
    (onto, finding): (&str, &Found),
    policy: &BranchPolicy,
) -> Result<bool, Fault> {
    let links = &ctx.settings.links;
    let decision = found(&read.task, onto, finding, policy, links);
    if decision.task.is_none() {
        return Ok(true);
    }
    tracing::info!(task = %read.task.id, note = decision.note(), "compared a branch");
    let now = ctx.now();
    let change = changes(decision, &read.task.repo, Some(read), "github", now);
    match ctx.commit(&change).await {
        Ok(()) => Ok(true),
        Err(fault) if fault.class == Class::Conflict => Ok(false),
        Err(fault) => Err(fault),
    }
}
