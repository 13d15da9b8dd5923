//! Agent drivers in real sandboxes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prova::adapters::agent::exec::Exec;
use prova::adapters::agent::recipe::Recipe;
use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::{Claim, Ending};
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::progress::Update;
use prova::ports::agent::{Agent, Request, Run, Session, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::sandbox::Profile;
use prova::ports::tree::Tree;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, text};

const JOB: &str = r#"{"repo":"octo/x","thread":4,"role":"implement","base":"abc"}"#;

/// Follows nothing.
#[derive(Debug)]
struct Heedless;

impl Watcher for Heedless {
    fn heard(&self, _: Update) {}

    fn stirred(&self) -> Arc<AtomicU64> {
        Arc::default()
    }
}

/// Runs `agent` as a job of `bed`.
async fn run(bed: &Bed, agent: &dyn Agent, input: Option<&str>) -> Run {
    let objects = bed.path().join("objects");
    if !objects.exists() {
        bed.make("objects");
    }
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let checkout = Checkout {
        tree: Tree::Plain(bed.checkout()),
        objects,
        base: CommitSha::new(sha),
        base_tree: TreeSha::new(sha),
    };
    let request = Request {
        brief: "# Brief\n",
        job_json: JOB,
        checkout: &checkout,
        job: bed.path(),
        limits: bed.limits,
        profile: &Profile::default(),
        door: None,
        input,
        session: Session {
            home: &bed.path().join("home"),
            resume: None,
        },
        watcher: &Heedless,
        steering: None,
    };
    let never = CancellationToken::new();
    let run = agent.run(&request, bed.sandbox.as_ref(), &never);
    tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .unwrap()
        .unwrap()
}

fn exec(command: &[&str]) -> Exec {
    let command = command.iter().map(ToString::to_string).collect();
    Exec::new(
        command,
        BTreeMap::from([("EXTRA".to_owned(), "extra".to_owned())]),
    )
    .unwrap()
}

async fn claimed(script: &str) -> Option<Claim> {
    let bed = Bed::new();
    let run = run(&bed, &exec(&["sh", "-c", script]), None).await;
    assert_eq!(
        run.outcome.ending,
        Ending::Exited(0),
        "{}",
        text(&run.outcome)
    );
    run.claim
}

#[tokio::test]
async fn the_exec_contract_holds_in_every_sandbox() {
    let none = Settings {
        backend: Backend::None,
        ..Settings::default()
    };
    for bed in [Bed::new(), Bed::open(), Bed::with(none)] {
        let script = "cat \"$PROVA_BRIEF\" \"$1\"; echo \"$PROVA_JOB\"; cat \"${2#--job=}\"; echo; \
            echo $EXTRA; echo change > changed; test \"$3\" = \"$(pwd)\" || echo elsewhere; \
            echo '{\"title\":\"Did it\",\"notes\":\"n\"}' > \"$PROVA_RESULT\"; exit 3";
        let agent = exec(&[
            "sh",
            "-c",
            script,
            "sh",
            "{brief}",
            "--job={job}",
            "{checkout}",
        ]);
        let run = run(&bed, &agent, None).await;
        let expected = format!("# Brief\n# Brief\n{JOB}\n{JOB}\nextra\n");
        assert_eq!(text(&run.outcome), expected);
        assert_eq!(
            run.outcome.ending,
            Ending::Exited(3),
            "an outcome and not a fault"
        );
        let claim = Claim {
            title: Some("Did it".to_owned()),
            summary: None,
            notes: Some("n".to_owned()),
            replies: Vec::new(),
            left: Vec::new(),
            findings: Vec::new(),
        };
        assert_eq!(run.claim, Some(claim));
        assert!(bed.checkout().join("changed").exists());
        let log = std::fs::read_to_string(bed.path().join("agent.log")).unwrap();
        assert_eq!(log, expected);
    }
}

#[tokio::test]
async fn what_an_agent_leaves_in_place_of_its_result_is_not_believed() {
    assert_eq!(claimed("true").await, None);
    assert_eq!(claimed("echo junk > $PROVA_RESULT").await, None);
    assert_eq!(claimed("mkfifo $PROVA_RESULT").await, None);
    assert_eq!(claimed("mkdir $PROVA_RESULT").await, None);
    assert_eq!(claimed("ln -s /dev/zero $PROVA_RESULT").await, None);
    let sparse = "echo '{\"title\":\"x\"}' > $PROVA_RESULT; truncate -s 40M $PROVA_RESULT";
    assert_eq!(claimed(sparse).await, None);
    let unreadable = "echo '{\"title\":\"x\"}' > $PROVA_RESULT; chmod 000 $PROVA_RESULT";
    let _either = claimed(unreadable).await; // root reads it, others do not; nobody hangs
}

#[tokio::test]
async fn a_link_to_a_file_of_the_host_is_not_followed() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), r#"{"title":"secret"}"#).unwrap();
    let link = format!("ln -s {} $PROVA_RESULT", secret.path().display());
    assert_eq!(claimed(&link).await, None);
    let link = format!("ln {} $PROVA_RESULT || true", secret.path().display());
    assert_eq!(claimed(&link).await, None);
}

#[tokio::test]
async fn a_second_attempt_does_not_inherit_the_first_ones_claim() {
    let bed = Bed::new();
    let claims = exec(&["sh", "-c", "echo '{\"title\":\"old\"}' > $PROVA_RESULT"]);
    assert!(run(&bed, &claims, None).await.claim.is_some());
    for _ in 0..2 {
        let silent = exec(&["sh", "-c", "ls -A /prova/out; ls -A /prova/in"]);
        let run = run(&bed, &silent, None).await;
        assert_eq!(run.claim, None);
        assert_eq!(text(&run.outcome), "brief.md\njob.json\n");
    }
}

#[tokio::test]
async fn an_agent_cannot_change_its_input() {
    let bed = Bed::new();
    let script =
        "for f in $PROVA_BRIEF /prova/in/new; do ( echo x > $f ) 2>/dev/null && echo $f; done";
    let run = run(&bed, &exec(&["sh", "-c", script]), None).await;
    assert_eq!(text(&run.outcome), "");
    assert_eq!(read(bed.path(), "in/brief.md"), "# Brief\n");
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[tokio::test]
async fn a_recipe_gets_its_input_as_data() {
    let bed = Bed::new();
    let recipe = Recipe::new("printf '%s|' \"$PROVA_INPUT\"; echo done > done; exit 2");
    let hostile = "'; echo injected; $(echo substituted) `id` \"\n";
    let first = run(&bed, &recipe, Some(hostile)).await;
    assert_eq!(text(&first.outcome), format!("{hostile}|"));
    assert_eq!(first.outcome.ending, Ending::Exited(2));
    assert_eq!(first.claim, None);
    assert_eq!(read(&bed.checkout(), "done"), "done\n");
    let second = run(&bed, &recipe, None).await;
    assert_eq!(text(&second.outcome), "|");
}
