//! A job, step by step. Each step leaves a line in the journal before the next begins, so a crash
//! repeats at most one step, and an agent that has ended is not run again.

pub mod brief;
pub mod check;
pub mod commit;
pub mod pass_over;
pub mod run;
pub mod secrets;
pub mod setup;
pub mod watch;
pub mod way;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::app::cleanup::keep_logs;
use crate::app::context::Context;
use crate::app::dispatch::changes;
use crate::app::run_job::brief::{Briefing, Problem};
use crate::domain::budget::Exceeded;
use crate::domain::conclude::{Ended, broke, conclude, faulted, report};
use crate::domain::decide::{Decision, status_of};
use crate::domain::job::{Entry, Harvested, Progress, Step};
use crate::domain::policy::Policy;
use crate::domain::report::Report;
use crate::domain::retry::MAX_ATTEMPTS;
use crate::domain::sanitize::neutral;
use crate::domain::spend::used_up;
use crate::domain::task::{self, State};
use crate::domain::traffic::Traffic;
use crate::domain::verify;
use crate::ports::checkouts::{Checkout, Place};
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, JobEnd, LeasedJob};

/// Why a job does not come to a report of its own.
#[derive(Debug)]
pub enum Stuck {
    /// A call failed.
    Fault(Fault),
    /// A person has to mend something first: what, as Markdown.
    Person(String),
    /// A budget was used up before the agent could start.
    Budget(Exceeded),
}

impl From<Fault> for Stuck {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Problem> for Stuck {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Fault(fault) => Self::Fault(fault),
            Problem::Person(text) => Self::Person(text),
        }
    }
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another one, later.
    Attempt,
    /// Nothing: the job is over.
    Nothing,
}

/// One attempt at one job.
pub struct Attempt<'a> {
    /// The ports.
    pub ctx: &'a Context,
    /// What was leased.
    pub leased: &'a LeasedJob,
    /// The job's directory.
    pub dir: PathBuf,
    /// Fires when the job is to end early.
    pub cancel: &'a CancellationToken,
    progress: Progress,
    briefing: Option<Briefing>,
    checkout: Option<Checkout>,
    /// What has passed the gateway and is in no journal entry yet.
    traffic: Traffic,
}

/// Runs one attempt to its end: a report for the task, or back to the queue.
///
/// A fault of class `Conflict` means that the lease or the task was lost on the way, and that
/// nothing more may be written.
pub async fn run_job(
    ctx: &Context,
    leased: &LeasedJob,
    cancel: &CancellationToken,
) -> Result<(), Fault> {
    let dir = ctx.settings.job_dir(leased.lease.job);
    let progress = Progress::fold(leased.journal.iter().cloned());
    let survives = match &progress.harvested {
        Some(harvested) => {
            ctx.checkouts
                .holds(leased.task.task.repo.id, &dir, &harvested.tree)
                .await
        }
        None => false,
    };
    let mut attempt = Attempt {
        ctx,
        leased,
        dir,
        cancel,
        progress,
        briefing: None,
        checkout: None,
        traffic: Traffic::default(),
    };
    if leased.task.task.state.is_busy() {
        attempt.announce().await?;
    }
    let end = match attempt.resume(survives).await {
        Err(stuck) => Err(stuck),
        Ok(()) if leased.lease.attempt > MAX_ATTEMPTS => {
            // Each of its workers died with it, or lost its lease.
            let why = format!("It was begun {MAX_ATTEMPTS} times and never came to an end.");
            Err(Stuck::Person(why))
        }
        Ok(()) => attempt.steps().await,
    };
    if attempt.end(end).await? == Next::Attempt {
        // What was harvested stays for it, so that the agent need not run again.
        return Ok(());
    }
    ctx.wake.effects.notify_one();
    keep_logs(ctx, leased.lease.job, &attempt.dir).await;
    if let Err(fault) = ctx.checkouts.remove(&attempt.dir).await {
        // The next start removes what no live job owns.
        tracing::warn!(job.id = %leased.lease.job, %fault, "could not remove a job's directory");
    }
    Ok(())
}

impl Attempt<'_> {
    /// Says on the thread that the work has begun.
    async fn announce(&self) -> Result<(), Fault> {
        let read = &self.leased.task;
        let Ok(state) = task::transition(&read.task.state, task::Step::Start) else {
            return Ok(());
        };
        if state == read.task.state {
            return Ok(());
        }
        let task = task::Task {
            state,
            ..read.task.clone()
        };
        let links = &self.ctx.settings.links;
        let decision = Decision {
            effects: vec![status_of(&task, links)],
            task: Some(task),
            ..Decision::default()
        };
        let now = self.ctx.now();
        let changes = changes(decision, &read.task.repo, Some(read), "prova", now);
        match self.ctx.store.commit(&changes, now).await {
            // A person was faster, with a stop or a close; the end of the job reads it afresh.
            Err(fault) if fault.class == Class::Conflict => Ok(()),
            outcome => outcome,
        }
    }

    /// Takes up what an earlier attempt left.
    async fn resume(&mut self, survives: bool) -> Result<(), Stuck> {
        // Its checkout is gone, but that it could not work is known.
        if self.progress.next() == Step::Harvest
            && let Some(entry) = self.pass_over().await
        {
            self.note(entry).await?;
        }
        self.progress = std::mem::take(&mut self.progress).resume(survives);
        Ok(())
    }

    async fn steps(&mut self) -> Result<Report, Stuck> {
        loop {
            let step = self.progress.next();
            tracing::info!(job.id = %self.leased.lease.job, attempt = self.leased.lease.attempt, ?step, "step");
            let entry = match step {
                Step::Brief => self.brief().await?,
                Step::Run => self.run().await?,
                Step::Harvest => self.harvest().await?,
                Step::Check => self.check().await?,
                Step::Commit => self.commit().await?,
                Step::Conclude => match self.pass_over().await {
                    Some(entry) => entry,
                    None => return Ok(report(&self.ended())),
                },
            };
            self.note(entry).await?;
        }
    }

    fn ended(&self) -> Ended<'_> {
        Ended {
            job: self.leased.lease.job,
            work: &self.leased.work,
            progress: &self.progress,
        }
    }

    /// Writes a step into the journal; only who holds the lease can.
    async fn note(&mut self, entry: Entry) -> Result<(), Fault> {
        let line = (self.leased.lease.clone(), entry.clone());
        let changes = Changes {
            entry: Some(line),
            ..Changes::default()
        };
        self.ctx.store.commit(&changes, self.ctx.now()).await?;
        self.progress.apply(entry);
        Ok(())
    }

    async fn brief(&mut self) -> Result<Entry, Stuck> {
        let passed_over = &self.progress.passed_over;
        let briefing = brief::prepare(self.ctx, self.leased, passed_over).await?;
        let reachable = self.reachable(&briefing.chosen, &briefing.policy).await?;
        if let Some(exceeded) = used_up(&reachable.caps) {
            return Err(Stuck::Budget(exceeded));
        }
        let entry = Entry::Briefed(briefing.briefed.clone());
        self.briefing = Some(briefing);
        Ok(entry)
    }

    async fn harvest(&mut self) -> Result<Entry, Stuck> {
        let checkout = self
            .checkout
            .clone()
            .ok_or_else(|| Fault::permanent("read the checkout", "the run left none"))?;
        let repo = self.leased.task.task.repo.id;
        let limits = &self.ctx.settings.harvest;
        let mut harvest = self
            .ctx
            .checkouts
            .harvest(repo, &checkout, &self.dir, limits)
            .await?;
        let policy = self.policy().await?;
        let briefed = self.progress.briefed.as_ref();
        let restored = briefed.and_then(|briefed| briefed.restored.as_ref());
        let mut protected = restored.map_or_else(Vec::new, |restored| {
            verify::onto_base(&mut harvest, restored)
        });
        protected.extend(verify::protected(&harvest, &policy));
        protected.sort_by_key(|(n, _)| *n);
        protected.dedup_by_key(|(n, _)| *n);
        let mut harvested = Harvested {
            tree: harvest.tree.clone(),
            harvest,
            protected,
            leaks: Vec::new(),
        };
        if let Some(briefed) = briefed {
            harvested.leaks = self.leaks(&harvested, &briefed.base, &policy).await?;
        }
        if !harvested.protected.is_empty() || restored.is_some() {
            let kept = harvested.kept();
            let harvest = &harvested.harvest;
            harvested.tree = self
                .ctx
                .checkouts
                .narrow(repo, &self.dir, harvest, &kept)
                .await?;
        }
        Ok(Entry::Harvested(harvested))
    }

    /// Returns the policy that the job began with: of the commit in its journal, wherever the
    /// default branch is by now.
    async fn policy(&self) -> Result<Policy, Stuck> {
        match (&self.briefing, &self.progress.briefed) {
            (Some(briefing), _) => Ok(briefing.policy.clone()),
            (None, Some(briefed)) => {
                let repo = self.leased.task.task.repo.id;
                Ok(brief::read_policy(self.ctx, repo, &briefed.policy_commit).await?)
            }
            (None, None) => Ok(Policy::default()),
        }
    }

    fn place(&self) -> Place<'_> {
        Place {
            job: &self.dir,
            owner: self.ctx.sandbox.owner(),
            layers: self.ctx.sandbox.layers(),
        }
    }

    /// Ends the attempt: back to the queue when that can help, else with a report.
    async fn end(&self, end: Result<Report, Stuck>) -> Result<Next, Fault> {
        let report = match end {
            Ok(report) => report,
            Err(Stuck::Person(text)) => faulted(&self.ended(), text),
            Err(Stuck::Budget(exceeded)) => broke(&self.ended(), exceeded),
            Err(Stuck::Fault(fault)) => match self.again(&fault) {
                Some(end) => {
                    let changes = Changes {
                        job_end: Some((self.leased.lease.clone(), end)),
                        ..Changes::default()
                    };
                    self.ctx.store.commit(&changes, self.ctx.now()).await?;
                    return Ok(Next::Attempt);
                }
                None if fault.class == Class::Conflict => return Err(fault),
                None => faulted(&self.ended(), told(&fault)),
            },
        };
        self.report(report).await?;
        Ok(Next::Nothing)
    }

    fn again(&self, fault: &Fault) -> Option<JobEnd> {
        use crate::domain::retry::{Verdict, after_rate_limit, after_transient};
        let now = self.ctx.now();
        let verdict = match fault.class {
            Class::Transient => after_transient(self.leased.lease.attempt, now),
            Class::RateLimited(until) => after_rate_limit(until, now),
            Class::AuthLost | Class::Conflict | Class::NotFound | Class::Permanent => {
                Verdict::GiveUp
            }
        };
        match verdict {
            Verdict::RetryAt(at) => {
                tracing::warn!(job.id = %self.leased.lease.job, %fault, "the attempt failed and is tried again");
                Some(JobEnd::Again(at, fault.to_string()))
            }
            Verdict::GiveUp => None,
        }
    }

    /// Hands the report over: task, job and outbox in one transaction. A person may change the
    /// task at the same moment, so the decision is made again when one did.
    async fn report(&self, report: Report) -> Result<(), Fault> {
        let policy = self.policy().await.unwrap_or_default();
        let (ctx, lease) = (self.ctx, &self.leased.lease);
        let mut tries = 0;
        loop {
            let Some(read) = ctx.store.task(lease.job.task).await? else {
                return Err(Fault::permanent(
                    "end a job",
                    "its task is not in the store",
                ));
            };
            let decision = conclude(
                &read.task,
                report.clone(),
                &self.ended(),
                &policy,
                &ctx.settings.links,
            );
            let over = JobEnd::Over(report.outcome.word().to_owned());
            let changes = Changes {
                job_end: Some((lease.clone(), over)),
                ..changes(decision, &read.task.repo, Some(&read), "prova", ctx.now())
            };
            match ctx.store.commit(&changes, ctx.now()).await {
                Err(fault) if fault.class == Class::Conflict && tries < MAX_ATTEMPTS => {
                    // Either the task moved, which another look solves, or the lease is lost,
                    // which fails again.
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns whether a person has ended the task meanwhile.
    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
            || self.leased.cancelled
            || matches!(
                self.leased.task.task.state,
                State::Stopped | State::Merged | State::Closed
            )
    }
}

fn told(fault: &Fault) -> String {
    let text = neutral::inline(&fault.to_string(), 400);
    match fault.class {
        Class::AuthLost => format!(
            "I lost my access to this repository ({text}). Check the App's installation and permissions."
        ),
        Class::Transient | Class::RateLimited(_) => {
            format!("It failed {MAX_ATTEMPTS} times, the last time with: {text}.")
        }
        Class::Conflict | Class::NotFound | Class::Permanent => format!("It failed: {text}."),
    }
}
