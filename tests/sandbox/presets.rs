//! Agents by their presets, in real sandboxes, played by a program of a few lines that is called as
//! the real one is.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use prova::adapters::agent::preset::Known;
use prova::adapters::sandbox::settings::Settings;
use prova::config::presets;
use prova::config::server::brain::Brain;
use prova::domain::evidence::Ending;
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::model::Api;
use prova::domain::progress::{Heard, Update};
use prova::domain::time::Timestamp;
use prova::ports::agent::{Agent as _, Request, Run, Session, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::sandbox::Profile;
use prova::ports::tree::Tree;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, text};

#[derive(Debug, Default)]
struct Notes(Mutex<Heard>);

impl Watcher for Notes {
    fn heard(&self, update: Update) {
        self.0
            .lock()
            .unwrap()
            .take(update, Timestamp::from_millis(0));
    }

    fn stirred(&self) -> Arc<AtomicU64> {
        Arc::default()
    }
}

/// A server with one agent, which `script` plays.
struct Stage {
    bed: Bed,
    preset: &'static str,
    api: Api,
    _programs: tempfile::TempDir,
}

impl Stage {
    fn new(preset: &'static str, api: Api, script: &str) -> Self {
        let programs = tempfile::tempdir().unwrap();
        let bin = programs.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let program: PathBuf = bin.join(presets::find(preset).unwrap().program);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        for path in [programs.path(), &bin, &program] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let bed = Bed::with(Settings {
            mounts: vec![programs.path().to_owned()],
            ..Settings::default()
        });
        bed.make("objects");
        Self {
            bed,
            preset,
            api,
            _programs: programs,
        }
    }

    async fn run(&self, brief: &str, resume: Option<&str>) -> (Run, Heard) {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let checkout = Checkout {
            tree: Tree::Plain(self.bed.checkout()),
            objects: self.bed.path().join("objects"),
            base: CommitSha::new(sha),
            base_tree: TreeSha::new(sha),
        };
        let notes = Notes::default();
        let request = Request {
            brief,
            job_json: "{}",
            checkout: &checkout,
            job: self.bed.path(),
            limits: self.bed.limits,
            profile: &Profile::default(),
            door: None,
            input: None,
            session: Session {
                home: &self.bed.path().join("sessions/1/agent"),
                resume,
            },
            watcher: &notes,
            steering: None,
        };
        let brain = Brain {
            endpoint: "main".parse().unwrap(),
            api: self.api,
            model: "large".to_owned(),
        };
        let agent = Known::new(
            presets::find(self.preset).unwrap(),
            brain,
            BTreeMap::from([("EXTRA".to_owned(), "mine".to_owned())]),
        );
        let never = CancellationToken::new();
        let run = agent.run(&request, self.bed.sandbox.as_ref(), &never);
        let run = run.await.unwrap();
        let heard = notes.0.lock().unwrap().clone();
        (run, heard)
    }
}

#[tokio::test]
async fn the_program_gets_what_its_preset_says() {
    let script = r#"
        for word in "$@"; do echo "word: $word"; done
        env | grep -E '^(CLAUDE|ANTHROPIC_MODEL|DISABLE|EXTRA|PWD|HOME|TMPDIR)' | sort
    "#;
    let stage = Stage::new("claude-code", Api::Anthropic, script);
    let (run, _) = stage.run("# Do it\n", None).await;
    let said = text(&run.outcome);
    for line in [
        "word: -p",
        "word: # Do it",
        "word: --setting-sources",
        "word: --strict-mcp-config",
        "ANTHROPIC_MODEL=large",
        "DISABLE_TELEMETRY=1",
        "EXTRA=mine",
        "HOME=/home/prova",
        "PWD=/workspace",
        "TMPDIR=/tmp",
    ] {
        assert!(
            said.lines().any(|one| one == line),
            "{line} is not in\n{said}"
        );
    }
    assert!(!said.contains("--resume"), "{said}");
}

#[tokio::test]
async fn settings_are_put_into_the_home_over_what_an_agent_left_there() {
    let script =
        "cat ~/.codex/config.toml; rm -rf ~/.codex; ln -s /workspace ~/.codex; echo mine > ~/kept";
    let stage = Stage::new("codex", Api::OpenAi, script);
    let (run, _) = stage.run("x", None).await;
    let said = text(&run.outcome);
    assert!(said.contains("model = \"large\""), "{said}");
    let base = "base_url = \"http://127.0.0.1:8790/models/main/v1\"";
    assert!(said.contains(base), "{said}");
    // The link leads nowhere but within the sandbox, and the host has written through none.
    let (run, _) = stage.run("x", None).await;
    assert_eq!(
        run.outcome.ending,
        Ending::Exited(0),
        "{}",
        text(&run.outcome)
    );
    let home = stage.bed.path().join("sessions/1/agent");
    assert!(home.join(".codex").is_symlink() && home.join("kept").is_file());
}

#[tokio::test]
async fn what_it_says_is_heard_and_its_last_word_is_its_claim() {
    let script = r#"
        echo '{"type":"system","subtype":"init","session_id":"s-1"}'
        echo 'garbage' ; printf '\377\376{\n' ; printf '\033[31mred\n'
        head -c 6000000 /dev/zero | tr '\0' 'x' ; echo
        echo '{"type":"assistant","message":{"content":[{"type":"tool_use","id":"1","name":"Edit","input":{"file_path":"a.rs"}}]}}'
        echo '{"type":"assistant","message":{"content":[{"type":"text","text":"It is done."}]}}'
        printf '{"type":"result","is_error":false,"subtype":"success","usage":{"input_tokens":7,"output_tokens":2}}'
    "#;
    let stage = Stage::new("claude-code", Api::Anthropic, script);
    let (run, heard) = stage.run("x", None).await;
    assert_eq!(run.claim.unwrap().summary.as_deref(), Some("It is done."));
    assert_eq!(heard.session.as_deref(), Some("s-1"));
    assert_eq!(
        (heard.actions, heard.action.as_deref()),
        (1, Some("Edit a.rs"))
    );
    assert_eq!((heard.tokens.input, heard.tokens.output), (7, 2));
    assert!(heard.finished && heard.trouble.is_none());
}

#[tokio::test]
async fn trouble_is_heard_whatever_the_exit_code() {
    let script =
        r#"echo '{"type":"result","is_error":true,"subtype":"success","result":"401: no"}'"#;
    let stage = Stage::new("claude-code", Api::Anthropic, script);
    let (run, heard) = stage.run("x", None).await;
    assert_eq!(run.outcome.ending, Ending::Exited(0));
    assert_eq!(heard.trouble.as_deref(), Some("401: no"));

    let stage = Stage::new("gemini-cli", Api::Gemini, "exit 53");
    let (_, heard) = stage.run("x", None).await;
    assert_eq!(
        heard.trouble.as_deref(),
        Some("it reached its own limit of turns")
    );
}

#[tokio::test]
async fn a_session_goes_on_and_one_that_cannot_begins_anew() {
    let script = r#"
        case "$*" in
            *resume*bad*) echo 'No such session' >&2; exit 1;;
            *resume*) echo '{"type":"item.completed","item":{"type":"agent_message","text":"went on"}}';;
            *) echo '{"type":"item.completed","item":{"type":"agent_message","text":"began"}}';;
        esac
    "#;
    let stage = Stage::new("codex", Api::OpenAi, script);
    let said = |run: Run| run.claim.unwrap().summary.unwrap();
    // Without the home of an earlier run there is nothing to go on with.
    assert_eq!(said(stage.run("x", Some("t-1")).await.0), "began");
    assert_eq!(said(stage.run("x", Some("t-1")).await.0), "went on");
    assert_eq!(said(stage.run("x", Some("bad")).await.0), "began");
}

#[tokio::test]
async fn a_brief_too_long_for_an_argument_is_read_from_its_file() {
    let script =
        r#"case "$*" in *"Read the file /prova/in/brief.md"*) wc -c < /prova/in/brief.md;; esac"#;
    let stage = Stage::new("aider", Api::OpenAi, script);
    let (run, _) = stage.run(&"x".repeat(150_000), None).await;
    assert_eq!(text(&run.outcome).trim(), "150000");
}
