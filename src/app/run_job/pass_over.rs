//! Between two runs: an agent that could not work gives its job to the next of the list.

use crate::app::run_job::Attempt;
use crate::domain::fallback::{could_not_work, lineup, successor};
use crate::domain::job::{Entry, Performer};

impl Attempt<'_> {
    /// Returns the entry by which the next agent takes the job over; `None` when the last one could
    /// work, or when nobody is left. Once it is in the journal, that agent is never run for this job
    /// again, whoever crashes.
    pub async fn pass_over(&mut self) -> Option<Entry> {
        if !could_not_work(&self.progress) {
            return None;
        }
        match &self.entrant.performer {
            Performer::DefaultAgent => {}
            // Whoever names an agent means that one, and nobody else's model.
            Performer::Named(_) | Performer::Recipe { .. } => return None,
        }
        // A job that has come to its end does not fail for want of a list.
        let policy = self.policy().await.ok()?;
        let agents = &self.ctx.settings.agents;
        let role = self.leased.work.request.role();
        let lineup = lineup(&policy, role, agents.default.as_ref(), &agents.fallback);
        let next = successor(&lineup, &self.progress)?;
        let over = self.progress.passed_over_now()?;
        tracing::warn!(job.id = %self.leased.lease.job, agent = over.agent, why = over.why(), %next, "the agent could not be used; the next takes over");
        // It has a brief and a checkout of its own.
        (self.briefing, self.checkout) = (None, None);
        Some(Entry::PassedOver(Box::new(over)))
    }
}
