//! The variables by which programs inside find the door: the usual ones of agents and tools, and
//! one that says everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::adapters::gateway::endpoint::Upstream;
use crate::domain::model::Api;
use crate::ports::door::INSIDE_DOOR;

/// Returns the variables. The first endpoint of each API gets the API's usual ones.
pub(super) fn of(key: &str, upstreams: &[Arc<Upstream>]) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let proxy = format!("http://{INSIDE_DOOR}");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        env.insert(name.to_owned(), proxy.clone());
        env.insert(name.to_ascii_lowercase(), proxy.clone());
    }
    for name in ["NO_PROXY", "no_proxy"] {
        env.insert(name.to_owned(), "127.0.0.1,localhost".to_owned());
    }
    for upstream in upstreams {
        let host = format!("http://{INSIDE_DOOR}/models/{}", upstream.name);
        for (name, value) in usual(upstream.api, &host, key) {
            env.entry(name.to_owned()).or_insert(value);
        }
    }
    if !upstreams.is_empty() {
        let all: Vec<_> = upstreams
            .iter()
            .map(|upstream| describe(upstream))
            .collect();
        env.insert("PROVA_MODELS".to_owned(), json!(all).to_string());
        env.insert("PROVA_MODELS_KEY".to_owned(), key.to_owned());
    }
    env
}

fn usual(api: Api, host: &str, key: &str) -> Vec<(&'static str, String)> {
    match api {
        Api::Anthropic => vec![
            ("ANTHROPIC_BASE_URL", host.to_owned()),
            ("ANTHROPIC_API_KEY", key.to_owned()),
        ],
        Api::OpenAi => vec![
            ("OPENAI_BASE_URL", format!("{host}/v1")),
            // Aider and others on litellm.
            ("OPENAI_API_BASE", format!("{host}/v1")),
            // Goose.
            ("OPENAI_HOST", host.to_owned()),
            ("OPENAI_API_KEY", key.to_owned()),
        ],
        Api::Gemini => vec![
            ("GOOGLE_GEMINI_BASE_URL", host.to_owned()),
            ("GEMINI_API_KEY", key.to_owned()),
        ],
    }
}

fn describe(upstream: &Upstream) -> serde_json::Value {
    let path = match upstream.api {
        Api::Anthropic | Api::Gemini => "",
        Api::OpenAi => "/v1",
    };
    json!({
        "name": upstream.name,
        "api": upstream.api.as_str(),
        "url": format!("http://{INSIDE_DOOR}/models/{}{path}", upstream.name),
        "models": upstream.models.keys().collect::<Vec<_>>(),
    })
}
