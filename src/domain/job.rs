//! A job: one agent run, the request it was frozen with, and the journal of its steps.

use serde::{Deserialize, Serialize};

use crate::domain::change::{Harvest, RepoPath};
use crate::domain::effect::ReactionTarget;
use crate::domain::event::{DiffPlace, Thread};
use crate::domain::evidence::{Claim, Ending, Evidence};
use crate::domain::ids::{CommitSha, Login, TreeSha};
use crate::domain::integration::Occasion;
use crate::domain::name::Name;
use crate::domain::policy::Role;
use crate::domain::repo::{Actor, ActorKind};
use crate::domain::review::Review;
use crate::domain::secrets::Leak;
use crate::domain::stall::Stall;
use crate::domain::suggested::Offer;
use crate::domain::surroundings::Linked;
use crate::domain::time::{Span, Timestamp};
use crate::domain::traffic::Traffic;

/// What a job is to do, frozen at the trigger; later edits on GitHub do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Who do it.
    pub performers: Performers,
    /// What was asked.
    pub request: Request,
    /// What was asked for while its agent worked, and was handed to that, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steered: Vec<Request>,
    /// The base whose conflicts with the branch are to be resolved, if that is what it is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<String>,
}

/// Who does a job, or a contestant's part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Performer {
    /// The agent that policy or the server's settings name.
    DefaultAgent,
    /// The agent or recipe of this name; recipes of the repository's policy come first.
    Named(Name),
    /// The recipe of this name and nothing else, with what a person gave it to work on.
    Recipe {
        /// Its name in policy.
        name: Name,
        /// What stood behind the name in the command.
        input: Option<String>,
    },
}

/// Who do a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Performers {
    /// One does it.
    One(Performer),
    /// The agents or recipes of these names do it at the same time, each in a checkout of its own;
    /// no name stands twice.
    Race(Vec<Name>),
}

/// One of those who do a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrant {
    /// Its name in a race; `None` where there is nobody to be told apart from.
    pub name: Option<Name>,
    /// Who it is.
    pub performer: Performer,
}

impl Performers {
    /// Returns each of them, in the order in which they were named.
    #[must_use]
    pub fn entrants(&self) -> Vec<Entrant> {
        match self {
            Self::One(performer) => vec![Entrant {
                name: None,
                performer: performer.clone(),
            }],
            Self::Race(names) => names
                .iter()
                .map(|name| Entrant {
                    name: Some(name.clone()),
                    performer: Performer::Named(name.clone()),
                })
                .collect(),
        }
    }
}

/// What was asked, by whom, and the thread as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asked, or who asked last where nobody did. The commit of who did carries them as co-author.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// What they wrote behind the mention, as Markdown; empty for a label or an assignment.
    pub text: String,
    /// The thread.
    pub thread: Thread,
    /// Comments written before the request, oldest first.
    pub remarks: Vec<Remark>,
    /// Threads that the request and the conversation name, most relevant first.
    #[serde(default)]
    pub linked: Vec<Linked>,
    /// The place in the diff, of a request that was stored before reviews were read.
    pub place: Option<DiffPlace>,
    /// What is wanted of it.
    #[serde(default)]
    pub wanted: Wanted,
    /// The plan to carry out, as the agent wrote it and people were shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why there is a job that nobody asked for; the rest is then what was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<Occasion>,
    /// The review, when the request was made by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// The sign on the issue that asks for it, where no words did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// What asked for it, where that was answered while something else was under way: the answer can be
    /// edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted: Option<ReactionTarget>,
}

/// How an issue shows that work is wanted, without words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// By a label.
    Label(String),
    /// By whom it is assigned to.
    Assignment(Login),
    /// By one that was taken away again, at that time.
    Withdrawn(Timestamp),
}

impl Sign {
    /// Returns whether it is the same on the issue. GitHub knows neither labels nor accounts that differ
    /// in case alone.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(one), Self::Label(other)) => one.to_lowercase() == other.to_lowercase(),
            (Self::Assignment(one), Self::Assignment(other)) => {
                one.as_str().eq_ignore_ascii_case(other.as_str())
            }
            (Self::Label(_) | Self::Assignment(_) | Self::Withdrawn(_), _) => false,
        }
    }
}

impl Work {
    /// Returns the sign that it was asked for by, unless it only keeps what came of that fit.
    #[must_use]
    pub fn sign(&self) -> Option<&Sign> {
        let sign = self.request.sign.as_ref();
        sign.filter(|_| self.request.occasion.is_none() && self.resolve.is_none())
    }

    /// Returns whether it keeps what is under review fit, and is nothing that a person has asked for.
    #[must_use]
    pub const fn is_upkeep(&self) -> bool {
        let request = &self.request;
        request.occasion.is_some() || self.resolve.is_some() || request.is_of_bot()
    }

    /// Returns all that was asked for, oldest first, each with the number of the first comment of its
    /// review: the comments of all reviews are counted on, from 1.
    pub fn asked(&self) -> impl Iterator<Item = (usize, &Request)> {
        Self::numbered(&self.request, &self.steered)
    }

    /// Does as [`Self::asked`] for what is not together yet.
    pub fn numbered<'r>(
        request: &'r Request,
        steered: &'r [Request],
    ) -> impl Iterator<Item = (usize, &'r Request)> {
        let all = std::iter::once(request).chain(steered);
        all.scan(1, |next, request| {
            let review = request.review.as_ref();
            let first = *next;
            *next += review.map_or(0, |review| review.comments.len());
            Some((first, request))
        })
    }

    /// Returns the words of all that was asked for.
    #[must_use]
    pub fn words(&self) -> String {
        let words = self.asked().map(|(_, request)| request.text.trim());
        let words: Vec<_> = words.filter(|text| !text.is_empty()).collect();
        words.join("\n\n")
    }
}

impl Request {
    /// Returns whether a bot made it, so that its words are a report and no order.
    #[must_use]
    pub const fn is_of_bot(&self) -> bool {
        matches!(self.by.kind, ActorKind::Bot)
    }

    /// Returns what a job for it is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        match (self.wanted, &self.occasion) {
            (Wanted::Change, Some(_)) => Role::FollowUp,
            (Wanted::Change, None) => Role::on(self.thread.kind),
            (Wanted::Plan | Wanted::PlanFirst, _) => Role::Plan,
            (Wanted::Answer, _) => Role::Ask,
            (Wanted::Review, _) => Role::Review,
        }
    }
}

/// What a request wants: a change, or words about the code. For words an agent reads a checkout, and
/// what it changes there is thrown away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// A change.
    #[default]
    Change,
    /// A plan, which waits for a person's word.
    Plan,
    /// A plan, which is carried out at once.
    PlanFirst,
    /// The answer to a question.
    Answer,
    /// A review of a pull request.
    Review,
}

impl Wanted {
    /// Returns whether it is words and no change.
    #[must_use]
    pub const fn is_words(self) -> bool {
        match self {
            Self::Change => false,
            Self::Plan | Self::PlanFirst | Self::Answer | Self::Review => true,
        }
    }
}

/// A comment that stood on the thread when the request was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Who wrote it.
    pub author: Login,
    /// Whether GitHub says that the author belongs to the repository (owner, member or
    /// collaborator); text of anyone else is quoted as untrusted.
    pub insider: bool,
    /// Its Markdown.
    pub body: String,
}

/// One line of a job's journal: a step that has been done, with what it left. A crash afterwards
/// does not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Entry {
    /// The base was chosen and the brief written.
    Briefed(Briefed),
    /// The agent that runs was handed one more request.
    Steered(Box<Request>),
    /// The agent ran.
    Ran(Box<Ran>),
    /// The checkout was read.
    Harvested(Harvested),
    /// The checks ran on the harvested tree.
    Checked {
        /// One per command, in order; a failed setup command ends the list.
        evidence: Vec<Evidence>,
        /// What passed the gateway meanwhile.
        #[serde(default)]
        traffic: Traffic,
    },
    /// The agent could not work, and the next of the list has the job now, from the beginning.
    PassedOver(Box<PassedOver>),
    /// The commit exists on GitHub, on no branch yet.
    Committed {
        /// The commit.
        commit: CommitSha,
    },
    /// What is proposed where nothing can be pushed.
    Offered(Box<Offer>),
    /// A step of one contestant of a race.
    Of {
        /// Whose.
        contestant: Name,
        /// The step.
        entry: Box<Entry>,
    },
}

/// The base and the brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Briefed {
    /// The commit that the checkout is made from.
    pub base: CommitSha,
    /// Whether `base` is the head of the task's own branch, which then exists.
    pub on_branch: bool,
    /// The default branch's commit that policy and instructions were read from.
    pub policy_commit: CommitSha,
    /// SHA-256 of the brief, in hexadecimal.
    pub brief_digest: String,
    /// The agent or recipe that was chosen, as its name in settings or policy.
    pub agent: String,
    /// What of `base` the agent gets as the default branch has it; `None` when it is all the same.
    #[serde(default)]
    pub restored: Option<Restored>,
    /// What is wanted of the run.
    #[serde(default)]
    pub wanted: Wanted,
    /// The merge whose conflicts are resolved, if that is what it does.
    #[serde(default)]
    pub merge: Option<Merging>,
}

impl Briefed {
    /// Returns the commit that the checkout is made from: the base, or one of the server's own on it.
    #[must_use]
    pub fn start(&self) -> &CommitSha {
        let merged = || self.merge.as_ref().map(|merge| &merge.start);
        (self.restored.as_ref().map(|restored| &restored.start))
            .or_else(merged)
            .unwrap_or(&self.base)
    }
}

/// A merge with conflicts that a job resolves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merging {
    /// The head of the base, which is merged.
    pub with: CommitSha,
    /// A commit of the server's own: the merge, with markers.
    pub start: CommitSha,
    /// The paths with conflicts, ordered.
    pub paths: Vec<RepoPath>,
}

/// The files that steer agents, put back to what the default branch says before an agent starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// A commit of the server's own on top of the base, which the checkout is made from.
    pub start: CommitSha,
    /// The base's own tree, which what the agent changes is published on.
    pub base_tree: TreeSha,
    /// Which files differ from the base, ordered by path.
    pub files: Vec<PutBack>,
}

/// A file that was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// Where.
    pub path: RepoPath,
    /// The blob that the base has there; `None` when it has nothing.
    pub base: Option<String>,
}

/// What was observed of the agent's run, and its claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// How it ended.
    pub ending: Ending,
    /// Wall clock.
    pub took: Span,
    /// SHA-256 of the kept output, in hexadecimal.
    pub log_digest: String,
    /// Bytes of output in all.
    pub output_bytes: u64,
    /// The end of its output, redacted.
    pub excerpt: String,
    /// The setup command that failed before the agent could start, when one did.
    pub failed_setup: Option<Evidence>,
    /// What it said it did.
    pub claim: Option<Claim>,
    /// Which of the findings of a review lie on lines that the diff shows, as indexes into the claim's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_lines: Vec<usize>,
    /// What it said while it ran, as far as anything follows from it.
    #[serde(default)]
    pub told: Told,
    /// The sandbox backend it ran in.
    pub sandbox: String,
    /// What passed the gateway, for the setup commands too.
    #[serde(default)]
    pub traffic: Traffic,
}

/// What of an agent's own words is kept after its run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The name under which it said that it can go on.
    pub session: Option<String>,
    /// The trouble that it ended in, in its words, redacted.
    pub trouble: Option<String>,
    /// Why it was ended before its time: it had come to nothing.
    pub stall: Option<Stall>,
    /// It works by a model, and no model call of it was answered.
    pub thoughtless: bool,
}

impl Told {
    /// Returns whether the run failed whatever its exit code says: most agents have ways to fail that
    /// end with 0.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.trouble.is_some() || self.stall.is_some() || self.thoughtless
    }
}

/// An agent that could not work, and whose job another took over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Its name in the settings.
    pub agent: String,
    /// How its run ended.
    pub ending: Ending,
    /// How long that took.
    pub took: Span,
    /// What passed the gateway: why it could not work.
    pub traffic: Traffic,
}

/// What the harvest found, and what policy lets through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvested {
    /// Everything that was found.
    pub harvest: Harvest,
    /// The changes that policy protects, as (index into the changes, the pattern).
    pub protected: Vec<(usize, String)>,
    /// The tree without protected changes: what is checked and published.
    pub tree: TreeSha,
    /// Secrets that it says; with any, nothing of it is published.
    #[serde(default)]
    pub leaks: Vec<Leak>,
    /// Files that still have conflict markers; with any, nothing of it is published.
    #[serde(default)]
    pub unresolved: Vec<RepoPath>,
}

impl Harvested {
    /// Returns the indexes of the changes that are published.
    #[must_use]
    pub fn kept(&self) -> Vec<usize> {
        (0..self.harvest.changes.len())
            .filter(|n| !self.protected.iter().any(|(m, _)| m == n))
            .collect()
    }

    /// Returns whether everything that the agent left may be published.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.harvest.refused.is_empty() && self.protected.is_empty()
    }
}

/// How far a job has come: its journal, folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Agents that could not work, oldest first.
    pub passed_over: Vec<PassedOver>,
    /// What was handed to an agent while it ran, oldest first. Whoever begins anew is to do it too.
    pub steered: Vec<Request>,
    /// The base and the brief, once chosen.
    pub briefed: Option<Briefed>,
    /// The run, once over.
    pub ran: Option<Ran>,
    /// The harvest, once read.
    pub harvested: Option<Harvested>,
    /// The evidence, once gathered.
    pub evidence: Option<Vec<Evidence>>,
    /// What has passed the gateway so far.
    pub traffic: Traffic,
    /// The commit, once it exists.
    pub commit: Option<CommitSha>,
    /// What is proposed in its place, where nothing can be pushed.
    pub offer: Option<Offer>,
}

/// What a job has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Choose the base, read policy and instructions, write the brief.
    Brief,
    /// Make a checkout and run the agent in it.
    Run,
    /// Read what changed.
    Harvest,
    /// Run the checks.
    Check,
    /// Create the commit.
    Commit,
    /// Hand over to the outbox.
    Conclude,
}

impl Progress {
    /// Folds what a job's journal has of one contestant of a race, or of whoever does it alone.
    pub fn fold_of(journal: impl IntoIterator<Item = Entry>, contestant: Option<&Name>) -> Self {
        Self::fold(journal.into_iter().filter_map(|entry| entry.of(contestant)))
    }

    /// Folds a journal; a later entry of a kind replaces an earlier one, and whatever came after
    /// that one is forgotten, because it was about something else.
    pub fn fold(journal: impl IntoIterator<Item = Entry>) -> Self {
        let mut progress = Self::default();
        for entry in journal {
            progress.apply(entry);
        }
        progress
    }

    /// Adds one entry.
    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Briefed(briefed) => {
                *self = Self {
                    briefed: Some(briefed),
                    ..std::mem::take(self).afresh()
                };
            }
            Entry::Steered(request) => self.steered.push(*request),
            Entry::Ran(ran) => {
                self.traffic = self.spent_before().with(ran.traffic.clone());
                self.ran = Some(*ran);
            }
            Entry::PassedOver(over) => {
                self.passed_over.push(*over);
                *self = std::mem::take(self).afresh();
            }
            Entry::Harvested(harvested) => self.harvested = Some(harvested),
            Entry::Checked { evidence, traffic } => {
                self.traffic = std::mem::take(&mut self.traffic).with(traffic);
                self.evidence = Some(evidence);
            }
            Entry::Committed { commit } => self.commit = Some(commit),
            Entry::Offered(offer) => self.offer = Some(*offer),
            // Each contestant's steps are folded by themselves.
            Entry::Of { .. } => {}
        }
    }

    /// Returns what is left of it when a new attempt starts and `survives` says whether the
    /// harvested objects are still there: a finished agent is not run again, an interrupted one
    /// starts over in a fresh checkout. One that could not work stays passed over.
    #[must_use]
    pub fn resume(self, survives: bool) -> Self {
        // Of what changes nothing, nothing is needed any more.
        let is_empty = |harvested: &Harvested| harvested.kept().is_empty();
        let holds = self
            .harvested
            .as_ref()
            .is_some_and(|harvested| survives || is_empty(harvested));
        if self.commit.is_some() || self.offer.is_some() || holds {
            self
        } else {
            self.afresh()
        }
    }

    /// Returns the agent of this run as one that is passed over, once it has run.
    #[must_use]
    pub fn passed_over_now(&self) -> Option<PassedOver> {
        let (briefed, ran) = (self.briefed.as_ref()?, self.ran.as_ref()?);
        Some(PassedOver {
            agent: briefed.agent.clone(),
            ending: ran.ending,
            took: ran.took,
            traffic: ran.traffic.clone(),
        })
    }

    /// Returns whether there is nothing to publish: a merge is something, whatever the agent changed.
    #[must_use]
    pub fn left_nothing(&self) -> bool {
        let merges = (self.briefed.as_ref()).is_some_and(|briefed| briefed.merge.is_some());
        !merges && (self.harvested.as_ref()).is_none_or(|harvested| harvested.kept().is_empty())
    }

    /// Returns where the next agent begins.
    fn afresh(self) -> Self {
        Self {
            traffic: self.spent_before(),
            passed_over: self.passed_over,
            steered: self.steered,
            ..Self::default()
        }
    }

    /// Returns what the agents that were passed over have moved.
    fn spent_before(&self) -> Traffic {
        let each = self.passed_over.iter().map(|over| over.traffic.clone());
        each.fold(Traffic::default(), Traffic::with)
    }

    /// Returns the next step.
    #[must_use]
    pub fn next(&self) -> Step {
        let (Some(_), Some(ran), Some(harvested)) = (&self.briefed, &self.ran, &self.harvested)
        else {
            return match (&self.briefed, &self.ran) {
                (None, _) => Step::Brief,
                (Some(_), None) => Step::Run,
                // Whatever it changed is of no use.
                (Some(briefed), Some(_)) if briefed.wanted.is_words() => Step::Conclude,
                (Some(_), Some(_)) => Step::Harvest,
            };
        };
        let worth_checking = ran.ending.succeeded()
            && !ran.told.failed()
            && ran.traffic.exceeded.is_none()
            && harvested.is_complete();
        // A pushed secret is a leaked one, on whatever branch.
        let unfit = self.left_nothing() || !harvested.leaks.is_empty();
        // What is half merged is of use to nobody.
        let unfit = unfit || !harvested.unresolved.is_empty();
        if unfit || self.commit.is_some() || self.offer.is_some() {
            Step::Conclude
        } else if worth_checking && self.evidence.is_none() {
            Step::Check
        } else {
            Step::Commit
        }
    }
}

impl PassedOver {
    /// Returns why it could not work, in words. Names of endpoints are the operator's.
    #[must_use]
    pub fn why(&self) -> String {
        let down = self.traffic.unanswered.iter();
        let down = down.filter(|calls| calls.failure.is_down());
        let each: Vec<_> = down
            .map(|calls| {
                format!(
                    "model endpoint `{}` {}",
                    calls.endpoint,
                    calls.failure.words()
                )
            })
            .collect();
        each.join(", ")
    }
}

impl Entry {
    /// Returns the step as the contestant's own; `None` when it is somebody else's.
    fn of(self, contestant: Option<&Name>) -> Option<Self> {
        match (self, contestant) {
            (
                Self::Of {
                    contestant: whose,
                    entry,
                },
                Some(name),
            ) if whose == *name => Some(*entry),
            (Self::Of { .. }, _) | (_, Some(_)) => None,
            (entry, None) => Some(entry),
        }
    }

    /// Returns the step as it stands in the journal of a job that the contestant does not do alone.
    #[must_use]
    pub fn by(self, contestant: Option<&Name>) -> Self {
        match contestant {
            None => self,
            Some(name) => Self::Of {
                contestant: name.clone(),
                entry: Box::new(self),
            },
        }
    }

    /// Returns the step in one line for people.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Briefed(briefed) => {
                format!(
                    "brief for {} on {}",
                    briefed.agent,
                    short(briefed.base.as_str())
                )
            }
            Self::Steered(request) => {
                format!("handed on: one more request by {}", request.by.login)
            }
            Self::Ran(ran) => match &ran.failed_setup {
                Some(setup) => format!("setup failed: {} ({})", setup.command, setup.ending),
                None => format!(
                    "agent: {} after {}{}",
                    ran.ending,
                    ran.took,
                    spent(&ran.traffic)
                ),
            },
            Self::Harvested(harvested) => {
                let (changed, leaks) = (harvested.kept().len(), harvested.leaks.len());
                let left_out = harvested.protected.len() + harvested.harvest.refused.len();
                match leaks {
                    0 => format!("harvest: {changed} changed, {left_out} left out"),
                    _ => format!("harvest: {changed} changed, {leaks} secrets found"),
                }
            }
            Self::Checked { evidence, .. } => {
                let passed = evidence.iter().filter(|one| one.ending.succeeded()).count();
                format!("checks: {passed} of {} passed", evidence.len())
            }
            Self::PassedOver(over) => format!("{} could not be used: {}", over.agent, over.why()),
            Self::Committed { commit } => format!("commit {}", short(commit.as_str())),
            Self::Offered(offer) => match &offer.misfit {
                None => format!("{} suggestions", offer.suggestions.len()),
                Some(_) => "a patch".to_owned(),
            },
            Self::Of { contestant, entry } => format!("{contestant}: {}", entry.told()),
        }
    }
}

fn spent(traffic: &Traffic) -> String {
    let why = match &traffic.exceeded {
        Some(_) => ", out of budget",
        None => "",
    };
    if traffic.models.is_empty() {
        why.to_owned()
    } else {
        format!(", ${}{why}", traffic.cost())
    }
}

fn short(id: &str) -> String {
    id.chars().take(10).collect()
}
