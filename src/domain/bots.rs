//! What bots that policy lists say of a pull request of ours: a request, as often as policy lets them
//! make one until a person speaks. Their words are a report, and never a command.

use crate::domain::decide::Decision;
use crate::domain::decide::next::queued;
use crate::domain::decide::statuses::{answers_of, seen, status_of};
use crate::domain::event::{Happening, Thread, ThreadEvent, ThreadKind};
use crate::domain::ids::Login;
use crate::domain::integration::{Bots, Mending};
use crate::domain::job::{Request, Wanted, Work};
use crate::domain::mend::{Around, performers};
use crate::domain::policy::BotsPolicy;
use crate::domain::render::parts::Links;
use crate::domain::review::{Review, Verdict};
use crate::domain::surroundings::Linked;
use crate::domain::task::{State, Task};

/// Whether a bot can be heard on a task, as far as the task tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ear {
    /// It can.
    Open,
    /// Not before the commit that it may speak of is published.
    Soon,
    /// It cannot, and why.
    Closed(&'static str),
}

/// Returns whether a bot can be heard on the task that is open on its thread.
#[must_use]
pub fn ear(task: &Task, event: &ThreadEvent) -> Ear {
    let ours = task.proposes(event.thread.number) && event.thread.kind == ThreadKind::Pull;
    if !ours {
        return Ear::Closed("a bot's doing, and no pull request of ours");
    }
    if task.undone.is_some() {
        return Ear::Closed("whoever has taken something back says what is next");
    }
    match task.state {
        State::InReview => Ear::Open,
        State::Publishing => Ear::Soon,
        State::Queued | State::Running => {
            Ear::Closed("a job is under way, and bots can look at what it comes to")
        }
        State::Blocked | State::Stopped | State::Merged | State::Closed | State::Answered => {
            Ear::Closed("nobody works on the task")
        }
    }
}

/// Returns whether policy lists a bot, in whatever case.
#[must_use]
pub fn listed(policy: &BotsPolicy, login: &Login) -> bool {
    let mut allowed = policy.allow.iter();
    allowed.any(|one| one.as_str().eq_ignore_ascii_case(login.as_str()))
}

/// Returns what a bot asks for, with the review when it was made by one; `None` when it says nothing, or
/// has nothing against the change.
#[must_use]
pub fn said(event: &ThreadEvent) -> Option<(String, Option<Review>)> {
    match &event.what {
        Happening::Commented(comment) => {
            let text = comment.body.trim();
            (!text.is_empty()).then(|| (text.to_owned(), None))
        }
        Happening::Reviewed(review) => {
            let text = review.body.trim();
            let asks = match review.verdict {
                Verdict::Approved => false,
                Verdict::ChangesRequested => true,
                Verdict::Commented => !text.is_empty() || !review.comments.is_empty(),
            };
            asks.then(|| (text.to_owned(), Some(review.clone())))
        }
        Happening::Opened
        | Happening::Pressed(_)
        | Happening::Labeled(_)
        | Happening::Assigned(_)
        | Happening::Unlabeled(_)
        | Happening::Unassigned(_)
        | Happening::Closed
        | Happening::Merged
        | Happening::Reopened
        | Happening::Gone => None,
    }
}

/// Decides what the words of a listed bot change, where the task can hear them.
///
/// # Errors
/// With why nothing changes.
pub fn heard(
    task: &Task,
    event: &ThreadEvent,
    linked: &[Linked],
    around: &Around<'_>,
) -> Result<Decision, &'static str> {
    let (text, review) = said(event).ok_or("a bot that asks for nothing")?;
    let (bots, most) = (&task.mending.bots, around.policy.bots.rounds);
    if bots.rounds >= most {
        return match bots.held {
            Some(_) => Err("bots have had their rounds, and people know"),
            None => Ok(held(task, &event.actor.login, around.links)),
        };
    }
    let work = Work {
        performers: performers(task, around).ok_or("nobody is there to do it")?,
        request: Request {
            by: event.actor.clone(),
            at: event.at,
            text,
            // It is ours, and who may push may have written in it.
            thread: Thread {
                insider: true,
                ..event.thread.clone()
            },
            remarks: Vec::new(),
            linked: linked.to_vec(),
            place: None,
            wanted: Wanted::Change,
            plan: None,
            occasion: None,
            sign: None,
            review,
            noted: None,
        },
        steered: Vec::new(),
        resolve: None,
    };
    let (mut next, job) = queued(task, work.clone()).map_err(|_| "a job is under way")?;
    let rounds = bots.rounds + 1;
    next.mending = Mending {
        seen: None,
        bots: Bots { rounds, held: None },
        ..task.mending.clone()
    };
    let by = &event.actor.login;
    let reasons = vec![format!(
        "job {job} queued: {by} has asked, round {rounds} of {most}"
    )];
    let mut effects = vec![seen(event), status_of(&next, around.links)];
    effects.extend(answers_of(&next, around.links));
    Ok(Decision {
        task: Some(next),
        job: Some((job, work)),
        effects,
        reasons,
        ..Decision::default()
    })
}

/// Says once that bots have had their rounds.
fn held(task: &Task, by: &Login, links: &Links) -> Decision {
    let reason = format!(
        "task {}: {by} is not heard, bots have had their rounds",
        task.id
    );
    let mut task = task.clone();
    task.mending.bots.held = Some(by.clone());
    Decision {
        effects: vec![status_of(&task, links)],
        reasons: vec![reason],
        task: Some(task),
        ..Decision::default()
    }
}
