//! What following an agent costs that talks a lot: time for each event, and memory however many.

use std::path::Path;
use std::process::id;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use prova::adapters::agent::acp::{Acp, Manners};
use prova::adapters::agent::launch::Launch;
use prova::domain::evidence::Ending;
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::progress::{Heard, Update};
use prova::domain::time::{Span, Timestamp};
use prova::ports::agent::{Agent as _, Request, Session, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::door::Door;
use prova::ports::fault::Fault;
use prova::ports::sandbox::{Limits, Outcome, Profile, Sandbox, Spec, Talk, Unusable};
use prova::ports::tree::Tree;
use tokio::io::{AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use crate::Agent;
use crate::figures::megabytes;
use crate::watch::usage;

/// What a real agent says most of the time.
const PIECE: &str = r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"ses_ddab7ddb6ffeiHpBfSyvAOW0I1","update":{"content":{"text":" and then the next few words","type":"text"},"messageId":"msg_225482421001eY1Nz3d6EEODwx","sessionUpdate":"agent_message_chunk"}}}"#;
const TOOL: &str = r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"ses_ddab7ddb6ffeiHpBfSyvAOW0I1","update":{"kind":"execute","locations":[{"path":"/workspace/src/main.rs"}],"rawInput":{"command":"cargo test --locked","cwd":"/workspace"},"sessionUpdate":"tool_call_update","status":"in_progress","title":"cargo test --locked","toolCallId":"call_1_0"}}}"#;

/// Stands for a sandbox: the agent in it answers, and floods.
struct Flood {
    events: u64,
}

#[async_trait::async_trait]
impl Sandbox for Flood {
    fn name(&self) -> &'static str {
        "flood"
    }

    fn isolates(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<String, Unusable> {
        Ok(String::new())
    }

    fn owner(&self) -> Option<(u32, u32)> {
        None
    }

    async fn converse(
        &self,
        _: &Spec,
        _: Option<&dyn Door>,
        talk: Option<Talk>,
        _: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        let talk = talk.unwrap();
        let mut asked = BufReader::new(talk.input.unwrap()).lines();
        let mut output = talk.output.unwrap();
        while let Some(line) = asked.next_line().await.unwrap() {
            let message: serde_json::Value = serde_json::from_str(&line).unwrap();
            let result = match message["method"].as_str().unwrap() {
                "initialize" => r#"{"protocolVersion":1}"#,
                "session/new" => r#"{"sessionId":"ses_ddab7ddb6ffeiHpBfSyvAOW0I1"}"#,
                _ => {
                    flood(&mut output, self.events).await;
                    r#"{"stopReason":"end_turn"}"#
                }
            };
            let answer = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n",
                message["id"]
            );
            output.write_all(answer.as_bytes()).await.unwrap();
        }
        Ok(Outcome {
            ending: Ending::Exited(0),
            took: Span::ZERO,
            tail: Vec::new(),
            output_bytes: 0,
            log_digest: String::new(),
        })
    }
}

async fn flood(output: &mut (dyn AsyncWrite + Send + Unpin), events: u64) {
    let hundred = format!("{PIECE}\n").repeat(90) + &format!("{TOOL}\n").repeat(10);
    for _ in 0..events / 100 {
        output.write_all(hundred.as_bytes()).await.unwrap();
    }
}

/// Keeps what a job keeps.
#[derive(Debug, Default)]
struct Kept {
    heard: Mutex<Heard>,
    updates: AtomicU64,
}

impl Watcher for Kept {
    fn heard(&self, update: Update) {
        self.updates.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::from_millis(0);
        self.heard.lock().unwrap().take(update, now);
    }

    fn stirred(&self) -> Arc<AtomicU64> {
        Arc::default()
    }
}

/// Measures, and prints.
pub(crate) async fn run(args: &Agent) {
    let events = args.events / 100 * 100;
    // Once for what is allocated once.
    follow(10_000).await;
    let before = usage(id());
    let began = Instant::now();
    follow(events).await;
    let took = began.elapsed();
    let after = usage(id());
    println!("## An agent that says {events} things");
    println!(
        "| for each, wall clock | {:.2} µs |\n| for each, CPU with that of the agent | {:.2} µs |",
        each(took.as_secs_f64(), events),
        each(after.cpu_since(&before).as_secs_f64(), events),
    );
    println!(
        "| resident before, and at most until after | {:.1} MB, {:.1} MB |",
        megabytes(before.resident),
        megabytes(after.peak),
    );
}

/// Microseconds for each.
fn each(seconds: f64, events: u64) -> f64 {
    let events = u32::try_from(events).unwrap();
    seconds * 1e6 / f64::from(events)
}

async fn follow(events: u64) {
    let dir = tempfile::tempdir().unwrap();
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let checkout = Checkout {
        tree: Tree::Plain(dir.path().to_owned()),
        objects: dir.path().to_owned(),
        base: CommitSha::new(sha),
        base_tree: TreeSha::new(sha),
    };
    let kept = Kept::default();
    let home = dir.path().join("home");
    let request = request((dir.path(), &home), &checkout, &kept);
    let launch = Launch {
        command: vec!["agent".to_owned()],
        ..Launch::default()
    };
    let agent = Acp::new(launch, Manners::default()).unwrap();
    let never = CancellationToken::new();
    let run = agent.run(&request, &Flood { events }, &never).await;
    assert_eq!(run.unwrap().outcome.ending, Ending::Exited(0));
    // The session and the end are told, too.
    assert_eq!(kept.updates.into_inner(), events + 2);
}

fn request<'a>(
    (job, home): (&'a Path, &'a Path),
    checkout: &'a Checkout,
    watcher: &'a Kept,
) -> Request<'a> {
    static PROFILE: Profile = Profile {
        mounts: Vec::new(),
        env: std::collections::BTreeMap::new(),
        image: None,
    };
    Request {
        brief: "Do it.",
        job_json: "{}",
        job,
        checkout,
        limits: Limits {
            wall: Span::seconds(3600),
            output_bytes: 1,
            file_bytes: 1,
            processes: 1,
            memory_bytes: 1,
            milli_cpus: None,
            disk_bytes: 1,
        },
        profile: &PROFILE,
        door: None,
        input: None,
        session: Session { home, resume: None },
        watcher,
        steering: None,
    }
}
