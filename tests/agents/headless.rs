//! Each agent, headless: one prompt, the next one of the same session, and models that refuse.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

use crate::cage::Cage;
use crate::known::{Exec, Known, RULES, words};
use crate::model::{Asked, Kind, Model, Script, Turn};
use crate::planted::{obeyed, plant};
use crate::record::{record, requests};
use crate::run::{Ended, run, run_until};

/// How long an agent may go on asking a model that refuses; two of them never end.
const PATIENCE: Duration = Duration::from_secs(20);

const FIRST: &str = "Write one into the file made.txt.";
const SECOND: &str = "Write two into it as well.";

/// An agent in a cage of its own, with a model.
struct Bed {
    name: &'static str,
    known: Known,
    cage: Cage,
    model: Model,
}

impl Bed {
    fn of(name: &'static str, script: Script) -> Self {
        let known = Known::read(name);
        let mut cage = Cage::new();
        known.settle(&mut cage);
        let mut model = Model::new(script);
        model.on_socket(&cage.socket());
        Self {
            name,
            known,
            cage,
            model,
        }
    }

    fn exec(&self) -> &Exec {
        self.known.exec.as_ref().unwrap()
    }

    fn made(&self) -> String {
        fs::read_to_string(self.cage.workspace().join("made.txt")).unwrap_or_default()
    }

    fn keep(&self, file: &str, ended: &Ended) {
        record(self.name, &format!("{file}.jsonl"), &ended.stdout);
        let code = ended
            .code
            .map_or_else(|| "none, it went on".to_owned(), |code| code.to_string());
        let rest = format!("exit: {code}\n{}", ended.stderr);
        record(self.name, &format!("{file}.stderr.txt"), &rest);
    }
}

/// Whether the last request for the work has a text.
fn heard(asked: &[Asked], text: &str) -> bool {
    let mut work = asked
        .iter()
        .rev()
        .filter(|one| matches!(one.kind, Kind::Work(_)));
    work.next()
        .is_some_and(|one| one.body.to_string().contains(text))
}

async fn works_and_goes_on(name: &'static str) {
    let bed = Bed::of(
        name,
        Script::of([
            Turn::shell("echo one >> made.txt"),
            Turn::say("I wrote one."),
        ]),
    );
    plant(&bed.cage.workspace());
    let command = words(&bed.exec().command, FIRST, "");
    let first = run(&bed.cage, &command, &bed.known.env()).await;
    bed.keep("run", &first);
    let asked = bed.model.asked();
    record(name, "asked.jsonl", &requests(&asked));
    assert_eq!(bed.made(), "one\n", "{first:?}\n{asked:#?}");
    assert!(heard(&asked, RULES), "no instructions in {asked:#?}");

    bed.model.goes_on(Script::of([
        Turn::shell("echo two >> made.txt"),
        Turn::say("I wrote two."),
    ]));
    let session = first.session(bed.exec().session.as_deref());
    let command = words(&bed.exec().resume, SECOND, &session);
    let second = run(&bed.cage, &command, &bed.known.env()).await;
    bed.keep("resume", &second);
    assert_eq!(bed.made(), "one\ntwo\n", "{second:?}");
    let asked = bed.model.asked();
    assert_eq!(obeyed(&bed.cage.workspace()), Vec::<String>::new());
    let mut wires = asked.iter().filter_map(|one| one.wire);
    assert!(wires.all(|wire| wire == bed.known.wire), "{asked:#?}");
    assert!(heard(&asked, FIRST), "it has forgotten: {asked:#?}");
    assert!(heard(&asked, RULES), "no instructions in {asked:#?}");
}

async fn refused(name: &'static str, turn: Turn, file: &str) {
    let bed = Bed::of(name, Script::of([turn]));
    let command = words(&bed.exec().command, FIRST, "");
    let enough = async {
        bed.model.begun().await;
        sleep(PATIENCE).await;
    };
    let ended = run_until(&bed.cage, &command, &bed.known.env(), enough).await;
    bed.keep(file, &ended);
    let asked = bed.model.asked();
    assert!(
        asked.iter().any(|one| matches!(one.kind, Kind::Work(_))),
        "{ended:?}"
    );
    assert_eq!(bed.made(), "");
}

macro_rules! agents {
    ($($module:ident = $name:literal;)*) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn changes_a_file_and_goes_on() {
                works_and_goes_on($name).await;
            }

            #[tokio::test]
            async fn has_a_wrong_key() {
                refused($name, Turn::fail(401), "key").await;
            }

            #[tokio::test]
            async fn is_limited() {
                refused($name, Turn::limited(1), "limit").await;
            }

            #[tokio::test]
            async fn has_a_broken_model() {
                refused($name, Turn::fail(500), "broken").await;
            }
        }
    )*};
}

agents! {
    goose = "goose";
    claude = "claude-code";
    codex = "codex";
    opencode = "opencode";
    gemini = "gemini";
}
