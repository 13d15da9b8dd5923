//! How work begins: on a new task, or on the one that is open.

use crate::domain::branch::BranchName;
use crate::domain::command::label::{LabelRequest, label};
use crate::domain::decide::Desk;
use crate::domain::decide::next::{asked, waiting};
use crate::domain::decide::steer::could_be_handed;
use crate::domain::event::{Happening, ThreadEvent, ThreadKind};
use crate::domain::fallback::lineup;
use crate::domain::footing::Footing;
use crate::domain::home::{Home, Source, home};
use crate::domain::ids::{JobId, TaskId};
use crate::domain::integration::Mending;
use crate::domain::job::{Performer, Performers, Request, Sign, Wanted, Work};
use crate::domain::name::Name;
use crate::domain::policy::PlanMode;
use crate::domain::render::refusal::Refusal;
use crate::domain::render::status::{Turn, noted};
use crate::domain::task::{State, Task};
use crate::domain::time::Span;

/// GitHub reports one act by several events, minutes apart on a bad day: `opened` and one `labeled`
/// for each label. A label or assignment that close to the last request is the same request.
const SAME_ACT: Span = Span::minutes(5);

impl Desk<'_> {
    /// Returns whether this is what the open task was started or retried for: the same act in
    /// another event, or one more label on work that goes on.
    pub(super) fn is_known(&self) -> bool {
        let by_itself = |work: &Work| work.request.text.is_empty();
        self.task().is_some_and(|task| {
            starts_no_more(task, self.event) || task.waiting.iter().any(by_itself)
        })
    }

    pub(super) fn retry(&mut self, agent: Option<Name>) -> Result<String, Refusal> {
        self.allowed()?;
        let tried = self.task().filter(|task| task.has_work());
        let task = tried.ok_or(Refusal::NothingToRetry)?;
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

    /// Starts what a label or an assignment asks for.
    pub(super) fn start_by_sign(&mut self, performer: &Performer) -> Result<String, Refusal> {
        let reason = self.start(Performers::One(performer.clone()), String::new())?;
        let sign = self.sign(performer);
        if let (Some(task), Some((_, work))) = (&mut self.decision.task, &mut self.decision.job) {
            work.request.sign.clone_from(&sign);
            task.work.request.sign = sign;
        }
        Ok(reason)
    }

    fn sign(&self, performer: &Performer) -> Option<Sign> {
        match &self.event.what {
            Happening::Labeled(name) => Some(Sign::Label(name.clone())),
            Happening::Assigned(login) => Some(Sign::Assignment(login.clone())),
            Happening::Opened => {
                let wanted = &self.snapshot.policy.ok()?.label;
                let asks = |name: &&String| match label(name, wanted) {
                    Some(Ok(LabelRequest::Start)) => *performer == Performer::DefaultAgent,
                    Some(Ok(LabelRequest::StartWith(name))) => *performer == Performer::Named(name),
                    Some(Err(_)) | None => false,
                };
                let found = self.event.thread.labels.iter().find(asks)?;
                Some(Sign::Label(found.clone()))
            }
            Happening::Unlabeled(_)
            | Happening::Unassigned(_)
            | Happening::Commented(_)
            | Happening::Reviewed(_)
            | Happening::Pressed(_)
            | Happening::Closed
            | Happening::Merged
            | Happening::Reopened
            | Happening::Gone => None,
        }
    }

    /// Stops what a sign has asked for, now that it is taken away. What is asked for by it once more is
    /// asked for anew.
    pub(super) fn withdraw(&mut self, sign: &Sign) -> Result<String, Refusal> {
        if !self.task().is_some_and(|task| withdraws(task, sign)) {
            return Ok("nothing that is under way was asked for by it".to_owned());
        }
        let reason = self.stop()?;
        if let Some(task) = &mut self.decision.task {
            task.work.request.sign = Some(Sign::Withdrawn(self.event.at));
        }
        Ok(format!("{reason}: what has asked for it is taken away"))
    }

    /// Starts a change, or the plan for it when policy says that one comes first.
    pub(super) fn start(
        &mut self,
        performers: Performers,
        text: String,
    ) -> Result<String, Refusal> {
        let policy = self.allowed()?;
        let agents = match &performers {
            Performers::One(Performer::DefaultAgent) => true,
            Performers::One(Performer::Named(name)) => self.snapshot.agents.known.contains(name),
            Performers::One(Performer::Recipe { .. }) | Performers::Race(_) => false,
        };
        // What is asked for on a pull request is a follow-up, whoever opened it.
        let begins = self.task().is_none() && self.event.thread.kind == ThreadKind::Issue;
        let wanted = match policy.plan {
            PlanMode::Auto if agents && begins => Wanted::PlanFirst,
            PlanMode::Approve if agents && begins => Wanted::Plan,
            PlanMode::Auto | PlanMode::Approve | PlanMode::Off => Wanted::Change,
        };
        self.queue(self.work(performers, text, wanted))
    }

    /// Returns what is asked for, with the thread as it is now.
    pub(super) fn work(&self, performers: Performers, text: String, wanted: Wanted) -> Work {
        let event = self.event;
        let review = event.what.review().cloned();
        Work {
            resolve: None,
            steered: Vec::new(),
            performers,
            request: Request {
                by: event.actor.clone(),
                at: event.at,
                text,
                thread: event.thread.clone(),
                remarks: self.snapshot.remarks.to_vec(),
                linked: self.snapshot.linked.to_vec(),
                place: None,
                review,
                wanted,
                plan: None,
                occasion: None,
                sign: None,
                noted: None,
            },
        }
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
    pub(super) fn queue(&mut self, mut work: Work) -> Result<String, Refusal> {
        let event = self.event;
        if !event.thread.open {
            return Err(Refusal::ThreadClosed(event.thread.kind));
        }
        self.performable(&work)?;
        let words = work.request.wanted.is_words();
        let on_pull = event.thread.kind == ThreadKind::Pull;
        let foreign = on_pull && !words;
        let (task, job) = if let Some(task) = self.task() {
            let on_its_own = task.id.thread == event.key() && task.pull.is_none();
            let task = if foreign && on_its_own && task.is_words() {
                self.housed(task.clone())?
            } else {
                task.clone()
            };
            if let (Some(pull), true) = (task.pull, event.key() == task.id.thread && !words) {
                // Requests about a pull request belong where its reviewers see them. On one
                // that ended blocked, a retry from the issue is still welcome.
                let elsewhere = pull != event.thread.number;
                if elsewhere && (task.state == State::InReview || task.state.is_busy()) {
                    return Err(Refusal::HasPull(pull));
                }
            }
            // What stands in our own pull request was written by us, or by people who may push.
            work.request.thread.insider |= on_pull && task.proposes(event.thread.number);
            if task.state.is_busy() {
                let task = waiting(&task, work)?;
                return Ok(self.wait(task));
            }
            asked(&task, work.clone()).map_err(|_| Refusal::Busy)?
        } else {
            let (mut task, job) = self.first(work.clone());
            if foreign {
                task = self.housed(task)?;
            }
            (task, job)
        };
        self.decision.task = Some(Task {
            repo: event.repo.clone(),
            ..task
        });
        self.decision.job = Some((job, work));
        Ok(format!("job {job} queued"))
    }

    /// Returns a task on a person's pull request with the branch that its work goes to.
    pub(super) fn housed(&self, task: Task) -> Result<Task, Refusal> {
        let now = self.snapshot.pull;
        let home = home(now, &self.event.repo.default_branch).map_err(Refusal::ForeignPull)?;
        let task = Task {
            home,
            pull: Some(self.event.thread.number),
            footing: Footing {
                onto: now.map(|now| now.base.clone()),
                found: now.map(|now| now.head.clone()),
                ..Footing::default()
            },
            ..task
        };
        Ok(match now.map(|now| (&now.source, &now.head)) {
            Some((Source::Here(branch), head)) => Task {
                branch: branch.clone(),
                head: Some(head.clone()),
                ..task
            },
            Some((Source::Fork | Source::Gone, _)) | None => task,
        })
    }

    /// Returns a new task with its first job.
    pub(super) fn first(&self, work: Work) -> (Task, JobId) {
        let task = Task {
            id: TaskId {
                thread: self.event.key(),
                ordinal: self.snapshot.count + 1,
            },
            repo: self.event.repo.clone(),
            work,
            state: State::Queued,
            jobs: 1,
            branch: self.branch(),
            head: None,
            pull: None,
            last: None,
            stopped_by: None,
            follow_up: None,
            undone: None,
            waiting: Vec::new(),
            aside: None,
            work_job: None,
            plan: None,
            budget: None,
            mending: Mending::default(),
            footing: Footing::default(),
            home: Home::Own,
            red: None,
        };
        let job = task.job();
        (task, job)
    }

    /// Says that a request was put behind what is under way.
    fn wait(&mut self, mut task: Task) -> String {
        let before = task.waiting.len();
        let turn = self.turn(&task);
        // What answers several wishes at once stays as it is, whatever becomes of each.
        if let (1, Some(last)) = (self.wishes, task.waiting.last_mut()) {
            last.request.noted = Some(self.target());
        }
        self.answer(noted(before, turn, self.snapshot.links));
        let reason = format!("task {}: the request waits, {before} of them", task.id);
        self.decision.task = Some(task);
        reason
    }

    /// Returns who is to do what waits last.
    fn turn(&self, task: &Task) -> Turn {
        let under_way = matches!(task.state, State::Queued | State::Running);
        let steerable = &self.snapshot.agents.steerable;
        let agent = self.agent_of(&task.work);
        if under_way && could_be_handed(task) && agent.is_some_and(|name| steerable.contains(&name))
        {
            Turn::SameAgent
        } else {
            Turn::OwnJob
        }
    }

    /// Returns the agent that does it, unless it cannot work and another takes over.
    fn agent_of(&self, work: &Work) -> Option<Name> {
        let policy = self.snapshot.policy.ok()?;
        let agents = self.snapshot.agents;
        match &work.performers {
            Performers::One(Performer::Named(name)) => {
                (!policy.recipes.contains_key(name)).then(|| name.clone())
            }
            Performers::One(Performer::DefaultAgent) => {
                let role = work.request.role();
                let lineup = lineup(policy, role, agents.default.as_ref(), &agents.fallback);
                lineup.into_iter().next()
            }
            Performers::One(Performer::Recipe { .. }) | Performers::Race(_) => None,
        }
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
    // A question is no work; a plan is the beginning of it.
    let words = match task.work.request.wanted {
        Wanted::Answer | Wanted::Review => true,
        Wanted::Change | Wanted::Plan | Wanted::PlanFirst => false,
    };
    if task.aside.is_none() && words {
        return false;
    }
    let request = &task.work.request;
    let anew_from = match &request.sign {
        Some(Sign::Withdrawn(at)) => *at,
        Some(Sign::Label(_) | Sign::Assignment(_)) | None => request.at.plus(SAME_ACT),
    };
    !matches!(task.state, State::Blocked | State::Stopped) || event.at < anew_from
}

/// Returns whether taking a sign away stops the task: it has asked for what waits or runs. What is
/// published or under review stays.
#[must_use]
pub fn withdraws(task: &Task, sign: &Sign) -> bool {
    let under_way = match task.state {
        State::Queued | State::Running => true,
        State::Publishing
        | State::InReview
        | State::Blocked
        | State::Stopped
        | State::Merged
        | State::Closed
        | State::Answered => false,
    };
    under_way && task.work.sign().is_some_and(|asked| asked.is(sign))
}
