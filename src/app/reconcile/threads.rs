//! Labelled and assigned issues that no delivery ever told of.
//!
//! GitHub loses deliveries without a trace: those that are too large, those of an App that was
//! suspended. So the repositories are gone through in rounds, and an issue that asks for work and has
//! no task is put into the inbox as the delivery that should have come. From there on nothing is
//! different: who asked is looked up, and refused or served.
//!
//! On the way, now and then, the open tasks of each repository are compared with what it shows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::context::Context;
use crate::app::dispatch::read_policy;
use crate::app::reconcile::{Left, recall, remember, tasks};
use crate::domain::effect::{Effect, EffectKey, ReactionTarget};
use crate::domain::ids::{DeliveryId, InstallationId, RepoId, ThreadKey};
use crate::domain::overlooked::{Act, REMEMBERED, Standing, Verdict, judge, may_ask};
use crate::domain::policy::Policy;
use crate::domain::render::refusal::{Refusal, refusal};
use crate::domain::repo::Repo;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Acceptance, AuditLine, Changes, NewDelivery, NewEffect, Versioned};
use crate::ports::wake::Waiting;

/// Where it is noted how far the round is.
const NOTE: &str = "reconcile.threads";
/// The pause between two rounds.
const BETWEEN_ROUNDS: Span = Span::minutes(10);
/// The pause between two rounds that compare tasks, which costs a request or two for each of them.
const BETWEEN_COMPARISONS: Span = Span::minutes(60);
/// How far a round looks behind the beginning of the one before: repositories may change their place
/// in the list while it is read.
const OVERLAP: Span = Span::minutes(60);
/// Repositories after which a step ends, and pages of them.
const REPOSITORIES: usize = 50;
const PAGES: usize = 10;

/// How far the rounds are; kept from one step to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rounds {
    /// When the last whole round began.
    last: Option<Timestamp>,
    /// When a round ended last, whole or not.
    ended: Option<Timestamp>,
    /// The one that is under way.
    now: Option<Round>,
    /// When the last whole round began that compared tasks.
    #[serde(default)]
    compared: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Round {
    began: Timestamp,
    /// Changes before that were seen.
    since: Timestamp,
    /// The page that is next; `None` at the beginning.
    place: Option<(InstallationId, u32)>,
    /// Whether everything could be read so far.
    whole: bool,
    /// Whether tasks are compared.
    #[serde(default)]
    compares: bool,
    /// Repositories with open tasks that were seen so far.
    #[serde(default)]
    seen: BTreeSet<RepoId>,
}

impl Rounds {
    fn begin(&self, now: Timestamp) -> Option<Round> {
        let rested = self
            .ended
            .is_none_or(|ended| now.since(ended) >= BETWEEN_ROUNDS);
        let remembered = now.minus(REMEMBERED);
        let seen = self.last.map(|last| last.minus(OVERLAP));
        rested.then(|| Round {
            began: now,
            since: seen.map_or(remembered, |seen| seen.max(remembered)),
            place: None,
            whole: true,
            compares: (self.compared).is_none_or(|at| now.since(at) >= BETWEEN_COMPARISONS),
            seen: BTreeSet::new(),
        })
    }
}

/// Looks at some repositories; at none while the last round is not long over.
pub async fn step(ctx: &Context) -> Result<Left, Fault> {
    let mut rounds: Rounds = recall(ctx, NOTE).await?;
    let Some(mut round) = rounds.now.take().or_else(|| rounds.begin(ctx.now())) else {
        return Ok(Left::Nothing);
    };
    let installations = ctx.github.installations().await?;
    let installations: BTreeSet<_> = installations.into_iter().map(|(id, _)| id).collect();
    let (mut pages, mut looked) = (0, 0);
    let over = loop {
        let Some((installation, page)) = next(&installations, round.place) else {
            break true;
        };
        if pages >= PAGES || looked >= REPOSITORIES {
            break false;
        }
        pages += 1;
        let found = Box::pin(look_at(ctx, (installation, page), &mut round)).await;
        let more = match found {
            Ok((some, more)) => {
                looked += some;
                more
            }
            Err(fault) => passed_over(fault, &mut round).map(|()| false)?,
        };
        round.place = Some(if more {
            (installation, page + 1)
        } else {
            (InstallationId(installation.0.saturating_add(1)), 1)
        });
    };
    if over {
        if round.whole && round.compares {
            tasks::end_unseen(ctx, &round.seen, round.began).await?;
            rounds.compared = Some(round.began);
        }
        rounds.ended = Some(ctx.now());
        if round.whole {
            rounds.last = Some(round.began);
        }
    } else {
        rounds.now = Some(round);
    }
    remember(ctx, NOTE, &rounds).await?;
    Ok(if over { Left::Nothing } else { Left::More })
}

/// Returns the next page, of the first installation that is not behind.
fn next(
    installations: &BTreeSet<InstallationId>,
    place: Option<(InstallationId, u32)>,
) -> Option<(InstallationId, u32)> {
    let (from, page) = place.unwrap_or((InstallationId(0), 1));
    let found = installations.range(from..).next()?;
    Some((*found, if *found == from { page } else { 1 }))
}

/// Lets a round go on without what cannot be read, if that is not GitHub as a whole.
fn passed_over(fault: Fault, round: &mut Round) -> Result<(), Fault> {
    match fault.class {
        Class::RateLimited(_) => return Err(fault),
        // It is not there for us, and will tell when it is again.
        Class::AuthLost | Class::NotFound | Class::Permanent => {}
        Class::Transient | Class::Conflict => round.whole = false,
    }
    tracing::warn!(%fault, "passed over while looking for requests");
    Ok(())
}

/// Looks at one page of repositories; returns at how many, and whether there is another page.
async fn look_at(
    ctx: &Context,
    (installation, page): (InstallationId, u32),
    round: &mut Round,
) -> Result<(usize, bool), Fault> {
    let covered = ctx.github.repositories(installation, page).await?;
    let mut looked = 0;
    if round.compares {
        looked += compare(ctx, &covered.repositories, round).await?;
    }
    for (repo, open) in &covered.repositories {
        if *open == 0 || repo.archived {
            continue;
        }
        looked += 1;
        if let Err(fault) = repository(ctx, repo, round.since).await {
            passed_over(fault, round)?;
        }
    }
    Ok((looked, covered.more))
}

/// Compares the open tasks of a page of repositories; returns how many requests that took.
async fn compare(
    ctx: &Context,
    repositories: &[(Repo, u64)],
    round: &mut Round,
) -> Result<usize, Fault> {
    let ids: Vec<_> = repositories.iter().map(|(repo, _)| repo.id).collect();
    let mut open_tasks: BTreeMap<RepoId, Vec<Versioned>> = BTreeMap::new();
    for task in ctx.store.open_tasks_of(None, &ids).await? {
        open_tasks.entry(task.task.repo.id).or_default().push(task);
    }
    round.seen.extend(open_tasks.keys());
    let mut asked = 0;
    for (repo, open) in repositories {
        let tasks = open_tasks.remove(&repo.id).unwrap_or_default();
        match tasks::compare(ctx, (repo, *open), tasks).await {
            Ok(some) => asked += some,
            Err(fault) => passed_over(fault, round)?,
        }
    }
    Ok(asked)
}

async fn repository(ctx: &Context, repo: &Repo, since: Timestamp) -> Result<(), Fault> {
    let mut policy = None;
    for standing in ctx.github.standing(repo, since).await? {
        let thread = ThreadKey {
            repo: repo.id,
            number: standing.thread.number,
        };
        if !may_ask(&standing) || ctx.store.thread_tasks(thread).await?.count > 0 {
            continue;
        }
        let policy = match &policy {
            Some(policy) => policy,
            // One that is broken is answered for when the request is decided.
            None => policy.insert(read_policy(ctx, repo).await?.unwrap_or_default()),
        };
        found(ctx, (repo, thread), &standing, policy).await?;
    }
    Ok(())
}

async fn found(
    ctx: &Context,
    (repo, thread): (&Repo, ThreadKey),
    standing: &Standing,
    policy: &Policy,
) -> Result<(), Fault> {
    let acts = ctx.github.acts(repo, thread.number).await?;
    let identity = &ctx.settings.identity;
    match judge(standing, &acts, (policy, identity), ctx.now()) {
        Verdict::Nothing => Ok(()),
        Verdict::Asks(act) => take(ctx, repo, standing, act).await,
        Verdict::MayHaveChanged(act) => ask_again(ctx, repo, thread, act).await,
    }
}

/// Puts the request where its delivery would be. It is there already when another round, or the
/// delivery's own dispatch with the same name, was before us.
async fn take(ctx: &Context, repo: &Repo, standing: &Standing, act: &Act) -> Result<(), Fault> {
    let Some((event, body)) = ctx.translate.tell(repo, standing, act) else {
        return Ok(());
    };
    let number = standing.thread.number;
    let delivery = NewDelivery {
        id: DeliveryId::new(format!("found-{}-{number}-{}", repo.id, act.id)),
        event,
        body,
        received_at: ctx.now(),
    };
    let accepted = ctx.store.accept(vec![delivery]).await?;
    if accepted == [Acceptance::Stored] {
        tracing::info!(repo.name = %repo.name, %number, by = %act.by.login, "found a request that no delivery told of");
        ctx.wake.tell(Waiting::Deliveries);
    }
    Ok(())
}

/// Answers that the text may not be what was asked for; once.
async fn ask_again(ctx: &Context, repo: &Repo, thread: ThreadKey, act: &Act) -> Result<(), Fault> {
    let key = EffectKey::reply(ReactionTarget::Thread, thread);
    if ctx.store.sent(&key).await?.is_some() {
        return Ok(());
    }
    let body = refusal(&Refusal::MayHaveChanged, &ctx.settings.links);
    let changes = Changes {
        effects: vec![NewEffect {
            key,
            thread,
            task: None,
            repo: repo.clone(),
            effect: Effect::Comment { body },
        }],
        audit: vec![AuditLine {
            at: ctx.now(),
            actor: act.by.login.to_string(),
            thread: Some(thread),
            what: "decided".to_owned(),
            detail: "refused: found late, and the text may have changed".to_owned(),
        }],
        ..Changes::default()
    };
    ctx.store.commit(&changes, ctx.now()).await?;
    ctx.wake.tell(Waiting::Effects);
    Ok(())
}
