//! One thread, with whatever can happen to it in any order, doubled or left out: what decisions keep
//! to, and what the store adds to that, without a store.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use proptest::prelude::*;
use prova::domain::bots::{Ear, ear, heard};
use prova::domain::button::{Button, Press};
use prova::domain::change::{Change, ChangeKind, Harvest, RepoPath};
use prova::domain::clear::clear;
use prova::domain::command::Command;
use prova::domain::conclude::{Ended as EndedJob, conclude, faulted, report};
use prova::domain::decide::agents::Agents;
use prova::domain::decide::ended::ended;
use prova::domain::decide::steer::steer;
use prova::domain::decide::{Decision, Snapshot, decide};
use prova::domain::effect::{Effect, EffectKey, Sent};
use prova::domain::event::{Comment, Happening, Thread, ThreadEvent, ThreadKind};
use prova::domain::evidence::{Claim, Ending as RunEnding};
use prova::domain::footing::{Merge, Pair};
use prova::domain::home::{PullNow, Source};
use prova::domain::ids::{
    CheckRunId, CommentId, CommitSha, InstallationId, JobId, Login, RepoId, ReviewId, ThreadKey,
    ThreadNumber, TreeSha,
};
use prova::domain::integration::{Check, Failing, Found, MOST_ROUNDS, Signature};
use prova::domain::job::{Briefed, Harvested, Performer, Progress, Ran, Request, Sign, Told, Work};
use prova::domain::mend::{self, Around, passed_over};
use prova::domain::money::Usd;
use prova::domain::name::Name;
use prova::domain::policy::{BotsPolicy, BranchPolicy, OnConflict, Policy, WhenBehind, WhenOver};
use prova::domain::rebase::{self, found};
use prova::domain::render::parts::Links;
use prova::domain::repo::{Actor, ActorKind, Permission, Repo};
use prova::domain::review::{Review, ReviewComment, Side, Spot, Verdict};
use prova::domain::settle::{Ending, settle};
use prova::domain::suggested::{Offer, Suggestion};
use prova::domain::task::{self, State, Step, Task};
use prova::domain::time::{Span, Timestamp};
use prova::domain::traffic::Traffic;
use prova::domain::trigger::{Ended, Wish};

const ISSUE: ThreadNumber = ThreadNumber(1);
const BOT_ROUNDS: u32 = 2;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Happens {
    /// Somebody asks, on the issue or on the pull request.
    Asks(Asks, bool),
    /// The last request is heard of once more.
    Again,
    /// A worker takes the job.
    Starts,
    /// The agent of the job has done what it has, and asks for more.
    Steers,
    /// The job ends, with a change or without.
    Ends { changed: bool },
    /// The oldest effect is sent, is overtaken, or is given up.
    Sends(Way),
    /// A check of others fails on the head, for one of some reasons; some can run once more.
    Fails(u8, bool),
    /// A bot that policy lists says something about the pull request, in a comment or in a review.
    Reports { review: bool },
    /// The branch is compared with its base.
    Looks(Sees),
    /// The issue or its pull request ends.
    Closes(Ended),
    /// Time goes by.
    Waits,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Asks {
    Label,
    Unlabel,
    Retry,
    Stop,
    Undo,
    Rebase,
    Request,
    Question,
    Plan,
    Approve,
    Review,
    /// A button of the check run, or GitHub's own.
    Rerun,
    Unmake,
}

/// What a look at branch and base shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sees {
    UpToDate,
    Behind,
    Conflict,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Sent,
    Overtaken,
    Parked,
}

fn happens() -> impl Strategy<Value = Happens> {
    let asks = prop_oneof![
        Just(Asks::Label),
        Just(Asks::Unlabel),
        Just(Asks::Retry),
        Just(Asks::Stop),
        Just(Asks::Undo),
        Just(Asks::Rebase),
        Just(Asks::Request),
        Just(Asks::Question),
        Just(Asks::Plan),
        Just(Asks::Approve),
        Just(Asks::Review),
        Just(Asks::Rerun),
        Just(Asks::Unmake),
    ];
    let way = prop_oneof![4 => Just(Way::Sent), 1 => Just(Way::Overtaken), 1 => Just(Way::Parked)];
    let sees = prop_oneof![
        Just(Sees::UpToDate),
        Just(Sees::Behind),
        Just(Sees::Conflict),
        Just(Sees::Nothing)
    ];
    let how = prop_oneof![Just(Ended::Merged), Just(Ended::Closed), Just(Ended::Gone)];
    prop_oneof![
        6 => (asks, any::<bool>()).prop_map(|(asks, pull)| Happens::Asks(asks, pull)),
        2 => Just(Happens::Again),
        6 => Just(Happens::Starts),
        3 => Just(Happens::Steers),
        6 => prop::bool::weighted(0.8).prop_map(|changed| Happens::Ends { changed }),
        12 => way.prop_map(Happens::Sends),
        4 => (0u8..3, any::<bool>()).prop_map(|(why, again)| Happens::Fails(why, again)),
        6 => any::<bool>().prop_map(|review| Happens::Reports { review }),
        4 => sees.prop_map(Happens::Looks),
        1 => how.prop_map(Happens::Closes),
        1 => Just(Happens::Waits),
    ]
}

#[derive(Debug)]
pub(crate) struct LiveJob {
    pub(crate) id: JobId,
    pub(crate) work: Work,
    running: bool,
    /// What its agent was handed.
    steered: Vec<Request>,
}

/// A store of one thread.
pub(crate) struct World {
    pub(crate) tasks: Vec<Task>,
    pub(crate) live: Option<LiveJob>,
    pub(crate) unsent: Vec<(EffectKey, Effect)>,
    pub(crate) recorded: BTreeMap<EffectKey, (ThreadKey, Effect)>,
    last: Option<(ThreadEvent, Vec<Wish>)>,
    comments: u64,
    commits: u64,
    /// The pull request that the thread is, where a person opened it.
    theirs: Option<PullNow>,
    /// Jobs for bots since a person last asked for something.
    bots: u32,
    now: Timestamp,
    policy: Policy,
    agents: Agents,
    links: Links,
}

fn ada() -> Actor {
    Actor {
        login: Login::new("ada"),
        id: 1,
        kind: ActorKind::Person,
    }
}

fn linter() -> Actor {
    Actor {
        login: Login::new("linter[bot]"),
        id: 2,
        kind: ActorKind::Bot,
    }
}

fn repo() -> Repo {
    Repo {
        id: RepoId(1),
        name: "acme/greeter".parse().unwrap(),
        installation: InstallationId(1),
        default_branch: "main".to_owned(),
        archived: false,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let fixer: Name = "fixer".parse().unwrap();
        Self {
            tasks: Vec::new(),
            live: None,
            unsent: Vec::new(),
            recorded: BTreeMap::new(),
            last: None,
            comments: 0,
            commits: 0,
            theirs: None,
            bots: 0,
            now: Timestamp::from_millis(1_000_000_000),
            policy: Policy {
                bots: BotsPolicy {
                    allow: vec![linter().login],
                    rounds: BOT_ROUNDS,
                },
                ..Policy::default()
            },
            agents: Agents {
                default: Some(fixer.clone()),
                known: [fixer].into(),
                ..Agents::default()
            },
            links: Links {
                web_url: "https://github.test".to_owned(),
                slug: "prova".to_owned(),
                pages: Some("https://prova.test".to_owned()),
            },
        }
    }

    /// A store of the thread of a pull request that a person opened from a branch of the repository.
    pub(crate) fn of_person() -> Self {
        Self::of_pull(Source::Here("theirs".parse().unwrap()))
    }

    /// A store of the thread of a pull request that a person opened.
    fn of_pull(source: Source) -> Self {
        let theirs = PullNow {
            base: "main".to_owned(),
            head: CommitSha::new("9".repeat(40)),
            source,
        };
        Self {
            theirs: Some(theirs),
            ..Self::new()
        }
    }

    fn open(&self) -> Option<&Task> {
        self.tasks.last().filter(|task| !task.state.is_over())
    }

    pub(crate) fn happen(&mut self, what: Happens) -> Result<(), TestCaseError> {
        match what {
            Happens::Asks(asks, on_pull) => {
                let said = self.said(asks, on_pull);
                self.last = Some(said);
                self.hear()
            }
            Happens::Again => self.hear(),
            Happens::Starts => {
                self.start();
                Ok(())
            }
            Happens::Steers => self.steer(),
            Happens::Ends { changed } => self.end(changed),
            Happens::Sends(way) => self.send(way),
            Happens::Fails(why, again) => self.fail(why, again),
            Happens::Reports { review } => self.report(review),
            Happens::Looks(sees) => self.look(sees),
            Happens::Closes(how) => match self.open() {
                Some(task) => {
                    let mut decision = ended(task, how, &self.links);
                    decision.effects.extend(clear(task, how, WhenOver::Ended));
                    self.apply(decision).map(drop)
                }
                None => Ok(()),
            },
            Happens::Waits => {
                self.now = self.now.plus(Span::minutes(6));
                Ok(())
            }
        }
    }

    fn said(&mut self, asks: Asks, on_pull: bool) -> (ThreadEvent, Vec<Wish>) {
        let pull = self.open().and_then(|task| task.pull).filter(|_| on_pull);
        let pull = pull.or_else(|| self.theirs.as_ref().map(|_| ISSUE));
        let command = match asks {
            Asks::Label | Asks::Unlabel => None,
            Asks::Retry | Asks::Rerun => Some(Command::Retry { agent: None }),
            Asks::Stop => Some(Command::Stop),
            Asks::Undo | Asks::Unmake => Some(Command::Undo),
            Asks::Question => Some(Command::Ask {
                text: "why?".to_owned(),
            }),
            Asks::Plan => Some(Command::Plan {
                text: String::new(),
            }),
            Asks::Approve => Some(Command::Approve),
            Asks::Rebase => Some(Command::Rebase),
            Asks::Request | Asks::Review => Some(Command::Request {
                agent: None,
                text: "mend it".to_owned(),
            }),
        };
        self.comments += 1;
        self.now = self.now.plus(Span::seconds(1));
        let what = match &command {
            None if matches!(asks, Asks::Unlabel) => Happening::Unlabeled("prova".to_owned()),
            None => Happening::Labeled("prova".to_owned()),
            Some(_) if matches!(asks, Asks::Review) => Happening::Reviewed(self.review()),
            Some(_) if matches!(asks, Asks::Rerun) => self.press(Button::Retry),
            Some(_) if matches!(asks, Asks::Unmake) => self.press(Button::Undo),
            Some(command) => Happening::Commented(Comment {
                id: CommentId(self.comments),
                body: format!("@prova {command}"),
            }),
        };
        let event = ThreadEvent {
            repo: repo(),
            actor: ada(),
            thread: Thread {
                number: pull.unwrap_or(ISSUE),
                kind: pull.map_or(ThreadKind::Issue, |_| ThreadKind::Pull),
                title: "Mend it".to_owned(),
                body: String::new(),
                author: Login::new("ada"),
                insider: true,
                labels: Vec::new(),
                open: true,
                locked: false,
                comments: 0,
            },
            what,
            at: self.now,
        };
        let wish = match command {
            Some(command) => Wish::Command(command),
            None if matches!(asks, Asks::Unlabel) => {
                Wish::Withdraw(Sign::Label("Prova".to_owned()))
            }
            None => Wish::Start(Performer::DefaultAgent),
        };
        (event, vec![wish])
    }

    /// A button of the check run of what the branch has; the branch of no task has something, too.
    fn press(&self, button: Button) -> Happening {
        let head = self.open().and_then(|task| task.head.clone());
        let commit = head.unwrap_or_else(|| CommitSha::new("b".repeat(40)));
        Happening::Pressed(Press {
            on: CheckRunId(self.comments),
            button,
            head: Some(commit.clone()),
            commit,
        })
    }

    /// A review with comments on two lines.
    fn review(&self) -> Review {
        let comment = |n: u64| ReviewComment {
            id: CommentId(10 * self.comments + n),
            root: CommentId(10 * self.comments),
            body: "mend it".to_owned(),
            path: "README.md".to_owned(),
            spot: Spot::Lines(3, 3, Side::After),
            hunk: String::new(),
            earlier: Vec::new(),
        };
        Review {
            id: ReviewId(self.comments),
            verdict: Verdict::ChangesRequested,
            body: String::new(),
            comments: (0..2).map(comment).collect(),
        }
    }

    /// Decides the last request; one that needs a job while another is live is put off, as the store
    /// has it.
    fn hear(&mut self) -> Result<(), TestCaseError> {
        let Some((event, wishes)) = self.last.clone() else {
            return Ok(());
        };
        let snapshot = Snapshot {
            policy: Ok(&self.policy),
            permission: Permission::Write,
            agents: &self.agents,
            profiles: &BTreeSet::new(),
            open: self.open(),
            pull: self.theirs.as_ref(),
            count: u32::try_from(self.tasks.len()).unwrap(),
            remarks: &[],
            linked: &[],
            caps: &[],
            most_of_task: Usd::ZERO,
            links: &self.links,
        };
        let decision = decide(&event, &wishes, &snapshot);
        prop_assert_eq!(&decision, &decide(&event, &wishes, &snapshot));
        let (of_job, of_live) = (decision.job.as_ref(), self.live.as_ref());
        let asked = of_job.map(|(id, _)| id.task);
        if asked.is_some() && asked == of_live.map(|live| live.id.task) {
            let state = self.open().map(|task| task.state.clone());
            // Only a stop leaves a job that still runs behind a task that can take another.
            prop_assert_eq!(state, Some(State::Stopped));
            return Ok(());
        }
        let undoes =
            |(_, _, effect): &(EffectKey, ThreadKey, Effect)| matches!(effect, Effect::Undo { .. });
        if self.live.is_some() && decision.effects.iter().any(undoes) {
            // Put off until what was stopped has ended.
            return Ok(());
        }
        self.apply(decision).map(drop)
    }

    /// Compares the branch of the task with its base, as if either had moved since the last time.
    fn look(&mut self, sees: Sees) -> Result<(), TestCaseError> {
        self.commits += 1;
        let pair = Pair {
            base: CommitSha::new(format!("{:0>40}", self.commits)),
            head: CommitSha::new("f".repeat(40)),
        };
        let seen = match sees {
            Sees::UpToDate => rebase::Found::Merged(pair, Merge::UpToDate),
            Sees::Behind => rebase::Found::Merged(pair, Merge::Clean(TreeSha::new("a".repeat(40)))),
            Sees::Conflict => {
                rebase::Found::Merged(pair, Merge::Conflicting(vec![RepoPath::new("README.md")]))
            }
            Sees::Nothing => rebase::Found::NoBranch,
        };
        let policy = BranchPolicy {
            update: WhenBehind::Clean,
            conflict: OnConflict::Resolve,
            delete: WhenOver::Never,
        };
        let Some(task) = self.open().filter(|task| task.pull.is_some()) else {
            return Ok(());
        };
        if task.state == State::Stopped && self.live.is_some() {
            // The store has a job of it that still runs, and takes no other.
            return Ok(());
        }
        let decision = found(task, "main", &seen, &policy, &self.links);
        self.apply(decision).map(drop)
    }

    fn start(&mut self) {
        let (Some(live), Some(task)) = (&mut self.live, self.tasks.last_mut()) else {
            return;
        };
        live.running = true;
        if let Ok(state) = task::transition(&task.state, Step::Start) {
            task.state = state;
        }
    }

    /// Hands the agent that runs what has waited longest, if it can take it: that is lost nowhere, and
    /// what was handed on before stays.
    fn steer(&mut self) -> Result<(), TestCaseError> {
        let (Some(task), Some(live)) = (self.open().cloned(), &mut self.live) else {
            return Ok(());
        };
        if !live.running {
            return Ok(());
        }
        let Some((decision, request)) = steer(&task, live.id, &self.links) else {
            return Ok(());
        };
        live.steered.push(request.clone());
        let after = decision.task.as_ref().unwrap();
        prop_assert_eq!(task.state, State::Running);
        let (first, rest) = task.waiting.split_first().unwrap();
        prop_assert_eq!(&first.request, &request);
        prop_assert_eq!(&after.waiting[..], rest);
        let mut steered = task.work.steered;
        steered.push(request);
        prop_assert_eq!(&after.work.steered, &steered);
        prop_assert!(decision.job.is_none() && !decision.cancel);
        self.bots = 0;
        self.apply(decision).map(drop)
    }

    fn end(&mut self, changed: bool) -> Result<(), TestCaseError> {
        let Some(live) = self.live.take_if(|live| live.running) else {
            return Ok(());
        };
        let task = self.tasks.last().unwrap();
        if task.state == State::Running {
            // What the job is told of it and what its task knows is the same.
            let told = [live.work.steered.clone(), live.steered.clone()].concat();
            prop_assert_eq!(&task.work.steered, &told);
        }
        let progress = progress(&live, task);
        let ended = EndedJob {
            job: live.id,
            work: &live.work,
            progress: &progress,
        };
        let report = if changed {
            report(&ended)
        } else {
            faulted(&ended, "It failed.".to_owned())
        };
        let decision = conclude(task, report, &ended, &self.policy, &self.links);
        self.apply(decision).map(drop)
    }

    /// Looks at the checks of others as dispatch does: on the head of a pull request in review.
    fn fail(&mut self, why: u8, again: bool) -> Result<(), TestCaseError> {
        let Some(task) = self.open().cloned() else {
            return Ok(());
        };
        let Some(head) = &task.head else {
            return Ok(());
        };
        if task.state == State::Publishing || passed_over(&task, head).is_some() {
            return Ok(());
        }
        let check = Check {
            app: "github-actions".to_owned(),
            name: format!("check {why}"),
        };
        let found = Found {
            commit: head.clone(),
            failing: vec![Failing {
                signature: Signature::of(&check, "broken", &[]),
                check,
                on_base: false,
                workflow: again.then_some(1),
            }],
            passing: Vec::new(),
        };
        let around = Around {
            policy: &self.policy,
            agents: &self.agents,
            links: &self.links,
            now: self.now,
        };
        let decision = mend::decide(&task, &found, &around);
        prop_assert_eq!(&decision, &mend::decide(&task, &found, &around));
        let spent = decision.task.as_ref().map_or(0, |task| task.mending.jobs);
        prop_assert!(spent <= MOST_ROUNDS);
        self.apply(decision).map(drop)
    }

    /// Hears a bot as dispatch does: on a pull request in review.
    fn report(&mut self, review: bool) -> Result<(), TestCaseError> {
        let Some(task) = self.open().cloned().filter(|task| task.pull.is_some()) else {
            return Ok(());
        };
        let asks = if review { Asks::Review } else { Asks::Request };
        let (mut event, _) = self.said(asks, true);
        event.actor = linter();
        if ear(&task, &event) != Ear::Open {
            return Ok(());
        }
        let around = Around {
            policy: &self.policy,
            agents: &self.agents,
            links: &self.links,
            now: self.now,
        };
        let Ok(decision) = heard(&task, &event, &[], &around) else {
            return Ok(());
        };
        if decision.job.is_some() {
            self.bots += 1;
        }
        prop_assert!(self.bots <= BOT_ROUNDS, "bots have had {}", self.bots);
        self.apply(decision).map(drop)
    }

    /// Notes that a person has asked for something: bots may, again.
    fn note_people(&mut self, decision: &Decision) {
        let asked = decision.job.as_ref().is_some_and(|(_, work)| {
            let request = &work.request;
            let upkeep = request.occasion.is_some() || work.resolve.is_some();
            !upkeep && !request.wanted.is_words() && request.by != linter()
        });
        let undone =
            |(_, _, effect): &(EffectKey, ThreadKey, Effect)| matches!(effect, Effect::Undo { .. });
        if asked || decision.effects.iter().any(undone) {
            self.bots = 0;
        }
    }

    fn send(&mut self, way: Way) -> Result<(), TestCaseError> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let (_, effect) = self.unsent.remove(0);
        let ending = match (way, &effect) {
            (
                Way::Overtaken,
                Effect::Branch { .. }
                | Effect::Undo { .. }
                | Effect::Update { .. }
                | Effect::Pull { .. },
            ) => Ending::Overtaken,
            (Way::Parked, _) => Ending::Parked("GitHub said no.".to_owned()),
            (_, Effect::React { .. }) => Ending::Sent(Sent::Reaction),
            (_, Effect::Comment { .. } | Effect::ReviewReply { .. }) => {
                Ending::Sent(Sent::Comment(CommentId(1)))
            }
            (_, Effect::Branch { to, .. }) => Ending::Sent(Sent::Branch(to.clone())),
            (_, Effect::Undo { .. }) => Ending::Sent(Sent::Branch(CommitSha::new("d".repeat(40)))),
            (_, Effect::Update { .. }) => {
                Ending::Sent(Sent::Branch(CommitSha::new("e".repeat(40))))
            }
            (_, Effect::Pull { .. }) => Ending::Sent(Sent::Pull(ThreadNumber(2))),
            (_, Effect::Check { .. }) => Ending::Sent(Sent::Check(CheckRunId(1))),
            (_, Effect::Conclude { .. }) => Ending::Sent(Sent::Concluded),
            (_, Effect::Rerun { .. }) => Ending::Sent(Sent::Rerun),
            (_, Effect::Delete { .. }) => Ending::Sent(Sent::Deleted),
            (_, Effect::Resolve { .. }) => Ending::Sent(Sent::Resolved),
            (_, Effect::Review { .. }) => Ending::Sent(Sent::Review(None)),
        };
        match self.tasks.last() {
            Some(task) => {
                let decision = settle(task, &effect, &ending, &self.links);
                self.apply(decision).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Does what a transaction does, and judges it.
    fn apply(&mut self, decision: Decision) -> Result<(), TestCaseError> {
        self.note_people(&decision);
        let told = !decision.reasons.is_empty();
        prop_assert!(
            decision.effects.is_empty() || told,
            "an effect without a reason"
        );
        prop_assert!(decision.job.is_none() || decision.task.is_some());
        if decision.cancel {
            self.live = self.live.take().filter(|live| live.running);
        }
        if decision.withdraw {
            self.unsent.retain(|(_, effect)| {
                matches!(effect, Effect::React { .. } | Effect::Comment { .. })
            });
        }
        let begun =
            (decision.task.as_ref()).filter(|task| self.tasks.iter().all(|one| one.id != task.id));
        if begun.is_some() || decision.job.is_some() {
            self.end_late(decision.task.as_ref())?;
        }
        if let Some(task) = decision.task {
            let last = self.tasks.last_mut().filter(|last| last.id == task.id);
            if let Some(last) = last {
                prop_assert!(!last.state.is_over(), "{} was over", last.id);
                prop_assert!(last.pull.is_none() || last.pull == task.pull);
                *last = task;
            } else {
                prop_assert!(self.open().is_none(), "two open tasks on a thread");
                self.tasks.push(task);
            }
        }
        if let Some((id, work)) = decision.job {
            self.live = Some(LiveJob {
                id,
                work,
                running: false,
                steered: Vec::new(),
            });
        }
        for (key, _, effect) in &decision.effects {
            // Jobs are counted from 1, and before the first there is none to show.
            prop_assert!(!key.as_str().contains(".0/"), "{key}");
            if let Effect::Comment { body } = effect {
                prop_assert!(!body.contains("#job-0"), "{body}");
            }
            self.judge_effect(effect)?;
        }
        let mut keys = BTreeSet::new();
        for (key, thread, effect) in decision.effects {
            prop_assert!(keys.insert(key.clone()), "{key} twice in one decision");
            let before = self.recorded.insert(key.clone(), (thread, effect.clone()));
            if let Some((place, before)) = before {
                prop_assert_eq!(place, thread, "{} moves", &key);
                prop_assert_eq!(discriminant(&before), discriminant(&effect), "{}", &key);
                if before == effect {
                    continue;
                }
            }
            self.unsent.retain(|(other, _)| *other != key);
            self.unsent.push((key, effect));
        }
        Ok(())
    }

    /// Ends the job of a task that is over, which may run on while the next task begins.
    fn end_late(&mut self, next: Option<&Task>) -> Result<(), TestCaseError> {
        let Some(live) = self.live.take() else {
            return Ok(());
        };
        prop_assert_ne!(
            Some(live.id.task),
            next.map(|task| task.id),
            "two live jobs of a task"
        );
        // It was told to end with its task; whatever it comes to, nothing follows.
        let ended = (self.tasks.iter()).find(|task| task.id == live.id.task);
        let ended = ended.unwrap();
        prop_assert!(live.running && ended.state.is_over());
        let progress = progress(&live, ended);
        let job = EndedJob {
            job: live.id,
            work: &live.work,
            progress: &progress,
        };
        let late = conclude(ended, report(&job), &job, &self.policy, &self.links);
        prop_assert!(late.task.is_none() && late.effects.is_empty());
        Ok(())
    }

    /// On a person's pull request nothing is opened or deleted, and its branch gets what is whole.
    fn judge_effect(&self, effect: &Effect) -> Result<(), TestCaseError> {
        let Some(theirs) = &self.theirs else {
            return Ok(());
        };
        let opens = matches!(effect, Effect::Pull { .. } | Effect::Delete { .. });
        prop_assert!(!opens, "{effect:?}");
        let Effect::Branch { branch, from, .. } = effect else {
            return Ok(());
        };
        match &theirs.source {
            Source::Here(head) if head == branch => {
                let whole = self.tasks.last().map(|task| &task.state) == Some(&State::Publishing);
                prop_assert!(from.is_some() && whole, "{effect:?}");
            }
            Source::Here(_) => prop_assert!(branch.is_ours() && from.is_none(), "{effect:?}"),
            Source::Fork | Source::Gone => prop_assert!(false, "{effect:?}"),
        }
        Ok(())
    }

    /// What must hold between any two transactions.
    pub(crate) fn judge(&self) -> Result<(), TestCaseError> {
        let Some(task) = self.tasks.last() else {
            return Ok(());
        };
        let publishes = |(_, effect): &(EffectKey, Effect)| {
            matches!(
                effect,
                Effect::Branch { .. }
                    | Effect::Undo { .. }
                    | Effect::Update { .. }
                    | Effect::Pull { .. }
            )
        };
        match &task.state {
            State::Queued | State::Running => {
                prop_assert!(self.live.is_some(), "{:?} without a job", task.state);
            }
            State::Publishing => {
                prop_assert!(self.unsent.iter().any(publishes), "nothing to publish");
                prop_assert!(self.live.is_none());
            }
            State::InReview | State::Blocked => {
                prop_assert!(self.live.is_none(), "{:?} while a job is live", task.state);
            }
            // What was stopped may take a moment to end.
            State::Stopped | State::Merged | State::Closed | State::Answered => {
                prop_assert!(self.live.as_ref().is_none_or(|live| live.running));
            }
        }
        prop_assert!(
            task.state.is_busy() || task.waiting.is_empty(),
            "{:?} while some wait",
            task.state
        );
        if task.state == State::InReview {
            prop_assert!(task.pull.is_some(), "in review without a pull request");
        }
        Ok(())
    }
}

/// A job that came to its end with what was wanted.
fn progress(live: &LiveJob, task: &Task) -> Progress {
    let (job, work) = (live.id, &live.work);
    let tree = TreeSha::new("a".repeat(40));
    let briefed = Briefed {
        base: task
            .head
            .clone()
            .unwrap_or_else(|| CommitSha::new("b".repeat(40))),
        on_branch: task.head.is_some(),
        policy_commit: CommitSha::new("b".repeat(40)),
        brief_digest: String::new(),
        agent: "fixer".to_owned(),
        restored: None,
        wanted: work.request.wanted,
        merge: None,
    };
    if work.request.wanted.is_words() {
        return Progress {
            briefed: Some(briefed),
            ran: Some(said()),
            ..Progress::default()
        };
    }
    Progress {
        steered: live.steered.clone(),
        briefed: Some(briefed),
        harvested: Some(Harvested {
            harvest: Harvest {
                base_tree: TreeSha::new("c".repeat(40)),
                tree: tree.clone(),
                changes: vec![Change {
                    path: RepoPath::new("README.md"),
                    kind: ChangeKind::Deleted,
                }],
                refused: Vec::new(),
            },
            protected: Vec::new(),
            tree,
            leaks: Vec::new(),
            unresolved: Vec::new(),
        }),
        evidence: Some(Vec::new()),
        commit: (task.home.takes_commits())
            .then(|| CommitSha::new(format!("{:0>40}", job.ordinal))),
        offer: (!task.home.takes_commits()).then(|| Offer {
            head: CommitSha::new("9".repeat(40)),
            suggestions: vec![Suggestion {
                path: "README.md".to_owned(),
                from: 3,
                to: 3,
                lines: Vec::new(),
            }],
            misfit: None,
            patch: None,
        }),
        ..Progress::default()
    }
}

fn said() -> Ran {
    Ran {
        on_lines: Vec::new(),
        ending: RunEnding::Exited(0),
        took: Span::ZERO,
        log_digest: String::new(),
        output_bytes: 0,
        excerpt: String::new(),
        failed_setup: None,
        claim: Some(Claim {
            summary: Some("So be it.".to_owned()),
            ..Claim::default()
        }),
        told: Told::default(),
        sandbox: "none".to_owned(),
        traffic: Traffic::default(),
    }
}

#[test]
fn what_an_earlier_job_could_not_publish_does_not_block_the_next() {
    let mut world = World::new();
    let failed = Happens::Ends { changed: false };
    let ask = |asks| Happens::Asks(asks, false);
    for what in [ask(Asks::Label), Happens::Starts, failed, ask(Asks::Retry)] {
        world.happen(what).unwrap();
    }
    while world
        .unsent
        .iter()
        .any(|(_, effect)| matches!(effect, Effect::Branch { .. }))
    {
        world.happen(Happens::Sends(Way::Overtaken)).unwrap();
    }
    assert_eq!(world.open().unwrap().state, State::Queued);
    for what in [Happens::Starts, Happens::Ends { changed: true }] {
        world.happen(what).unwrap();
    }
    assert_eq!(world.open().unwrap().state, State::Publishing);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_a_thread_has_one_task_and_one_job(script in prop::collection::vec(happens(), 1..60)) {
        let mut world = World::new();
        for what in script {
            world.happen(what)?;
            world.judge()?;
        }
    }

    #[test]
    fn so_it_is_on_pull_requests_of_people(script in prop::collection::vec(happens(), 1..60), fork: bool) {
        let source = if fork { Source::Fork } else { Source::Here("hers".parse().unwrap()) };
        let mut world = World::of_pull(source);
        for what in script {
            world.happen(what)?;
            world.judge()?;
        }
    }
}
