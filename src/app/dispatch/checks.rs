//! The checks of others on a commit of ours: read when a suite of them has ended, decided on when all
//! have. What is done follows from `domain::mend`.

use bytes::Bytes;

use crate::app::context::Context;
use crate::app::dispatch::{changes, finish, later, read_policy};
use crate::domain::branch::BranchName;
use crate::domain::decide::Decision;
use crate::domain::event::Checked;
use crate::domain::ids::{CommitSha, DeliveryId, ThreadKey};
use crate::domain::integration::{CheckRun, CheckState, Failing, Found, Signature};
use crate::domain::mend::{Around, decide, passed_over};
use crate::domain::repo::Repo;
use crate::domain::task::{State, Task};
use crate::domain::time::{Span, Timestamp};
use crate::domain::trigger::Identity;
use crate::ports::fault::Fault;
use crate::ports::store::{Changes, DeliveryState, NewDelivery, StoredDelivery, Versioned};
use crate::ports::wake::Waiting;

/// How long checks wait for the answer to a question before they are looked at again.
const A_WHILE: Span = Span::minutes(1);

/// Most failing checks that are looked at.
const FAILING: usize = 10;

/// What a look at the checks came to.
enum Look {
    /// Nothing changes, and why.
    Nothing(&'static str),
    /// That changes.
    Changes(Box<Decision>),
}

/// Why checks are looked at without a word of GitHub's.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// What failed will not run once more.
    NoRerun,
    /// The word may have been lost, as of that time.
    PerhapsUntold(Timestamp),
}

/// Returns why the end of a suite is nothing to us, whatever else there is.
#[must_use]
pub fn none_of_ours(checked: &Checked, identity: &Identity) -> Option<&'static str> {
    if identity.mention.slug().eq_ignore_ascii_case(&checked.app) {
        return Some("our own checks");
    }
    match branch_of(checked) {
        Some(_) => None,
        None => Some("checks of a branch that is none of ours"),
    }
}

fn branch_of(checked: &Checked) -> Option<BranchName> {
    let branch: BranchName = checked.branch.as_ref()?.parse().ok()?;
    branch.thread().map(|_| branch)
}

/// Looks at the checks of a commit, one suite of which has ended.
pub async fn heard(ctx: &Context, stored: &StoredDelivery, checked: &Checked) -> Result<(), Fault> {
    let id = &stored.delivery.id;
    let Some(mut read) = task_of(ctx, checked).await? else {
        return over(ctx, id, "no task is open on this branch").await;
    };
    if checked.failed {
        note(ctx, &mut read, &checked.commit).await?;
    }
    if let Some(why) = passed_over(&read.task, &checked.commit) {
        return over(ctx, id, why).await;
    }
    if read.task.aside.is_some() {
        let (at, why) = (ctx.now().plus(A_WHILE), "a question is answered first");
        return ctx.store.hold(id, None, at, why).await;
    }
    if read.task.state == State::Publishing {
        // The checks may be faster than the pull request is opened, and they do not tell twice.
        return later(ctx, stored).await;
    }
    let runs = ctx.github.check_runs(&checked.repo, &checked.commit);
    let runs = runs.await?;
    if any(&runs, CheckState::Failed) {
        note(ctx, &mut read, &checked.commit).await?;
    }
    let decision = match look(ctx, &read.task, (&checked.commit, &runs)).await? {
        Look::Nothing(why) => return over(ctx, id, why).await,
        Look::Changes(decision) => *decision,
    };
    let note = decision.note();
    tracing::info!(delivery.id = %id, task = %read.task.id, note, "looked at the checks of others");
    let now = ctx.now();
    let changes = Changes {
        delivery: Some((id.clone(), DeliveryState::Done(note))),
        ..changes(decision, &checked.repo, Some(&read), "github", now)
    };
    ctx.commit(&changes).await
}

/// Notes on which commit checks fail: whoever works next is told. It is noted at once, whatever else waits
/// before it can be decided.
async fn note(ctx: &Context, read: &mut Versioned, commit: &CommitSha) -> Result<(), Fault> {
    let Some(task) = reddened(&read.task, commit) else {
        return Ok(());
    };
    let changes = Changes {
        task: Some((task.clone(), read.version)),
        ..Changes::default()
    };
    ctx.store.commit(&changes, ctx.now()).await?;
    (read.task, read.version) = (task, read.version + 1);
    Ok(())
}

/// Returns the task with that noted; `None` when it is no news. The suite of an earlier commit may end
/// later than that of the head.
fn reddened(task: &Task, commit: &CommitSha) -> Option<Task> {
    let of_head = task.red.is_some() && task.red == task.head;
    if of_head || task.red.as_ref() == Some(commit) {
        return None;
    }
    Some(Task {
        red: Some(commit.clone()),
        ..task.clone()
    })
}

async fn over(ctx: &Context, id: &DeliveryId, why: &str) -> Result<(), Fault> {
    finish(ctx, id, DeliveryState::Done(why.to_owned())).await
}

/// Returns the open task whose branch it is.
async fn task_of(ctx: &Context, checked: &Checked) -> Result<Option<Versioned>, Fault> {
    let Some(branch) = branch_of(checked) else {
        return Ok(None);
    };
    let Some(number) = branch.thread() else {
        return Ok(None);
    };
    let repo = checked.repo.id;
    let open = ctx
        .store
        .thread_tasks(ThreadKey { repo, number })
        .await?
        .open;
    let ours = |open: &Versioned| open.task.branch == branch && open.task.home.is_looked_after();
    Ok(open.filter(ours))
}

async fn look(
    ctx: &Context,
    task: &Task,
    (commit, runs): (&CommitSha, &[CheckRun]),
) -> Result<Look, Fault> {
    let repo = &task.repo;
    if any(runs, CheckState::Running) {
        return Ok(Look::Nothing("other checks of the commit still run"));
    }
    if !any(runs, CheckState::Failed) && task.mending.seen.is_none() {
        return Ok(Look::Nothing("no check has anything against the commit"));
    }
    let Ok(policy) = read_policy(ctx, repo).await? else {
        return Ok(Look::Nothing("the policy cannot be used"));
    };
    if policy.ci.rounds == 0 {
        return Ok(Look::Nothing("policy leaves checks of others alone"));
    }
    let found = Found {
        commit: commit.clone(),
        failing: failing(ctx, repo, runs).await?,
        passing: in_state(runs, CheckState::Passed)
            .map(|run| run.check.clone())
            .collect(),
    };
    let around = Around {
        policy: &policy,
        agents: &ctx.settings.agents,
        links: &ctx.settings.links,
        now: ctx.now(),
    };
    Ok(Look::Changes(Box::new(decide(task, &found, &around))))
}

fn any(runs: &[CheckRun], state: CheckState) -> bool {
    in_state(runs, state).next().is_some()
}

fn in_state(runs: &[CheckRun], state: CheckState) -> impl Iterator<Item = &CheckRun> {
    runs.iter().filter(move |run| run.state == state)
}

/// Reads what is wrong, and whether it is at the base as well.
async fn failing(ctx: &Context, repo: &Repo, runs: &[CheckRun]) -> Result<Vec<Failing>, Fault> {
    let failed: Vec<_> = in_state(runs, CheckState::Failed).take(FAILING).collect();
    if failed.is_empty() {
        return Ok(Vec::new());
    }
    let base = at_base(ctx, repo).await?;
    let mut failing = Vec::with_capacity(failed.len());
    for run in failed {
        let notes = if run.annotated {
            ctx.github.annotations(repo, run.id).await?
        } else {
            Vec::new()
        };
        failing.push(Failing {
            check: run.check.clone(),
            signature: Signature::of(&run.check, &run.title, &notes),
            on_base: in_state(&base, CheckState::Failed).any(|one| one.check == run.check),
            workflow: run.workflow,
        });
    }
    Ok(failing)
}

/// Reads the checks of the default branch, as it is now. One that is not there has none.
async fn at_base(ctx: &Context, repo: &Repo) -> Result<Vec<CheckRun>, Fault> {
    let Ok(branch) = repo.default_branch.parse() else {
        return Ok(Vec::new());
    };
    match ctx.github.branch(repo, &branch).await? {
        Some(commit) => ctx.github.check_runs(repo, &commit).await,
        None => Ok(Vec::new()),
    }
}

/// Has the checks of a commit looked at once more, as if a suite of them had just ended. Doing it again
/// for the same reason changes nothing.
pub async fn look_again(
    ctx: &Context,
    task: &Task,
    commit: &CommitSha,
    why: Why,
) -> Result<(), Fault> {
    let told: (String, Bytes) = ctx.translate.tell_checked(&task.repo, &task.branch, commit);
    let id = match why {
        Why::NoRerun => format!("checks-{}-{commit}", task.id),
        Why::PerhapsUntold(at) => format!("checks-{}-{commit}-{}", task.id, at.as_millis()),
    };
    let delivery = NewDelivery {
        id: DeliveryId::new(id),
        event: told.0,
        body: told.1,
        received_at: ctx.now(),
    };
    ctx.store.accept(vec![delivery]).await?;
    ctx.wake.tell(Waiting::Deliveries);
    Ok(())
}
