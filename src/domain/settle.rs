//! What the end of an effect changes for its task: states follow what was observed on GitHub.

use crate::domain::assessment::Assessment;
use crate::domain::conclude;
use crate::domain::decide::Decision;
use crate::domain::decide::next::begin_next;
use crate::domain::decide::replies::replies_of;
use crate::domain::decide::statuses::{answers_of, status_of};
use crate::domain::effect::{Effect, EffectKey, Sent};
use crate::domain::footing::Stand;
use crate::domain::ids::{CommitSha, JobId, ThreadKey, TreeSha};
use crate::domain::rebase::{self, not_updated, updated};
use crate::domain::render::assessment::unposted;
use crate::domain::render::parts::Links;
use crate::domain::render::status::{not_undone, overtaken};
use crate::domain::report::{Outcome, Report};
use crate::domain::task::{State, Step, Task, transition};
use crate::domain::undo::{not_taken_back, taken_back};

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is on GitHub.
    Sent(Sent),
    /// It was given up, because commits that were not seen before are in its way.
    Overtaken,
    /// It was given up: why, as Markdown.
    Parked(String),
}

/// Decides what the end of an effect changes for its task.
#[must_use]
pub fn settle(task: &Task, effect: &Effect, ending: &Ending, links: &Links) -> Decision {
    if let Effect::Review { assessment } = effect {
        return reviewed(task, assessment, ending);
    }
    if task.state.is_over() {
        return Decision::default();
    }
    match (effect, ending) {
        // What is beside the task's own branch is only there to be looked at.
        (Effect::Branch { branch, .. }, _) if *branch != task.branch => Decision::default(),
        (Effect::Branch { to, .. }, Ending::Sent(_)) => moved(task, to, links),
        (Effect::Undo { .. }, Ending::Sent(Sent::Branch(with))) => Decision {
            compare: is_compared(task),
            ..told(
                taken_back(task, with),
                links,
                "the last follow-up is taken back",
            )
        },
        (Effect::Undo { .. }, Ending::Sent(_)) => Decision::default(),
        (Effect::Undo { commit, .. }, Ending::Overtaken | Ending::Parked(_)) => {
            let why = match ending {
                Ending::Parked(why) => why.clone(),
                Ending::Overtaken | Ending::Sent(_) => not_undone(task, commit, links),
            };
            let task = not_taken_back(task, why);
            told(task, links, "the last follow-up stays")
        }
        (Effect::Update { .. }, Ending::Sent(Sent::Branch(with))) => updated(task, with, links),
        (Effect::Update { .. }, Ending::Sent(_)) => Decision::default(),
        (Effect::Update { .. }, Ending::Overtaken) => rebase::overtaken(task, links),
        (Effect::Update { .. }, Ending::Parked(why)) => not_updated(task, why.clone(), links),
        (Effect::Pull { .. }, Ending::Sent(Sent::Pull(number))) => {
            let mut task = Task {
                pull: Some(*number),
                ..task.clone()
            };
            advance(&mut task, Step::Seen);
            Decision {
                compare: is_compared(&task),
                ..told(task, links, "the pull request is open")
            }
        }
        // An earlier job's: the next one is under way, and finds on GitHub what there is.
        (Effect::Branch { .. } | Effect::Pull { .. }, Ending::Overtaken | Ending::Parked(_))
            if matches!(task.state, State::Queued | State::Running) =>
        {
            Decision::default()
        }
        (Effect::Branch { .. } | Effect::Pull { .. }, Ending::Overtaken | Ending::Parked(_)) => {
            let why = match ending {
                Ending::Parked(why) => why.clone(),
                Ending::Overtaken | Ending::Sent(_) => overtaken(task, links),
            };
            given_up(task, effect, why, links)
        }
        (Effect::ReviewReply { to, .. }, Ending::Parked(why)) => Decision {
            reasons: vec![format!("review comment {to} has no answer: {why}")],
            ..Decision::default()
        },
        (Effect::Resolve { .. }, Ending::Parked(why)) => Decision {
            reasons: vec![format!("conversations are not resolved: {why}")],
            ..Decision::default()
        },
        (
            Effect::React { .. }
            | Effect::Comment { .. }
            | Effect::ReviewReply { .. }
            | Effect::Resolve { .. }
            | Effect::Check { .. }
            | Effect::Conclude { .. }
            | Effect::Delete { .. }
            | Effect::Review { .. }
            | Effect::Rerun { .. }
            | Effect::Pull { .. },
            _,
        ) => Decision::default(),
    }
}

/// Decides what it changes that the branch or the pull request of a change was given up.
fn given_up(task: &Task, effect: &Effect, why: String, links: &Links) -> Decision {
    let mut task = task.clone();
    advance(&mut task, Step::Block);
    let mut beside = None;
    let commit = if let Effect::Branch { to, .. } = effect {
        // Without its branch nobody can reach the commit, so it is not offered.
        let kept = kept(&task, to);
        beside = kept.as_ref().map(|(job, (commit, _))| {
            let effect = conclude::beside(&task, *job, commit);
            (EffectKey::kept(*job), task.id.thread, effect)
        });
        kept.map(|(_, commit)| commit)
    } else {
        task.last.as_ref().and_then(|last| last.commit.clone())
    };
    task.last = task.last.map(|last| Report {
        outcome: Outcome::Faulted(why),
        commit,
        ..last
    });
    let mut decision = Decision {
        withdraw: true,
        ..answered(task, links, "publishing was given up")
    };
    decision.effects.extend(beside);
    decision
}

/// Returns the commit that a person's branch did not get, of which job, when that is what the branch was
/// to point at; a branch of ours keeps it. What went to one of ours is where whoever asks again begins.
fn kept(task: &Task, to: &CommitSha) -> Option<(JobId, (CommitSha, TreeSha))> {
    let last = task.last.as_ref().filter(|_| !task.home.takes_partial())?;
    let commit = last.commit.clone().filter(|(commit, _)| commit == to)?;
    Some((last.job, commit))
}

/// Says in a comment what could not be said in a review, also when the task has ended with it.
fn reviewed(task: &Task, assessment: &Assessment, ending: &Ending) -> Decision {
    let why = match ending {
        Ending::Sent(_) => return Decision::default(),
        Ending::Overtaken => "GitHub does not take it as one.",
        Ending::Parked(why) => why,
    };
    let thread = ThreadKey {
        number: task.pull.unwrap_or(task.id.thread.number),
        ..task.id.thread
    };
    let key = EffectKey::unposted(task.id, &assessment.commit);
    let body = unposted(assessment, why);
    Decision {
        effects: vec![(key, thread, Effect::Comment { body })],
        reasons: vec![format!(
            "task {}: the review could not be posted: {why}",
            task.id
        )],
        ..Decision::default()
    }
}

/// Returns whether a branch that has moved is to be compared with its base: where somebody has looked at
/// it, the base has moved since it began.
const fn is_compared(task: &Task) -> bool {
    task.footing.onto.is_some()
}

/// Decides what it changes that the branch of a task is at that commit.
fn moved(task: &Task, to: &CommitSha, links: &Links) -> Decision {
    let mut task = Task {
        head: Some(to.clone()),
        ..task.clone()
    };
    if task.work.resolve.is_some() {
        // The conflicts that were told are resolved in it.
        task.footing.stand = Stand::Unknown;
        task.footing.compared = None;
    }
    let seen = task.pull.is_some() && task.state == State::Publishing;
    let compare = is_compared(&task);
    if !seen {
        return Decision {
            task: Some(task),
            compare,
            ..Decision::default()
        };
    }
    advance(&mut task, Step::Seen);
    Decision {
        compare,
        ..answered(task, links, "commits are on the pull request")
    }
}

fn advance(task: &mut Task, step: Step) {
    // Publishing may end after a person has stopped the task; then what was done is only noted.
    if let Ok(state) = transition(&task.state, step) {
        task.state = state;
    }
}

/// Says how it stands, and to each comment of a review what became of it.
fn answered(task: Task, links: &Links, reason: &str) -> Decision {
    let replies = replies_of(&task, links);
    let mut decision = told(task, links, reason);
    decision.effects.extend(replies);
    decision
}

fn told(task: Task, links: &Links, reason: &str) -> Decision {
    let mut effects = vec![status_of(&task, links)];
    effects.extend(answers_of(&task, links));
    let decision = Decision {
        reasons: vec![format!("task {}: {reason}", task.id)],
        task: Some(task),
        effects,
        ..Decision::default()
    };
    begin_next(decision, links)
}
