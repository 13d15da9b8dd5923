//! The decision: what an event on a thread changes. Pure; everything it may look at is in
//! [`Snapshot`].

use std::collections::BTreeSet;

use crate::domain::branch::BranchName;
use crate::domain::built_in::BuiltIn;
use crate::domain::command::{Command, Verb};
use crate::domain::effect::{Effect, EffectKey, ReactionTarget};
use crate::domain::event::{Happening, ThreadEvent, ThreadKind};
use crate::domain::fallback::lineup;
use crate::domain::ids::{JobId, TaskId, ThreadKey};
use crate::domain::job::{Performer, Performers, Remark, Request, Work};
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::redact::Redactor;
use crate::domain::render::help::help;
use crate::domain::render::live::Live;
use crate::domain::render::parts::Links;
use crate::domain::render::refusal::{Refusal, refusal};
use crate::domain::render::status::{no_task, status};
use crate::domain::repo::Permission;
use crate::domain::surroundings::Linked;
use crate::domain::task::{State, Step, Task, transition};
use crate::domain::time::Span;
use crate::domain::trigger::{Ended, Wish};
use crate::domain::undo::undo;

/// GitHub reports one act by several events, minutes apart on a bad day: `opened` and one `labeled`
/// for each label. A label or assignment that close to the last request is the same request.
const SAME_ACT: Span = Span::minutes(5);

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
    /// How many tasks the thread has had.
    pub count: u32,
    /// Comments that were written before the request, oldest first.
    pub remarks: &'a [Remark],
    /// Threads that the request and the conversation name, most relevant first.
    pub linked: &'a [Linked],
    /// How texts link and mention.
    pub links: &'a Links,
}

/// The agents that the server's settings name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// The one that works when nobody names another.
    pub default: Option<Name>,
    /// Those that take over, in this order, when that one cannot work.
    pub fallback: Vec<Name>,
    /// All of them.
    pub known: BTreeSet<Name>,
    /// The recipes that this build has.
    pub built_in: BTreeSet<BuiltIn>,
}

impl Agents {
    /// Returns the built-in recipe that a name stands for, whether this build has it or not. Who
    /// gives the name to something else, in policy or settings, means that.
    #[must_use]
    pub fn built_in(&self, name: &Name, policy: &Policy) -> Option<BuiltIn> {
        let taken = policy.recipes.contains_key(name) || self.known.contains(name);
        BuiltIn::of(name).filter(|_| !taken)
    }

    /// Returns the names of the recipes that can be run here: policy's, and what this build has.
    #[must_use]
    pub fn recipes(&self, policy: &Policy) -> Vec<Name> {
        let built_in = self.built_in.iter().map(|one| one.name().parse::<Name>());
        let built_in = built_in
            .flatten()
            .filter(|name| self.built_in(name, policy).is_some());
        policy.recipes.keys().cloned().chain(built_in).collect()
    }
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
    /// What to write on GitHub, each with the thread that it goes to.
    pub effects: Vec<(EffectKey, ThreadKey, Effect)>,
    /// What was decided and why, in order: for the audit trail and the log.
    pub reasons: Vec<String>,
}

/// Decides what a person's wishes change.
#[must_use]
pub fn decide(event: &ThreadEvent, wishes: &[Wish], snapshot: &Snapshot<'_>) -> Decision {
    let mut desk = Desk {
        event,
        snapshot,
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

/// Decides what the end of a thread changes for the task on it.
#[must_use]
pub fn ended(task: &Task, how: Ended, links: &Links) -> Decision {
    let step = match how {
        Ended::Merged => Step::Merge,
        Ended::Closed | Ended::Gone => Step::Close,
    };
    let Ok(state) = transition(&task.state, step) else {
        return Decision::default();
    };
    let mut decision = Decision {
        cancel: task.state.is_busy(),
        withdraw: true,
        reasons: vec![format!("task {} {}", task.id, state.word())],
        ..Decision::default()
    };
    let task = Task {
        state,
        ..task.clone()
    };
    if how != Ended::Gone {
        decision.effects.push(status_of(&task, links));
    }
    decision.task = Some(task);
    decision
}

/// Returns the effect that shows in the status comment how far the runs of a job are.
#[must_use]
pub fn live_status_of(
    task: &Task,
    lives: &[Live],
    links: &Links,
    redactor: &Redactor,
) -> (EffectKey, ThreadKey, Effect) {
    let mut body = status(task, links);
    for live in lives {
        body.push_str("\n\n");
        body.push_str(&live.markdown(redactor));
    }
    (
        EffectKey::status(task.id),
        task.id.thread,
        Effect::Comment { body },
    )
}

/// Returns the effect that brings the status comment up to date.
#[must_use]
pub fn status_of(task: &Task, links: &Links) -> (EffectKey, ThreadKey, Effect) {
    let body = status(task, links);
    (
        EffectKey::status(task.id),
        task.id.thread,
        Effect::Comment { body },
    )
}

/// Returns the effect that brings the answer on the pull request up to date, for a task whose last
/// request was made there.
#[must_use]
pub fn answer_of(task: &Task, links: &Links) -> Option<(EffectKey, ThreadKey, Effect)> {
    let number = task.work.request.thread.number;
    (number != task.id.thread.number).then(|| {
        let job = JobId {
            task: task.id,
            ordinal: task.jobs,
        };
        let thread = ThreadKey {
            repo: task.id.thread.repo,
            number,
        };
        (
            EffectKey::answer(job),
            thread,
            Effect::Comment {
                body: status(task, links),
            },
        )
    })
}

/// The state of one decision while it is made.
struct Desk<'a> {
    event: &'a ThreadEvent,
    snapshot: &'a Snapshot<'a>,
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
        let (target, thread) = (self.target(), self.event.key());
        let key = EffectKey::reaction(target, thread);
        self.decision
            .effects
            .push((key, thread, Effect::React { target }));
    }

    fn target(&self) -> ReactionTarget {
        match &self.event.what {
            Happening::Commented(comment) if comment.place.is_some() => {
                ReactionTarget::ReviewComment(comment.id)
            }
            Happening::Commented(comment) => ReactionTarget::Comment(comment.id),
            Happening::Opened
            | Happening::Labeled(_)
            | Happening::Assigned(_)
            | Happening::Closed
            | Happening::Merged
            | Happening::Reopened
            | Happening::Gone => ReactionTarget::Thread,
        }
    }

    fn close(mut self) -> Decision {
        if let Some(task) = &self.decision.task {
            let links = self.snapshot.links;
            self.decision.effects.push(status_of(task, links));
            self.decision.effects.extend(answer_of(task, links));
        }
        if !self.answers.is_empty() {
            let body = self.answers.join("\n\n---\n\n");
            let key = EffectKey::reply(self.target(), self.event.key());
            self.decision
                .effects
                .push((key, self.event.key(), Effect::Comment { body }));
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
                self.start(Performers::One(performer.clone()), String::new())
            }
            Wish::Command(command) => {
                let opening = matches!(self.event.what, Happening::Opened);
                if opening && command.begins_work() && self.is_known() {
                    return Ok("the task is there already".to_owned());
                }
                self.obey(command)
            }
        }
    }

    /// Returns whether this is what the open task was started or retried for: the same act in
    /// another event, or one more label on work that goes on.
    fn is_known(&self) -> bool {
        self.task()
            .is_some_and(|task| starts_no_more(task, self.event))
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
            } => {
                let built_in = self.snapshot.agents.built_in(recipe, self.allowed()?);
                let words = match built_in {
                    // What people say around their rule is not part of it.
                    Some(_) => None,
                    None => (!input.is_empty()).then(|| input.join(" ")),
                };
                let both: Vec<_> = words.into_iter().chain(block.clone()).collect();
                let input = (!both.is_empty()).then(|| both.join("\n"));
                let performer = Performer::Recipe {
                    name: recipe.clone(),
                    input,
                };
                self.start(Performers::One(performer), String::new())
            }
            Command::Request { agent, text } => {
                let performer = agent
                    .clone()
                    .map_or(Performer::DefaultAgent, Performer::Named);
                self.start(Performers::One(performer), text.clone())
            }
            Command::Race { agents, text } => {
                self.start(Performers::Race(agents.clone()), text.clone())
            }
            Command::Plan { .. } => Err(not_yet(Verb::Plan)),
            Command::Approve => Err(not_yet(Verb::Approve)),
            Command::Undo => self.undo(),
            Command::Rebase => Err(not_yet(Verb::Rebase)),
            Command::Review { .. } => Err(not_yet(Verb::Review)),
            Command::Budget { .. } => Err(not_yet(Verb::Budget)),
            Command::Ask { .. } => Err(not_yet(Verb::Ask)),
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

    fn help(&mut self) -> Result<String, Refusal> {
        let policy = self
            .snapshot
            .policy
            .map_err(|problems| Refusal::BadPolicy(problems.to_owned()))?;
        let agents: Vec<_> = self.snapshot.agents.known.iter().cloned().collect();
        let recipes = self.snapshot.agents.recipes(policy);
        let text = help(&policy.label, &agents, &recipes, self.snapshot.links);
        self.answer(text);
        Ok("help given".to_owned())
    }

    fn show_status(&mut self) -> String {
        let links = self.snapshot.links;
        let text = self
            .task()
            .map_or_else(|| no_task(links), |task| status(task, links));
        self.answer(text);
        "status given".to_owned()
    }

    /// Puts words into the answer; what is asked twice in one comment is answered once.
    fn answer(&mut self, text: String) {
        if !self.answers.contains(&text) {
            self.answers.push(text);
        }
    }

    fn stop(&mut self) -> Result<String, Refusal> {
        self.allowed_to_stop()?;
        let task = self.task().ok_or(Refusal::NothingToStop)?.clone();
        let state = transition(&task.state, Step::Stop).map_err(|_| Refusal::NothingToStop)?;
        let reason = format!("task {} stopped", task.id);
        self.decision.cancel = task.state.is_busy();
        self.decision.task = Some(Task {
            state,
            stopped_by: Some(self.event.actor.login.clone()),
            ..task
        });
        Ok(reason)
    }

    fn undo(&mut self) -> Result<String, Refusal> {
        self.allowed()?;
        let task = self.task().ok_or(Refusal::NothingToUndo)?;
        let (task, effect) = undo(task, &self.event.actor, self.target())?;
        let reason = format!("task {}: the last follow-up is to be taken back", task.id);
        self.decision.task = Some(task);
        self.decision.effects.push(effect);
        Ok(reason)
    }

    /// Stopping needs no policy: a broken one must not keep anything running.
    fn allowed_to_stop(&self) -> Result<(), Refusal> {
        if self.snapshot.permission.starts_work() {
            Ok(())
        } else {
            Err(Refusal::NoPermission(self.snapshot.permission))
        }
    }

    fn retry(&mut self, agent: Option<Name>) -> Result<String, Refusal> {
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

    fn start(&mut self, performers: Performers, text: String) -> Result<String, Refusal> {
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

    fn performable(&self, work: &Work) -> Result<(), Refusal> {
        let policy = self.allowed()?;
        let profiles = self.snapshot.profiles;
        if let Some(name) = policy
            .profile
            .as_ref()
            .filter(|name| !profiles.contains(*name))
        {
            let known = profiles.iter().cloned().collect();
            return Err(Refusal::UnknownProfile(name.clone(), known));
        }
        let entrants = work.performers.entrants();
        entrants
            .iter()
            .try_for_each(|entrant| self.has(&entrant.performer, &work.request))
    }

    /// Returns whether there is who is to do the work.
    fn has(&self, performer: &Performer, request: &Request) -> Result<(), Refusal> {
        let (policy, agents) = (self.allowed()?, self.snapshot.agents);
        match performer {
            Performer::DefaultAgent => {
                let known = || agents.known.iter().cloned().collect();
                let default = agents.default.as_ref();
                let lineup = lineup(policy, request.role(), default, &agents.fallback);
                if lineup.is_empty() {
                    return Err(Refusal::NoAgent(known()));
                }
                match lineup.iter().find(|name| !agents.known.contains(*name)) {
                    None => Ok(()),
                    Some(name) => Err(Refusal::UnknownDefault(name.clone(), known())),
                }
            }
            Performer::Named(name) => {
                if policy.recipes.contains_key(name) || agents.known.contains(name) {
                    return Ok(());
                }
                if let Some(built_in) = agents.built_in(name, policy) {
                    return self.offered(built_in, (performer, request));
                }
                let known = agents.known.iter().cloned();
                let known = known.chain(agents.recipes(policy)).collect();
                Err(Refusal::Unknown(name.clone(), known))
            }
            Performer::Recipe { name, .. } => {
                if policy.recipes.contains_key(name) {
                    return Ok(());
                }
                match agents.built_in(name, policy) {
                    Some(built_in) => self.offered(built_in, (performer, request)),
                    None => Err(Refusal::UnknownRecipe(name.clone(), agents.recipes(policy))),
                }
            }
        }
    }

    /// Returns whether this build has a recipe, and the recipe what it works on.
    fn offered(
        &self,
        built_in: BuiltIn,
        (performer, request): (&Performer, &Request),
    ) -> Result<(), Refusal> {
        if !self.snapshot.agents.built_in.contains(&built_in) {
            return Err(Refusal::NotBuilt(built_in));
        }
        match built_in.input(performer, request) {
            Ok(_) => Ok(()),
            Err(why) => Err(Refusal::NoRule(built_in, why)),
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

fn not_yet(verb: Verb) -> Refusal {
    Refusal::NotInThisVersion(verb.as_str().to_owned())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Thread;
    use crate::domain::ids::{InstallationId, Login, RepoId, RepoName, ThreadNumber};
    use crate::domain::policy::Recipe;
    use crate::domain::repo::{Actor, ActorKind, Repo};
    use crate::domain::time::Timestamp;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn opened() -> ThreadEvent {
        let ada = Login::new("ada");
        ThreadEvent {
            repo: Repo {
                id: RepoId(1),
                name: RepoName {
                    owner: "acme".to_owned(),
                    name: "greeter".to_owned(),
                },
                installation: InstallationId(1),
                default_branch: "main".to_owned(),
                archived: false,
            },
            actor: Actor {
                login: ada.clone(),
                id: 1,
                kind: ActorKind::Person,
            },
            thread: Thread {
                number: ThreadNumber(1),
                kind: ThreadKind::Issue,
                title: "Tidy up".to_owned(),
                body: String::new(),
                author: ada,
                insider: true,
                labels: Vec::new(),
                open: true,
                locked: false,
                comments: 0,
            },
            what: Happening::Opened,
            at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn a_recipe_that_a_build_lacks_is_refused_with_a_reason() {
        let (policy, links) = (
            Policy::default(),
            Links {
                web_url: String::new(),
                slug: "prova".to_owned(),
            },
        );
        for (built_in, started) in [(vec![], false), (vec![BuiltIn::Typos], true)] {
            let agents = Agents {
                built_in: built_in.into_iter().collect(),
                ..Agents::default()
            };
            let snapshot = Snapshot {
                policy: Ok(&policy),
                permission: Permission::Write,
                agents: &agents,
                profiles: &BTreeSet::new(),
                open: None,
                count: 0,
                linked: &[],
                remarks: &[],
                links: &links,
            };
            let wish = Wish::Start(Performer::Named(name("typos")));
            let decision = decide(&opened(), &[wish], &snapshot);
            let reasons = decision.reasons.join("\n");
            assert_eq!(decision.job.is_some(), started, "{reasons}");
            let refused = reasons.contains("built without the recipe `typos`");
            assert_eq!(refused, !started, "{reasons}");
        }
    }

    #[test]
    fn a_name_means_what_policy_or_settings_give_it_to() {
        let mut policy = Policy::default();
        let mut agents = Agents {
            built_in: BuiltIn::ALL.into(),
            ..Agents::default()
        };
        let typos = name("typos");
        assert_eq!(agents.built_in(&typos, &policy), Some(BuiltIn::Typos));
        assert_eq!(agents.recipes(&policy), [name("ast-grep"), typos.clone()]);
        let recipe = Recipe {
            run: "true".to_owned(),
            title: None,
        };
        policy.recipes.insert(typos.clone(), recipe);
        assert_eq!(agents.built_in(&typos, &policy), None);
        assert_eq!(agents.recipes(&policy), [typos, name("ast-grep")]);
        agents.known.insert(name("ast-grep"));
        assert_eq!(agents.recipes(&policy), [name("typos")]);
    }
}
