//! What follows when the branch of a task was compared with its base.
//!
//! "Rebase" is the word that people use; what is done is a merge, since nothing is ever forced.

use crate::domain::decide::Decision;
use crate::domain::decide::next::{begin_next, queued};
use crate::domain::decide::statuses::{answers_of, status_of};
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::footing::{Came, Footing, Merge, Pair, Stand, Update};
use crate::domain::ids::{CommitSha, ThreadKey, TreeSha};
use crate::domain::job::{Performer, Performers, Wanted, Work};
use crate::domain::policy::{BranchPolicy, OnConflict, WhenBehind};
use crate::domain::render::parts::Links;
use crate::domain::render::{commit, footing as words};
use crate::domain::task::{State, Step, Task, transition};

/// An effect with its name and the thread that it belongs to.
type Addressed = (EffectKey, ThreadKey, Effect);

/// What a look at a task's branch and its base has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no branch of the task to compare.
    NoBranch,
    /// There is no base of that name.
    NoBase,
    /// The two were merged, in memory.
    Merged(Pair, Merge),
    /// They are those that were merged last.
    Same,
}

/// Decides what a look at the branch of a task and at the base `onto` changes. Where a job is under way,
/// what was found is kept and shown, and nothing else is done until it has ended.
#[must_use]
pub fn found(
    task: &Task,
    onto: &str,
    found: &Found,
    policy: &BranchPolicy,
    links: &Links,
) -> Decision {
    let now = Task {
        footing: looked(&task.footing, onto, found),
        ..task.clone()
    };
    if task.state.is_over() {
        return Decision::default();
    }
    if task.state.is_busy() {
        return shown(task, now, links);
    }
    let asked = now.footing.asked.is_some();
    // What nobody asked for is done on branches of ours alone.
    let in_review = task.state == State::InReview && task.home.is_looked_after();
    match (&now.footing.stand, now.footing.compared.clone()) {
        (Stand::Behind { tree }, Some(pair))
            if asked || in_review && policy.update == WhenBehind::Clean =>
        {
            if !asked && was_tried(&now, &pair) {
                return shown(task, now, links);
            }
            let tree = tree.clone();
            update(now, pair, tree, links)
        }
        (Stand::Conflicting(_), Some(_))
            if asked || in_review && policy.conflict == OnConflict::Resolve =>
        {
            resolve(now, onto, links)
        }
        (
            Stand::Unknown
            | Stand::UpToDate
            | Stand::Behind { .. }
            | Stand::Conflicting(_)
            | Stand::BaseGone,
            _,
        ) => answered(task, now, links),
    }
}

/// Returns the footing as it is after the look.
fn looked(before: &Footing, onto: &str, found: &Found) -> Footing {
    let (compared, stand) = match found {
        Found::NoBranch => (None, Stand::Unknown),
        Found::NoBase => (None, Stand::BaseGone),
        Found::Merged(pair, merge) => (Some(pair.clone()), Stand::of(merge)),
        Found::Same => (before.compared.clone(), before.stand.clone()),
    };
    Footing {
        onto: Some(onto.to_owned()),
        compared,
        stand,
        ..before.clone()
    }
}

/// Returns whether merging these two has failed before.
fn was_tried(task: &Task, pair: &Pair) -> bool {
    (task.footing.update.as_ref()).is_some_and(|update| update.pair == *pair)
}

/// Keeps what was found, and tells it where that shows.
fn shown(before: &Task, now: Task, links: &Links) -> Decision {
    if *before == now {
        return Decision::default();
    }
    let mut decision = Decision {
        reasons: vec![format!("task {}: {}", now.id, words::found(&now))],
        ..Decision::default()
    };
    if words::line(before, links) != words::line(&now, links) {
        decision.effects.push(status_of(&now, links));
        decision.effects.extend(answers_of(&now, links));
    }
    decision.task = Some(now);
    decision
}

/// As [`shown`], with an answer to whoever asked: there is nothing to do. A task that has begun with that
/// is over by it: nothing of ours is on that pull request, so nothing is told there that nobody asked for.
fn answered(before: &Task, mut now: Task, links: &Links) -> Decision {
    let answer = reply(&now, words::nothing(&now, links));
    now.footing.asked = None;
    let untouched = now.jobs == 0 && now.footing.updates == 0 && !now.home.is_own();
    if let (true, Ok(state)) = (untouched, transition(&now.state, Step::Answer)) {
        now.state = state;
    }
    let mut decision = shown(before, now, links);
    decision.effects.extend(answer);
    decision
}

/// Returns the answer to whoever asked, if somebody did.
fn reply(task: &Task, body: String) -> Option<Addressed> {
    let asked = task.footing.asked.as_ref()?;
    let key = EffectKey::rebase(asked.thread, asked.target);
    Some((key, asked.thread, Effect::Comment { body }))
}

/// Merges the base into the branch.
fn update(mut task: Task, pair: Pair, tree: TreeSha, links: &Links) -> Decision {
    let Ok(state) = transition(&task.state, Step::Update) else {
        return Decision::default();
    };
    let effect = Effect::Update {
        branch: task.branch.clone(),
        head: pair.head.clone(),
        base: pair.base.clone(),
        tree,
        message: commit::update(&task, &pair.base),
    };
    task.footing.updates += 1;
    task.footing.came_first |= task.jobs == 0;
    let key = EffectKey::update(task.id, task.footing.updates);
    let reason = format!("task {}: its base is to be merged into its branch", task.id);
    task.footing.update = Some(Update {
        pair,
        in_review: task.state == State::InReview,
        came: Came::OnItsWay,
    });
    task.state = state;
    let mut effects = vec![(key, task.id.thread, effect), status_of(&task, links)];
    effects.extend(answers_of(&task, links));
    Decision {
        task: Some(task),
        effects,
        reasons: vec![reason],
        ..Decision::default()
    }
}

/// Queues a job that resolves the conflicts.
fn resolve(mut task: Task, onto: &str, links: &Links) -> Decision {
    let answer = reply(&task, words::resolving(&task));
    let mut work = Work {
        // What was done by a recipe, or by several, is not what this takes.
        performers: Performers::One(Performer::DefaultAgent),
        resolve: Some(onto.to_owned()),
        ..task.work.clone()
    };
    (work.request.occasion, work.request.plan) = (None, None);
    (work.request.review, work.request.noted) = (None, None);
    if work.request.wanted.is_words() {
        // A question, or what was to be planned, says nothing about the change that is there.
        work.request.text.clear();
    } else {
        work.request.text = task.work.words();
    }
    work.request.wanted = Wanted::Change;
    work.steered.clear();
    if let Some(asked) = task.footing.asked.take() {
        work.request.by = asked.by;
    }
    let Ok((task, job)) = queued(&task, work.clone()) else {
        return Decision::default();
    };
    let mut effects = vec![status_of(&task, links)];
    effects.extend(answers_of(&task, links));
    effects.extend(answer);
    Decision {
        reasons: vec![format!("job {job} queued: conflicts with the base")],
        task: Some(task),
        job: Some((job, work)),
        effects,
        ..Decision::default()
    }
}

/// Returns what it changes that the base was merged into the branch by that commit.
#[must_use]
pub fn updated(task: &Task, with: &CommitSha, links: &Links) -> Decision {
    let mut task = back(task, Came::Made(with.clone()));
    task.head = Some(with.clone());
    if let Some(update) = &task.footing.update {
        task.footing.compared = Some(Pair {
            base: update.pair.base.clone(),
            head: with.clone(),
        });
        task.footing.stand = Stand::UpToDate;
    }
    let answer = reply(&task, words::made(&task, links));
    task.footing.asked = None;
    Decision {
        // The base may have moved on meanwhile.
        compare: true,
        ..told(task, answer, links)
    }
}

/// Returns what it changes that somebody's commits were in the way of a merge: it is looked at anew.
#[must_use]
pub fn overtaken(task: &Task, links: &Links) -> Decision {
    let mut task = back(task, Came::OnItsWay);
    task.footing.update = None;
    Decision {
        compare: true,
        ..told(task, None, links)
    }
}

/// Returns what it changes that the base cannot be merged into the branch: why, as Markdown.
#[must_use]
pub fn not_updated(task: &Task, why: String, links: &Links) -> Decision {
    let mut task = back(task, Came::Not(why));
    let answer = reply(&task, words::made(&task, links));
    task.footing.asked = None;
    told(task, answer, links)
}

/// Returns the task where it was before a merge that has ended.
fn back(task: &Task, came: Came) -> Task {
    let mut task = task.clone();
    let in_review = (task.footing.update.as_ref()).is_some_and(|update| update.in_review);
    let step = if in_review { Step::Seen } else { Step::Block };
    // What was stopped, or asked for something else, meanwhile goes its own way.
    if task.state == State::Publishing {
        task.state = transition(&task.state, step).unwrap_or(State::Blocked);
    }
    if let Some(update) = &mut task.footing.update {
        update.came = came;
    }
    task
}

fn told(task: Task, answer: Option<Addressed>, links: &Links) -> Decision {
    let mut effects = vec![status_of(&task, links)];
    effects.extend(answers_of(&task, links));
    effects.extend(answer);
    let decision = Decision {
        reasons: vec![format!("task {}: {}", task.id, words::found(&task))],
        task: Some(task),
        effects,
        ..Decision::default()
    };
    begin_next(decision, links)
}
