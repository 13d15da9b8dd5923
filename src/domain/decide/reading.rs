//! What is asked for in words: an answer, a plan, a review. And carrying a plan out.

use crate::domain::decide::Desk;
use crate::domain::event::ThreadKind;
use crate::domain::job::{Performer, Performers, Wanted};
use crate::domain::render::refusal::Refusal;

impl Desk<'_> {
    /// Has an agent read the code and say something.
    pub(super) fn read(&mut self, wanted: Wanted, text: &str) -> Result<String, Refusal> {
        self.allowed()?;
        let performers = Performers::One(Performer::DefaultAgent);
        let mut work = self.work(performers, text.to_owned(), wanted);
        // Whoever asks about a plan, or for another, means the one that is there.
        work.request.plan = self
            .task()
            .and_then(|task| Some(task.plan.as_ref()?.text.clone()));
        self.queue(work)
    }

    /// Has an agent review the pull request, whoever opened it.
    pub(super) fn review(&mut self, text: &str) -> Result<String, Refusal> {
        self.allowed()?;
        match self.event.thread.kind {
            ThreadKind::Pull => self.read(Wanted::Review, text),
            ThreadKind::Issue => {
                let pull = self.task().and_then(|task| task.pull);
                Err(Refusal::ReviewsPulls(pull))
            }
        }
    }

    /// Has the plan carried out.
    pub(super) fn approve(&mut self) -> Result<String, Refusal> {
        self.allowed()?;
        let task = self.task().ok_or(Refusal::NoPlan)?;
        if task.state.is_busy() {
            return Err(Refusal::Busy);
        }
        let plan = task.plan.as_ref().filter(|plan| plan.approved.is_none());
        let mut work = plan.ok_or(Refusal::NoPlan)?.carried_out();
        work.request.by = self.event.actor.clone();
        work.request.at = self.event.at;
        self.queue(work)
    }
}
