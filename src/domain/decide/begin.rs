//! How work begins: on a new task, or on the one that is open.

use crate::domain::branch::BranchName;
use crate::domain::decide::Desk;
use crate::domain::event::{Happening, ThreadEvent, ThreadKind};
use crate::domain::footing::Footing;
use crate::domain::ids::{JobId, TaskId};
use crate::domain::job::{Performer, Performers, Request, Work};
use crate::domain::name::Name;
use crate::domain::render::refusal::Refusal;
use crate::domain::task::{State, Step, Task, transition};
use crate::domain::time::Span;

/// GitHub reports one act by several events, minutes apart on a bad day: `opened` and one `labeled`
/// for each label. A label or assignment that close to the last request is the same request.
const SAME_ACT: Span = Span::minutes(5);

impl Desk<'_> {
    /// Returns whether this is what the open task was started or retried for: the same act in
    /// another event, or one more label on work that goes on.
    pub(super) fn is_known(&self) -> bool {
        self.task()
            .is_some_and(|task| starts_no_more(task, self.event))
    }

    pub(super) fn retry(&mut self, agent: Option<Name>) -> Result<String, Refusal> {
        self.allowed()?;
        let task = self.task().ok_or(Refusal::NothingToRetry)?;
        if task.state.is_busy() {
            return Err(Refusal::Busy);
        }
        let mut work = task.work.clone();
        if let Some(agent) = agent {
            work.performers = Performers::One(Performer::Named(agent));
        }
        work.request.by = self.event.actor.clone();
        work.request.at = self.event.at;
        self.queue(work)
    }

    pub(super) fn start(
        &mut self,
        performers: Performers,
        text: String,
    ) -> Result<String, Refusal> {
        self.allowed()?;
        let event = self.event;
        let place = match &event.what {
            Happening::Commented(comment) => comment.place.clone(),
            Happening::Opened
            | Happening::Labeled(_)
            | Happening::Assigned(_)
            | Happening::Closed
            | Happening::Merged
            | Happening::Reopened
            | Happening::Gone => None,
        };
        self.queue(Work {
            resolve: None,
            performers,
            request: Request {
                by: event.actor.clone(),
                at: event.at,
                text,
                thread: event.thread.clone(),
                remarks: self.snapshot.remarks.to_vec(),
                linked: self.snapshot.linked.to_vec(),
                place,
            },
        })
    }

    /// Starts a recipe. What people say around the rule of a built-in one is not part of it.
    pub(super) fn run(
        &mut self,
        recipe: &Name,
        words: &[String],
        block: Option<&String>,
    ) -> Result<String, Refusal> {
        let built_in = self.snapshot.agents.built_in(recipe, self.allowed()?);
        let words = (built_in.is_none() && !words.is_empty()).then(|| words.join(" "));
        let both: Vec<_> = words.into_iter().chain(block.cloned()).collect();
        let input = (!both.is_empty()).then(|| both.join("\n"));
        let performer = Performer::Recipe {
            name: recipe.clone(),
            input,
        };
        self.start(Performers::One(performer), String::new())
    }

    /// Queues a job on the open task, or on a new one.
    fn queue(&mut self, mut work: Work) -> Result<String, Refusal> {
        let event = self.event;
        if !event.thread.open {
            return Err(Refusal::ThreadClosed(event.thread.kind));
        }
        self.performable(&work)?;
        let task = match self.task() {
            Some(task) => {
                if self.decision.job.is_some() {
                    return Err(Refusal::OneAtATime);
                }
                if task.state.is_busy() {
                    return Err(Refusal::Busy);
                }
                if let (Some(pull), true) = (task.pull, event.key() == task.id.thread) {
                    // Requests about a pull request belong where its reviewers see them. On one
                    // that ended blocked, a retry from the issue is still welcome.
                    if task.state == State::InReview {
                        return Err(Refusal::HasPull(pull));
                    }
                }
                let state = transition(&task.state, Step::Queue).map_err(|_| Refusal::Busy)?;
                // What stands in our own pull request was written by us, or by people who may push.
                work.request.thread.insider |= event.thread.kind == ThreadKind::Pull;
                Task {
                    repo: event.repo.clone(),
                    state,
                    jobs: task.jobs + 1,
                    work: work.clone(),
                    undone: None,
                    footing: Footing {
                        update: None,
                        ..task.footing.clone()
                    },
                    ..task.clone()
                }
            }
            None if event.thread.kind == ThreadKind::Pull => return Err(Refusal::ForeignPull),
            None => Task {
                id: TaskId {
                    thread: event.key(),
                    ordinal: self.snapshot.count + 1,
                },
                repo: event.repo.clone(),
                work: work.clone(),
                state: State::Queued,
                jobs: 1,
                branch: self.branch(),
                head: None,
                pull: None,
                last: None,
                stopped_by: None,
                follow_up: None,
                undone: None,
                footing: Footing::default(),
            },
        };
        let job = JobId {
            task: task.id,
            ordinal: task.jobs,
        };
        self.decision.task = Some(task);
        self.decision.job = Some((job, work));
        Ok(format!("job {job} queued"))
    }

    /// The first task of a thread has the plain name; later ones must not meet a branch that an
    /// earlier one left.
    fn branch(&self) -> BranchName {
        let name = BranchName::for_thread(self.event.thread.number, &self.event.thread.title);
        match self.snapshot.count {
            0 => name,
            earlier => name.numbered(earlier + 1),
        }
    }
}

/// Returns whether a label or an assignment says only once more that the task on the thread is
/// wanted.
#[must_use]
pub fn starts_no_more(task: &Task, event: &ThreadEvent) -> bool {
    !matches!(task.state, State::Blocked | State::Stopped)
        || event.at < task.work.request.at.plus(SAME_ACT)
}
