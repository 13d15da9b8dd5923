//! Agents that are handed a second request when their first turn has ended: by the port that the
//! server hands it on by, in the session that runs.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use prova::domain::evidence::Ending;
use prova::ports::agent::Steering;
use tokio_util::sync::CancellationToken;

use crate::case::Case;
use crate::house::{House, Ran, Told};
use crate::model::{Kind, Script, Turn};
use crate::outcome::Subject;
use crate::through::{FIRST, SECOND, is_running, stop_at};

/// What is said when the first is done.
const DONE: &str = "I wrote one.";

/// A line with one request in it, and a model that knows what to say to it.
struct Line<'a> {
    house: &'a House,
    waiting: Mutex<Option<Script>>,
    /// What the file had in it each time that the agent was to get what waits.
    found: Mutex<Vec<String>>,
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Steering for Line<'_> {
    async fn next(&self) -> Option<String> {
        self.found.lock().unwrap().push(self.house.made());
        let script = self.waiting.lock().unwrap().take()?;
        // What was asked until now was asked for the first.
        drop(self.house.model.asked());
        self.house.model.goes_on(script);
        Some(SECOND.to_owned())
    }
}

impl Line<'_> {
    fn found(&self) -> Vec<String> {
        self.found.lock().unwrap().clone()
    }

    /// Runs the agent, until `cancel`.
    async fn run(&self, cancel: &CancellationToken) -> Ran {
        let told = Told {
            brief: FIRST,
            resume: None,
            steering: Some(self),
        };
        self.house.run_within(told, "100", cancel).await
    }
}

/// An agent that makes a change, and is to be handed more then.
async fn house(subject: Subject) -> House {
    let script = [Turn::shell("echo one >> made.txt"), subject.ends(DONE)];
    House::with(subject, subject.script(script)).await
}

const fn line(house: &House, second: Script) -> Line<'_> {
    Line {
        house,
        waiting: Mutex::new(Some(second)),
        found: Mutex::new(Vec::new()),
    }
}

async fn does_both(subject: Subject) {
    let _trial = subject.tries_part(Case::Steered, "does");
    let house = house(subject).await;
    let second = [
        Turn::shell("echo two >> made.txt"),
        subject.ends("I wrote two."),
    ];
    let line = line(&house, subject.script(second));
    let ran = line.run(&CancellationToken::new()).await;
    // Asked once more when that was done as well.
    assert_eq!(line.found(), ["one\n", "one\ntwo\n"], "{}", ran.told());
    assert_eq!(house.made(), "one\ntwo\n");
    assert!(!ran.failed(), "{}", ran.told());
    assert!(ran.heard.finished, "{}", ran.told());
    assert_eq!(ran.heard.message.trim(), "I wrote two.");
    let asked = house.model.asked();
    let handed = asked.iter().find(|one| one.kind == Kind::Work(0)).unwrap();
    let conversation = handed.body.to_string();
    for text in [FIRST, "echo one", DONE, SECOND] {
        assert!(conversation.contains(text), "{text}: {conversation}");
    }
}

async fn is_stopped(subject: Subject) {
    let _trial = subject.tries_part(Case::Steered, "stops");
    let house = house(subject).await;
    let nap = format!("86399.{:09}", std::process::id());
    let second = format!("echo two >> made.txt; exec sleep {nap}");
    let line = line(&house, subject.script([Turn::shell(&second)]));
    let cancel = CancellationToken::new();
    let stop = stop_at(&house, "one\ntwo\n", &cancel);
    let (ran, stopped) = tokio::join!(line.run(&cancel), stop);
    assert_eq!(ran.run.outcome.ending, Ending::Cancelled);
    assert!(stopped.elapsed() < Duration::from_secs(2));
    assert!(!is_running(&nap), "its command goes on without it");
    assert_eq!(line.found(), ["one\n"], "it was to get more when stopped");
    assert_eq!(house.made(), "one\ntwo\n");
}

/// The model answered at first, so that only what comes of the second turn can tell.
async fn fails_at_it(subject: Subject) {
    let _trial = subject.tries_part(Case::Steered, "fails");
    let house = house(subject).await;
    let line = line(&house, subject.script([Turn::fail(401)]));
    let ran = line.run(&CancellationToken::new()).await;
    assert!(ran.failed(), "{}", ran.told());
    assert_ne!(ran.run.outcome.ending, Ending::TimedOut, "{}", ran.told());
    assert_eq!(line.found(), ["one\n"], "{}", ran.told());
    let asked = house.model.asked();
    let work = |kind| matches!(kind, Kind::Work(_));
    assert!(asked.iter().any(|one| work(one.kind)), "{}", ran.told());
    assert_eq!(house.made(), "one\n");
}

macro_rules! every_agent {
    ($($module:ident = $preset:literal;)*) => {$(
        mod $module {
            use super::*;

            const SUBJECT: Subject = Subject::acp($preset);

            #[tokio::test]
            async fn does_what_it_is_handed_in_its_session() {
                does_both(SUBJECT).await;
            }

            #[tokio::test]
            async fn stops_while_it_does_what_it_was_handed() {
                is_stopped(SUBJECT).await;
            }

            #[tokio::test]
            async fn that_fails_at_what_it_was_handed_has_failed() {
                fails_at_it(SUBJECT).await;
            }
        }
    )*};
}

every_agent! {
    goose = "goose";
    claude = "claude-code";
    codex = "codex";
    opencode = "opencode";
    gemini = "gemini-cli";
}
