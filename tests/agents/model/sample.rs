//! The smallest value that a JSON Schema takes: an answer to whoever asked for JSON of some shape.

use serde_json::{Map, Value, json};

/// Returns a value of a schema: the first of a choice, and only what is required. Types may be
/// written in capitals, as Gemini does.
pub(crate) fn sample(schema: &Value) -> Value {
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(value) = schema["enum"].as_array().and_then(|all| all.first()) {
        return value.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].as_array().and_then(|all| all.first()) {
            return sample(first);
        }
    }
    let kind = &schema["type"];
    let first = kind.as_array().and_then(|kinds| kinds.first());
    let kind = first.unwrap_or(kind).as_str();
    match kind.unwrap_or("object").to_ascii_lowercase().as_str() {
        "string" => json!("ok"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(false),
        "array" => json!([]),
        "null" => Value::Null,
        _ => Value::Object(required(schema)),
    }
}

fn required(schema: &Value) -> Map<String, Value> {
    let names = schema["required"].as_array().into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .map(|name| (name.to_owned(), sample(&schema["properties"][name])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_what_is_required_and_nothing_else() {
        let schema = json!({
            "type": "OBJECT",
            "properties": {
                "why": { "type": "string" },
                "model": { "type": "string", "enum": ["flash", "pro"] },
                "score": { "type": ["integer", "null"], "minimum": 1 },
                "either": { "anyOf": [{ "type": "boolean" }, { "type": "null" }] },
                "left": { "type": "string" },
            },
            "required": ["why", "model", "score", "either"],
        });
        assert_eq!(
            sample(&schema),
            json!({ "why": "ok", "model": "flash", "score": 1, "either": false })
        );
    }
}
