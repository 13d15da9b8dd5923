//! What a task may spend: shown, or set by whoever may start work.

use crate::domain::budget::{Cap, Scope};
use crate::domain::decide::Desk;
use crate::domain::money::Usd;
use crate::domain::render::budget::budget;
use crate::domain::render::refusal::Refusal;
use crate::domain::task::Task;

impl Desk<'_> {
    /// Shows what may be spent, with a new limit for the task when there is one.
    pub(super) fn budget(&mut self, limit: Option<Usd>) -> Result<String, Refusal> {
        self.allowed()?;
        let mut caps = self.snapshot.caps.to_vec();
        let Some(limit) = limit else {
            self.answer(budget(&caps, None));
            return Ok("budget shown".to_owned());
        };
        let task = self.task().ok_or(Refusal::NoTask)?.clone();
        let of_task = caps
            .iter_mut()
            .find(|cap| matches!(cap.scope, Scope::Task(_)));
        if let Some(Cap { most, .. }) = of_task {
            let server = self.snapshot.most_of_task;
            if limit > server {
                return Err(Refusal::OverBudget(limit, server));
            }
            *most = limit;
        }
        self.answer(budget(&caps, Some(limit)));
        let reason = format!("task {}: may spend ${limit}", task.id);
        self.decision.task = Some(Task {
            budget: Some(limit),
            ..task
        });
        Ok(reason)
    }
}
