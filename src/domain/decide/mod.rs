//! The decision: what an event on a thread changes. Pure; everything it may look at is in
//! [`Snapshot`].

pub mod agents;
pub mod begin;
mod budget;
pub mod ended;
pub mod next;
mod performable;
mod reading;
mod rebase;
pub mod replies;
pub mod statuses;
pub mod steer;
mod words;

use std::collections::BTreeSet;

use self::agents::Agents;
use self::statuses::{answers_of, seen, status_of};
use crate::domain::budget::Cap;
use crate::domain::command::Command;
use crate::domain::effect::{Effect, EffectKey, ReactionTarget};
use crate::domain::event::{Happening, ThreadEvent};
use crate::domain::home::PullNow;
use crate::domain::ids::{JobId, ThreadKey};
use crate::domain::job::{Performer, Performers, Remark, Wanted, Work};
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::render::parts::Links;
use crate::domain::render::refusal::{Refusal, refusal};
use crate::domain::repo::Permission;
use crate::domain::review::ReviewComment;
use crate::domain::surroundings::Linked;
use crate::domain::task::{Step, Task, transition};
use crate::domain::trigger::Wish;
use crate::domain::undo::undo;

/// Everything that a decision may look at.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// The repository's policy, or its problems as a Markdown list.
    pub policy: Result<&'a Policy, &'a str>,
    /// What the person who asks may do, as GitHub says now.
    pub permission: Permission,
    /// The agents of the server's settings.
    pub agents: &'a Agents,
    /// The profiles of sandboxes that the server's settings name.
    pub profiles: &'a BTreeSet<Name>,
    /// The task on this thread that is not over, if there is one.
    pub open: Option<&'a Task>,
    /// The pull request, where it is a person's and work on it may begin.
    pub pull: Option<&'a PullNow>,
    /// How many tasks the thread has had.
    pub count: u32,
    /// Comments that were written before the request, oldest first.
    pub remarks: &'a [Remark],
    /// Threads that the request and the conversation name, most relevant first.
    pub linked: &'a [Linked],
    /// What the task's next job may spend and what was spent before; empty unless somebody asks.
    pub caps: &'a [Cap],
    /// The most that the server's settings let a task spend.
    pub most_of_task: Usd,
    /// How texts link and mention.
    pub links: &'a Links,
}

/// What is to be changed. Nothing happens until it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The task as it is afterwards, when it changes.
    pub task: Option<Task>,
    /// A job to queue.
    pub job: Option<(JobId, Work)>,
    /// Whether the task's live job is to be stopped.
    pub cancel: bool,
    /// Whether what was to be published for the task, and was not yet, is withdrawn.
    pub withdraw: bool,
    /// Whether the branches of its repository are to be compared with their bases.
    pub compare: bool,
    /// What to write on GitHub, each with the thread that it goes to.
    pub effects: Vec<(EffectKey, ThreadKey, Effect)>,
    /// What was decided and why, in order: for the audit trail and the log.
    pub reasons: Vec<String>,
}

impl Decision {
    /// Returns what was decided in one line, as a delivery is marked with it.
    #[must_use]
    pub fn note(&self) -> String {
        if self.reasons.is_empty() {
            "nothing to change".to_owned()
        } else {
            self.reasons.join("; ")
        }
    }
}

/// Decides what a person's wishes change.
#[must_use]
pub fn decide(event: &ThreadEvent, wishes: &[Wish], snapshot: &Snapshot<'_>) -> Decision {
    let mut desk = Desk {
        event,
        snapshot,
        wishes: wishes.len(),
        answers: Vec::new(),
        decision: Decision::default(),
    };
    desk.acknowledge();
    for wish in wishes {
        match desk.grant(wish) {
            Ok(reason) => desk.decision.reasons.push(reason),
            Err(refused) => {
                let text = refusal(&refused, snapshot.links);
                desk.decision
                    .reasons
                    .push(format!("refused: {}", first_line(&text)));
                desk.answer(text);
            }
        }
    }
    desk.close()
}

/// The state of one decision while it is made.
struct Desk<'a> {
    event: &'a ThreadEvent,
    snapshot: &'a Snapshot<'a>,
    /// How many there are.
    wishes: usize,
    answers: Vec<String>,
    decision: Decision,
}

impl Desk<'_> {
    /// The task as it is after what was decided so far.
    fn task(&self) -> Option<&Task> {
        self.decision.task.as_ref().or(self.snapshot.open)
    }

    /// Shows at once that the request was seen.
    fn acknowledge(&mut self) {
        self.decision.effects.push(seen(self.event));
    }

    fn target(&self) -> ReactionTarget {
        ReactionTarget::of(&self.event.what)
    }

    /// The comment on a line that is all that was said.
    fn lone(&self) -> Option<&ReviewComment> {
        self.event.what.review()?.lone()
    }

    fn close(mut self) -> Decision {
        // What begins without a job has nothing to show before its branch was compared.
        let begins = self.snapshot.open.is_none();
        let shown = self.decision.task.as_ref();
        if let Some(task) = shown.filter(|task| !begins || task.jobs > 0) {
            let links = self.snapshot.links;
            self.decision.effects.push(status_of(task, links));
            self.decision.effects.extend(answers_of(task, links));
        }
        if !self.answers.is_empty() {
            let body = self.answers.join("\n\n---\n\n");
            let key = EffectKey::reply(self.target(), self.event.key());
            // What is heard of once more may have been handed on meanwhile.
            self.decision.effects.retain(|(other, _, _)| *other != key);
            let effect = match self.lone() {
                Some(comment) => Effect::ReviewReply {
                    to: comment.root,
                    body,
                },
                None => Effect::Comment { body },
            };
            self.decision.effects.push((key, self.event.key(), effect));
        }
        self.decision
    }

    fn grant(&mut self, wish: &Wish) -> Result<String, Refusal> {
        match wish {
            Wish::Unreadable(error) => Err(Refusal::Unreadable(error.to_string())),
            Wish::Start(performer) => {
                if self.is_known() {
                    return Ok("the task is there already".to_owned());
                }
                self.start_by_sign(performer)
            }
            Wish::Withdraw(sign) => self.withdraw(sign),
            Wish::Command(command) => {
                self.is_pressed_in_time()?;
                let opening = matches!(self.event.what, Happening::Opened);
                if opening && command.begins_work() && self.is_known() {
                    return Ok("the task is there already".to_owned());
                }
                self.obey(command)
            }
        }
    }

    /// Returns whether what was pressed, if anything was, is of what there is to work on. Who may ask for
    /// nothing is told that first.
    fn is_pressed_in_time(&self) -> Result<(), Refusal> {
        let Some(press) = self.event.what.press() else {
            return Ok(());
        };
        self.allowed_to_stop()?;
        if !self.event.thread.open {
            return Err(Refusal::ThreadClosed(self.event.thread.kind));
        }
        if self.task().is_none() || !press.is_current() {
            return Err(Refusal::OutdatedCheck(press.commit.clone()));
        }
        Ok(())
    }

    fn obey(&mut self, command: &Command) -> Result<String, Refusal> {
        match command {
            Command::Help => self.help(),
            Command::Status => Ok(self.show_status()),
            Command::Stop => self.stop(),
            Command::Retry { agent } => self.retry(agent.clone()),
            Command::Run {
                recipe,
                input,
                block,
            } => self.run(recipe, input, block.as_ref()),
            Command::Request { agent, text } => {
                let performer = agent
                    .clone()
                    .map_or(Performer::DefaultAgent, Performer::Named);
                self.start(Performers::One(performer), text.clone())
            }
            Command::Race { agents, text } => {
                self.start(Performers::Race(agents.clone()), text.clone())
            }
            Command::Plan { text } => self.read(Wanted::Plan, text),
            Command::Approve => self.approve(),
            Command::Undo => self.undo(),
            Command::Rebase => self.rebase(),
            Command::Review { text } => self.review(text),
            Command::Budget { limit } => self.budget(*limit),
            Command::Ask { text } => self.read(Wanted::Answer, text),
        }
    }

    /// Returns the policy when the person may start work, and the policy can be used.
    fn allowed(&self) -> Result<&Policy, Refusal> {
        if !self.snapshot.permission.starts_work() {
            return Err(Refusal::NoPermission(self.snapshot.permission));
        }
        self.snapshot
            .policy
            .map_err(|problems| Refusal::BadPolicy(problems.to_owned()))
    }

    fn stop(&mut self) -> Result<String, Refusal> {
        self.allowed_to_stop()?;
        let mut task = self.task().ok_or(Refusal::NothingToStop)?.clone();
        let state = transition(&task.state, Step::Stop).map_err(|_| Refusal::NothingToStop)?;
        let reason = format!("task {} stopped", task.id);
        self.decision.cancel = task.state.is_busy();
        task.end_aside();
        task.waiting.clear();
        task.footing.asked = None;
        self.decision.task = Some(Task {
            state,
            stopped_by: Some(self.event.actor.login.clone()),
            ..task
        });
        Ok(reason)
    }

    fn undo(&mut self) -> Result<String, Refusal> {
        self.allowed()?;
        self.not_stopping()?;
        let task = self.task().ok_or(Refusal::NothingToUndo)?;
        let (task, effect) = undo(task, &self.event.actor, self.target())?;
        let reason = format!("task {}: the last follow-up is to be taken back", task.id);
        self.decision.task = Some(task);
        self.decision.effects.push(effect);
        Ok(reason)
    }

    /// Refuses what changes the branch while that which is stopped by the same words still may.
    pub(super) fn not_stopping(&self) -> Result<(), Refusal> {
        if self.decision.cancel {
            return Err(Refusal::Stopping);
        }
        Ok(())
    }

    /// Stopping needs no policy: a broken one must not keep anything running.
    fn allowed_to_stop(&self) -> Result<(), Refusal> {
        if self.snapshot.permission.starts_work() {
            Ok(())
        } else {
            Err(Refusal::NoPermission(self.snapshot.permission))
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
