//! Putting values where a text names them between braces.

use std::collections::BTreeMap;

use serde_json::Value;

/// Returns `text` with each `{name}` of `values` filled in. In one pass, so that what a value says is
/// never taken for a name; other braces stay as they are.
pub(super) fn fill<S: AsRef<str>>(text: &str, values: &[(&str, S)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let found = values.iter().find_map(|(name, value)| {
            let rest = after
                .strip_prefix('{')?
                .strip_prefix(name)?
                .strip_prefix('}')?;
            Some((value, rest))
        });
        if let Some((value, behind)) = found {
            out.push_str(value.as_ref());
            rest = behind;
        } else {
            out.push('{');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Fills in every value of a table.
pub(super) fn filled<S: AsRef<str>>(
    texts: &BTreeMap<String, String>,
    values: &[(&str, S)],
) -> BTreeMap<String, String> {
    let fill = |(name, text): (&String, &String)| (name.clone(), fill(text, values));
    texts.iter().map(fill).collect()
}

/// Fills in every text of a value, however deep; names stay as they are.
pub(super) fn fill_json<S: AsRef<str>>(value: &Value, values: &[(&str, S)]) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, values)),
        Value::Array(all) => all.iter().map(|one| fill_json(one, values)).collect(),
        Value::Object(all) => {
            let fill = |(name, one): (&String, &Value)| (name.clone(), fill_json(one, values));
            Value::Object(all.iter().map(fill).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_filled_once_and_other_braces_stay() {
        let values = [("a", "{b}"), ("b", "2"), ("env", "no")];
        for (text, expected) in [
            ("{a}{b}", "{b}2"),
            ("{\"a\": {a}}", "{\"a\": {b}}"),
            ("{env:KEY} {A} {a", "{env:KEY} {A} {a"),
            ("{{b}}", "{2}"),
            ("", ""),
        ] {
            assert_eq!(fill(text, &values), expected, "{text}");
        }
    }

    #[test]
    fn texts_are_filled_wherever_they_stand() {
        let value = json!({ "{b}": ["{b}", { "deep": "x{b}", "not": [null, true, 7] }] });
        let expected = json!({ "{b}": ["2", { "deep": "x2", "not": [null, true, 7] }] });
        assert_eq!(fill_json(&value, &[("b", "2")]), expected);
    }
}
