//! Agents of the Agent Client Protocol, in the sandbox: one that is scripted does what real ones do
//! on a bad day.

mod known;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prova::adapters::agent::acp::{Acp, Manners, Patience};
use prova::adapters::agent::exec::BadAgent;
use prova::adapters::agent::launch::Launch;
use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::config::server::Permissions;
use prova::domain::evidence::Ending;
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::progress::{Action, PlanStep, StepState, Update};
use prova::domain::time::Span;
use prova::domain::traffic::Tokens;
use prova::ports::agent::{Agent as _, Request, Run, Session, Steering, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::sandbox::Profile;
use prova::ports::tree::Tree;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::bed::Bed;

const AGENT: &str = include_str!("agent.py");
const BRIEF: &str = "# Do it\n\nPlease.\n";

/// Keeps what it hears, and has the run stopped at the first action if it is told to.
#[derive(Debug, Default)]
struct Ears {
    heard: Mutex<Vec<Update>>,
    stop_at_action: Option<CancellationToken>,
}

impl Watcher for Ears {
    fn heard(&self, update: Update) {
        if let (Some(stop), Update::Action(_)) = (&self.stop_at_action, &update) {
            stop.cancel();
        }
        self.heard.lock().unwrap().push(update);
    }

    fn stirred(&self) -> Arc<AtomicU64> {
        Arc::default()
    }
}

/// What a test has of a run.
struct Seen {
    run: Run,
    heard: Vec<Update>,
}

impl Seen {
    fn trouble(&self) -> Option<&str> {
        self.heard.iter().rev().find_map(|one| {
            let Update::Trouble(text) = one else {
                return None;
            };
            Some(text.as_str())
        })
    }

    fn summary(&self) -> Option<&str> {
        self.run.claim.as_ref()?.summary.as_deref()
    }
}

/// How a run differs from the usual one.
#[derive(Default)]
struct Job<'a> {
    manners: Manners,
    files: BTreeMap<String, String>,
    resume: Option<&'a str>,
    stop_at_action: bool,
    more: Option<&'a More>,
}

/// What there is for an agent beside its brief, the last first, and how often it was asked for.
#[derive(Debug, Default)]
struct More {
    texts: Mutex<Vec<&'static str>>,
    asked: AtomicU64,
}

impl More {
    fn of<const N: usize>(mut texts: [&'static str; N]) -> Self {
        texts.reverse();
        Self {
            texts: Mutex::new(texts.to_vec()),
            asked: AtomicU64::default(),
        }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Steering for More {
    async fn next(&self) -> Option<String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.texts.lock().unwrap().pop().map(str::to_owned)
    }
}

fn launch(part: &str) -> Launch {
    Launch {
        command: ["python3", "-c", AGENT, part].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]),
        ..Launch::default()
    }
}

async fn run(bed: &Bed, part: &str, job: Job<'_>) -> Seen {
    let launch = Launch {
        files: job.files,
        ..launch(part)
    };
    let agent = Acp::new(launch, job.manners).unwrap();
    let how = (job.resume, job.stop_at_action);
    follow_steered(bed, &agent, how, job.more).await
}

/// Runs an agent, with a session to go on with, or to be stopped at its first action.
async fn follow(bed: &Bed, agent: &Acp, how: (Option<&str>, bool)) -> Seen {
    follow_steered(bed, agent, how, None).await
}

/// Does so with more for it when it has done what it was told.
async fn follow_steered(
    bed: &Bed,
    agent: &Acp,
    (resume, stop_at_action): (Option<&str>, bool),
    more: Option<&More>,
) -> Seen {
    let objects = bed.path().join("objects");
    if !objects.exists() {
        bed.make("objects");
    }
    let checkout = Checkout {
        tree: Tree::Plain(bed.checkout()),
        objects,
        base: CommitSha::new("00a11ce0".repeat(5)),
        base_tree: TreeSha::new("00a11ce1".repeat(5)),
    };
    let cancel = CancellationToken::new();
    let ears = Ears {
        heard: Mutex::default(),
        stop_at_action: stop_at_action.then(|| cancel.clone()),
    };
    let request = Request {
        brief: BRIEF,
        job_json: "{}",
        job: bed.path(),
        checkout: &checkout,
        limits: bed.limits,
        profile: &Profile::default(),
        door: None,
        input: None,
        session: Session {
            home: &bed.path().join("sessions/agent"),
            resume,
        },
        watcher: &ears,
        steering: more.map(|more| more as &dyn Steering),
    };
    let run = agent.run(&request, bed.sandbox.as_ref(), &cancel);
    let run = run.await.unwrap();
    let heard = ears.heard.into_inner().unwrap();
    Seen { run, heard }
}

/// Returns what the agent was told, oldest first.
fn told(bed: &Bed) -> Vec<Value> {
    let text = std::fs::read_to_string(bed.checkout().join("heard.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn methods(bed: &Bed) -> Vec<String> {
    let method = |message: &Value| message["method"].as_str().unwrap_or_default().to_owned();
    told(bed).iter().map(method).collect()
}

fn quick(answer: u64) -> Manners {
    let millis = Duration::from_millis;
    Manners {
        patience: Patience {
            answer: millis(answer),
            cancel: millis(200),
            leave: millis(200),
        },
        ..Manners::default()
    }
}

fn message(text: &str, continues: bool) -> Update {
    Update::Message {
        text: text.to_owned(),
        continues,
    }
}

#[tokio::test]
async fn a_turn_is_followed_from_the_first_word_to_the_last() {
    let bed = Bed::new();
    let seen = run(&bed, "works", Job::default()).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    let made = std::fs::read_to_string(bed.checkout().join("made.txt")).unwrap();
    assert_eq!(made, "/workspace\n/home/prova\n/tmp\nblue\n/workspace");
    let action = |title: &str, state, files: &[&str]| {
        Update::Action(Action {
            id: "t1".to_owned(),
            title: title.to_owned(),
            state,
            files: files.iter().map(ToString::to_string).collect(),
        })
    };
    let step = |title: &str, state| PlanStep {
        title: title.to_owned(),
        state,
    };
    let used = |input, output| {
        Update::Usage(Tokens {
            input,
            output,
            ..Tokens::default()
        })
    };
    let expected = [
        Update::Session("s-1".to_owned()),
        message("I will ", false),
        message("edit.", true),
        Update::Plan(vec![
            step("read", StepState::Done),
            step("write", StepState::Active),
        ]),
        action("Edit", StepState::Pending, &[]),
        action("Edit made.txt", StepState::Active, &[]),
        action("", StepState::Done, &["made.txt"]),
        used(70, 0),
        message("Done.", false),
        used(50, 20),
        Update::Finished,
    ];
    assert_eq!(seen.heard, expected);
    assert_eq!(seen.summary(), Some("Done."));
    let told = told(&bed);
    assert_eq!(
        methods(&bed),
        ["initialize", "session/new", "session/prompt"]
    );
    assert_eq!(told[0]["params"]["protocolVersion"], 1);
    assert_eq!(
        told[1]["params"],
        json!({ "cwd": "/workspace", "mcpServers": [] })
    );
    let prompt = json!([{ "type": "text", "text": BRIEF }]);
    assert_eq!(told[2]["params"]["prompt"], prompt);
}

#[tokio::test]
async fn more_is_said_in_the_same_session_when_a_turn_has_ended() {
    let bed = Bed::new();
    let more = More::of(["And this.", "And that."]);
    let job = Job {
        more: Some(&more),
        ..Job::default()
    };
    let seen = run(&bed, "works", job).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    let prompts: Vec<_> = told(&bed).into_iter().skip(2).collect();
    let said: Vec<_> = prompts
        .iter()
        .map(|one| {
            (
                one["method"].as_str(),
                one["params"]["prompt"][0]["text"].as_str(),
            )
        })
        .collect();
    let prompt = Some("session/prompt");
    let expected = [BRIEF, "And this.", "And that."].map(|text| (prompt, Some(text)));
    assert_eq!(said, expected);
    let same = |one: &Value| one["params"]["sessionId"] == "s-1";
    assert!(prompts.iter().all(same), "{prompts:#?}");
    // It has finished once, and each of its turns begins a message.
    let finished = |one: &&Update| **one == Update::Finished;
    assert_eq!(seen.heard.iter().filter(finished).count(), 1);
    assert_eq!(seen.heard.last(), Some(&Update::Finished));
    let begun = |one: &&Update| **one == message("I will ", false);
    assert_eq!(seen.heard.iter().filter(begun).count(), 3);
    assert_eq!(more.asked(), 3);
}

#[tokio::test]
async fn who_has_not_done_the_first_is_told_no_more() {
    for (part, stop_at_action, ending) in [
        ("refusal", false, Ending::Exited(1)),
        ("crash", false, Ending::Exited(3)),
        ("cancelled", true, Ending::Cancelled),
    ] {
        let bed = Bed::new();
        let more = More::of(["And this."]);
        let job = Job {
            stop_at_action,
            more: Some(&more),
            ..Job::default()
        };
        let seen = run(&bed, part, job).await;
        assert_eq!(seen.run.outcome.ending, ending, "{part}");
        assert_eq!(more.asked(), 0, "{part}");
    }
}

#[tokio::test]
async fn who_does_not_do_the_second_has_not_finished() {
    let bed = Bed::new();
    let more = More::of(["And this.", "And that."]);
    let job = Job {
        more: Some(&more),
        ..Job::default()
    };
    let seen = run(&bed, "tires", job).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(1));
    assert_eq!(seen.trouble(), Some("it refused to go on"));
    assert!(!seen.heard.contains(&Update::Finished));
    assert_eq!(more.asked(), 1);
}

#[tokio::test]
async fn without_a_sandbox_the_checkout_is_where_it_is() {
    let bed = Bed::with(Settings {
        backend: Backend::None,
        ..Settings::default()
    });
    let seen = run(&bed, "works", Job::default()).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    let checkout = bed.checkout().display().to_string();
    assert_eq!(told(&bed)[1]["params"]["cwd"], checkout.as_str());
    let made = std::fs::read_to_string(bed.checkout().join("made.txt")).unwrap();
    assert!(
        made.starts_with(&checkout) && made.ends_with(&checkout),
        "{made}"
    );
}

#[tokio::test]
async fn who_asks_is_answered_whatever_it_asks() {
    for (permissions, expected) in [
        (Permissions::Allow, "allow_once"),
        (Permissions::Deny, "reject_once"),
    ] {
        let bed = Bed::new();
        let manners = Manners {
            permissions,
            ..Manners::default()
        };
        let job = Job {
            manners,
            ..Job::default()
        };
        let seen = run(&bed, "asks", job).await;
        assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
        let text = std::fs::read(bed.checkout().join("answers.json")).unwrap();
        let answers: Value = serde_json::from_slice(&text).unwrap();
        let chosen = json!({ "outcome": { "outcome": "selected", "optionId": expected } });
        assert_eq!(answers[0]["result"], chosen);
        let none = json!({ "outcome": { "outcome": "cancelled" } });
        assert_eq!(answers[1]["result"], none);
        for refused in [2, 3, 4] {
            assert_eq!(answers[refused]["error"]["code"], -32601, "{answers}");
        }
    }
}

#[tokio::test]
async fn a_session_goes_on_in_the_next_run_and_its_past_is_not_told_again() {
    for (part, method) in [("loads", "session/load"), ("resumes", "session/resume")] {
        let bed = Bed::new();
        run(&bed, part, Job::default()).await;
        let job = Job {
            resume: Some("s-1"),
            ..Job::default()
        };
        let seen = run(&bed, part, job).await;
        assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
        let again = ["initialize", method, "session/prompt"];
        assert_eq!(methods(&bed)[3..], again);
        let session = &told(&bed)[4]["params"];
        assert_eq!(
            (&session["sessionId"], &session["cwd"]),
            (&json!("s-1"), &json!("/workspace"))
        );
        assert_eq!(seen.heard[0], Update::Session("s-1".to_owned()));
        assert_eq!(
            seen.heard[1],
            message("I will ", false),
            "its past is heard"
        );
    }
}

#[tokio::test]
async fn a_session_that_is_lost_gives_way_to_a_new_one() {
    for (part, why) in [
        (
            "loads",
            "it answers session/load with: Internal error: not today",
        ),
        ("forgets", "the agent keeps no sessions"),
    ] {
        let bed = Bed::new();
        let job = Job {
            resume: Some("s-0"),
            ..Job::default()
        };
        let seen = run(&bed, part, job).await;
        assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
        let text = format!("The session could not be gone on with, so this is a new one: {why}.");
        assert_eq!(seen.heard[0], message(&text, false));
        assert_eq!(seen.heard[1], Update::Session("s-1".to_owned()));
        assert_eq!(seen.summary(), Some("Done."));
    }
}

#[tokio::test]
async fn mode_login_and_files_are_as_the_settings_say() {
    let bed = Bed::new();
    let manners = Manners {
        mode: Some("yolo".to_owned()),
        authenticate: Some("key".to_owned()),
        ..Manners::default()
    };
    let files = [(".config/agent/a.json", "{}"), (".agentrc", "x = 1")];
    let files: BTreeMap<String, String> = files
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
    // What an earlier run has planted leads nowhere.
    let home = bed.path().join("sessions/agent");
    let job = || Job {
        manners: manners.clone(),
        files: files.clone(),
        ..Job::default()
    };
    run(&bed, "works", job()).await;
    let outside = bed.path().join("outside");
    std::fs::remove_file(home.join(".agentrc")).unwrap();
    std::os::unix::fs::symlink(&outside, home.join(".agentrc")).unwrap();
    let seen = run(&bed, "works", job()).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    for (path, text) in &files {
        let path = home.join(path);
        assert!(path.symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_to_string(path).unwrap(), *text);
    }
    assert!(!outside.exists());
    let expected = [
        "initialize",
        "authenticate",
        "session/new",
        "session/set_mode",
        "session/prompt",
    ];
    assert_eq!(methods(&bed)[..5], expected);
    assert_eq!(told(&bed)[1]["params"]["methodId"], "key");
    assert_eq!(told(&bed)[3]["params"]["modeId"], "yolo");
}

#[tokio::test]
async fn who_is_stopped_gets_a_moment_to_end_its_tools() {
    let bed = Bed::new();
    let job = Job {
        stop_at_action: true,
        ..Job::default()
    };
    let began = Instant::now();
    let seen = run(&bed, "cancelled", job).await;
    assert_eq!(seen.run.outcome.ending, Ending::Cancelled);
    assert!(bed.checkout().join("tool-ended").exists());
    assert_eq!(methods(&bed).last().unwrap(), "session/cancel");
    assert_eq!(seen.trouble(), None);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn who_does_not_stop_is_ended_with_all_that_it_left() {
    let bed = Bed::new();
    let job = Job {
        manners: quick(60_000),
        stop_at_action: true,
        ..Job::default()
    };
    let seen = run(&bed, "stubborn", job).await;
    assert_eq!(seen.run.outcome.ending, Ending::Cancelled);
    assert_eq!(methods(&bed).last().unwrap(), "session/cancel");
    assert!(seen.run.outcome.took < Span::seconds(20));
}

#[tokio::test]
async fn who_is_done_and_stays_is_ended_and_is_done() {
    let bed = Bed::new();
    let job = Job {
        manners: quick(60_000),
        ..Job::default()
    };
    let seen = run(&bed, "lingers", job).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    assert_eq!(seen.heard.last(), Some(&Update::Finished));
}

#[tokio::test]
async fn what_is_not_done_is_told_however_it_ends() {
    for (part, manners, ending, trouble) in [
        (
            "error",
            Manners::default(),
            Ending::Exited(1),
            "it answers session/prompt with: Internal error: not today",
        ),
        (
            "refusal",
            Manners::default(),
            Ending::Exited(1),
            "it refused to go on",
        ),
        (
            "limit",
            Manners::default(),
            Ending::Exited(1),
            "it ended at its own limit of steps",
        ),
        (
            "crash",
            Manners::default(),
            Ending::Exited(3),
            "it ended in the middle of the work",
        ),
        (
            "leaves",
            Manners::default(),
            Ending::Exited(0),
            "it ended in the middle of the work",
        ),
        (
            "mute",
            quick(300),
            Ending::Exited(1),
            "it did not answer initialize within 0.3 s",
        ),
        (
            "works",
            Manners {
                mode: Some("no such".to_owned()),
                ..Manners::default()
            },
            Ending::Exited(1),
            "it answers session/set_mode with: Internal error: not today",
        ),
    ] {
        let bed = Bed::new();
        let job = Job {
            manners,
            ..Job::default()
        };
        let seen = run(&bed, part, job).await;
        assert_eq!(seen.run.outcome.ending, ending, "{part}");
        assert_eq!(seen.trouble(), Some(trouble), "{part}");
        assert!(!seen.heard.contains(&Update::Finished), "{part}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_trouble_too() {
    for (part, begins) in [
        ("odd", "it answers session/prompt with: "),
        ("newer", "it "),
    ] {
        let bed = Bed::new();
        let seen = run(&bed, part, Job::default()).await;
        assert_eq!(seen.run.outcome.ending, Ending::Exited(1), "{part}");
        let trouble = seen.trouble().unwrap();
        assert!(trouble.starts_with(begins), "{trouble}");
    }
}

#[tokio::test]
async fn noise_on_the_line_is_left_out() {
    let bed = Bed::new();
    let seen = run(&bed, "noise", Job::default()).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    assert_eq!(
        seen.heard,
        [
            Update::Session("s-1".to_owned()),
            message("Still \u{1b}[31mhere\0.", false),
            Update::Finished
        ]
    );
    assert!(seen.run.outcome.output_bytes > 50_000_000);
}

#[tokio::test]
async fn the_wall_clock_ends_it_and_says_so() {
    let mut bed = Bed::new();
    bed.limits.wall = Span::seconds(2);
    let seen = run(&bed, "stubborn", Job::default()).await;
    assert_eq!(seen.run.outcome.ending, Ending::TimedOut);
    assert_eq!(seen.trouble(), None);
}

#[test]
fn a_program_is_needed_and_our_variables_are_ours() {
    let none = Acp::new(Launch::default(), Manners::default());
    assert_eq!(none, Err(BadAgent::NoCommand));
    let mut launch = launch("works");
    launch.env.insert("PROVA_JOB".to_owned(), String::new());
    let reserved = Err(BadAgent::Reserved("PROVA_JOB".to_owned()));
    assert_eq!(Acp::new(launch, Manners::default()), reserved);
}
