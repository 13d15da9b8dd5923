//! Who asks to bring a branch up to date with its base: one of ours, or that of a person's pull request.

use crate::domain::decide::Desk;
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::event::ThreadKind;
use crate::domain::footing::{Asked, Footing};
use crate::domain::home::Home;
use crate::domain::job::{Performer, Performers, Wanted};
use crate::domain::render::footing::taken_over;
use crate::domain::render::refusal::Refusal;
use crate::domain::task::{State, Task};

impl Desk<'_> {
    /// Has the branch compared with its base; what follows is decided by what that shows.
    pub(super) fn rebase(&mut self) -> Result<String, Refusal> {
        self.allowed()?;
        self.not_stopping()?;
        let task = self.compared()?;
        if task.state.is_busy() {
            return Err(Refusal::Busy);
        }
        let asked = Asked {
            by: self.event.actor.clone(),
            target: self.target(),
            thread: self.event.key(),
        };
        // Who asked before and was not answered yet: the branch is compared once, for the last.
        let before = task.footing.asked.as_ref();
        if let Some(before) = before.filter(|before| before.target != asked.target) {
            let key = EffectKey::rebase(before.thread, before.target);
            let body = taken_over(&asked.by.login);
            let answer = (key, before.thread, Effect::Comment { body });
            self.decision.effects.push(answer);
        }
        let reason = format!("task {}: to be brought up to date with its base", task.id);
        let footing = Footing {
            asked: Some(asked),
            ..task.footing
        };
        self.decision.task = Some(Task { footing, ..task });
        self.decision.compare = true;
        Ok(reason)
    }

    /// Returns the task whose branch is compared. On a person's pull request of which nothing was asked
    /// but words, it begins with that.
    fn compared(&self) -> Result<Task, Refusal> {
        let event = self.event;
        let task = match self.task() {
            Some(task) if task.home == Home::Fork => {
                return Err(Refusal::ForkBehind(task.base().to_owned()));
            }
            Some(task) if task.pull.is_some() => return Ok(task.clone()),
            Some(task) if !task.is_words() => return Err(Refusal::NothingToRebase),
            task => task,
        };
        if event.thread.kind != ThreadKind::Pull {
            return Err(Refusal::NothingToRebase);
        }
        if !event.thread.open {
            return Err(Refusal::ThreadClosed(event.thread.kind));
        }
        if task.is_some_and(|task| task.state.is_busy()) {
            return Err(Refusal::Busy);
        }
        let task = if let Some(task) = task {
            // What was asked for in words can be tried again, as words.
            task.clone()
        } else {
            let performers = Performers::One(Performer::DefaultAgent);
            let work = self.work(performers, String::new(), Wanted::Change);
            // No job is part of it yet, and the branch is open for review as it is.
            Task {
                jobs: 0,
                state: State::InReview,
                ..self.first(work).0
            }
        };
        let task = Task {
            repo: event.repo.clone(),
            ..self.housed(task)?
        };
        match task.home {
            Home::Own | Home::Theirs => Ok(task),
            Home::Fork => Err(Refusal::ForkBehind(task.base().to_owned())),
        }
    }
}
