//! The outbox, onto GitHub: look, write, mark. GitHub has no idempotency keys, so whenever an
//! earlier attempt may have been applied, what is there is looked at first.

use crate::app::assess::assess;
use crate::app::check_run;
use crate::app::context::Context;
use crate::app::dispatch::changes;
use crate::app::dispatch::checks::{Why, look_again};
use crate::app::update::{made_before, update};
use crate::domain::branch::BranchName;
use crate::domain::decide::Decision;
use crate::domain::effect::{Effect, Sent};
use crate::domain::home::Home;
use crate::domain::ids::{CommentId, CommitSha, TreeSha};
use crate::domain::retry::{MAX_ATTEMPTS, Verdict, after_rate_limit, after_transient};
use crate::domain::sanitize::neutral;
use crate::domain::settle::{Ending, settle};
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{NewCommit, NewPull};
use crate::ports::store::{Changes, EFFECT_LEASE, EffectEnd, EffectLease, LeasedEffect};

/// Sends the next due effect; `false` when there is none.
pub async fn publish_next(ctx: &Context) -> Result<bool, Fault> {
    let now = ctx.now();
    let until = now.plus(EFFECT_LEASE);
    let leased = ctx.store.lease_effect(&ctx.settings.worker, now, until);
    let Some(leased) = leased.await? else {
        return Ok(false);
    };
    // It holds what each kind of write takes; whoever publishes need not hold that inline.
    Box::pin(publish(ctx, &leased)).await?;
    Ok(true)
}

/// Sends an effect, and marks what came of it.
async fn publish(ctx: &Context, leased: &LeasedEffect) -> Result<(), Fault> {
    let (end, ending) = match send(ctx, leased).await {
        Ok(sent) => (EffectEnd::Sent(sent.clone()), Some(Ending::Sent(sent))),
        Err(fault) => failed(ctx, leased, &fault),
    };
    if let Some(ending) = &ending {
        // Before it is marked: whoever dies in between does it again.
        refused(ctx, leased, ending).await?;
    }
    conclude(ctx, leased, (end, ending)).await
}

/// Marks the attempt and moves the task along in one transaction. The task may be changed by a
/// person at the same moment, so the decision is made again when it was.
async fn conclude(
    ctx: &Context,
    leased: &LeasedEffect,
    (end, ending): (EffectEnd, Option<Ending>),
) -> Result<(), Fault> {
    let lease = EffectLease {
        key: leased.key.clone(),
        version: leased.version,
        attempt: leased.attempt,
    };
    let mut tries = 0;
    loop {
        let read = match leased.task {
            Some(task) => ctx.store.task(task).await?,
            None => None,
        };
        let decision = match (&read, &ending) {
            (Some(read), Some(ending)) => {
                settle(&read.task, &leased.effect, ending, &ctx.settings.links)
            }
            (None, _) | (_, None) => Decision::default(),
        };
        let change = Changes {
            effect_end: Some((lease.clone(), end.clone())),
            ..changes(decision, &leased.repo, read.as_ref(), "prova", ctx.now())
        };
        match ctx.commit(&change).await {
            Err(fault) if fault.class == Class::Conflict && tries < MAX_ATTEMPTS => tries += 1,
            outcome => return outcome,
        }
    }
}

/// Returns what becomes of an attempt that failed, and of its effect when it is given up.
fn failed(ctx: &Context, leased: &LeasedEffect, fault: &Fault) -> (EffectEnd, Option<Ending>) {
    let verdict = match fault.class {
        Class::Transient => after_transient(leased.attempt, ctx.now()),
        Class::RateLimited(until) => {
            let until = until.plus(leased.effect.stands_back());
            after_rate_limit(until, ctx.now())
        }
        Class::AuthLost | Class::Conflict | Class::NotFound | Class::Permanent => Verdict::GiveUp,
    };
    match verdict {
        Verdict::RetryAt(at) => {
            tracing::warn!(effect = %leased.key, %fault, "put an effect off");
            (EffectEnd::Again(at, fault.to_string()), None)
        }
        Verdict::GiveUp => {
            tracing::error!(effect = %leased.key, %fault, "gave an effect up");
            let ending = match fault.class {
                Class::Conflict => Ending::Overtaken,
                Class::Transient
                | Class::RateLimited(_)
                | Class::AuthLost
                | Class::NotFound
                | Class::Permanent => Ending::Parked(told(&leased.effect, fault)),
            };
            (EffectEnd::Parked(fault.to_string()), Some(ending))
        }
    }
}

fn told(effect: &Effect, fault: &Fault) -> String {
    let text = neutral::inline(&fault.to_string(), 400);
    match effect {
        // What could not be done is said where this stands.
        Effect::Update { .. } | Effect::Review { .. } => format!("{text}."),
        Effect::React { .. }
        | Effect::Comment { .. }
        | Effect::ReviewReply { .. }
        | Effect::Resolve { .. }
        | Effect::Branch { .. }
        | Effect::Undo { .. }
        | Effect::Pull { .. }
        | Effect::Check { .. }
        | Effect::Conclude { .. }
        | Effect::Delete { .. }
        | Effect::Rerun { .. } => {
            format!("The work is done, but I could not put it on GitHub: {text}.")
        }
    }
}

async fn send(ctx: &Context, leased: &LeasedEffect) -> Result<Sent, Fault> {
    match &leased.effect {
        Effect::React { target } => {
            // GitHub itself keeps one 👀 of ours on one thing.
            ctx.github
                .react(&leased.repo, leased.thread.number, *target)
                .await?;
            Ok(Sent::Reaction)
        }
        Effect::Comment { body } => say(ctx, leased, None, body).await.map(Sent::Comment),
        Effect::ReviewReply { to, body } => {
            say(ctx, leased, Some(*to), body).await.map(Sent::Comment)
        }
        // Those that are resolved stay so.
        Effect::Resolve { comments } => {
            let number = leased.thread.number;
            let resolved = ctx.github.resolve(&leased.repo, number, comments);
            resolved.await.map(|()| Sent::Resolved)
        }
        Effect::Branch {
            branch,
            to,
            from,
            home,
        } => {
            let put = Put {
                to,
                from: from.as_ref(),
                home: *home,
            };
            put_branch(ctx, leased, branch, put).await?;
            Ok(Sent::Branch(to.clone()))
        }
        Effect::Undo {
            branch,
            commit,
            tree,
            message,
        } => take_back(ctx, leased, branch, (commit, tree, message))
            .await
            .map(Sent::Branch),
        Effect::Update { .. } => update(ctx, leased).await.map(Sent::Branch),
        Effect::Pull { .. } => open_pull(ctx, leased).await,
        Effect::Check { commit, .. } => {
            let (repo, key) = (&leased.repo, leased.key.as_str());
            let found = if may_be_there(leased) {
                ctx.github.check(repo, commit, key).await?
            } else {
                None
            };
            check_run::put(ctx, leased, found).await.map(Sent::Check)
        }
        Effect::Conclude { suite } => {
            let looks = may_be_there(leased);
            let concluded = check_run::conclude(ctx, &leased.repo, (*suite, looks));
            concluded.await.map(|()| Sent::Concluded)
        }
        Effect::Rerun { workflow, .. } => run_again(ctx, leased, *workflow).await,
        Effect::Delete { branch, head } => delete(ctx, leased, branch, head).await,
        Effect::Review { assessment } => assess(ctx, leased, assessment).await.map(Sent::Review),
    }
}

/// Has a workflow run once more, unless it has.
async fn run_again(ctx: &Context, leased: &LeasedEffect, workflow: u64) -> Result<Sent, Fault> {
    if may_be_there(leased) && ctx.github.was_rerun(&leased.repo, workflow).await? {
        return Ok(Sent::Rerun);
    }
    ctx.github.rerun(&leased.repo, workflow).await?;
    Ok(Sent::Rerun)
}

/// What will not run once more is as if it had: its checks are looked at with what they said.
async fn refused(ctx: &Context, leased: &LeasedEffect, ending: &Ending) -> Result<(), Fault> {
    let (Effect::Rerun { commit, .. }, Ending::Overtaken | Ending::Parked(_), Some(task)) =
        (&leased.effect, ending, leased.task)
    else {
        return Ok(());
    };
    match ctx.store.task(task).await? {
        Some(read) => look_again(ctx, &read.task, commit, Why::NoRerun).await,
        None => Ok(()),
    }
}

/// Returns whether an earlier attempt may have been applied without our knowing.
const fn may_be_there(leased: &LeasedEffect) -> bool {
    leased.attempt > 1 || leased.earlier_attempts > 0
}

/// Returns the comment that an earlier attempt is known to have left.
const fn left(leased: &LeasedEffect) -> Option<CommentId> {
    match leased.sent {
        Some(Sent::Comment(id)) => Some(id),
        Some(
            Sent::Reaction
            | Sent::Resolved
            | Sent::Branch(_)
            | Sent::Deleted
            | Sent::Pull(_)
            | Sent::Check(_)
            | Sent::Concluded
            | Sent::Review(_)
            | Sent::Rerun,
        )
        | None => None,
    }
}

/// Writes a comment on the thread, or an answer to one on a line, or edits what an earlier attempt left.
async fn say(
    ctx: &Context,
    leased: &LeasedEffect,
    to: Option<CommentId>,
    body: &str,
) -> Result<CommentId, Fault> {
    let (repo, number) = (&leased.repo, leased.thread.number);
    let marker = leased.key.marker();
    let whole = format!("{body}\n\n{marker}");
    let found = match (left(leased), to) {
        (Some(id), _) => Some(id),
        (None, _) if !may_be_there(leased) => None,
        (None, None) => {
            let comments = ctx.github.comments(repo, number).await?;
            let mut ours = comments.into_iter().filter(|one| one.ours);
            ours.find(|one| one.remark.body.contains(&marker))
                .map(|one| one.id)
        }
        (None, Some(_)) => {
            let comments = ctx.github.line_comments(repo, number).await?;
            let mut ours = comments.into_iter().filter(|one| one.ours);
            ours.find(|one| one.comment.body.contains(&marker))
                .map(|one| one.comment.id)
        }
    };
    if let Some(id) = found {
        let edited = match to {
            None => ctx.github.edit_comment(repo, id, &whole).await,
            Some(_) => ctx.github.edit_reply(repo, id, &whole).await,
        };
        match edited {
            Ok(()) => return Ok(id),
            // Somebody deleted it; what it says still has to be said.
            Err(fault) if fault.class == Class::NotFound => {}
            Err(fault) => return Err(fault),
        }
    }
    match to {
        None => ctx.github.comment(repo, number, &whole).await,
        Some(to) => ctx.github.reply(repo, number, to, &whole).await,
    }
}

/// Where a branch is put, and whose it is.
struct Put<'a> {
    to: &'a CommitSha,
    from: Option<&'a CommitSha>,
    home: Home,
}

/// Puts a branch at a commit, never over anybody's work: it is only created or moved forward.
async fn put_branch(
    ctx: &Context,
    leased: &LeasedEffect,
    branch: &BranchName,
    Put { to, from, home }: Put<'_>,
) -> Result<(), Fault> {
    let repo = &leased.repo;
    let outcome = match from {
        None => ctx.github.create_branch(repo, branch, to).await,
        Some(_) => match ctx.github.move_branch(repo, branch, to).await {
            // It was deleted meanwhile, which takes nobody's work away. What a person has deleted stays
            // deleted.
            Err(fault) if fault.class == Class::NotFound && home.is_own() => {
                ctx.github.create_branch(repo, branch, to).await
            }
            outcome => outcome,
        },
    };
    match outcome {
        Err(fault) if fault.class == Class::Conflict => {
            if ctx.github.branch(repo, branch).await?.as_ref() == Some(to) {
                return Ok(());
            }
            let doing = format!("put branch {branch} at the change");
            let why = "it holds commits that were not seen before";
            Err(Fault::new(Class::Conflict, doing, why))
        }
        outcome => outcome,
    }
}

/// Puts a commit with an earlier tree on top of the one that is the branch's head, unless it is there
/// already.
async fn take_back(
    ctx: &Context,
    leased: &LeasedEffect,
    branch: &BranchName,
    (commit, tree, message): (&CommitSha, &TreeSha, &str),
) -> Result<CommitSha, Fault> {
    let repo = &leased.repo;
    let parents = std::slice::from_ref(commit);
    let moved = |why: &str| Fault::new(Class::Conflict, format!("take {commit} back"), why);
    if let Some(there) = made_before(ctx, (repo, branch), (tree, parents), moved).await? {
        return Ok(there);
    }
    let undo = NewCommit {
        message: message.to_owned(),
        parents: vec![commit.clone()],
        base_tree: tree.clone(),
        entries: Vec::new(),
        tree: tree.clone(),
    };
    let made = ctx.github.commit(repo, &undo).await?;
    // Somebody may have pushed since: then it is no fast-forward, and a conflict.
    ctx.github.move_branch(repo, branch, &made).await?;
    Ok(made)
}

/// Deletes a branch, unless it is gone, is of use, or has another head now: then it stays, for good.
async fn delete(
    ctx: &Context,
    leased: &LeasedEffect,
    branch: &BranchName,
    head: &CommitSha,
) -> Result<Sent, Fault> {
    let repo = &leased.repo;
    let Some(now) = ctx.github.branch(repo, branch).await? else {
        return Ok(Sent::Deleted);
    };
    if now != *head || ctx.github.pull_from(repo, branch).await?.is_some() {
        tracing::info!(effect = %leased.key, %branch, head = %now, "left a branch that others use");
        return Ok(Sent::Branch(now));
    }
    match ctx.github.delete_branch(repo, branch).await {
        Err(fault) if fault.class == Class::NotFound => Ok(Sent::Deleted),
        outcome => outcome.map(|()| Sent::Deleted),
    }
}

async fn open_pull(ctx: &Context, leased: &LeasedEffect) -> Result<Sent, Fault> {
    let Effect::Pull {
        head,
        base,
        title,
        body,
        draft,
        commit,
    } = &leased.effect
    else {
        return Err(Fault::permanent(
            "open a pull request",
            "the effect is another",
        ));
    };
    let repo = &leased.repo;
    let pull = NewPull {
        head: head.clone(),
        base: base.clone(),
        title: title.clone(),
        body: format!("{body}\n\n{}", leased.key.marker()),
        draft: *draft,
    };
    let mut found = if may_be_there(leased) {
        ctx.github.pull_from(repo, head).await?
    } else {
        None
    };
    if found.is_none() {
        found = match ctx.github.open_pull(repo, &pull).await {
            Ok(opened) => Some(opened),
            Err(fault) if fault.class == Class::Conflict => {
                ctx.github.pull_from(repo, head).await?
            }
            Err(fault) => return Err(fault),
        };
    }
    let posted = found.ok_or_else(|| {
        Fault::transient(
            "open a pull request",
            "GitHub says there is one, and lists none",
        )
    })?;
    if posted.head != *commit {
        let why = format!(
            "its head is {} and not the verified commit {commit}: somebody has pushed to {head}",
            posted.head
        );
        let doing = format!("open pull request #{}", posted.number);
        return Err(Fault::new(Class::Conflict, doing, why));
    }
    Ok(Sent::Pull(posted.number))
}
