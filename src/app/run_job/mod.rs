//! A job, step by step. Each step leaves a line in the journal before the next begins, so a crash
//! repeats at most one step, and an agent that has ended is not run again.

pub mod brief;
mod change;
pub mod check;
pub mod commit;
pub mod conflicts;
mod offer;
pub mod pass_over;
pub mod run;
pub mod secrets;
pub mod setup;
pub mod steer;
pub mod watch;
pub mod way;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::app::cleanup::RACE;
use crate::app::context::Context;
use crate::app::dispatch::changes;
use crate::app::run_job::brief::{Brief, Briefing, Problem};
use crate::domain::budget::Exceeded;
use crate::domain::conclude::{Ended, broke, conclude, faulted, report};
use crate::domain::decide::Decision;
use crate::domain::decide::statuses::status_of;
use crate::domain::job::{Entrant, Entry, Harvested, Progress, Step};
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::race::decided;
use crate::domain::render::live::Board;
use crate::domain::report::Report;
use crate::domain::retry::MAX_ATTEMPTS;
use crate::domain::sanitize::neutral;
use crate::domain::spend::used_up;
use crate::domain::task::{self, State};
use crate::domain::time::Timestamp;
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
pub enum Next {
    /// Another one, later.
    Attempt,
    /// Nothing: the job is over, and its directory of no more use.
    Nothing,
}

/// What an attempt of one entrant came to.
#[derive(Debug)]
enum Came {
    /// To its end.
    To(Box<Report>),
    /// To nothing yet; not to be tried again before that time: why.
    Again(Timestamp, String),
}

/// What all who do a job have together.
#[derive(Debug)]
pub struct House {
    /// What the thread shows meanwhile.
    pub board: Mutex<Board>,
    /// How many they are: what a job may use is divided among them.
    pub entrants: u64,
    /// What they are told.
    brief: OnceCell<Brief>,
}

/// One attempt at one job, by one of those who do it.
pub struct Attempt<'a> {
    /// The ports.
    pub ctx: &'a Context,
    /// What was leased.
    pub leased: &'a LeasedJob,
    /// Who does it.
    pub entrant: &'a Entrant,
    /// What is shared with the others.
    pub house: &'a House,
    /// The directory of the job, or in a race of this one's part of it.
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
) -> Result<Next, Fault> {
    if leased.task.task.state.is_busy() {
        announce(ctx, leased).await?;
    }
    let entrants = leased.work.performers.entrants();
    let house = House {
        board: Mutex::default(),
        entrants: u64::try_from(entrants.len()).unwrap_or(1).max(1),
        brief: OnceCell::new(),
    };
    let dir = ctx.settings.job_dir(leased.lease.job);
    let mut attempts: Vec<_> = entrants
        .iter()
        .map(|entrant| Attempt {
            ctx,
            leased,
            entrant,
            house: &house,
            dir: part(&dir, entrant.name.as_ref()),
            cancel,
            progress: Progress::fold_of(leased.journal.iter().cloned(), entrant.name.as_ref()),
            briefing: None,
            checkout: None,
            traffic: Traffic::default(),
        })
        .collect();
    // Who has lost the lease has lost it for all.
    let came = try_join_all(attempts.iter_mut().map(|attempt| Box::pin(attempt.go()))).await?;
    let mut reports = Vec::with_capacity(came.len());
    for one in came {
        match one {
            Came::To(report) => reports.push(*report),
            // What the others did is in the journal, and not done again.
            Came::Again(at, why) => {
                put_off(ctx, leased, JobEnd::Again(at, why)).await?;
                return Ok(Next::Attempt);
            }
        }
    }
    let branch = leased.task.task.beside(leased.lease.job);
    let Some((place, report)) = decided(&entrants, &reports, &branch) else {
        return Err(Fault::permanent("run a job", "nobody is to do it"));
    };
    if let Some(attempt) = attempts.get(place) {
        attempt.report(report).await?;
    }
    Ok(Next::Nothing)
}

/// Gives a job back to the queue. What was harvested stays for the next attempt, so that no agent
/// need run again.
async fn put_off(ctx: &Context, leased: &LeasedJob, end: JobEnd) -> Result<(), Fault> {
    let changes = Changes {
        job_end: Some((leased.lease.clone(), end)),
        ..Changes::default()
    };
    ctx.store.commit(&changes, ctx.now()).await
}

/// Says on the thread that the work has begun.
async fn announce(ctx: &Context, leased: &LeasedJob) -> Result<(), Fault> {
    let read = &leased.task;
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
    let decision = Decision {
        effects: vec![status_of(&task, &ctx.settings.links)],
        task: Some(task),
        ..Decision::default()
    };
    let now = ctx.now();
    let changes = changes(decision, &read.task.repo, Some(read), "prova", now);
    match ctx.store.commit(&changes, now).await {
        // A person was faster, with a stop or a close; the end of the job reads it afresh.
        Err(fault) if fault.class == Class::Conflict => Ok(()),
        outcome => outcome,
    }
}

impl Attempt<'_> {
    /// Comes to a report, or to another attempt; the others of a race go on meanwhile.
    async fn go(&mut self) -> Result<Came, Fault> {
        let end = match self.resume().await {
            Err(stuck) => Err(stuck),
            Ok(()) if self.leased.lease.attempt > MAX_ATTEMPTS => {
                // Each of its workers died with it, or lost its lease.
                let why = format!("It was begun {MAX_ATTEMPTS} times and never came to an end.");
                Err(Stuck::Person(why))
            }
            Ok(()) => self.steps().await,
        };
        self.came(end)
    }

    /// Takes up what an earlier attempt left.
    async fn resume(&mut self) -> Result<(), Stuck> {
        let survives = match &self.progress.harvested {
            Some(harvested) => {
                let repo = self.leased.task.task.repo.id;
                let checkouts = &self.ctx.checkouts;
                checkouts.holds(repo, &self.dir, &harvested.tree).await
            }
            None => false,
        };
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
        let name = self.entrant.name.as_ref();
        let line = (self.leased.lease.clone(), entry.clone().by(name));
        let changes = Changes {
            entry: Some(line),
            ..Changes::default()
        };
        self.ctx.store.commit(&changes, self.ctx.now()).await?;
        self.progress.apply(entry);
        Ok(())
    }

    async fn brief(&mut self) -> Result<Entry, Stuck> {
        let (ctx, leased) = (self.ctx, self.leased);
        let work = self.work();
        let write = || brief::write(ctx, leased, &work.steered);
        let anew;
        let brief = if self.progress.steered.is_empty() {
            self.house.brief.get_or_try_init(write).await?
        } else {
            // The agent before was handed more than its brief said; then nobody shares it.
            anew = write().await?;
            &anew
        };
        let briefing = brief.give(
            &self.entrant.performer,
            &leased.work.request,
            &self.progress.passed_over,
            ctx,
        )?;
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
            unresolved: Vec::new(),
        };
        if let Some(briefed) = briefed {
            let merge = briefed.merge.as_ref();
            let before = merge.map_or(&briefed.base, |merge| &merge.start);
            harvested.leaks = self.leaks(&harvested, before, &policy).await?;
            if let Some(merge) = merge {
                harvested.unresolved = self.unresolved(&harvested, &briefed.base, merge).await?;
            }
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

    /// Returns what the attempt comes to: back to the queue when that can help, else a report.
    fn came(&self, end: Result<Report, Stuck>) -> Result<Came, Fault> {
        let report = match end {
            Ok(report) => report,
            Err(Stuck::Person(text)) => faulted(&self.ended(), text),
            Err(Stuck::Budget(exceeded)) => broke(&self.ended(), exceeded),
            Err(Stuck::Fault(fault)) => match self.again(&fault) {
                Some((at, why)) => return Ok(Came::Again(at, why)),
                None if fault.class == Class::Conflict => return Err(fault),
                None => faulted(&self.ended(), told(&fault)),
            },
        };
        Ok(Came::To(Box::new(report)))
    }

    fn again(&self, fault: &Fault) -> Option<(Timestamp, String)> {
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
                Some((at, fault.to_string()))
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
            match ctx.commit(&changes).await {
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
                State::Stopped | State::Merged | State::Closed | State::Answered
            )
    }
}

/// Returns where an entrant works: a job that one does alone has its directory to itself.
fn part(job: &Path, contestant: Option<&Name>) -> PathBuf {
    contestant.map_or_else(|| job.to_owned(), |name| job.join(RACE).join(name.as_str()))
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
