//! A client of the Agent Client Protocol, version 1, that knows no more than JSON-RPC by line. It
//! shares nothing with the driver of the product.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::cage::Cage;

/// How long an agent may be silent.
const SILENCE: Duration = Duration::from_mins(1);

/// What is answered to an agent that asks whether it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Permission {
    Once,
    Never,
}

/// A connection to an agent.
pub(crate) struct Client {
    pub(crate) permission: Permission,
    /// How often it asked for one.
    pub(crate) asked: usize,
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    next: u64,
    /// All that was said, in order: `{"sent": …}` and `{"received": …}`.
    pub(crate) said: Vec<Value>,
}

impl Client {
    pub(crate) fn start(cage: &Cage, command: &[String], env: &BTreeMap<String, String>) -> Self {
        let mut child = cage.start(command, env);
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            permission: Permission::Once,
            asked: 0,
            child,
            input,
            lines,
            next: 0,
            said: Vec::new(),
        }
    }

    async fn send(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.said.push(json!({ "sent": message }));
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.input.flush().await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let line = timeout(SILENCE, self.lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            let mut stderr = String::new();
            let mut pipe = self.child.stderr.take().unwrap();
            let _ = self.child.start_kill();
            let _ = pipe.read_to_string(&mut stderr).await;
            panic!(
                "the agent said no more: {line:?}\n{stderr}\n{:#?}",
                self.said
            );
        };
        let message: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.said.push(json!({ "received": message }));
        message
    }

    /// Asks, and answers what the agent asks meanwhile, until it has answered.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.begin(method, params).await;
        self.finish(id).await
    }

    /// Asks, and returns the number of the request.
    pub(crate) async fn begin(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await;
        id
    }

    /// Says something that has no answer.
    pub(crate) async fn tell(&mut self, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params }))
            .await;
    }

    /// Waits for the answer of a request.
    pub(crate) async fn finish(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            let message = self.receive().await;
            if message.get("method").is_some() {
                self.answer(&message).await;
            } else if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
        }
    }

    /// Waits for an update of a kind.
    pub(crate) async fn update(&mut self, kind: &str) -> Value {
        loop {
            let message = self.receive().await;
            self.answer(&message).await;
            if message["params"]["update"]["sessionUpdate"] == kind {
                return message["params"]["update"].clone();
            }
        }
    }

    /// Answers a question about permission; anything else that an agent may want of a client is not
    /// there.
    async fn answer(&mut self, message: &Value) {
        let Some(id) = message.get("id") else { return };
        let answer = if message["method"] == "session/request_permission" {
            self.asked += 1;
            let kind = match self.permission {
                Permission::Once => "allow_once",
                Permission::Never => "reject_once",
            };
            let options = message["params"]["options"].as_array().unwrap();
            let option = options.iter().find(|one| one["kind"] == kind);
            let option = option.unwrap_or_else(|| panic!("no {kind} in {options:?}"));
            let outcome = json!({ "outcome": "selected", "optionId": option["optionId"] });
            json!({ "jsonrpc": "2.0", "id": id, "result": { "outcome": outcome } })
        } else {
            let error = json!({ "code": -32601, "message": "Method not found" });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        };
        self.send(answer).await;
    }

    /// Ends the agent as a client does that has no more to say, and returns all that was said.
    pub(crate) async fn end(mut self) -> Vec<Value> {
        drop(self.input);
        // Not every one ends when its input does.
        let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
        self.said
    }
}
