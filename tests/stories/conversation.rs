//! The table of `docs/conversation.md`, walked: each event in each state, decided, and compared with
//! what its cell says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use prova::domain::effect::{Effect, EffectKey};
use prova::domain::task::State;
use prova::domain::trigger::Ended;

use crate::machine::{Asks, Happens, Sees, Way, World};

const PAGE: &str = include_str!("../../docs/conversation.md");

/// A column: its heading, and how a thread comes to that state.
type Column = (&'static str, fn(World) -> World);

const STATES: [Column; 10] = [
    ("no task", |world| world),
    ("queued", |world| came(world, &[LABEL])),
    ("running", |world| came(world, &[LABEL, Happens::Starts])),
    ("publishing", |world| {
        came(world, &[LABEL, Happens::Starts, DONE])
    }),
    ("in review", in_review),
    ("followed up", followed_up),
    ("planned", |world| {
        settled(world, &[PLAN, Happens::Starts, DONE])
    }),
    ("blocked", |world| {
        settled(world, &[LABEL, Happens::Starts, FAILED])
    }),
    ("stopped", |world| settled(world, &[LABEL, STOP])),
    ("over", over),
];

const LABEL: Happens = Happens::Asks(Asks::Label, false);
const PLAN: Happens = Happens::Asks(Asks::Plan, false);
const STOP: Happens = Happens::Asks(Asks::Stop, false);
const DONE: Happens = Happens::Ends { changed: true };
const FAILED: Happens = Happens::Ends { changed: false };

/// The row of the pull request that a person opened.
const THEIRS: (&str, Happens) = (
    "`rebase` on the pull request of a person",
    Happens::Asks(Asks::Rebase, true),
);

/// A row: how it is called, and what happens.
const EVENTS: [(&str, Happens); 22] = [
    ("label or assignment", LABEL),
    ("it is taken away", Happens::Asks(Asks::Unlabel, false)),
    (
        "`@prova …` on the issue",
        Happens::Asks(Asks::Request, false),
    ),
    (
        "`@prova …` on the pull request",
        Happens::Asks(Asks::Request, true),
    ),
    (
        "a review that requests changes",
        Happens::Asks(Asks::Review, true),
    ),
    ("`ask`", Happens::Asks(Asks::Question, true)),
    ("`plan`", Happens::Asks(Asks::Plan, true)),
    ("`approve`", Happens::Asks(Asks::Approve, true)),
    ("`retry`", Happens::Asks(Asks::Retry, true)),
    ("`stop`", STOP),
    ("`undo`", Happens::Asks(Asks::Undo, true)),
    (
        "`Re-run` or `Try again` of the check run",
        Happens::Asks(Asks::Rerun, true),
    ),
    ("`Undo` of the check run", Happens::Asks(Asks::Unmake, true)),
    ("`rebase`", Happens::Asks(Asks::Rebase, true)),
    ("a bot that policy lists", Happens::Reports { review: true }),
    ("checks of others fail", Happens::Fails(0, false)),
    ("the base moves, and merges", Happens::Looks(Sees::Behind)),
    (
        "the base moves, and conflicts",
        Happens::Looks(Sees::Conflict),
    ),
    ("the branch is gone", Happens::Looks(Sees::Nothing)),
    ("merged", Happens::Closes(Ended::Merged)),
    ("closed", Happens::Closes(Ended::Closed)),
    (
        "deleted, moved, or access lost",
        Happens::Closes(Ended::Gone),
    ),
];

fn came(mut world: World, script: &[Happens]) -> World {
    for what in script {
        world.happen(*what).unwrap();
    }
    world
}

/// The same, with all that there is to say said.
fn settled(world: World, script: &[Happens]) -> World {
    let mut world = came(world, script);
    while !world.unsent.is_empty() {
        world.happen(Happens::Sends(Way::Sent)).unwrap();
    }
    world
}

fn in_review(world: World) -> World {
    settled(world, &[LABEL, Happens::Starts, DONE])
}

fn followed_up(world: World) -> World {
    let mut world = in_review(world);
    let script = [Happens::Asks(Asks::Request, true), Happens::Starts, DONE];
    for what in script {
        world.happen(what).unwrap();
    }
    while !world.unsent.is_empty() {
        world.happen(Happens::Sends(Way::Sent)).unwrap();
    }
    world
}

fn over(world: World) -> World {
    let mut world = in_review(world);
    world.happen(Happens::Closes(Ended::Merged)).unwrap();
    world
}

/// Says what an event has changed, by what a person can see of it.
fn outcome(mut world: World, event: Happens) -> &'static str {
    let before = world.tasks.last().cloned();
    let job = world.live.as_ref().map(|live| live.id);
    let recorded: BTreeSet<EffectKey> = world.recorded.keys().cloned().collect();
    world.happen(event).unwrap();
    world.judge().unwrap();
    let after = world.tasks.last();
    let live = world.live.as_ref();
    if live.map(|live| live.id) != job && live.is_some() {
        let reads = live.is_some_and(|live| live.work.request.wanted.is_words());
        return if reads {
            "an agent reads"
        } else {
            "a job begins"
        };
    }
    let Some(after) = after else {
        return said(&world, &recorded);
    };
    if before.as_ref() == Some(after) {
        return said(&world, &recorded);
    }
    if after.footing.asked.is_some() {
        return "compared";
    }
    let waited = before.as_ref().map_or(0, |task| task.waiting.len());
    if after.waiting.len() > waited {
        return "waits its turn";
    }
    if before.as_ref().map(|task| &task.state) == Some(&after.state) {
        return said(&world, &recorded);
    }
    match after.state {
        State::Stopped => "stops",
        State::Publishing => "a commit",
        State::Merged => "ends, merged",
        State::Closed => "ends, closed",
        State::Queued | State::Running | State::InReview | State::Blocked | State::Answered => {
            "moves"
        }
    }
}

/// Says what was said, when nothing else was done.
fn said(world: &World, recorded: &BTreeSet<EffectKey>) -> &'static str {
    let new = world
        .recorded
        .iter()
        .filter(|(key, _)| !recorded.contains(key));
    let words = new.filter(|(_, (_, effect))| {
        matches!(effect, Effect::Comment { .. } | Effect::ReviewReply { .. })
    });
    let words: Vec<_> = words.map(|(key, _)| key.as_str()).collect();
    if words.iter().any(|key| key.starts_with("reply/")) {
        "told why not"
    } else if words.iter().any(|key| key.contains("question")) {
        "a person is asked"
    } else if words.is_empty() {
        "–"
    } else {
        "said"
    }
}

fn table() -> String {
    let mut out = String::from("| |");
    for (state, _) in STATES {
        let _ = write!(out, " {state} |");
    }
    out.push_str("\n| --- |");
    out.push_str(&" --- |".repeat(STATES.len()));
    for (event, happens) in EVENTS {
        out.push_str(&row((event, happens), World::new));
        if event == "`rebase`" {
            out.push_str(&row(THEIRS, World::of_person));
        }
    }
    out
}

fn row((event, happens): (&str, Happens), begin: fn() -> World) -> String {
    let mut out = format!("\n| {event} |");
    for (_, state) in STATES {
        let _ = write!(out, " {} |", outcome(state(begin()), happens));
    }
    out
}

#[test]
fn each_event_in_each_state_does_what_the_table_says() {
    let table = table();
    let shown: Vec<_> = PAGE.lines().filter(|line| line.starts_with("| ")).collect();
    let shown = shown.join("\n");
    assert!(shown.contains(&table), "the table is now:\n\n{table}\n");
}
