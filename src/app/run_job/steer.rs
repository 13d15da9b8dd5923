//! While the agent runs: what waits on the task is handed to it when it has done what it has.
//!
//! That a request is taken out of the line, and that the job has it, is one transaction. So a stop, a
//! request that comes at the same moment and a crash find it in one place or in the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::app::context::Context;
use crate::app::dispatch::changes;
use crate::app::run_job::Attempt;
use crate::domain::decide::steer::steer;
use crate::domain::job::{Entry, Request, Work};
use crate::domain::policy::Untrusted;
use crate::domain::prompt::since;
use crate::domain::retry::MAX_ATTEMPTS;
use crate::ports::agent::Steering;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, LeasedJob};

/// Hands on what waits on the task of one job.
pub struct Steer<'a> {
    ctx: &'a Context,
    leased: &'a LeasedJob,
    untrusted: Untrusted,
    so_far: Mutex<SoFar>,
}

/// What was handed on so far.
struct SoFar {
    /// What the agent knows of, with what it was told by its brief.
    work: Work,
    /// What it was handed by this.
    handed: Vec<Request>,
    /// Why it is not known whether one more is the job's.
    fault: Option<Fault>,
}

impl std::fmt::Debug for Steer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steer")
            .field("job", &self.leased.lease.job)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Steering for Steer<'_> {
    async fn next(&self) -> Option<String> {
        let mut work = self.lock().work.clone();
        let request = self.take(&work).await?;
        tracing::info!(job.id = %self.leased.lease.job, by = %request.by.login, "the agent is handed one more request");
        work.steered.push(request.clone());
        let text = since::more(&work, self.untrusted);
        let mut so_far = self.lock();
        so_far.work = work;
        so_far.handed.push(request);
        Some(text)
    }
}

impl<'a> Steer<'a> {
    /// Begins, for an agent whose brief says what `work` does.
    #[must_use]
    pub const fn new(
        (ctx, leased): (&'a Context, &'a LeasedJob),
        work: Work,
        untrusted: Untrusted,
    ) -> Self {
        Self {
            ctx,
            leased,
            untrusted,
            so_far: Mutex::new(SoFar {
                work,
                handed: Vec::new(),
                fault: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was handed on, once the agent has ended.
    ///
    /// # Errors
    /// When one more may be the job's of which the agent has heard nothing: then it has not done all
    /// that the job is for.
    pub fn over(&self) -> Result<Vec<Request>, Fault> {
        let mut so_far = self.lock();
        match so_far.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(std::mem::take(&mut so_far.handed)),
        }
    }

    /// Takes the next request out of the line. Others write to the task too, so it is decided again
    /// when one did.
    async fn take(&self, work: &Work) -> Option<Request> {
        let (mut tries, mut in_doubt) = (0, false);
        loop {
            let fault = match self.try_to_take(work, &mut in_doubt).await {
                Ok(request) => return request,
                Err(fault) => fault,
            };
            tries += 1;
            let passes = matches!(fault.class, Class::Conflict | Class::Transient);
            if passes && tries < MAX_ATTEMPTS {
                continue;
            }
            tracing::warn!(job.id = %self.leased.lease.job, %fault, "what waits cannot be handed on");
            // It waits on, unless a write has failed that may have been made all the same.
            if in_doubt {
                self.lock().fault = Some(fault);
            }
            return None;
        }
    }

    async fn try_to_take(
        &self,
        work: &Work,
        in_doubt: &mut bool,
    ) -> Result<Option<Request>, Fault> {
        let (ctx, lease) = (self.ctx, &self.leased.lease);
        let Some(read) = ctx.store.task(lease.job.task).await? else {
            return Ok(None);
        };
        // Only who holds the lease adds to it: this one was taken, and the answer was lost.
        let known = work.steered.len();
        if read.task.job() == lease.job
            && let Some(taken) = read.task.work.steered.get(known)
        {
            return Ok(Some(taken.clone()));
        }
        let Some((decision, request)) = steer(&read.task, lease.job, &ctx.settings.links) else {
            return Ok(None);
        };
        let entry = Entry::Steered(Box::new(request.clone()));
        let changes = Changes {
            entry: Some((lease.clone(), entry)),
            ..changes(decision, &read.task.repo, Some(&read), "prova", ctx.now())
        };
        *in_doubt = true;
        ctx.commit(&changes).await?;
        Ok(Some(request))
    }
}

impl Attempt<'_> {
    /// Returns what is to be done, with what was handed on so far.
    #[must_use]
    pub fn work(&self) -> Work {
        let mut work = self.leased.work.clone();
        work.steered.extend(self.progress.steered.iter().cloned());
        work
    }
}
