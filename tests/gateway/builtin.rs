//! The agent of our own, from end to end: the real program in the real sandbox, calling scripted
//! models through the real gateway in each of the languages that it speaks.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request as Call;
use prova::adapters::agent::builtin::Builtin;
use prova::adapters::sandbox::select;
use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::adapters::system::SystemClock;
use prova::domain::builtin::{Told, Wire};
use prova::domain::evidence::{Ending, Finding, Severity};
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::progress::{Heard, Update};
use prova::domain::time::{Span, Timestamp};
use prova::domain::traffic::Traffic;
use prova::ports::agent::{Agent as _, Request, Run, Session, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::gateway::Pass;
use prova::ports::sandbox::{Limits, Profile, Sandbox};
use prova::ports::tree::Tree;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, REAL, cap, pass};
use crate::endpoint::{Answer, Server};

const LIMITS: Limits = Limits {
    wall: Span::seconds(60),
    output_bytes: 1024 * 1024,
    file_bytes: 64 * 1024 * 1024,
    processes: 200,
    memory_bytes: 1024 * 1024 * 1024,
    milli_cpus: None,
    disk_bytes: 256 * 1024 * 1024,
};

/// Follows a run as the server does.
#[derive(Debug, Default)]
struct Notes(Mutex<Heard>);

impl Watcher for Notes {
    fn heard(&self, update: Update) {
        let now = Timestamp::from_millis(0);
        self.0.lock().unwrap().take(update, now);
    }

    fn stirred(&self) -> Arc<AtomicU64> {
        Arc::default()
    }
}

/// A job in a directory of its own, and what came of it.
struct Job {
    dir: tempfile::TempDir,
    run: Run,
    heard: Heard,
    traffic: Traffic,
}

impl Job {
    async fn run(server: &Server, wire: Wire, pass: Pass, backend: Backend) -> Self {
        Self::of("{}", (server, wire), pass, backend).await
    }

    /// Runs a job that is described so.
    async fn of(job: &str, (server, wire): (&Server, Wire), pass: Pass, backend: Backend) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_prova"));
        let settings = Settings {
            backend,
            stage: program.clone(),
            ..Settings::default()
        };
        let sandbox = select(settings, Arc::new(SystemClock)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for name in ["checkout", "objects"] {
            make(&dir.path().join(name), sandbox.as_ref());
        }
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let checkout = Checkout {
            tree: Tree::Plain(dir.path().join("checkout")),
            objects: dir.path().join("objects"),
            base: CommitSha::new(sha),
            base_tree: TreeSha::new(sha),
        };
        let bed = Bed::before(server);
        let inside = bed.open(pass).await;
        let notes = Notes::default();
        let request = Request {
            brief: "# Make a file\n",
            job_json: job,
            checkout: &checkout,
            job: dir.path(),
            limits: LIMITS,
            profile: &Profile::default(),
            door: Some(inside.door.as_ref()),
            input: None,
            session: Session {
                home: &dir.path().join("home"),
                resume: None,
            },
            watcher: &notes,
            steering: None,
        };
        let agent = Builtin::new(program, told(wire));
        let never = CancellationToken::new();
        let run = agent.run(&request, sandbox.as_ref(), &never).await.unwrap();
        let traffic = inside.door.close().await;
        let heard = notes.0.lock().unwrap().clone();
        Self {
            dir,
            run,
            heard,
            traffic,
        }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.run.outcome.tail).into_owned()
    }
}

fn make(dir: &std::path::Path, sandbox: &dyn Sandbox) {
    std::fs::create_dir(dir).unwrap();
    if let Some((uid, gid)) = sandbox.owner() {
        chown(dir, Some(uid), Some(gid)).unwrap();
    }
}

const fn endpoint(wire: Wire) -> &'static str {
    match wire {
        Wire::Anthropic => "anthropic",
        Wire::Chat | Wire::Responses => "openai",
        Wire::Gemini => "gemini",
    }
}

fn told(wire: Wire) -> Told {
    Told {
        endpoint: endpoint(wire).to_owned(),
        model: "m".to_owned(),
        wire,
        max_steps: 10,
        context_tokens: 50_000,
        output_tokens: 1_000,
    }
}

/// What the model calls, one after the other.
fn calls() -> [(&'static str, Value); 3] {
    let shell = json!({"command": "mkdir sub; pwd; echo seen by the shell"});
    let edit = json!({"path": "sub/made.txt", "old_text": "", "new_text": "hello\n"});
    let finish = json!({"title": "Make a file", "summary": "Made it.", "notes": "None."});
    [("shell", shell), ("edit", edit), ("finish", finish)]
}

/// An answer that says a word and does the next of the calls, as the API has it.
fn answer(wire: Wire, step: usize) -> Answer {
    calling(wire, (step, calls()[step.min(2)].clone()))
}

/// An answer that says a word and calls a tool, as the API has it.
fn calling(wire: Wire, (step, (name, arguments)): (usize, (&str, Value))) -> Answer {
    let id = format!("call-{step}");
    let text = arguments.to_string();
    let body = match wire {
        Wire::Anthropic => json!({
            "id": "m1", "type": "message", "role": "assistant", "model": "m",
            "stop_reason": "tool_use",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "signed"},
                {"type": "text", "text": "Working."},
                {"type": "tool_use", "id": id, "name": name, "input": arguments},
            ],
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5},
        }),
        Wire::Chat => json!({
            "id": "c1", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Working.",
                "tool_calls": [{"id": id, "type": "function",
                    "function": {"name": name, "arguments": text}}],
            }}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
                "prompt_tokens_details": {"cached_tokens": 90}},
        }),
        Wire::Responses => json!({
            "id": "r1", "object": "response", "status": "completed", "model": "m",
            "output": [
                {"type": "message", "id": "o1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "Working.", "annotations": []}]},
                {"type": "function_call", "id": "o2", "call_id": id, "name": name,
                    "arguments": text, "status": "completed"},
            ],
            "usage": {"input_tokens": 100, "output_tokens": 5, "total_tokens": 105,
                "input_tokens_details": {"cached_tokens": 90}},
        }),
        Wire::Gemini => json!({
            "candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "Working."},
                {"functionCall": {"name": name, "args": arguments}, "thoughtSignature": "signed"},
            ]}}],
            "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 5,
                "totalTokenCount": 105, "cachedContentTokenCount": 90},
            "modelVersion": "m",
        }),
    };
    Answer::json(&body.to_string())
}

/// A model that works through its calls, one a request.
async fn worker(wire: Wire) -> Server {
    let step = AtomicUsize::new(0);
    Server::start(move |_| answer(wire, step.fetch_add(1, Ordering::SeqCst))).await
}

fn bodies(asked: &[Call<Bytes>]) -> Vec<Value> {
    let body = |call: &Call<Bytes>| serde_json::from_slice(call.body()).unwrap();
    asked.iter().map(body).collect()
}

async fn works(wire: Wire, path: &str, backend: Backend) -> (Job, Vec<Value>) {
    let server = worker(wire).await;
    let job = Job::run(&server, wire, pass(&[]), backend).await;
    assert_eq!(job.run.outcome.ending, Ending::Exited(0), "{}", job.said());
    let claim = job.run.claim.clone().unwrap();
    assert_eq!(claim.title.as_deref(), Some("Make a file"));
    assert_eq!(claim.summary.as_deref(), Some("Made it."));
    assert_eq!(claim.notes.as_deref(), Some("None."));
    assert_eq!(job.file("checkout/sub/made.txt"), "hello\n");
    assert!(job.heard.finished && job.heard.trouble.is_none());
    assert!(job.heard.actions > 1, "{:?}", job.heard);

    let asked = server.asked();
    let paths: Vec<_> = asked.iter().map(|call| call.uri().path()).collect();
    assert_eq!(paths, [path; 3]);
    for call in &asked {
        let headers = format!("{:?}", call.headers());
        assert!(headers.contains(REAL), "{headers}");
    }
    let bodies = bodies(&asked);
    let first = bodies[0].to_string();
    assert!(first.contains("# Make a file") && first.contains("software engineer"));
    for tool in ["shell", "read", "search", "edit", "finish"] {
        assert!(first.contains(&format!(r#""name":"{tool}""#)), "{first}");
    }
    let last = bodies[2].to_string();
    assert!(last.contains("seen by the shell") && last.contains("wrote sub/made.txt"));
    assert!(last.contains("Working."), "{last}");

    assert_eq!(job.traffic.models.len(), 1);
    assert_eq!(job.traffic.models[0].calls, 3);
    assert_eq!(job.traffic.models[0].tokens.cache_read, 270);
    (job, bodies)
}

#[tokio::test]
async fn it_works_with_chat_completions() {
    let (job, bodies) = works(Wire::Chat, "/v1/chat/completions", Backend::Auto).await;
    assert_eq!(bodies[2]["messages"][3]["tool_call_id"], "call-0");
    assert_eq!(bodies[2]["max_tokens"], 1_000);

    let progress: Vec<Value> = job
        .said()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        progress[0],
        json!({"type": "session", "model": "m", "endpoint": "openai", "wire": "chat"})
    );
    assert_eq!(
        progress[1],
        json!({"type": "usage", "input": 100, "cached": 90, "output": 5})
    );
    assert_eq!(progress[2], json!({"type": "message", "text": "Working."}));
    let title = "mkdir sub; pwd; echo seen by the shell";
    for (line, status) in progress[3..].iter().zip(["started", "done"]) {
        let expected =
            json!({"type": "tool", "id": "1", "name": "shell", "title": title, "status": status});
        assert_eq!(line, &expected);
    }
    let end = json!({"type": "done", "steps": 3});
    assert_eq!(progress.last(), Some(&end));

    let transcript = job.file("transcript.jsonl");
    let kinds: Vec<_> = transcript
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone())
        .collect();
    let expected = [
        "session", "answer", "reply", "answer", "reply", "answer", "reply", "done",
    ];
    assert_eq!(kinds, expected);
    assert!(
        transcript.contains("/workspace\\nseen by the shell"),
        "{transcript}"
    );
}

#[tokio::test]
async fn it_works_with_responses() {
    let (_, bodies) = works(Wire::Responses, "/v1/responses", Backend::Auto).await;
    let input = bodies[2]["input"].as_array().unwrap();
    let outputs = input
        .iter()
        .filter(|item| item["type"] == "function_call_output");
    let ids: Vec<_> = outputs.map(|item| item["call_id"].clone()).collect();
    assert_eq!(ids, ["call-0", "call-1"]);
    assert_eq!(bodies[2]["store"], false);
}

#[tokio::test]
async fn it_works_with_anthropic_and_has_it_keep_what_it_read() {
    let (_, bodies) = works(Wire::Anthropic, "/v1/messages", Backend::Auto).await;
    let messages = bodies[2]["messages"].as_array().unwrap();
    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": "signed"});
    assert_eq!(messages[1]["content"][0], thinking);
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "call-0");
    let marks: Vec<_> = bodies
        .iter()
        .map(|body| {
            body.to_string()
                .matches(r#""cache_control":{"type":"ephemeral"}"#)
                .count()
        })
        .collect();
    assert_eq!(marks, [2, 2, 2], "the standing part, and all so far");
}

#[tokio::test]
async fn it_works_with_gemini() {
    let path = "/v1beta/models/m:generateContent";
    let (_, bodies) = works(Wire::Gemini, path, Backend::Auto).await;
    let contents = bodies[2]["contents"].to_string();
    assert_eq!(
        contents.matches(r#""thoughtSignature":"signed""#).count(),
        2
    );
    assert_eq!(contents.matches(r#""functionResponse""#).count(), 2);
}

#[tokio::test]
async fn replies_and_findings_are_handed_in_in_every_language() {
    let reply = json!({"comment": 1, "text": "Renamed it.", "done": false});
    let found = json!({"path": "a.rs", "line": 3, "severity": "high", "body": "It is wrong."});
    let finish = json!({"title": "t", "summary": "s"});
    let calls = [("reply", reply), ("finding", found), ("finish", finish)];
    for wire in [Wire::Chat, Wire::Responses, Wire::Anthropic, Wire::Gemini] {
        let (step, calls) = (AtomicUsize::new(0), calls.clone());
        let server = Server::start(move |_| {
            let step = step.fetch_add(1, Ordering::SeqCst);
            calling(wire, (step, calls[step.min(2)].clone()))
        })
        .await;
        // No job wants both, and what is offered depends on what it wants.
        let both = r#"{"role":"review","comments":1}"#;
        let job = Job::of(both, (&server, wire), pass(&[]), Backend::Auto).await;
        assert_eq!(job.run.outcome.ending, Ending::Exited(0), "{}", job.said());
        let first = bodies(&server.asked())[0].to_string();
        for tool in ["reply", "finding"] {
            assert!(first.contains(&format!(r#""name":"{tool}""#)), "{first}");
        }
        let claim = job.run.claim.clone().unwrap();
        assert_eq!(claim.replies, [(1, "Renamed it.".to_owned())]);
        assert_eq!(claim.left, [1]);
        let finding = Finding {
            path: "a.rs".to_owned(),
            line: 3,
            severity: Severity::High,
            body: "It is wrong.".to_owned(),
        };
        assert_eq!(
            (claim.findings, claim.summary.as_deref()),
            (vec![finding], Some("s"))
        );
    }
}

#[tokio::test]
async fn what_was_handed_in_is_kept_when_the_model_breaks_off() {
    let asked = AtomicUsize::new(0);
    let found = json!({"path": "a.rs", "line": 3, "severity": "high", "body": "It is wrong."});
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => calling(Wire::Chat, (0, ("finding", found.clone()))),
        _ => Answer::error(400, "gone"),
    })
    .await;
    let review = r#"{"role":"review"}"#;
    let job = Job::of(review, (&server, Wire::Chat), pass(&[]), Backend::Auto).await;
    assert_eq!(job.run.outcome.ending, Ending::Exited(1), "{}", job.said());
    let claim = job.run.claim.clone().unwrap();
    assert_eq!((claim.findings.len(), claim.summary), (1, None));
}

#[tokio::test]
async fn it_works_without_isolation() {
    let (job, _) = works(Wire::Chat, "/v1/chat/completions", Backend::None).await;
    let checkout = job.dir.path().join("checkout");
    let checkout = checkout.canonicalize().unwrap();
    assert!(
        job.file("transcript.jsonl")
            .contains(checkout.to_str().unwrap())
    );
}

#[tokio::test]
async fn a_busy_model_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => {
            let mut busy = Answer::error(429, r#"{"error":{"message":"slow down"}}"#);
            busy.headers.push(("retry-after", "0"));
            busy
        }
        step => answer(Wire::Chat, step - 1),
    })
    .await;
    let job = Job::run(&server, Wire::Chat, pass(&[]), Backend::Auto).await;
    assert_eq!(job.run.outcome.ending, Ending::Exited(0), "{}", job.said());
    assert_eq!(server.asked().len(), 4);
    let told = r#"{"type":"error","message":"429: slow down; again in 0 s"}"#;
    assert!(job.said().contains(told), "{}", job.said());
}

#[tokio::test]
async fn what_the_provider_refuses_ends_it_and_is_said() {
    for wire in [Wire::Chat, Wire::Responses, Wire::Anthropic, Wire::Gemini] {
        let refusal = r#"{"error":{"message":"this model is gone","type":"invalid"}}"#;
        let server = Server::start(move |_| Answer::error(400, refusal)).await;
        let job = Job::run(&server, wire, pass(&[]), Backend::Auto).await;
        assert_eq!(job.run.outcome.ending, Ending::Exited(1), "{}", job.said());
        assert_eq!(server.asked().len(), 1);
        assert_eq!(job.run.claim, None);
        let told = "prova: the model did not answer: 400: this model is gone\n";
        assert!(job.said().contains(told), "{}", job.said());
    }
}

#[tokio::test]
async fn no_call_is_made_past_a_budget() {
    for wire in [Wire::Chat, Wire::Anthropic, Wire::Gemini] {
        let server = worker(wire).await;
        let poor = Pass {
            caps: vec![cap("0.000001")],
            ..pass(&[])
        };
        let job = Job::run(&server, wire, poor, Backend::Auto).await;
        assert_eq!(job.run.outcome.ending, Ending::Exited(1), "{}", job.said());
        assert_eq!(server.asked().len(), 0);
        assert!(
            job.said().contains("did not answer: 402: "),
            "{}",
            job.said()
        );
    }
}

#[tokio::test]
async fn a_model_in_a_circle_is_ended() {
    let server = Server::start(|_| answer(Wire::Gemini, 1)).await;
    let job = Job::run(&server, Wire::Gemini, pass(&[]), Backend::Auto).await;
    assert_eq!(job.run.outcome.ending, Ending::Exited(3), "{}", job.said());
    // The first one made the file; the same again fails in the same way.
    assert_eq!(server.asked().len(), 7);
    assert!(job.said().contains("again and again"), "{}", job.said());
    assert_eq!(job.file("checkout/sub/made.txt"), "hello\n");
}

#[tokio::test]
async fn arguments_that_are_not_json_are_answered() {
    let asked = AtomicUsize::new(0);
    let broken = r#"{"model":"m","choices":[{"finish_reason":"tool_calls","message":
        {"role":"assistant","tool_calls":[{"id":"x","type":"function","function":
        {"name":"shell","arguments":"{\"command\": "}}]}}],
        "usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Answer::json(broken),
        step => answer(Wire::Chat, step - 2),
    })
    .await;
    let job = Job::run(&server, Wire::Chat, pass(&[]), Backend::Auto).await;
    assert_eq!(job.run.outcome.ending, Ending::Exited(0), "{}", job.said());
    let bodies = bodies(&server.asked());
    let note = "Your last answer could not be read";
    assert!(!bodies[0].to_string().contains(note));
    assert!(bodies[1].to_string().contains(note), "{}", bodies[1]);
}
