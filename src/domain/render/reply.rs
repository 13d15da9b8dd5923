//! The answer to a comment of a review: what was done about it, and apart from that what the agent
//! says.

use std::fmt::Write as _;

use crate::domain::render::parts::Links;
use crate::domain::render::status::status;
use crate::domain::report::{Outcome, Report};
use crate::domain::review::{ReviewComment, Spot};
use crate::domain::sanitize::{neutral, said};
use crate::domain::task::{State, Task};

const SAID_CHARS: usize = 2_000;

/// Returns the answer to the comment of that number in the brief, by the report of the job that was to
/// heed it.
#[must_use]
pub fn reply(
    task: &Task,
    report: &Report,
    (number, comment): (usize, &ReviewComment),
    links: &Links,
) -> String {
    let mut out = observed(task, report, comment, links);
    if matches!(comment.spot, Spot::Outdated(..)) {
        out.push_str(" The lines that this is about had changed before.");
    }
    let said = report.claim.as_ref();
    let mut replies = said.into_iter().flat_map(|claim| &claim.replies);
    match replies.find(|(to, _)| *to == number) {
        Some((_, said)) => {
            let said = said::quote(said, SAID_CHARS);
            let _ = write!(out, "\n\nThe agent says (not verified):\n\n{said}");
        }
        None if report.run.is_some() => out.push_str(" The agent says nothing about this comment."),
        None => {}
    }
    out
}

/// Returns the answer to a request that was handed to the agent while it worked; `report` is that of
/// the job, once it has ended.
#[must_use]
pub fn handed(task: &Task, report: Option<&Report>, links: &Links) -> String {
    let stop = links.command("stop");
    match (&task.state, report) {
        (State::Queued, _) => format!(
            "**Queued** with what was asked before it: one agent does both. {stop} takes it back."
        ),
        (State::Running, _) => format!(
            "**Handed on**: the agent that works here has this now, with what was asked before it. {stop} ends both."
        ),
        (State::Publishing, _) => {
            "**Publishing**: the agent has ended, and what came of this is on its way.".to_owned()
        }
        (State::InReview, Some(report)) => {
            let commit = report.commit.as_ref();
            let commit = commit.map_or_else(
                || "The change".to_owned(),
                |(commit, _)| links.commit(&task.repo.name, commit),
            );
            let pull = task.pull.map_or_else(String::new, |number| {
                format!(" Pull request #{number} waits for a review.")
            });
            format!("{commit} is what came of this and of what was asked before it.{pull}")
        }
        (
            State::Blocked | State::Stopped | State::Merged | State::Closed | State::Answered,
            Some(report),
        ) => not_done(task, report, links),
        (
            State::InReview
            | State::Blocked
            | State::Stopped
            | State::Merged
            | State::Closed
            | State::Answered,
            None,
        ) => status(task, links),
    }
}

/// Says that nothing was published, why, and where it is.
fn not_done(task: &Task, report: &Report, links: &Links) -> String {
    let commit = report.commit.as_ref();
    let kept = commit.map_or_else(String::new, |(commit, _)| {
        let commit = links.commit(&task.repo.name, commit);
        format!(" What was changed is kept as {commit}.")
    });
    format!(
        "**Not done**: {}.{kept} {} tries again.",
        why(report),
        links.command("retry")
    )
}

fn observed(task: &Task, report: &Report, comment: &ReviewComment, links: &Links) -> String {
    let commit = report.commit.as_ref();
    let commit = commit.map(|(commit, _)| links.commit(&task.repo.name, commit));
    let shown = neutral::inline(&comment.path, 200);
    let verb = if report.touches(&comment.path) {
        "changes"
    } else {
        "does not touch"
    };
    if report.offer.is_some() && report.outcome == Outcome::Proposed {
        return format!(
            "I cannot push to the fork, so what came of this review is proposed on this pull request. It {verb} {shown}."
        );
    }
    match (&task.state, commit) {
        (State::InReview, Some(commit)) => {
            format!("{commit} is what came of this review. It {verb} {shown}.")
        }
        (
            State::InReview
            | State::Queued
            | State::Running
            | State::Publishing
            | State::Blocked
            | State::Stopped
            | State::Merged
            | State::Closed
            | State::Answered,
            _,
        ) => not_done(task, report, links),
    }
}

const fn why(report: &Report) -> &'static str {
    match report.outcome {
        Outcome::Proposed => "the change could not be published",
        Outcome::Answered => "words were asked for, and no change",
        Outcome::NothingChanged => "the agent changed nothing",
        Outcome::ChecksFailed => "not every check passes",
        Outcome::Refused => "the change holds what may not be published",
        Outcome::Secret => "the change says what looks like a secret",
        Outcome::Unresolved(_) => "conflicts with the base are left",
        Outcome::AgentFailed => "the agent failed",
        Outcome::SetupFailed(_) => "a setup command failed before the agent could start",
        Outcome::OutOfBudget(_) => "a budget was used up",
        Outcome::Stopped => "it was stopped",
        Outcome::Faulted(_) => "something stood in the way, which the pull request tells",
    }
}
