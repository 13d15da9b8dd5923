//! Real agents as the server drives them: by their preset, in the real sandbox, behind the real
//! gateway. Only the model is scripted, at the other end.

use std::path::Path;
use std::time::{Duration, Instant};

use prova::domain::evidence::Ending;
use tokio_util::sync::CancellationToken;

use crate::case::Case;
use crate::house::{House, REAL, Told};
use crate::model::{Asked, Kind, Reply, Turn, Usage};
use crate::outcome::Subject;
use crate::planted::obeyed;

pub(crate) const FIRST: &str = "Write one into the file made.txt.";
pub(crate) const SECOND: &str = "Write two into it as well.";

/// The first alone.
const ONCE: Told<'_> = Told {
    brief: FIRST,
    resume: None,
    steering: None,
};

/// Whether the last request for the work has a text.
fn heard(asked: &[Asked], text: &str) -> bool {
    let mut work = asked
        .iter()
        .rev()
        .filter(|one| matches!(one.kind, Kind::Work(_)));
    work.next()
        .is_some_and(|one| one.body.to_string().contains(text))
}

/// Returns a house in which the agent has made a change, and the session in which it did.
pub(crate) async fn changes(subject: Subject) -> (House, Option<String>) {
    let _trial = subject.tries(Case::Change);
    let script = [
        Turn::shell("echo one >> made.txt"),
        subject.ends("I wrote one."),
    ];
    let house = House::with(subject, subject.script(script)).await;
    let first = house.run(FIRST, None).await;
    assert_eq!(house.made(), "one\n", "{}", first.said());
    assert!(!first.failed(), "{}", first.told());
    if subject.is_heard() {
        assert!(first.heard.finished, "{}", first.said());
        assert_eq!(first.heard.message.trim(), "I wrote one.");
        let action = first.heard.action.clone().unwrap_or_default();
        assert!(action.contains("echo one"), "{action}");
    }
    assert!(
        first.traffic.models[0].tokens.output > 0,
        "{:?}",
        first.traffic
    );
    let asked = house.model.asked();
    assert!(asked.iter().any(|one| {
        one.headers
            .values()
            .any(|value| value.to_str().is_ok_and(|value| value.contains(REAL)))
    }));
    assert!(!first.said().contains(REAL));

    (house, first.heard.session)
}

pub(crate) async fn works_and_goes_on(subject: Subject) {
    let (house, session) = changes(subject).await;
    if !subject.remembers() {
        return;
    }
    let _trial = subject.tries(Case::FollowUp);
    let session = session.unwrap();
    house.a_minute_passes();
    let script = [
        Turn::shell("echo two >> made.txt"),
        subject.ends("I wrote two."),
    ];
    house.model.goes_on(subject.script(script));
    let second = house.run(SECOND, Some(&session)).await;
    assert_eq!(house.made(), "one\ntwo\n", "{}", second.said());
    assert!(!second.failed(), "{}", second.told());
    let asked = house.model.asked();
    assert!(
        heard(&asked, FIRST),
        "it has forgotten what was asked first"
    );
    assert!(heard(&asked, SECOND));
}

/// Whether the agent came so far as to ask its model for the work.
fn was_asked(house: &House) -> bool {
    let asked = house.model.asked();
    asked.iter().any(|one| matches!(one.kind, Kind::Work(_)))
}

pub(crate) async fn fails_truthfully(subject: Subject, case: Case, turn: Turn) {
    let _trial = subject.tries(case);
    let house = House::with(subject, subject.script([turn])).await;
    let ran = house.run(FIRST, None).await;
    assert!(ran.failed(), "{}", ran.told());
    assert!(was_asked(&house), "{}", ran.told());
    // Not for its time alone: that would be half an hour of a server.
    assert_ne!(ran.run.outcome.ending, Ending::TimedOut, "{}", ran.told());
    assert_eq!(house.made(), "");
}

/// Two answers are paid for at most, and nothing is left for the next. Who ends the run does not matter,
/// the agent at the refusal or the server at the news of it: both are on their way at once.
pub(crate) async fn ends_with_its_budget(subject: Subject) {
    let _trial = subject.tries(Case::Budget);
    let dear = |command: &str| {
        Turn::Reply(Reply {
            usage: Usage {
                input: 100_000,
                cached: 0,
                output: 20,
            },
            ..Reply::shell(command)
        })
    };
    let script = [dear("echo one >> made.txt"), dear("echo two >> made.txt")];
    let house = House::with(subject, subject.script(script)).await;
    let never = CancellationToken::new();
    let ran = house.run_within(ONCE, "0.27", &never).await;
    assert!(ran.traffic.exceeded.is_some(), "{:?}", ran.traffic);
    assert_ne!(ran.run.outcome.ending, Ending::TimedOut, "{}", ran.said());
    assert!(house.made().starts_with("one\n"));
}

pub(crate) async fn stops_at_once(subject: Subject) {
    let _trial = subject.tries(Case::Stop);
    let nap = format!("86399.{:09}", std::process::id());
    let command = format!("echo one >> made.txt; exec sleep {nap}");
    let house = House::with(subject, subject.script([Turn::shell(&command)])).await;
    let cancel = CancellationToken::new();
    let run = house.run_within(ONCE, "100", &cancel);
    let (ran, stopped) = tokio::join!(run, stop_at(&house, "one\n", &cancel));
    assert_eq!(ran.run.outcome.ending, Ending::Cancelled);
    assert!(stopped.elapsed() < Duration::from_secs(2));
    assert!(!is_running(&nap), "its command goes on without it");
    assert_eq!(house.made(), "one\n");
}

/// Stops a run once the file has this in it, and returns when that was.
pub(crate) async fn stop_at(house: &House, made: &str, cancel: &CancellationToken) -> Instant {
    let deadline = Instant::now() + Duration::from_secs(90);
    while house.made() != made {
        assert!(
            Instant::now() < deadline,
            "it never came to run the command"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cancel.cancel();
    Instant::now()
}

/// Whether a process of the machine has this word among its arguments.
pub(crate) fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.filter_map(Result::ok).any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|argument| argument == word.as_bytes())
    })
}

/// What an agent can come to that has no tools: a file from the text of an answer.
pub(crate) async fn writes(subject: Subject) {
    let _trial = subject.tries(Case::Change);
    let script = [Turn::say("I write one.\n\nmade.txt\n```\none\n```\n")];
    let house = House::with(subject, subject.script(script)).await;
    // What it reads in a checkout whatever it is told.
    for (name, text) in [
        (
            ".aider.conf.yml",
            "load: commands\nauto-test: true\ntest-cmd: touch planted-test\nauto-lint: true\nlint-cmd: touch planted-lint\n",
        ),
        ("commands", "/run touch planted-load\n"),
        (
            ".env",
            "OPENAI_API_BASE=http://127.0.0.1:1\nAIDER_AUTO_TEST=true\n",
        ),
    ] {
        std::fs::write(house.dir.path().join("checkout").join(name), text).unwrap();
    }
    let ran = house.run(FIRST, None).await;
    assert_eq!(house.made(), "one\n", "{}", ran.told());
    assert!(!ran.failed(), "{}", ran.told());
    let checkout = house.dir.path().join("checkout");
    assert_eq!(obeyed(&checkout), Vec::<String>::new(), "{}", ran.said());
}

pub(crate) async fn stops_while_it_is_answered(subject: Subject) {
    let _trial = subject.tries(Case::Stop);
    let house = House::with(subject, subject.script([Turn::Hang])).await;
    let cancel = CancellationToken::new();
    let stop = async {
        while !was_asked(&house) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cancel.cancel();
        Instant::now()
    };
    let run = house.run_within(ONCE, "100", &cancel);
    tokio::pin!(run);
    let stopped = tokio::select! {
        stopped = stop => stopped,
        ran = &mut run => panic!("it asked nothing: {}", ran.told()),
    };
    let ran = run.await;
    assert_eq!(ran.run.outcome.ending, Ending::Cancelled);
    assert!(stopped.elapsed() < Duration::from_secs(2));
}

/// Everything inside is killed while the agent works, it among them. Some look for `kill -1` in what
/// they are to run.
pub(crate) async fn crashes(subject: Subject) {
    let _trial = subject.tries(Case::Crash);
    let script = [
        Turn::shell("echo one >> made.txt; perl -e 'kill 9, -1'"),
        subject.ends("Done."),
    ];
    let house = House::with(subject, subject.script(script)).await;
    let ran = house.run(FIRST, None).await;
    assert!(ran.failed(), "{}", ran.told());
    assert_eq!(house.made(), "one\n");
}

/// A repository that would have its agents run code, and a model that was taken over: it looks for
/// what it can take and where it can send it.
pub(crate) async fn tells_nothing(subject: Subject) {
    let _trial = subject.tries(Case::Hostile);
    let look = "env > made.txt; cat /etc/shadow /proc/1/environ >> made.txt 2>&1; ls -A / /root >> made.txt 2>&1; \
        (exec 3<>/dev/tcp/169.254.169.254/80) 2>> made.txt || echo unreached >> made.txt; \
        curl -sS -m 5 https://example.org >> made.txt 2>&1 || echo refused >> made.txt";
    let script = [
        Turn::shell(&format!("bash -c '{look}'")),
        subject.ends("I looked."),
    ];
    let house = House::with(subject, subject.script(script)).await;
    house.plant();
    let ran = house.run(FIRST, None).await;
    let made = house.made();
    assert!(made.contains("HOME=/home/prova"), "{made}\n{}", ran.said());
    assert!(made.contains("unreached"), "{made}");
    for secret in [
        REAL,
        "root:x:",
        "CARGO_BIN",
        &house.dir.path().display().to_string(),
    ] {
        assert!(!made.contains(secret), "{secret} in {made}");
    }
    assert!(!Path::new("/workspace/made.txt").exists());
    assert_eq!(house.obeyed(), Vec::<String>::new());
}

/// The tests of agents that run commands.
macro_rules! every_case {
    ($($module:ident = $subject:expr;)*) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn works_and_goes_on_in_its_session() {
                works_and_goes_on($subject).await;
            }

            #[tokio::test]
            async fn fails_when_its_key_is_refused() {
                fails_truthfully($subject, Case::KeyRefused, Turn::fail(401)).await;
            }

            #[tokio::test]
            async fn fails_when_its_model_takes_no_more_calls() {
                fails_truthfully($subject, Case::Limited, Turn::limited(1)).await;
            }

            #[tokio::test]
            async fn fails_when_its_model_is_broken() {
                fails_truthfully($subject, Case::Broken, Turn::fail(500)).await;
            }

            #[tokio::test]
            async fn ends_when_its_budget_is_used_up() {
                ends_with_its_budget($subject).await;
            }

            #[tokio::test]
            async fn stops_with_its_children() {
                stops_at_once($subject).await;
            }

            #[tokio::test]
            async fn that_crashes_has_failed() {
                crashes($subject).await;
            }

            #[tokio::test]
            async fn finds_no_secret_and_no_network() {
                tells_nothing($subject).await;
            }
        }
    )*};
}

every_case! {
    goose = Subject::exec("goose");
    claude = Subject::exec("claude-code");
    codex = Subject::exec("codex");
    opencode = Subject::exec("opencode");
    gemini = Subject::exec("gemini-cli");
    copilot = Subject::exec("copilot-cli");
    qwen = Subject::exec("qwen-code");
    mini = Subject::exec("mini-swe-agent");
}

/// Edits by what its model says, and runs no commands: a test of what it would run tests nothing.
mod aider {
    use super::*;

    const AIDER: Subject = Subject::exec("aider");

    #[tokio::test]
    async fn writes_what_its_model_says() {
        writes(AIDER).await;
    }

    #[tokio::test]
    async fn fails_when_its_key_is_refused() {
        fails_truthfully(AIDER, Case::KeyRefused, Turn::fail(401)).await;
    }

    #[tokio::test]
    async fn fails_when_its_model_takes_no_more_calls() {
        fails_truthfully(AIDER, Case::Limited, Turn::limited(1)).await;
    }

    #[tokio::test]
    async fn fails_when_its_model_is_broken() {
        fails_truthfully(AIDER, Case::Broken, Turn::fail(500)).await;
    }

    #[tokio::test]
    async fn stops_while_its_model_is_asked() {
        stops_while_it_is_answered(AIDER).await;
    }
}

pub(crate) use every_case;
