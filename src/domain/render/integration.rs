//! What people are told of the checks of others.

use std::fmt::Write as _;

use crate::domain::integration::{Check, Occasion, Seen};
use crate::domain::render::parts::Links;
use crate::domain::sanitize::neutral;
use crate::domain::task::Task;

/// How many checks a text names before it only counts.
const NAMED: usize = 10;

/// Names a check for people.
#[must_use]
pub fn named(check: &Check) -> String {
    let name = neutral::inline(&check.name, 100);
    format!("{name} of {}", neutral::inline(&check.app, 60))
}

/// Names checks for people.
#[must_use]
pub fn names(checks: &[Check]) -> String {
    listed(checks.iter().map(named), checks.len())
}

fn listed(names: impl Iterator<Item = String>, all: usize) -> String {
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if all > NAMED {
        let _ = write!(text, " and {} more", all - NAMED);
    }
    text
}

/// Says what a job is for that nobody asked for.
#[must_use]
pub fn occasion(occasion: &Occasion) -> String {
    format!(
        "to mend what continuous integration found (round {} of {}): {}",
        occasion.round,
        occasion.rounds,
        names(&occasion.checks)
    )
}

/// Says how the checks of others stand; empty when there is nothing to be said.
#[must_use]
pub fn seen(task: &Task, seen: &Seen, links: &Links) -> String {
    let commit = links.commit(&task.repo.name, &seen.commit);
    let mut out = String::new();
    if !seen.asked.is_empty() {
        let _ = write!(
            out,
            "\nContinuous integration fails on {commit}, and a person has to look at it: {}.\n",
            tried(&seen.asked)
        );
    }
    if !seen.again.is_empty() {
        let _ = write!(
            out,
            "\nContinuous integration fails on {commit}, and runs once more: {}.\n",
            names(&seen.again)
        );
    }
    if !seen.on_base.is_empty() {
        let base = neutral::inline(&task.repo.default_branch, 100);
        let _ = write!(
            out,
            "\nFails on {base} too, so I leave it alone: {}.\n",
            names(&seen.on_base)
        );
    }
    if !seen.flaky.is_empty() {
        let _ = write!(
            out,
            "\nFlaky: failed on {commit}, and passed when it ran once more on the same commit: {}.\n",
            names(&seen.flaky)
        );
    }
    out
}

/// Says that bots have had their rounds; empty while they have not.
#[must_use]
pub fn bots(task: &Task) -> String {
    let bots = &task.mending.bots;
    let Some(held) = &bots.held else {
        return String::new();
    };
    let times = match bots.rounds {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    format!(
        "\n{} has more to say, but I have worked {times} for bots since a person last asked for something, and policy lets me do no more. I go on when a person asks.\n",
        neutral::inline(held.as_str(), 60)
    )
}

/// Asks a person about checks that fail.
#[must_use]
pub fn question(task: &Task, seen: &Seen, links: &Links) -> String {
    let request = &task.work.request;
    // A bot is not called: it may answer.
    let whom = if request.is_of_bot() {
        "Continuous".to_owned()
    } else {
        format!("@{}, continuous", request.by.login)
    };
    format!(
        "{whom} integration fails on {}, and somebody has to look at it: {}. {} has me try once more, {} says how.",
        links.commit(&task.repo.name, &seen.commit),
        tried(&seen.asked),
        links.command("retry"),
        links.command("…"),
    )
}

fn tried(asked: &[(Check, u32)]) -> String {
    let each = asked.iter().map(|(check, jobs)| {
        let jobs = match jobs {
            0 => "I did not try to mend it".to_owned(),
            1 => "I tried to mend it once".to_owned(),
            jobs => format!("I tried to mend it {jobs} times"),
        };
        format!("{} ({jobs})", named(check))
    });
    listed(each, asked.len())
}
