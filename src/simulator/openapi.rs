//! Judging requests by GitHub's own description of its API.
//!
//! GitHub ignores a body key that it does not know. Here it is a violation, like an unknown
//! operation, a wrong type or a missing field: almost always a defect of the sender.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::simulator::api::message::Incoming;
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;

/// Requests of one version of GitHub's API, in the form that `fixtures/openapi/extract.py` writes.
#[derive(Debug, Clone)]
pub struct Description {
    version: String,
    operations: Arc<Vec<Operation>>,
    /// Operations are parsed when they are first met: a test meets twenty of twelve hundred.
    parsed: Arc<Mutex<HashMap<usize, Arc<Value>>>>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    template: Vec<Segment>,
    json: String,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    /// One segment.
    Parameter(String),
    /// One segment or more: refs, file paths and comparisons hold slashes.
    Spanning(String),
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name @ ("path" | "ref" | "branch" | "basehead")) => {
                Self::Spanning(name.to_owned())
            }
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Literal(text.to_owned()),
        }
    }
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// [`SimError::BadRequest`] names the first line that is not `METHOD path<TAB>json`.
    pub fn parse(version: &str, text: &str) -> Result<Self, SimError> {
        let mut operations = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let parts = line.split_once('\t').and_then(|(name, json)| {
                let (method, path) = name.split_once(' ')?;
                Some((method, path, json))
            });
            let Some((method, path, json)) = parts else {
                return Err(SimError::BadRequest(format!(
                    "description {version}, line {}: want METHOD path<TAB>json",
                    at + 1
                )));
            };
            let template = path
                .split('/')
                .filter(|part| !part.is_empty())
                .map(Segment::parse);
            operations.push(Operation {
                method: method.to_owned(),
                path: path.to_owned(),
                template: template.collect(),
                json: json.to_owned(),
            });
        }
        Ok(Self {
            version: version.to_owned(),
            operations: Arc::new(operations),
            parsed: Arc::default(),
        })
    }

    /// Everything that is wrong with a request, in sentences.
    pub(crate) fn judge(&self, incoming: &Incoming) -> Vec<String> {
        let mut segments: Vec<&str> = incoming.segments.iter().map(String::as_str).collect();
        // Where a redirect leads after a renaming; described nowhere, but otherwise the same.
        if segments.first() == Some(&"repositories") && segments.len() > 1 {
            segments.splice(0..2, ["repos", "owner", "repo"]);
        }
        let place = format!("{}: {} {}", self.version, incoming.method, incoming.path);
        let candidates = self
            .operations
            .iter()
            .enumerate()
            .filter_map(|(at, operation)| {
                let bound = bind(&operation.template, &segments)?;
                (operation.method == incoming.method).then_some((at, operation, bound))
            });
        // The most literal template is the one GitHub routes to.
        let literals = |operation: &Operation| {
            operation
                .template
                .iter()
                .filter(|one| matches!(one, Segment::Literal(_)))
                .count()
        };
        let best = candidates.max_by_key(|(_, operation, _)| literals(operation));
        let Some((at, operation, bound)) = best else {
            return vec![format!("{place}: no such operation")];
        };
        let Some(description) = self.operation(at, operation) else {
            return vec![format!(
                "{place}: the description of {} is no JSON",
                operation.path
            )];
        };
        let mut faults = Vec::new();
        check_parameters(
            description.field("parameters"),
            &bound,
            &incoming.query,
            &mut faults,
        );
        check_body(description.field("body"), incoming, &mut faults);
        faults
            .into_iter()
            .map(|fault| format!("{place}: {fault}"))
            .collect()
    }

    fn operation(&self, at: usize, operation: &Operation) -> Option<Arc<Value>> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = parsed.get(&at) {
            return Some(Arc::clone(value));
        }
        let value: Arc<Value> = Arc::new(serde_json::from_str(&operation.json).ok()?);
        parsed.insert(at, Arc::clone(&value));
        Some(value)
    }
}

/// Matches a path against a template; the parameters by name.
fn bind<'a>(template: &'a [Segment], path: &[&str]) -> Option<Vec<(&'a str, String)>> {
    let Some((first, rest)) = template.split_first() else {
        return path.is_empty().then(Vec::new);
    };
    match first {
        Segment::Literal(text) => {
            let (head, tail) = path.split_first()?;
            if head == text { bind(rest, tail) } else { None }
        }
        Segment::Parameter(name) => {
            let (head, tail) = path.split_first()?;
            let mut bound = bind(rest, tail)?;
            bound.push((name, (*head).to_owned()));
            Some(bound)
        }
        // The root of a repository is the empty path.
        Segment::Spanning(name) => (usize::from(name != "path")..=path.len()).find_map(|length| {
            let (head, tail) = path.split_at(length);
            let mut bound = bind(rest, tail)?;
            bound.push((name, head.join("/")));
            Some(bound)
        }),
    }
}

fn check_parameters(
    parameters: &Value,
    path: &[(&str, String)],
    query: &[(String, String)],
    faults: &mut Vec<String>,
) {
    let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |place: &str, name: &str| {
        parameters
            .iter()
            .find(|one| one["in"] == place && one["name"] == name)
    };
    for (name, text) in path {
        if let Some(parameter) = find("path", name) {
            check_text(
                &parameter["schema"],
                text,
                &format!("path parameter {name}"),
                faults,
            );
        }
    }
    for (name, text) in query {
        match find("query", name) {
            Some(parameter) => {
                check_text(&parameter["schema"], text, &format!("query {name}"), faults);
            }
            None => faults.push(format!("query {name}: not known")),
        }
    }
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        let is_missing = parameter["in"] == "query" && !query.iter().any(|(key, _)| key == name);
        if is_missing && parameter["required"] == true {
            faults.push(format!("query {name}: required"));
        }
    }
}

/// Checks a parameter, which is text whatever its schema says.
fn check_text(schema: &Value, text: &str, place: &str, faults: &mut Vec<String>) {
    let value = match schema["type"].as_str() {
        Some("integer" | "number" | "boolean") => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        }
        Some("array") => return,
        Some(_) | None => Value::from(text),
    };
    check(schema, &value, (place, true), faults);
}

fn check_body(body: &Value, incoming: &Incoming, faults: &mut Vec<String>) {
    if incoming.is_malformed {
        faults.push("body: no JSON".to_owned());
        return;
    }
    let given = &incoming.json;
    if body.is_null() {
        let is_nothing =
            given.is_null() || given.as_object().is_some_and(serde_json::Map::is_empty);
        if !is_nothing {
            faults.push("body: none is taken".to_owned());
        }
    } else if given.is_null() {
        if body["required"] == true {
            faults.push("body: required".to_owned());
        }
    } else {
        check(&body["schema"], given, ("body", true), faults);
    }
}

/// Checks a value. `outer` is false inside a combinator, where the keys of the siblings are not
/// known and so unknown keys cannot be told.
fn check(schema: &Value, value: &Value, (place, outer): (&str, bool), faults: &mut Vec<String>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(kind) = schema["type"].as_str()
        && !has_type(kind, value)
    {
        faults.push(format!("{place}: want {kind}, got {}", brief(value)));
        return;
    }
    if let Some(allowed) = schema["enum"]
        .as_array()
        .filter(|allowed| !allowed.contains(value))
    {
        let allowed = allowed
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        faults.push(format!("{place}: {} is none of {allowed}", brief(value)));
    }
    check_bounds(schema, value, place, faults);
    check_object(schema, value, (place, outer), faults);
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (at, item) in list.iter().enumerate() {
            check(items, item, (&format!("{place}[{at}]"), true), faults);
        }
    }
    for part in branches(schema, "allOf") {
        check(part, value, (place, false), faults);
    }
    // GitHub's unions overlap, so `oneOf` is read as "at least one" like `anyOf`.
    for union in ["oneOf", "anyOf"] {
        let tried = branches(schema, union).map(|branch| {
            let mut found = Vec::new();
            check(branch, value, (place, false), &mut found);
            found
        });
        faults.extend(tried.min_by_key(Vec::len).unwrap_or_default());
    }
}

fn branches<'a>(schema: &'a Value, combinator: &str) -> impl Iterator<Item = &'a Value> {
    schema[combinator].as_array().into_iter().flatten()
}

fn has_type(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn check_bounds(schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    let size = match value {
        Value::String(text) => Some((text.chars().count(), "minLength", "maxLength")),
        Value::Array(list) => Some((list.len(), "minItems", "maxItems")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    if let Some((size, least, most)) = size {
        let bound = |key: &str| {
            schema[key]
                .as_u64()
                .and_then(|bound| usize::try_from(bound).ok())
        };
        if bound(least).is_some_and(|bound| size < bound) {
            faults.push(format!("{place}: shorter than {}", schema[least]));
        }
        if bound(most).is_some_and(|bound| size > bound) {
            faults.push(format!("{place}: longer than {}", schema[most]));
        }
    }
    if let Some(number) = value.as_f64() {
        if schema["minimum"]
            .as_f64()
            .is_some_and(|bound| number < bound)
        {
            faults.push(format!("{place}: less than {}", schema["minimum"]));
        }
        if schema["maximum"]
            .as_f64()
            .is_some_and(|bound| number > bound)
        {
            faults.push(format!("{place}: more than {}", schema["maximum"]));
        }
    }
    // Of patterns only a literal start (`^refs/`) is checked; the others guard nothing we send.
    let start = schema["pattern"]
        .as_str()
        .and_then(|pattern| pattern.strip_prefix('^'));
    let literal = start.filter(|text| !text.contains(|c| r"\.[]()*+?|${}".contains(c)));
    if let (Some(literal), Some(text)) = (literal, value.as_str())
        && !text.starts_with(literal)
    {
        faults.push(format!("{place}: does not start with {literal}"));
    }
}

fn check_object(
    schema: &Value,
    value: &Value,
    (place, outer): (&str, bool),
    faults: &mut Vec<String>,
) {
    let Some(object) = value.as_object() else {
        return;
    };
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !object.contains_key(name) {
            faults.push(format!("{place}.{name}: required"));
        }
    }
    let mut known = BTreeSet::new();
    collect_properties(schema, &mut known);
    let others = &schema["additionalProperties"];
    let is_open = known.is_empty() && others != false || others == true || others.is_object();
    for (name, value) in object {
        let inner = format!("{place}.{name}");
        if let Some(property) = schema["properties"].get(name) {
            check(property, value, (&inner, true), faults);
        } else if others.is_object() {
            check(others, value, (&inner, true), faults);
        } else if outer && !is_open && !known.contains(name.as_str()) {
            faults.push(format!("{inner}: not known"));
        }
    }
}

/// The keys that a schema and its combinators name.
fn collect_properties<'a>(schema: &'a Value, known: &mut BTreeSet<&'a str>) {
    known.extend(
        schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str()),
    );
    for combinator in ["oneOf", "anyOf", "allOf"] {
        for branch in branches(schema, combinator) {
            collect_properties(branch, known);
        }
    }
}

/// A value in a message: its start only.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(schema: &Value, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        check(schema, value, ("body", true), &mut found);
        found
    }

    #[test]
    fn unions_take_any_branch_and_know_the_keys_of_all() {
        let schema = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "anyOf": [
                {"properties": {"status": {"enum": ["completed"]}}, "required": ["conclusion"]},
                {"properties": {"status": {"enum": ["queued"]}}},
            ],
        });
        assert_eq!(
            faults(&schema, &json!({"name": "a", "status": "queued"})),
            Vec::<String>::new()
        );
        assert_eq!(
            faults(&schema, &json!({"status": "completed"})),
            ["body.conclusion: required"]
        );
        assert_eq!(
            faults(&schema, &json!({"nom": "a"})),
            ["body.nom: not known"]
        );
    }

    #[test]
    fn nested_values_are_checked() {
        let schema = json!({
            "type": "object",
            "properties": {"tree": {"type": "array", "items": {
                "type": "object",
                "properties": {"mode": {"type": "string", "enum": ["100644"]}, "sha": {"type": "string", "nullable": true}},
                "required": ["mode"],
            }}},
        });
        assert!(faults(&schema, &json!({"tree": [{"mode": "100644", "sha": null}]})).is_empty());
        assert_eq!(
            faults(&schema, &json!({"tree": [{"mode": "777"}, {"size": 1}]})),
            [
                "body.tree[0].mode: \"777\" is none of \"100644\"",
                "body.tree[1].mode: required",
                "body.tree[1].size: not known",
            ]
        );
    }
}
