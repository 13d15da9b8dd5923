//! OpenAI's Responses.

use serde_json::{Value, json};

use super::script::Usage;
use super::tools::{Called, Form, Offered};
use super::wire::{Event, Said, halves};

/// A tool, or the tools of a namespace.
pub(crate) fn tools(tool: &Value) -> Vec<Offered> {
    let named = |name: Option<&str>, form| {
        name.map(|name| Offered {
            name: name.to_owned(),
            form,
            schema: tool["parameters"].clone(),
        })
    };
    let one = match tool["type"].as_str() {
        Some("function") => named(tool["name"].as_str(), Form::Function),
        Some("custom") => named(tool["name"].as_str(), Form::Custom),
        Some("local_shell") => named(Some("local_shell"), Form::LocalShell),
        _ => None,
    };
    let below = tool["tools"].as_array().into_iter().flatten();
    one.into_iter().chain(below.flat_map(tools)).collect()
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": { "cached_tokens": usage.cached },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

fn message(said: &Said) -> Value {
    json!({
        "id": format!("msg_scripted_{}", said.number),
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{ "type": "output_text", "text": said.text, "annotations": [] }],
    })
}

fn call(said: &Said, index: usize, call: &Called) -> Value {
    let id = format!("item_scripted_{}_{index}", said.number);
    let call_id = format!("call_scripted_{}_{index}", said.number);
    match call.form {
        Form::Function => json!({
            "id": id, "type": "function_call", "status": "completed", "call_id": call_id,
            "name": call.name, "arguments": call.input.to_string(),
        }),
        Form::Custom => json!({
            "id": id, "type": "custom_tool_call", "status": "completed", "call_id": call_id,
            "name": call.name, "input": call.input,
        }),
        Form::LocalShell => json!({
            "id": id, "type": "local_shell_call", "status": "completed", "call_id": call_id,
            "action": call.input,
        }),
    }
}

fn output(said: &Said) -> Vec<Value> {
    let text = (!said.text.is_empty()).then(|| message(said));
    let calls = said.calls.iter().enumerate();
    let calls = calls.map(|(index, one)| call(said, index, one));
    text.into_iter().chain(calls).collect()
}

fn response(said: &Said, status: &str, output: &[Value], usage: &Value) -> Value {
    json!({
        "id": format!("resp_scripted_{}", said.number),
        "object": "response",
        "created_at": 0,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "model": said.model,
        "output": output,
        "parallel_tool_calls": false,
        "tools": [],
        "usage": usage,
    })
}

pub(crate) fn whole(said: &Said) -> Value {
    response(said, "completed", &output(said), &usage(said.usage))
}

pub(crate) fn events(said: &Said) -> Vec<Event> {
    let begun = response(said, "in_progress", &[], &Value::Null);
    let mut all = vec![
        ("response.created", json!({ "response": begun })),
        ("response.in_progress", json!({ "response": begun })),
    ];
    for (index, item) in output(said).into_iter().enumerate() {
        let at = |name, field: &str, value: &Value| {
            let id = &item["id"];
            let mut data = json!({ "item_id": id, "output_index": index, "content_index": 0 });
            data[field] = value.clone();
            (name, data)
        };
        let mut start = item.clone();
        start["status"] = json!("in_progress");
        let (delta, done) = match item["type"].as_str() {
            Some("message") => {
                start["content"] = json!([]);
                ("response.output_text.delta", "response.output_text.done")
            }
            Some("function_call") => {
                start["arguments"] = json!("");
                (
                    "response.function_call_arguments.delta",
                    "response.function_call_arguments.done",
                )
            }
            _ => ("", ""),
        };
        all.push((
            "response.output_item.added",
            json!({ "output_index": index, "item": start }),
        ));
        let text = item.pointer("/content/0/text").or(item.get("arguments"));
        if let Some(text) = text.and_then(Value::as_str) {
            let part = json!({ "type": "output_text", "text": "", "annotations": [] });
            if item["type"] == "message" {
                all.push(at("response.content_part.added", "part", &part));
            }
            for half in halves(text) {
                all.push(at(delta, "delta", &json!(half)));
            }
            let field = if item["type"] == "message" {
                "text"
            } else {
                "arguments"
            };
            all.push(at(done, field, &json!(text)));
            if item["type"] == "message" {
                all.push(at(
                    "response.content_part.done",
                    "part",
                    &item["content"][0],
                ));
            }
        }
        all.push((
            "response.output_item.done",
            json!({ "output_index": index, "item": item }),
        ));
    }
    all.push(("response.completed", json!({ "response": whole(said) })));
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(number, (name, mut data))| {
            data["type"] = json!(name);
            data["sequence_number"] = json!(number);
            (Some(name), data)
        })
        .collect()
}
