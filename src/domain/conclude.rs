//! The end of a job: its report, the task's new state, and what is written on GitHub for it.

use crate::domain::budget::Exceeded;
use crate::domain::button::Button;
use crate::domain::decide::Decision;
use crate::domain::decide::next::begin_next;
use crate::domain::decide::replies::replies_of;
use crate::domain::decide::statuses::{answers_of, status_of};
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::evidence::{Ending, Evidence};
use crate::domain::home::Home;
use crate::domain::ids::{CommentId, CommitSha, JobId, ThreadKey};
use crate::domain::job::{Progress, Ran, Request, Work};
use crate::domain::marks::marks;
use crate::domain::offered::offered;
use crate::domain::policy::{Policy, WhenHeeded};
use crate::domain::render::parts::Links;
use crate::domain::render::pull;
use crate::domain::render::words::said_nothing;
use crate::domain::report::{Changed, Outcome, Report, RunFacts};
use crate::domain::spoken::spoken;
use crate::domain::task::{FollowUp, State, Step, Task, transition};

/// An effect with its name and the thread that it belongs to.
type Addressed = (EffectKey, ThreadKey, Effect);

/// What a job that has ended left.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Which job.
    pub job: JobId,
    /// What it was to do.
    pub work: &'a Work,
    /// How far it came.
    pub progress: &'a Progress,
}

impl Ended<'_> {
    /// Returns what was asked for while its agent, or that of an earlier job for the same, worked.
    #[must_use]
    pub fn steered(&self) -> Vec<&Request> {
        let before = self.work.steered.iter();
        before.chain(&self.progress.steered).collect()
    }
}

/// Returns the report of a job that has come to its end.
#[must_use]
pub fn report(ended: &Ended<'_>) -> Report {
    let Progress {
        passed_over,
        steered: _,
        briefed,
        ran,
        harvested,
        evidence,
        traffic,
        commit,
        offer,
    } = ended.progress;
    let evidence: Vec<_> = evidence.iter().flatten().map(Evidence::kept).collect();
    let outcome = match (ran, harvested) {
        (Some(Ran { traffic, .. }), _) if traffic.exceeded.is_some() => traffic
            .exceeded
            .clone()
            .map_or(Outcome::AgentFailed, Outcome::OutOfBudget),
        (Some(ran), _) if ran.told.stall.is_some() => Outcome::AgentFailed,
        (Some(ran), _) if ran.ending == Ending::Cancelled => Outcome::Stopped,
        (Some(ran), _) if ran.failed_setup.is_some() => ran
            .failed_setup
            .as_ref()
            .map(Evidence::kept)
            .map_or(Outcome::AgentFailed, Outcome::SetupFailed),
        (Some(ran), _) if !ran.ending.succeeded() || ran.told.failed() => Outcome::AgentFailed,
        (Some(ran), None) if ended.work.request.wanted.is_words() => match &ran.claim {
            Some(_) => Outcome::Answered,
            None => Outcome::Faulted(said_nothing()),
        },
        (_, Some(harvested)) if !harvested.leaks.is_empty() => Outcome::Secret,
        (_, Some(harvested)) if !harvested.unresolved.is_empty() => {
            Outcome::Unresolved(harvested.unresolved.clone())
        }
        (_, Some(harvested)) if !harvested.is_complete() => Outcome::Refused,
        (_, Some(_)) if ended.progress.left_nothing() => Outcome::NothingChanged,
        _ if evidence.iter().any(|e| !e.ending.succeeded()) => Outcome::ChecksFailed,
        _ => Outcome::Proposed,
    };
    Report {
        job: ended.job,
        outcome,
        run: ran
            .as_ref()
            .zip(briefed.as_ref())
            .map(|(ran, briefed)| RunFacts {
                agent: briefed.agent.clone(),
                ending: ran.ending,
                took: ran.took,
                excerpt: ran.excerpt.clone(),
                log_digest: ran.log_digest.clone(),
                sandbox: ran.sandbox.clone(),
                told: ran.told.clone(),
                brief_digest: briefed.brief_digest.clone(),
                base: briefed.base.clone(),
            }),
        changes: harvested.as_ref().map_or_else(Vec::new, |harvested| {
            let kept = harvested.kept();
            kept.iter()
                .filter_map(|n| harvested.harvest.changes.get(*n))
                .map(|c| Changed {
                    path: c.path.clone(),
                    kind: c.kind.clone(),
                })
                .collect()
        }),
        refused: harvested
            .as_ref()
            .map_or_else(Vec::new, |h| h.harvest.refused.clone()),
        protected: harvested.as_ref().map_or_else(Vec::new, |harvested| {
            let changes = &harvested.harvest.changes;
            let path = |n: &usize| changes.get(*n).map(|change| change.path.clone());
            harvested
                .protected
                .iter()
                .filter_map(|(n, p)| Some((path(n)?, p.clone())))
                .collect()
        }),
        leaks: harvested
            .as_ref()
            .map_or_else(Vec::new, |harvested| harvested.leaks.clone()),
        evidence,
        commit: commit
            .clone()
            .zip(harvested.as_ref().map(|h| h.tree.clone())),
        claim: ran.as_ref().and_then(|ran| ran.claim.clone()),
        traffic: traffic.clone(),
        passed_over: passed_over.clone(),
        rivals: Vec::new(),
        resolves: Vec::new(),
        offer: offer.clone().map(Box::new),
    }
}

/// Returns the report of a job that something stood in the way of; `why` is Markdown.
#[must_use]
pub fn faulted(ended: &Ended<'_>, why: String) -> Report {
    Report {
        outcome: Outcome::Faulted(why),
        ..report(ended)
    }
}

/// Returns the report of a job that could not begin, since a budget was used up before.
#[must_use]
pub fn broke(ended: &Ended<'_>, exceeded: Exceeded) -> Report {
    Report {
        outcome: Outcome::OutOfBudget(exceeded),
        ..report(ended)
    }
}

/// Returns the comments of the reviews that were to be heeded whose conversations end with the change: it
/// touches their file, and the agent does not say that it left them alone.
fn resolves(report: &Report, task: &Task, policy: &Policy) -> Vec<CommentId> {
    match policy.review.resolve {
        WhenHeeded::Changed if task.home.is_looked_after() => {}
        WhenHeeded::Changed | WhenHeeded::Never => return Vec::new(),
    }
    let comments = task.work.asked().flat_map(|(first, request)| {
        let review = request.review.iter();
        (first..).zip(review.flat_map(|review| &review.comments))
    });
    let left = |number| (report.claim.as_ref()).is_some_and(|claim| claim.left.contains(&number));
    let heeded =
        comments.filter(|(number, comment)| !left(*number) && report.touches(&comment.path));
    let mut roots: Vec<_> = heeded.map(|(_, comment)| comment.root).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// Decides what a report changes for its task, read afresh: it may have been stopped, merged or
/// closed while the job ran.
#[must_use]
pub fn conclude(
    task: &Task,
    report: Report,
    ended: &Ended<'_>,
    policy: &Policy,
    links: &Links,
) -> Decision {
    if ended.work.request.wanted.is_words() {
        let words = spoken(task, &report, (ended.work, ended.progress), links);
        return begin_next(words, links);
    }
    if !task.home.takes_commits() {
        return begin_next(offered(task, report, ended.work, links), links);
    }
    let report = unpublished(task, &report, ended).unwrap_or(report);
    let report = Report {
        resolves: resolves(&report, task, policy),
        ..report
    };
    let publish = report.outcome == Outcome::Proposed && task.state == State::Running;
    let mut task = task.clone();
    let mut decision = Decision {
        reasons: vec![format!(
            "job {} ended: {}",
            ended.job,
            report.outcome.word()
        )],
        ..Decision::default()
    };
    if task.state.is_over() {
        // Nobody waits for it any more: the thread has ended.
        return decision;
    }
    let step = if publish { Step::Publish } else { Step::Block };
    // A stopped task stays stopped whatever its job came to.
    if let Ok(state) = transition(&task.state, step) {
        task.state = state;
    }
    if let Some(follow_up) = follow_up(&task, &report, ended) {
        task.follow_up = Some(follow_up);
    }
    decision
        .effects
        .extend(publication(&task, &report, ended, policy, links));
    if (ended.progress.briefed.as_ref()).is_some_and(|briefed| briefed.merge.is_none()) {
        // There was nothing left to merge, and what it did is said without one.
        task.work.resolve = None;
    }
    task.last = Some(task.ended_with(report));
    if !publish {
        // Whoever asked to bring the branch up to date has waited for the end of this.
        decision.compare = task.footing.asked.is_some();
        decision.effects.push(status_of(&task, links));
        decision.effects.extend(answers_of(&task, links));
        decision.effects.extend(replies_of(&task, links));
    }
    decision.task = Some(task);
    begin_next(decision, links)
}

/// Returns what a job puts on the branch of a pull request that is there, so that it can be taken
/// back.
fn follow_up(task: &Task, report: &Report, ended: &Ended<'_>) -> Option<FollowUp> {
    let (commit, _) = report.commit.as_ref()?;
    let harvested = ended.progress.harvested.as_ref()?;
    let merges = (ended.progress.briefed.as_ref()).is_some_and(|one| one.merge.is_some());
    // A merge is not taken back: what came from the base would go with it.
    if merges {
        return None;
    }
    task.pull?;
    if !task.home.takes_partial() && task.state != State::Publishing {
        // It does not go to the branch.
        return None;
    }
    Some(FollowUp {
        job: ended.job,
        commit: commit.clone(),
        before: harvested.harvest.base_tree.clone(),
        last: before(task).cloned().map(Box::new),
    })
}

/// Returns what had become of the job before; words alone have left a person's branch as it was.
fn before(task: &Task) -> Option<&Report> {
    let last = task.last.as_ref();
    last.filter(|last| task.home.is_own() || last.outcome != Outcome::Answered)
}

/// Returns the report to publish when a run has found nothing left to do, because the last one did
/// it all and only its pull request could not be opened.
fn unpublished(task: &Task, report: &Report, ended: &Ended<'_>) -> Option<Report> {
    let last = task.last.as_ref()?;
    let (commit, _) = last.commit.as_ref()?;
    let verified = matches!(last.outcome, Outcome::Faulted(_))
        && last.run.as_ref().is_some_and(|run| run.ending.succeeded())
        && last.refused.is_empty()
        && last.protected.is_empty()
        && last.leaks.is_empty()
        && last.evidence.iter().all(|one| one.ending.succeeded());
    let untouched = ended.progress.briefed.as_ref()?.base == *commit;
    let nothing_left = report.outcome == Outcome::NothingChanged && task.pull.is_none();
    (nothing_left && verified && untouched).then(|| Report {
        job: report.job,
        outcome: Outcome::Proposed,
        ..last.clone()
    })
}

/// The branch, the pull request when the change is fit for one, and the check run, in the order in
/// which they must exist.
fn publication(
    task: &Task,
    report: &Report,
    ended: &Ended<'_>,
    policy: &Policy,
    links: &Links,
) -> Vec<Addressed> {
    let (Some((commit, _)), Some(briefed)) = (&report.commit, &ended.progress.briefed) else {
        // Whoever came out best left nothing; the others may have.
        return rivals(report, task.id.thread).collect();
    };
    let thread = task.id.thread;
    let branch = if task.home.takes_partial() || task.state == State::Publishing {
        Effect::Branch {
            branch: task.branch.clone(),
            to: commit.clone(),
            from: briefed.on_branch.then(|| briefed.base.clone()),
            home: task.home,
        }
    } else {
        beside(task, ended.job, commit)
    };
    let mut effects = vec![(EffectKey::branch(ended.job), thread, branch)];
    if task.state == State::Publishing && task.pull.is_none() {
        let request = &ended.work.request;
        let pull = Effect::Pull {
            head: task.branch.clone(),
            base: task.repo.default_branch.clone(),
            title: pull::title(request, report),
            body: pull::body(task, (request, &ended.steered()), report, links),
            draft: policy.draft,
            commit: commit.clone(),
        };
        effects.push((EffectKey::pull(task.id), thread, pull));
    }
    let (conclusion, title, summary) = pull::check(task, report, links);
    let check = Effect::Check {
        commit: commit.clone(),
        conclusion,
        title,
        summary,
        annotations: marks(
            ended.progress.evidence.as_deref().unwrap_or_default(),
            ended.progress.harvested.as_ref(),
        ),
        buttons: buttons(task, commit),
    };
    effects.push((EffectKey::check(ended.job), thread, check));
    effects.extend(rivals(report, thread));
    effects
}

/// Returns the buttons of the check run of a commit: what can be asked of the task once that is the head
/// of its branch.
fn buttons(task: &Task, commit: &CommitSha) -> Vec<Button> {
    let follow_up = task.follow_up.as_ref();
    let is_follow_up = follow_up.is_some_and(|one| one.commit == *commit);
    let undo = is_follow_up.then_some(Button::Undo);
    std::iter::once(Button::Retry).chain(undo).collect()
}

/// The branch of ours that keeps a commit which a person's branch does not get.
#[must_use]
pub fn beside(task: &Task, job: JobId, commit: &CommitSha) -> Effect {
    Effect::Branch {
        branch: task.beside(job),
        to: commit.clone(),
        from: None,
        home: Home::Own,
    }
}

/// The branches on which the others of a race can be looked at. Nobody waits for them.
fn rivals(report: &Report, thread: ThreadKey) -> impl Iterator<Item = Addressed> {
    let job = report.job;
    report.rivals.iter().filter_map(move |rival| {
        let (branch, commit) = rival.branch.clone()?;
        let effect = Effect::Branch {
            branch,
            to: commit,
            from: None,
            home: Home::Own,
        };
        Some((EffectKey::rival(job, &rival.agent), thread, effect))
    })
}
