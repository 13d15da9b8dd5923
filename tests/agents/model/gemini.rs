//! Gemini's `generateContent`.

use serde_json::{Value, json};

use super::script::Usage;
use super::tools::{Form, Offered};
use super::wire::{Event, Said, halves};

/// The functions of one entry.
pub(crate) fn tools(tool: &Value) -> Vec<Offered> {
    let declared = tool["functionDeclarations"].as_array();
    declared.map_or_else(Vec::new, |all| all.iter().filter_map(function).collect())
}

fn function(function: &Value) -> Option<Offered> {
    let schema = function
        .get("parametersJsonSchema")
        .unwrap_or(&function["parameters"]);
    Some(Offered {
        name: function["name"].as_str()?.to_owned(),
        form: Form::Function,
        schema: schema.clone(),
    })
}

fn usage(usage: Usage) -> Value {
    json!({
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.input.saturating_add(usage.output),
    })
}

fn calls(said: &Said) -> impl Iterator<Item = Value> {
    said.calls
        .iter()
        .map(|call| json!({ "functionCall": { "name": call.name, "args": call.input } }))
}

fn object(said: &Said, parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({ "index": 0, "content": { "role": "model", "parts": parts } });
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": usage(said.usage),
        "modelVersion": said.model,
        "responseId": format!("scripted-{}", said.number),
    })
}

pub(crate) fn whole(said: &Said) -> Value {
    let text = (!said.text.is_empty()).then(|| json!({ "text": said.text }));
    let parts: Vec<Value> = text.into_iter().chain(calls(said)).collect();
    object(said, &parts, Some("STOP"))
}

pub(crate) fn events(said: &Said) -> Vec<Event> {
    let mut events: Vec<Event> = halves(&said.text)
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| (None, object(said, &[json!({ "text": text })], None)))
        .collect();
    // Calls are never in pieces.
    let parts: Vec<Value> = calls(said).collect();
    events.push((None, object(said, &parts, Some("STOP"))));
    events
}

pub(crate) fn error(status: u16) -> Value {
    let (name, message) = match status {
        401 => (
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        ),
        429 => ("RESOURCE_EXHAUSTED", "Resource has been exhausted."),
        529 | 503 => ("UNAVAILABLE", "The model is overloaded."),
        _ => ("INTERNAL", "An internal error has occurred."),
    };
    json!({ "error": { "code": status, "message": message, "status": name } })
}
