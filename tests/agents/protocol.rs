//! Each agent, over the Agent Client Protocol: prompts in one session and after it was loaded again,
//! a cancelled one, a permission that is not given, a wrong key.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::acp::{Client, Permission};
use crate::cage::{Cage, WORKSPACE};
use crate::known::{Acp, Known, RULES, words};
use crate::model::{Asked, Kind, Model, Script, Turn};
use crate::planted::{obeyed, plant};
use crate::record::{lines, record};

const FIRST: &str = "Write one into made.txt.";

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

    fn acp(&self) -> &Acp {
        self.known.acp.as_ref().unwrap()
    }

    fn made(&self) -> String {
        fs::read_to_string(self.cage.workspace().join("made.txt")).unwrap_or_default()
    }

    fn keep(&self, file: &str, said: &[Value]) {
        record(self.name, file, &lines(said));
    }

    /// Starts the agent, and agrees on the protocol.
    async fn client(&self, more: &BTreeMap<String, String>) -> Client {
        let mut env = self.known.env();
        env.extend(more.clone());
        let mut client = Client::start(&self.cage, &words(&self.acp().command, "", ""), &env);
        let params = json!({
            "protocolVersion": 1,
            "clientCapabilities": {
                "fs": { "readTextFile": false, "writeTextFile": false },
                "terminal": false,
            },
            "clientInfo": { "name": "prova", "version": "0.1.0" },
        });
        let about = client.ask("initialize", params).await.unwrap();
        assert_eq!(about["protocolVersion"], 1, "{about}");
        client
    }

    /// What a session is opened with, or loaded.
    fn session(&self, id: Option<&str>) -> Value {
        let mut params = json!({ "cwd": WORKSPACE, "mcpServers": [] });
        if let Some(id) = id {
            params["sessionId"] = json!(id);
        }
        let meta = self.acp().meta();
        if !meta.is_null() {
            params["_meta"] = meta;
        }
        params
    }

    /// Opens a session.
    async fn opened(&self, client: &mut Client) -> String {
        let params = self.session(None);
        let opened = client.ask("session/new", params).await.unwrap();
        opened["sessionId"].as_str().unwrap().to_owned()
    }

    /// Puts a session into the mode in which nobody is asked.
    async fn unattended(&self, client: &mut Client, session: &str) {
        if let Some(mode) = &self.acp().mode {
            let params = json!({ "sessionId": session, "modeId": mode });
            client.ask("session/set_mode", params).await.unwrap();
        }
    }
}

fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

async fn works_and_goes_on(name: &'static str) {
    let bed = Bed::of(
        name,
        Script::of([
            Turn::shell("echo one >> made.txt"),
            Turn::say("I wrote one."),
            Turn::shell("echo two >> made.txt"),
            Turn::say("I wrote two."),
        ]),
    );
    plant(&bed.cage.workspace());
    let mut client = bed.client(&BTreeMap::new()).await;
    let session = bed.opened(&mut client).await;
    bed.unattended(&mut client, &session).await;
    for (text, made) in [(FIRST, "one\n"), ("Write two as well.", "one\ntwo\n")] {
        let ended = client.ask("session/prompt", prompt(&session, text)).await;
        bed.keep("acp.jsonl", &client.said);
        assert_eq!(ended.unwrap()["stopReason"], "end_turn");
        assert_eq!(bed.made(), made, "{:#?}", client.said);
    }
    client.end().await;
    let ruled = |one: &Asked| one.body.to_string().contains(RULES);
    let asked = bed.model.asked();
    let mut work = asked.iter().filter(|one| one.kind == Kind::Work(0));
    assert!(work.all(ruled), "no instructions in {asked:#?}");
    bed.model.goes_on(Script::of([
        Turn::shell("echo three >> made.txt"),
        Turn::say("I wrote three."),
    ]));

    let mut client = bed.client(&BTreeMap::new()).await;
    let params = bed.session(Some(&session));
    let loaded = client.ask("session/load", params).await;
    if let Some(load) = bed.acp().load {
        assert_eq!(loaded.is_ok(), load, "{loaded:?}");
    }
    if bed.acp().load == Some(true) {
        bed.unattended(&mut client, &session).await;
        let asking = client.ask("session/prompt", prompt(&session, "And three."));
        assert_eq!(asking.await.unwrap()["stopReason"], "end_turn");
        assert_eq!(bed.made(), "one\ntwo\nthree\n", "{:#?}", client.said);
        let asked = bed.model.asked();
        let mut work = asked.iter().filter(|one| one.kind == Kind::Work(1));
        let heard = work.any(|one| one.body.to_string().contains(FIRST));
        assert!(heard, "it has forgotten: {asked:#?}");
    }
    bed.keep("acp-load.jsonl", &client.end().await);
    assert_eq!(obeyed(&bed.cage.workspace()), Vec::<String>::new());
}

async fn is_cancelled(name: &'static str) {
    let bed = Bed::of(
        name,
        Script::of([Turn::shell("sleep 300; echo late > made.txt")]),
    );
    let mut client = bed.client(&BTreeMap::new()).await;
    let session = bed.opened(&mut client).await;
    bed.unattended(&mut client, &session).await;
    let params = prompt(&session, "Wait for long.");
    let prompted = client.begin("session/prompt", params).await;
    client.update("tool_call").await;
    client
        .tell("session/cancel", json!({ "sessionId": session }))
        .await;
    let ended = client.finish(prompted).await;
    bed.keep("acp-cancel.jsonl", &client.said);
    assert_eq!(ended.unwrap()["stopReason"], "cancelled");
}

async fn asks_first(name: &'static str) {
    let bed = Bed::of(
        name,
        Script::of([
            Turn::shell("echo one >> made.txt"),
            Turn::say("I could not."),
        ]),
    );
    let asks = bed.acp().asks.clone().unwrap();
    let mut client = bed.client(&asks).await;
    client.permission = Permission::Never;
    let session = bed.opened(&mut client).await;
    let _ = client.ask("session/prompt", prompt(&session, FIRST)).await;
    bed.keep("acp-reject.jsonl", &client.said);
    assert_eq!((client.asked, bed.made()), (1, String::new()));
}

async fn is_refused(name: &'static str) {
    let bed = Bed::of(name, Script::of([Turn::fail(401)]));
    let mut client = bed.client(&BTreeMap::new()).await;
    let session = bed.opened(&mut client).await;
    bed.unattended(&mut client, &session).await;
    let ended = client.ask("session/prompt", prompt(&session, FIRST)).await;
    bed.keep("acp-key.jsonl", &client.said);
    assert!(ended.is_err(), "{ended:?}");
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
            async fn stops_when_it_is_told_to() {
                is_cancelled($name).await;
            }

            #[tokio::test]
            async fn has_a_wrong_key() {
                is_refused($name).await;
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

#[tokio::test]
async fn goose_asks_before_it_acts() {
    asks_first("goose").await;
}

#[tokio::test]
async fn claude_asks_before_it_acts() {
    asks_first("claude-code").await;
}

#[tokio::test]
async fn opencode_asks_before_it_acts() {
    asks_first("opencode").await;
}

#[tokio::test]
async fn gemini_asks_before_it_acts() {
    asks_first("gemini").await;
}
