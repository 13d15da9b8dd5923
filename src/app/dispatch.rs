//! A delivery becomes an event, a snapshot, a decision, and one transaction.

mod bots;
pub mod checks;
pub(crate) mod ending;
mod presses;

use crate::app::context::Context;
use crate::app::dispatch::bots::{Report, reported};
use crate::app::dispatch::checks::{heard, none_of_ours};
use crate::app::dispatch::ending::end;
use crate::app::dispatch::presses::{nobodys, pressed_on};
use crate::app::{reviews, surroundings};
use crate::config::policy;
use crate::domain::budget::{Cap, Scope};
use crate::domain::command::Command;
use crate::domain::decide::begin::{starts_no_more, withdraws};
use crate::domain::decide::ended::ended;
use crate::domain::decide::{Decision, Snapshot, decide};
use crate::domain::event::{Event, NotOurs, Push, ThreadEvent, ThreadKind};
use crate::domain::home::PullNow;
use crate::domain::ids::{DeliveryId, JobId, RepoId, TaskId, ThreadKey};
use crate::domain::job::Remark;
use crate::domain::policy::{POLICY_PATH, Policy};
use crate::domain::repo::{Permission, Repo};
use crate::domain::retry::{Verdict, after_rate_limit, after_transient};
use crate::domain::spend;
use crate::domain::task::{State, Task};
use crate::domain::time::{Span, Timestamp};
use crate::domain::trigger::{Asked, Ended, Meaning, Whose, Wish, meaning, wishes};
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{
    AuditLine, Changes, DeliveryState, NewDelivery, NewEffect, NewJob, StoredDelivery, Versioned,
};

/// Dispatches what is due next: deliveries that change nothing, several at once, up to the first
/// that may change something, and that one; `false` when there is none.
pub async fn dispatch_next(ctx: &Context) -> Result<bool, Fault> {
    let due = ctx.store.next_deliveries(ctx.now()).await?;
    let mut idle = Vec::new();
    let mut busy = None;
    for stored in &due {
        match sort(ctx, stored) {
            Sorted::Idle(state) => idle.push((stored.delivery.id.clone(), state)),
            Sorted::Busy(event) => {
                busy = Some((stored, event));
                break;
            }
        }
    }
    if !idle.is_empty() {
        ctx.store.decide(&idle).await?;
    }
    if let Some((stored, event)) = busy {
        // What is read for a decision is much; whoever dispatches need not hold it inline.
        Box::pin(in_turn(ctx, stored, &event)).await?;
    }
    Ok(!due.is_empty())
}

/// What a delivery is, by itself.
enum Sorted {
    /// It changes nothing, wherever it stands among others: how it ends.
    Idle(DeliveryState),
    /// It may change something.
    Busy(Event),
}

fn sort(ctx: &Context, stored: &StoredDelivery) -> Sorted {
    let NewDelivery {
        id,
        event,
        body,
        received_at,
    } = &stored.delivery;
    match ctx.translate.translate(event, body, *received_at) {
        Err(unreadable) => {
            tracing::warn!(delivery.id = %id, %unreadable, "parked a delivery: it cannot be read");
            Sorted::Idle(DeliveryState::Parked(unreadable.to_string()))
        }
        Ok(Event::NotOurs(not_ours)) => Sorted::Idle(passed_over(&not_ours)),
        Ok(Event::Thread(event)) => match meaning(&event, &ctx.settings.identity) {
            Meaning::Nothing(why) => Sorted::Idle(DeliveryState::Done(why.to_owned())),
            Meaning::Asked(_) | Meaning::Reviewed | Meaning::Reported | Meaning::Ended(_) => {
                Sorted::Busy(Event::Thread(event))
            }
        },
        Ok(Event::Checked(checked)) => match none_of_ours(&checked, &ctx.settings.identity) {
            Some(why) => Sorted::Idle(DeliveryState::Done(why.to_owned())),
            None => Sorted::Busy(Event::Checked(checked)),
        },
        Ok(Event::Pressed(pressed)) => match nobodys(&pressed, &ctx.settings.identity) {
            Some(why) => Sorted::Idle(DeliveryState::Done(why.to_owned())),
            None => Sorted::Busy(Event::Pressed(pressed)),
        },
        Ok(Event::Pushed(push)) if ctx.settings.identity.is(&push.actor.login) => {
            Sorted::Idle(DeliveryState::Done("our own doing".to_owned()))
        }
        Ok(
            event @ (Event::Pushed(_)
            | Event::Retargeted(_)
            | Event::InstallationLost(_)
            | Event::RepositoriesLost(_)
            | Event::RepositoryRenamed { .. }),
        ) => Sorted::Busy(event),
    }
}

fn passed_over(not_ours: &NotOurs) -> DeliveryState {
    DeliveryState::Done(format!("not ours: {}: {}", not_ours.what, not_ours.why))
}

/// Handles a delivery unless an earlier one of its thread waits.
async fn in_turn(ctx: &Context, stored: &StoredDelivery, event: &Event) -> Result<(), Fault> {
    let id = &stored.delivery.id;
    let thread = match event {
        Event::Thread(event) => Some(event.key()),
        Event::Checked(_)
        | Event::Pressed(_)
        | Event::Pushed(_)
        | Event::Retargeted(_)
        | Event::InstallationLost(_)
        | Event::RepositoriesLost(_)
        | Event::RepositoryRenamed { .. }
        | Event::NotOurs(_) => None,
    };
    if let Some(thread) = thread
        && let Some(until) = ctx.store.held_until(thread, stored.seq).await?
    {
        // An earlier event of this thread has to be decided first.
        let why = "waits behind an earlier event";
        return ctx.store.hold(id, Some(thread), until, why).await;
    }
    match Box::pin(handle(ctx, stored, event)).await {
        Ok(()) => Ok(()),
        Err(fault) => put_off(ctx, stored, thread, &fault).await,
    }
}

async fn handle(ctx: &Context, stored: &StoredDelivery, event: &Event) -> Result<(), Fault> {
    let id = &stored.delivery.id;
    match event {
        Event::NotOurs(not_ours) => finish(ctx, id, passed_over(not_ours)).await,
        Event::RepositoryRenamed { repo, to } => {
            ctx.store.rename(*repo, to).await?;
            ctx.github.forget(*repo);
            finish(ctx, id, DeliveryState::Done(format!("renamed to {to}"))).await
        }
        Event::Pushed(push) => pushed(ctx, id, push).await,
        Event::Retargeted(repo) => {
            let note = "a pull request has another base".to_owned();
            compare_soon(ctx, id, (repo.id, note)).await
        }
        Event::InstallationLost(installation) => {
            let tasks = ctx.store.open_tasks_of(Some(*installation), &[]).await?;
            lose(ctx, id, tasks).await
        }
        Event::RepositoriesLost(repos) => {
            let tasks = ctx.store.open_tasks_of(None, repos).await?;
            lose(ctx, id, tasks).await
        }
        Event::Checked(checked) => heard(ctx, stored, checked).await,
        Event::Pressed(pressed) => Box::pin(pressed_on(ctx, stored, pressed)).await,
        Event::Thread(event) => Box::pin(thread(ctx, stored, event)).await,
    }
}

/// Has branches compared with their bases, if the push was to one of either.
async fn pushed(ctx: &Context, id: &DeliveryId, push: &Push) -> Result<(), Fault> {
    let repo = push.repo.id;
    let tasks = ctx.store.open_tasks_of(None, &[repo]).await?;
    let concerns =
        |one: &Versioned| one.task.base() == push.branch || one.task.branch.as_str() == push.branch;
    if !tasks.iter().any(concerns) {
        let note = "no task is open on this branch".to_owned();
        return finish(ctx, id, DeliveryState::Done(note)).await;
    }
    let how = match (&push.head, push.forced) {
        (None, _) => "is gone".to_owned(),
        (Some(head), false) => format!("moved to {head}"),
        (Some(head), true) => format!("was forced to {head}"),
    };
    compare_soon(ctx, id, (repo, format!("{} {how}", push.branch))).await
}

/// Has the branches of a repository compared with their bases, once for all that happens within a moment.
async fn compare_soon(
    ctx: &Context,
    id: &DeliveryId,
    (repo, note): (RepoId, String),
) -> Result<(), Fault> {
    let now = ctx.now();
    let changes = Changes {
        delivery: Some((id.clone(), DeliveryState::Done(note))),
        compare: Some((repo, now.plus(PAUSE))),
        ..Changes::default()
    };
    ctx.store.commit(&changes, now).await
}

/// How long a comparison waits for more pushes.
pub(crate) const PAUSE: Span = Span::seconds(5);

/// Ends tasks that GitHub no longer lets us work on. Doing it again changes nothing, so it need
/// not be one transaction.
async fn lose(ctx: &Context, id: &DeliveryId, tasks: Vec<Versioned>) -> Result<(), Fault> {
    let count = tasks.len();
    for versioned in tasks {
        let decision = ended(&versioned.task, Ended::Gone, &ctx.settings.links);
        ctx.github.forget(versioned.task.repo.id);
        let changes = changes(
            decision,
            &versioned.task.repo.clone(),
            Some(&versioned),
            "github",
            ctx.now(),
        );
        ctx.store.commit(&changes, ctx.now()).await?;
    }
    finish(
        ctx,
        id,
        DeliveryState::Done(format!("access lost: {count} tasks closed")),
    )
    .await
}

/// A decision with the task that it was made on, or why there is none.
type Settled = Result<(Decision, Option<Versioned>), &'static str>;

async fn thread(ctx: &Context, stored: &StoredDelivery, event: &ThreadEvent) -> Result<(), Fault> {
    let id = &stored.delivery.id;
    let settled = match meaning(event, &ctx.settings.identity) {
        Meaning::Nothing(why) => Err(why),
        Meaning::Ended(how) => match open_task(ctx, event.key()).await? {
            Some(open) => Ok((Box::pin(end(ctx, &open.task, how)).await?, Some(open))),
            None => Err("no task is open here"),
        },
        Meaning::Asked(asked) => settle_asked(ctx, event, &asked).await?,
        Meaning::Reviewed => {
            let open = open_task(ctx, event.key()).await?;
            let whose = match open.filter(|open| open.task.proposes(event.thread.number)) {
                Some(_) => Whose::Ours,
                None => Whose::Theirs,
            };
            let Some((event, asked)) = reviews::read(ctx, event, whose).await? else {
                return Box::pin(record(
                    ctx,
                    id,
                    event,
                    Err("a review that asks for nothing"),
                ))
                .await;
            };
            let settled = settle_asked(ctx, &event, &asked).await?;
            return Box::pin(record(ctx, id, &event, settled)).await;
        }
        Meaning::Reported => match Box::pin(reported(ctx, event)).await? {
            Report::Settled(event, settled) => {
                return Box::pin(record(ctx, id, &event, *settled)).await;
            }
            Report::Later => return later(ctx, stored).await,
        },
    };
    Box::pin(record(ctx, id, event, settled)).await
}

/// Waits for a commit to be published. What people say on the thread meanwhile does not wait behind it.
async fn later(ctx: &Context, stored: &StoredDelivery) -> Result<(), Fault> {
    let (id, now) = (&stored.delivery.id, ctx.now());
    match after_transient(stored.attempts + 1, now) {
        Verdict::RetryAt(at) => {
            let why = "the commit is still being published";
            ctx.store.hold(id, None, at, why).await
        }
        Verdict::GiveUp => {
            let why = "the commit was never published";
            finish(ctx, id, DeliveryState::Done(why.to_owned())).await
        }
    }
}

async fn settle_asked(ctx: &Context, event: &ThreadEvent, asked: &Asked) -> Result<Settled, Fault> {
    if event.repo.archived {
        // Nothing can be written there, not even that nothing can be written.
        return Ok(Err("the repository is archived"));
    }
    if repeats(ctx, event, asked).await? {
        return Ok(Err("the task is there already"));
    }
    if let Asked::Withdrawal(sign) = asked {
        let open = open_task(ctx, event.key()).await?;
        if !open.is_some_and(|open| withdraws(&open.task, sign)) {
            return Ok(Err("nothing that is under way was asked for by it"));
        }
    }
    let decided = decide_asked(ctx, event, asked).await?;
    Ok(decided.ok_or("a label or assignee that is none of ours"))
}

/// Commits what was settled about a delivery.
async fn record(
    ctx: &Context,
    id: &DeliveryId,
    event: &ThreadEvent,
    settled: Settled,
) -> Result<(), Fault> {
    let (decision, read) = match settled {
        Ok(decided) => decided,
        Err(why) => return finish(ctx, id, DeliveryState::Done(why.to_owned())).await,
    };
    let note = decision.note();
    tracing::info!(delivery.id = %id, thread = %event.key(), repo.name = %event.repo.name, note, "decided");
    let actor = event.actor.login.as_str();
    let changes = Changes {
        delivery: Some((id.clone(), DeliveryState::Done(note))),
        ..changes(decision, &event.repo, read.as_ref(), actor, event.at)
    };
    ctx.commit(&changes).await
}

/// Returns whether a label or an assignment can only say once more what was said: nothing has to be
/// read then. GitHub sends several of them for one issue that is opened with labels. One that names
/// something may name what nobody knows, which has to be answered.
async fn repeats(ctx: &Context, event: &ThreadEvent, asked: &Asked) -> Result<bool, Fault> {
    let plain = match asked {
        Asked::Label(name) => !name.contains(':'),
        Asked::Assignment(_) => true,
        Asked::Opening(..) | Asked::Comment(_) | Asked::Withdrawal(_) | Asked::Button(_) => false,
    };
    if !plain {
        return Ok(false);
    }
    let open = open_task(ctx, event.key()).await?;
    Ok(open.is_some_and(|open| starts_no_more(&open.task, event)))
}

/// Returns the decision and the task that it was made on; `None` when nobody asked us.
async fn decide_asked(
    ctx: &Context,
    event: &ThreadEvent,
    asked: &Asked,
) -> Result<Option<(Decision, Option<Versioned>)>, Fault> {
    let policy = read_policy(ctx, &event.repo).await?;
    let defaults = Policy::default();
    let wished = wishes(
        asked,
        policy.as_ref().unwrap_or(&defaults),
        &ctx.settings.identity,
    );
    if wished.is_empty() {
        return Ok(None);
    }
    let permission = ctx
        .github
        .permission(&event.repo, &event.actor.login)
        .await?;
    let open = open_task(ctx, event.key()).await?;
    if let Some(open) = &open
        && wished.iter().any(adds_a_commit)
    {
        at_rest(ctx, &open.task).await?;
    }
    let remarks = remarks(ctx, event, permission, &wished).await?;
    let untrusted = policy.as_ref().unwrap_or(&defaults).text.untrusted;
    let linked = if permission.starts_work() && wished.iter().any(starts_work) {
        surroundings::linked(
            ctx,
            event,
            (&remarks, untrusted),
            open.as_ref().map(|one| &one.task),
        )
        .await?
    } else {
        Vec::new()
    };
    let pull = if permission.starts_work() && wished.iter().any(changes_something) {
        theirs(ctx, event, open.as_ref().map(|one| &one.task)).await?
    } else {
        None
    };
    let thread = ctx.store.thread_tasks(event.key()).await?;
    let caps = if wished
        .iter()
        .any(|wish| matches!(wish, Wish::Command(Command::Budget { .. })))
    {
        let task = open.as_ref().map(|versioned| &versioned.task);
        let policy = policy.as_ref().unwrap_or(&defaults);
        caps(ctx, event, (task, thread.count), policy).await?
    } else {
        Vec::new()
    };
    let profiles = ctx.settings.profiles.keys().cloned().collect();
    let snapshot = Snapshot {
        policy: policy.as_ref().map_err(String::as_str),
        permission,
        agents: &ctx.settings.agents,
        profiles: &profiles,
        open: open.as_ref().map(|versioned| &versioned.task),
        pull: pull.as_ref(),
        count: thread.count,
        remarks: &remarks,
        linked: &linked,
        caps: &caps,
        most_of_task: ctx.settings.budgets.task,
        links: &ctx.settings.links,
    };
    Ok(Some((decide(event, &wished, &snapshot), open)))
}

/// Waits for what was stopped. It takes a moment to end, and then puts what it has done so far on the
/// branch: a commit that comes between would be taken for somebody's push.
async fn at_rest(ctx: &Context, task: &Task) -> Result<(), Fault> {
    if task.state != State::Stopped {
        return Ok(());
    }
    let jobs = ctx.store.jobs(task.id).await?;
    if jobs.iter().all(|job| job.state == "over") {
        return Ok(());
    }
    let doing = format!("add a commit to the branch of task {}", task.id);
    let why = "the job that was stopped has not ended yet";
    Err(Fault::new(Class::Conflict, doing, why))
}

/// Reads the pull request that work is to begin on, where that is a person's: no delivery of a comment
/// says where its head is.
async fn theirs(
    ctx: &Context,
    event: &ThreadEvent,
    open: Option<&Task>,
) -> Result<Option<PullNow>, Fault> {
    let begins = open.is_none_or(|task| task.id.thread == event.key() && task.is_words());
    if !begins || event.thread.kind != ThreadKind::Pull || !event.thread.open {
        return Ok(None);
    }
    match ctx.github.pull(&event.repo, event.thread.number).await {
        Ok(now) => Ok(Some(now)),
        Err(fault) if fault.class == Class::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Returns what the next job on a thread may spend, and what was spent before.
async fn caps(
    ctx: &Context,
    event: &ThreadEvent,
    (open, count): (Option<&Task>, u32),
    policy: &Policy,
) -> Result<Vec<Cap>, Fault> {
    let new = TaskId {
        thread: event.key(),
        ordinal: count + 1,
    };
    let job = JobId {
        task: open.map_or(new, |task| task.id),
        ordinal: open.map_or(1, |task| task.jobs + 1),
    };
    let scopes = Scope::of_job(job, &event.actor.login, ctx.now());
    let spent = ctx.store.spent(&scopes).await?;
    let budgets = ctx.settings.budgets.narrowed(policy.budget.job_usd);
    let budgets = budgets.of_task(open.and_then(|task| task.budget));
    Ok(spend::caps(&budgets, scopes.into_iter().zip(spent)))
}

/// Returns the task that works on a thread: the one that began on it, or the one whose pull
/// request it is.
async fn open_task(ctx: &Context, thread: ThreadKey) -> Result<Option<Versioned>, Fault> {
    match ctx.store.thread_tasks(thread).await?.open {
        Some(open) => Ok(Some(open)),
        None => ctx.store.task_by_pull(thread.repo, thread.number).await,
    }
}

/// Reads the policy; a file that cannot be used comes back as its problems in Markdown.
pub(crate) async fn read_policy(
    ctx: &Context,
    repo: &Repo,
) -> Result<Result<Policy, String>, Fault> {
    let Some(bytes) = ctx.github.file(repo, POLICY_PATH).await? else {
        return Ok(Ok(Policy::default()));
    };
    Ok(policy::parse_bytes(&bytes).map_err(|problems| problems.markdown()))
}

/// Returns the thread's conversation up to the request. What was written or edited after it does
/// not count, and what we wrote ourselves is no news.
async fn remarks(
    ctx: &Context,
    event: &ThreadEvent,
    permission: Permission,
    wished: &[Wish],
) -> Result<Vec<Remark>, Fault> {
    let starts = permission.starts_work() && wished.iter().any(starts_work);
    if !starts || event.thread.comments == 0 {
        return Ok(Vec::new());
    }
    let comments = ctx
        .github
        .comments(&event.repo, event.thread.number)
        .await?;
    let this = match &event.what {
        crate::domain::event::Happening::Commented(comment) => Some(comment.id),
        crate::domain::event::Happening::Opened
        | crate::domain::event::Happening::Labeled(_)
        | crate::domain::event::Happening::Assigned(_)
        | crate::domain::event::Happening::Unlabeled(_)
        | crate::domain::event::Happening::Unassigned(_)
        | crate::domain::event::Happening::Reviewed(_)
        | crate::domain::event::Happening::Pressed(_)
        | crate::domain::event::Happening::Closed
        | crate::domain::event::Happening::Merged
        | crate::domain::event::Happening::Reopened
        | crate::domain::event::Happening::Gone => None,
    };
    Ok(comments
        .into_iter()
        .filter(|c| !c.ours && Some(c.id) != this)
        .filter(|c| c.created_at <= event.at)
        // GitHub's times are whole seconds, so an edit in the second of the request may have come
        // after it.
        .filter(|c| c.updated_at == c.created_at || c.updated_at < event.at)
        .map(|c| c.remark)
        .collect())
}

fn starts_work(wish: &Wish) -> bool {
    match wish {
        Wish::Start(_) => true,
        Wish::Unreadable(_) | Wish::Withdraw(_) => false,
        Wish::Command(command) => command.begins_work(),
    }
}

/// Returns whether it puts a commit on the branch without a job.
fn adds_a_commit(wish: &Wish) -> bool {
    match wish {
        Wish::Command(command) => matches!(command, Command::Undo | Command::Rebase),
        Wish::Start(_) | Wish::Unreadable(_) | Wish::Withdraw(_) => false,
    }
}

fn changes_something(wish: &Wish) -> bool {
    match wish {
        Wish::Start(_) => true,
        Wish::Unreadable(_) | Wish::Withdraw(_) => false,
        Wish::Command(command) => command.may_change(),
    }
}

/// Puts a decision into one transaction.
#[must_use]
pub fn changes(
    decision: Decision,
    repo: &Repo,
    read: Option<&Versioned>,
    actor: &str,
    at: Timestamp,
) -> Changes {
    let task = decision
        .task
        .as_ref()
        .or(read.map(|versioned| &versioned.task))
        .map(|task| task.id);
    let thread = task.map(|task| task.thread);
    let version = |task: &Task| match read {
        Some(read) if read.task.id == task.id => read.version,
        Some(_) | None => 0,
    };
    Changes {
        task: decision
            .task
            .as_ref()
            .map(|task| (task.clone(), version(task))),
        job: decision.job.map(|(id, work)| NewJob {
            id,
            work,
            not_before: at,
        }),
        cancel: task.filter(|_| decision.cancel),
        drop_publishing: task.filter(|_| decision.withdraw),
        compare: decision.compare.then_some((repo.id, at)),
        effects: decision
            .effects
            .into_iter()
            .map(|(key, thread, effect)| NewEffect {
                key,
                thread,
                task,
                repo: repo.clone(),
                effect,
            })
            .collect(),
        audit: decision
            .reasons
            .into_iter()
            .map(|detail| AuditLine {
                at,
                actor: actor.to_owned(),
                thread,
                what: "decided".to_owned(),
                detail,
            })
            .collect(),
        ..Changes::default()
    }
}

async fn finish(ctx: &Context, id: &DeliveryId, state: DeliveryState) -> Result<(), Fault> {
    let changes = Changes {
        delivery: Some((id.clone(), state)),
        ..Changes::default()
    };
    ctx.store.commit(&changes, ctx.now()).await
}

/// Returns whether what only reads GitHub and decides is tried again after a failure. A conflict means that
/// somebody was faster, which another look solves.
pub(crate) fn again(fault: &Fault, failures: u32, now: Timestamp) -> Verdict {
    match fault.class {
        Class::Transient | Class::Conflict => after_transient(failures, now),
        Class::RateLimited(until) => after_rate_limit(until, now),
        Class::AuthLost | Class::NotFound | Class::Permanent => Verdict::GiveUp,
    }
}

/// Tries a delivery again later when that can help, and parks it when not.
async fn put_off(
    ctx: &Context,
    stored: &StoredDelivery,
    thread: Option<ThreadKey>,
    fault: &Fault,
) -> Result<(), Fault> {
    let (id, now) = (&stored.delivery.id, ctx.now());
    match again(fault, stored.attempts + 1, now) {
        Verdict::RetryAt(at) => {
            tracing::warn!(delivery.id = %id, %fault, "put a delivery off");
            ctx.store.hold(id, thread, at, &fault.to_string()).await
        }
        Verdict::GiveUp => {
            tracing::error!(delivery.id = %id, %fault, "parked a delivery");
            finish(ctx, id, DeliveryState::Parked(fault.to_string())).await
        }
    }
}
