//! The way out of one sandbox: opened before a run, closed after it, and what passed kept.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::run_job::Attempt;
use crate::app::run_job::brief::Chosen;
use crate::domain::budget::{Cap, Scope};
use crate::domain::egress::HostRule;
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::spend::caps;
use crate::domain::traffic::Traffic;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::gateway::{Pass, Passage};

/// What a run may reach.
#[derive(Clone, Debug, Default)]
pub struct Reachable {
    /// Model endpoints.
    pub models: Vec<Name>,
    /// Other hosts.
    pub egress: Vec<HostRule>,
    /// What model calls may cost; none where there is no model.
    pub caps: Vec<Cap>,
}

/// A way out; none when there is nothing to reach.
pub struct Way {
    passage: Option<Arc<dyn Passage>>,
    stop: CancellationToken,
}

impl Way {
    /// Returns the door for the sandbox.
    #[must_use]
    pub fn door(&self) -> Option<&dyn Door> {
        self.passage.as_deref().map(|passage| passage as &dyn Door)
    }

    /// Returns what ends the run early: a person, or a budget that is used up.
    #[must_use]
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits for a run that uses this way, and has it stopped when a budget is used up.
    pub async fn during<T>(&self, run: impl Future<Output = T>) -> T {
        let Some(passage) = &self.passage else {
            return run.await;
        };
        let exhausted = passage.exhausted();
        tokio::pin!(run);
        tokio::select! {
            done = &mut run => return done,
            () = exhausted.cancelled() => self.stop.cancel(),
        }
        run.await
    }

    /// Returns what has passed so far.
    #[must_use]
    pub fn so_far(&self) -> Traffic {
        let passage = self.passage.as_ref();
        passage.map_or_else(Traffic::default, |passage| passage.so_far())
    }

    /// Closes it and returns what passed.
    pub async fn close(self) -> Traffic {
        match self.passage {
            Some(passage) => passage.close().await,
            None => Traffic::default(),
        }
    }
}

impl Attempt<'_> {
    /// Opens the way out of one sandbox.
    pub async fn way(&self, reachable: Reachable) -> Result<Way, Fault> {
        let Reachable {
            models,
            egress,
            caps,
        } = reachable;
        let stop = self.cancel.child_token();
        if models.is_empty() && egress.is_empty() {
            let passage = None;
            return Ok(Way { passage, stop });
        }
        let moved = self.progress.traffic.bytes() + self.traffic.bytes();
        let allowed = self.ctx.settings.egress_bytes / self.house.entrants;
        let pass = Pass {
            job: self.leased.lease.job,
            models,
            egress,
            egress_bytes: allowed.saturating_sub(moved),
            caps,
        };
        let passage = Some(self.ctx.gateway.open(pass).await?);
        Ok(Way { passage, stop })
    }

    /// Returns what the chosen agent may reach. A recipe gets no model, and a
    /// built-in one nothing at all.
    pub async fn reachable(&self, chosen: &Chosen, policy: &Policy) -> Result<Reachable, Fault> {
        let models = match chosen {
            Chosen::Agent(name) => self.ctx.settings.models_of(name),
            Chosen::Recipe(_, _, _) => &[],
            Chosen::BuiltIn(_, _, _) => return Ok(Reachable::default()),
        };
        let caps = if models.is_empty() {
            Vec::new()
        } else {
            self.caps(policy).await?
        };
        Ok(Reachable {
            models: models.to_vec(),
            egress: policy.egress.clone(),
            caps,
        })
    }

    async fn caps(&self, policy: &Policy) -> Result<Vec<Cap>, Fault> {
        let person = &self.leased.work.request.by.login;
        let scopes = Scope::of_job(self.leased.lease.job, person, self.ctx.now());
        let spent = self.ctx.store.spent(&scopes).await?;
        let budgets = self.ctx.settings.budgets.narrowed(policy.budget.job_usd);
        let budgets = budgets.of_task(self.leased.task.task.budget);
        Ok(caps(&budgets, scopes.into_iter().zip(spent)))
    }
}
