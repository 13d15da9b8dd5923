//! OpenAI's Chat Completions.

use serde_json::{Value, json};

use super::script::Usage;
use super::tools::{Form, Offered};
use super::wire::{Event, Said, halves};

pub(crate) fn tool(tool: &Value) -> Option<Offered> {
    let function = &tool["function"];
    Some(Offered {
        name: function["name"].as_str()?.to_owned(),
        form: Form::Function,
        schema: function["parameters"].clone(),
    })
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": 0 },
    })
}

fn stop(said: &Said) -> &'static str {
    if said.calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    }
}

fn calls(said: &Said) -> Vec<Value> {
    let calls = said.calls.iter().enumerate();
    calls
        .map(|(index, call)| {
            json!({
                "index": index,
                "id": format!("call_scripted_{}_{index}", said.number),
                "type": "function",
                "function": { "name": call.name, "arguments": call.input.to_string() },
            })
        })
        .collect()
}

fn object(said: &Said, kind: &str, choices: &[Value], usage: &Value) -> Value {
    json!({
        "id": format!("chatcmpl-scripted-{}", said.number),
        "object": kind,
        "created": 0,
        "model": said.model,
        "choices": choices,
        "usage": usage,
    })
}

pub(crate) fn whole(said: &Said) -> Value {
    let mut message = json!({ "role": "assistant", "content": said.text });
    if !said.calls.is_empty() {
        message["tool_calls"] = json!(calls(said));
    }
    let choice = json!({ "index": 0, "message": message, "finish_reason": stop(said) });
    object(said, "chat.completion", &[choice], &usage(said.usage))
}

pub(crate) fn events(said: &Said) -> Vec<Event> {
    let chunk = |delta: Value, finish: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        (
            None,
            object(said, "chat.completion.chunk", &[choice], &Value::Null),
        )
    };
    let mut events = vec![chunk(json!({ "role": "assistant", "content": "" }), None)];
    for text in halves(&said.text) {
        events.push(chunk(json!({ "content": text }), None));
    }
    for call in calls(said) {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let [first, second] = halves(arguments);
        let mut start = call.clone();
        start["function"]["arguments"] = json!(first);
        events.push(chunk(json!({ "tool_calls": [start] }), None));
        let rest = json!({ "index": call["index"], "function": { "arguments": second } });
        events.push(chunk(json!({ "tool_calls": [rest] }), None));
    }
    events.push(chunk(json!({}), Some(stop(said))));
    // The usage comes in a chunk of its own, without a choice.
    events.push((
        None,
        object(said, "chat.completion.chunk", &[], &usage(said.usage)),
    ));
    events
}

/// The same body for both of OpenAI's APIs.
pub(crate) fn error(status: u16) -> Value {
    let (kind, code, message) = match status {
        401 => (
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect API key provided.",
        ),
        429 => (
            "requests",
            Some("rate_limit_exceeded"),
            "Rate limit reached for requests.",
        ),
        _ => (
            "server_error",
            None,
            "The server had an error while processing your request.",
        ),
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}
