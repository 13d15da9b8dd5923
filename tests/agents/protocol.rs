//! Each agent, over the Agent Client Protocol: a session with two prompts, and one that is cancelled.

use std::fs;

use serde_json::{Value, json};

use crate::acp::Client;
use crate::cage::{Cage, WORKSPACE};
use crate::known::{Known, words};
use crate::model::{Model, Script, Turn};
use crate::record::{lines, record};

/// A client, and the session that it opened.
async fn session(known: &Known, cage: &Cage) -> (Client, String) {
    let acp = known.acp.as_ref().unwrap();
    let mut env = known.env();
    env.extend(acp.env.clone());
    let mut client = Client::start(cage, &words(&acp.command, "", ""), &env);
    let nothing =
        json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
    let params = json!({
        "protocolVersion": 1,
        "clientCapabilities": nothing,
        "clientInfo": { "name": "prova", "version": "0.1.0" },
    });
    let about = client.ask("initialize", params).await.unwrap();
    assert_eq!(about["protocolVersion"], 1, "{about}");
    if let Some(method) = &acp.authenticate {
        let params = json!({ "methodId": method });
        client.ask("authenticate", params).await.unwrap();
    }
    let params = json!({ "cwd": WORKSPACE, "mcpServers": [] });
    let opened = client.ask("session/new", params).await.unwrap();
    let session = opened["sessionId"].as_str().unwrap().to_owned();
    if let Some(mode) = &acp.mode {
        let params = json!({ "sessionId": session, "modeId": mode });
        client.ask("session/set_mode", params).await.unwrap();
    }
    (client, session)
}

fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

async fn works_and_goes_on(name: &'static str) {
    let known = Known::read(name);
    let cage = Cage::new();
    known.settle(&cage);
    let mut model = Model::new(Script::of([
        Turn::shell("echo one >> made.txt"),
        Turn::say("I wrote one."),
        Turn::shell("echo two >> made.txt"),
        Turn::say("I wrote two."),
    ]));
    model.on_socket(&cage.socket());
    let made = || fs::read_to_string(cage.workspace().join("made.txt")).unwrap_or_default();

    let (mut client, session) = session(&known, &cage).await;
    let first = client
        .ask(
            "session/prompt",
            prompt(&session, "Write one into made.txt."),
        )
        .await;
    record(name, "acp.jsonl", &lines(&client.said));
    assert_eq!(first.unwrap()["stopReason"], "end_turn");
    assert_eq!(made(), "one\n", "{:#?}", client.said);
    let second = client
        .ask("session/prompt", prompt(&session, "Write two as well."))
        .await;
    record(name, "acp.jsonl", &lines(&client.said));
    assert_eq!(second.unwrap()["stopReason"], "end_turn");
    assert_eq!(made(), "one\ntwo\n", "{:#?}", client.said);
}

async fn is_cancelled(name: &'static str) {
    let known = Known::read(name);
    let cage = Cage::new();
    known.settle(&cage);
    let mut model = Model::new(Script::of([Turn::shell("sleep 300; echo late > late.txt")]));
    model.on_socket(&cage.socket());

    let (mut client, session) = session(&known, &cage).await;
    let prompted = client
        .begin("session/prompt", prompt(&session, "Wait for long."))
        .await;
    client.update("tool_call").await;
    client
        .tell("session/cancel", json!({ "sessionId": session }))
        .await;
    let ended = client.finish(prompted).await;
    record(name, "acp-cancel.jsonl", &lines(&client.said));
    assert_eq!(ended.unwrap()["stopReason"], "cancelled");
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
