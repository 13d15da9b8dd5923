//! The agent of our own, before a model that says what the story says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::assessments::hers;
use crate::harness::{Bot, REPO, World};
use crate::reviews::CHANGES;

/// What the model calls in one answer.
type Calls = Vec<(&'static str, Value)>;

/// What it has still to say, and what it was asked.
#[derive(Default)]
struct Script {
    turns: VecDeque<Calls>,
    asked: Vec<Value>,
}

/// A model that takes its turns, and has nothing to say when they are over.
struct Model {
    address: std::net::SocketAddr,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

impl Model {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<Script>> = Arc::default();
        let app = axum::Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(script.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            script,
            task,
        }
    }

    /// Lets it say this next.
    fn says(&self, turns: impl IntoIterator<Item = Calls>) {
        self.script.lock().unwrap().turns.extend(turns);
    }

    /// Returns what it was asked since the last time.
    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }

    /// A world whose agent asks it.
    fn world(&self) -> World {
        World::new().keyed("sk-of-the-story").settings(&format!(
            "[agents.own]\ndriver = \"builtin\"\nmodels = [\"main\"]\nmodel = \"m\"\n\
             [models.main]\napi = \"openai\"\nurl = \"http://{}/v1\"\n\
             [models.main.prices.\"*\"]\ninput = 0\noutput = 0\n",
            self.address
        ))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, asked: Bytes) -> Response {
    let mut script = script.lock().unwrap();
    script.asked.push(serde_json::from_slice(&asked).unwrap());
    let Some(turn) = script.turns.pop_front() else {
        let over = json!({"error": {"message": "the story has no more turns"}});
        return (StatusCode::BAD_REQUEST, over.to_string()).into_response();
    };
    let calls: Vec<_> = turn
        .into_iter()
        .enumerate()
        .map(|(at, (name, arguments))| {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            json!({"id": format!("call-{at}"), "type": "function", "function": function})
        })
        .collect();
    let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let answer = json!({
        "id": "c", "object": "chat.completion", "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
    });
    ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

fn shell(line: &str) -> (&'static str, Value) {
    ("shell", json!({ "command": line }))
}

fn finish(summary: &str) -> (&'static str, Value) {
    (
        "finish",
        json!({"title": "Mend the readme", "summary": summary}),
    )
}

/// Returns the names of the tools that a request offers.
fn offered(asked: &Value) -> Vec<&str> {
    let tools = asked.get("tools").and_then(Value::as_array);
    tools
        .unwrap()
        .iter()
        .map(|tool| tool.pointer("/function/name").unwrap().as_str().unwrap())
        .collect()
}

const TOOLS: [&str; 5] = ["shell", "read", "search", "edit", "finish"];

/// Brings an issue to its pull request.
async fn in_review(model: &Model) -> (Bot, u64, u64) {
    model.says([
        vec![shell("sed -i s/teh/the/ README.md")],
        vec![finish("Mended it.")],
    ]);
    let bot = model.world().start().await;
    let (issue, pull) = bot.in_review().await;
    let asked = model.asked();
    assert!(asked.iter().all(|one| offered(one) == TOOLS), "{asked:#?}");
    (bot, issue, pull)
}

#[tokio::test]
async fn each_comment_of_a_review_is_answered_in_its_conversation() {
    let model = Model::start().await;
    let (bot, issue, pull) = in_review(&model).await;
    let reply = |comment: u32, text: &str, done: bool| {
        (
            "reply",
            json!({"comment": comment, "text": text, "done": done}),
        )
    };
    model.says([
        vec![shell("sed -i 's/the readme/our readme/' README.md")],
        vec![finish("Said which readme it is.")],
        vec![
            reply(1, "It says *our* now.", true),
            reply(7, "Which one?", true),
            ("reply", json!({"comment": 2})),
        ],
        vec![
            reply(2, "It shouts as much as it must.", false),
            finish("It says which one."),
        ],
    ]);
    bot.alice().review(REPO, pull, CHANGES).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(pull));
    let asked = model.asked();
    assert_eq!(asked.len(), 4);
    let with_reply = ["shell", "read", "search", "edit", "reply", "finish"];
    assert!(asked.iter().all(|one| offered(one) == with_reply));
    let told = |at: usize| asked[at]["messages"].to_string();
    assert!(
        told(2).contains("these have no reply from you: 1, 2."),
        "{}",
        told(2)
    );
    let wrong = ["there is no comment 7", "missing field `text`"];
    assert!(
        wrong.iter().all(|wrong| told(3).contains(wrong)),
        "{}",
        told(3)
    );
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn a_review_by_it_has_comments_at_lines() {
    let model = Model::start().await;
    let found = |line: u32, severity: &str, body: &str| {
        let found = json!({"path": "README.md", "line": line, "severity": severity, "body": body});
        ("finding", found)
    };
    let bot = model.world().start().await;
    let pull = hers(&bot);
    model.says([
        vec![shell("cat README.md; echo x > scratch")],
        vec![
            found(3, "low", "A misspelt word."),
            found(1, "high", "It shouts. Say it calmly."),
            found(900, "medium", "The end is missing."),
            ("finding", json!({"path": "README.md", "line": "three"})),
            finish("Too early."),
        ],
        vec![finish("The words are right, their tone is not.")],
    ]);
    bot.say("alice", pull, "@prova review").await;
    assert_eq!(bot.state(pull).await, "answered", "{}", bot.thread(pull));
    let asked = model.asked();
    let with_finding = ["shell", "read", "search", "edit", "finding", "finish"];
    assert!(asked.iter().all(|one| offered(one) == with_finding));
    let told = asked[2]["messages"].to_string();
    assert!(
        told.contains("no arguments of finding") && told.contains("not finished yet"),
        "{told}"
    );
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn replies_that_were_handed_in_are_said_when_the_work_breaks_off() {
    let model = Model::start().await;
    let (bot, issue, pull) = in_review(&model).await;
    model.says([vec![
        shell("echo more >> README.md"),
        (
            "reply",
            json!({"comment": 1, "text": "I began with this one.", "done": true}),
        ),
    ]]);
    bot.alice().review(REPO, pull, CHANGES).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    let thread = bot.thread(pull);
    assert!(thread.contains("the story has no more turns"), "{thread}");
    assert_eq!(thread.matches("**Not done**").count(), 2, "{thread}");
    assert!(thread.contains("> I began with this one."), "{thread}");
}
