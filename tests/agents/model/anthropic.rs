//! Anthropic's Messages.

use serde_json::{Value, json};

use super::script::Usage;
use super::tools::{Called, Form, Offered};
use super::wire::{Event, Said, halves};

pub(crate) fn tool(tool: &Value) -> Option<Offered> {
    Some(Offered {
        name: tool["name"].as_str()?.to_owned(),
        form: Form::Function,
        schema: tool["input_schema"].clone(),
    })
}

fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": output,
    })
}

fn stop(said: &Said) -> &'static str {
    if said.calls.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    }
}

fn id(said: &Said, index: usize) -> String {
    format!("toolu_scripted_{}_{index}", said.number)
}

fn message(said: &Said, content: &[Value], stop: Option<&str>, output: u64) -> Value {
    json!({
        "id": format!("msg_scripted_{}", said.number),
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage(said.usage, output),
    })
}

fn block(said: &Said, index: usize, call: &Called, input: &Value) -> Value {
    json!({ "type": "tool_use", "id": id(said, index), "name": call.name, "input": input })
}

pub(crate) fn whole(said: &Said) -> Value {
    let mut content = Vec::new();
    if !said.text.is_empty() {
        content.push(json!({ "type": "text", "text": said.text }));
    }
    for (index, call) in said.calls.iter().enumerate() {
        content.push(block(said, index, call, &call.input));
    }
    message(said, &content, Some(stop(said)), said.usage.output)
}

pub(crate) fn events(said: &Said) -> Vec<Event> {
    let mut events = vec![event(json!({
        "type": "message_start",
        "message": message(said, &[], None, 1),
    }))];
    let mut index = 0;
    if !said.text.is_empty() {
        let deltas = halves(&said.text).map(|text| json!({ "type": "text_delta", "text": text }));
        content(
            &mut events,
            index,
            &json!({ "type": "text", "text": "" }),
            &deltas,
        );
        index += 1;
    }
    for (number, call) in said.calls.iter().enumerate() {
        let input = call.input.to_string();
        let deltas =
            halves(&input).map(|json| json!({ "type": "input_json_delta", "partial_json": json }));
        content(
            &mut events,
            index,
            &block(said, number, call, &json!({})),
            &deltas,
        );
        index += 1;
    }
    events.push(event(json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop(said), "stop_sequence": null },
        "usage": usage(said.usage, said.usage.output),
    })));
    events.push(event(json!({ "type": "message_stop" })));
    events
}

fn content(events: &mut Vec<Event>, index: usize, block: &Value, deltas: &[Value]) {
    events.push(event(
        json!({ "type": "content_block_start", "index": index, "content_block": block }),
    ));
    for delta in deltas {
        events.push(event(
            json!({ "type": "content_block_delta", "index": index, "delta": delta }),
        ));
    }
    events.push(event(
        json!({ "type": "content_block_stop", "index": index }),
    ));
}

/// Each event is named by its type.
fn event(data: Value) -> Event {
    let name = match data["type"].as_str() {
        Some("message_start") => "message_start",
        Some("content_block_start") => "content_block_start",
        Some("content_block_delta") => "content_block_delta",
        Some("content_block_stop") => "content_block_stop",
        Some("message_delta") => "message_delta",
        _ => "message_stop",
    };
    (Some(name), data)
}

pub(crate) fn error(status: u16) -> Value {
    let (kind, message) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit.",
        ),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    json!({
        "type": "error",
        "error": { "type": kind, "message": message },
        "request_id": "req_scripted",
    })
}
