//! Keeps what agents print, for those who read it without them.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use serde_json::{Value, json};

use crate::known::fixtures;
use crate::model::Asked;

/// Writes a recording, where that is asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no settings but the environment"
)]
pub(crate) fn record(agent: &str, file: &str, text: &str) {
    if env::var("PROVA_RECORD").is_ok() {
        fs::write(fixtures(agent).join(file), text).unwrap();
    }
}

/// The lines of messages.
pub(crate) fn lines(messages: &[Value]) -> String {
    messages.iter().fold(String::new(), |lines, message| {
        lines + &message.to_string() + "\n"
    })
}

/// What a model was asked, without the texts: an agent's prompt is its maker's, and long.
pub(crate) fn requests(asked: &[Asked]) -> String {
    let told = ["authorization", "x-api-key", "x-goog-api-key", "user-agent"];
    let lines: Vec<Value> = asked
        .iter()
        .map(|one| {
            let headers: BTreeMap<&str, &str> = told
                .iter()
                .filter_map(|name| Some((*name, one.headers.get(*name)?.to_str().ok()?)))
                .collect();
            let keys: Option<Vec<&String>> = one.body.as_object().map(|body| body.keys().collect());
            json!({
                "method": one.method,
                "path": one.path,
                "taken_for": format!("{:?}", one.kind),
                "headers": headers,
                "model": one.body["model"],
                "body": keys,
                "tools": one.tools,
            })
        })
        .collect();
    self::lines(&lines)
}
