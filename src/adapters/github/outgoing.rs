//! What leaves for GitHub, without the secrets that it must not say.
//!
//! Every request passes here, so that a write which is added later cannot forget to. Texts are
//! redacted. What has to arrive as it is (names, ids, the content of files) is not touched, and not
//! sent at all when it says a secret of this process: a changed name would be another's, and a
//! changed file would not be the one that was checked.

use serde_json::Value;

use crate::adapters::github::request::Request;
use crate::domain::redact::Redactor;
use crate::ports::fault::Fault;

/// Keys whose values are no text for people. Everything else is.
const EXACT: [&str; 19] = [
    "base",
    "base_tree",
    "conclusion",
    "content",
    "encoding",
    "external_id",
    "head",
    "head_sha",
    "mode",
    "name",
    "parents",
    "path",
    "query",
    "ref",
    "sha",
    "status",
    "tree",
    "type",
    "variables",
];

/// Returns the request with its texts redacted; `None` when it can be sent as it is.
pub(super) fn clean(request: &Request, live: &Redactor) -> Result<Option<Request>, Fault> {
    let told = || {
        let why = "it would say a secret of the server, in a place that has to stay as it is";
        Fault::permanent(request.doing.as_str(), why)
    };
    if !live.held(request.path.as_bytes()).is_empty() {
        return Err(told());
    }
    let Some(body) = &request.body else {
        return Ok(None);
    };
    let mut value: Value = serde_json::from_slice(body)
        .map_err(|error| Fault::permanent(request.doing.as_str(), error))?;
    let before = value.clone();
    redact(&mut value, false, live).map_err(|Exact| told())?;
    if value == before {
        return Ok(None);
    }
    let mut cleaned = request.at(request.path.clone());
    cleaned.body = Some(value.to_string().into());
    Ok(Some(cleaned))
}

/// A secret stands where nothing may be changed.
struct Exact;

fn redact(value: &mut Value, exact: bool, live: &Redactor) -> Result<(), Exact> {
    match value {
        Value::String(text) if exact => {
            if live.held(text.as_bytes()).is_empty() {
                Ok(())
            } else {
                Err(Exact)
            }
        }
        Value::String(text) => {
            if let std::borrow::Cow::Owned(redacted) = live.redact(text) {
                *text = redacted;
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| redact(item, exact, live)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(key, field)| {
            redact(field, exact || EXACT.contains(&key.as_str()), live)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::json;

    use super::*;

    const KEY: &str = "the-key-of-this-server";

    fn sent(body: &Value) -> Result<Value, String> {
        let request = Request::post("comment".to_owned(), "/repos/o/r/x".to_owned(), body);
        let cleaned = clean(&request, &Redactor::new([KEY])).map_err(|fault| fault.to_string())?;
        let body = cleaned
            .map_or(request.body, |cleaned| cleaned.body)
            .unwrap();
        Ok(serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn no_text_of_any_write_says_a_secret() {
        let shaped = ["ghs_", "x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi"].concat();
        for key in ["body", "title", "message", "summary", "something_new"] {
            let body = json!({ "output": { key: format!("a {KEY} b {shaped}") }, "sha": "1" });
            assert_eq!(
                sent(&body),
                Ok(json!({ "output": { key: "a [redacted] b [redacted]" }, "sha": "1" }))
            );
        }
        let plain = json!({ "body": "a", "draft": true, "n": [1, null] });
        assert_eq!(sent(&plain), Ok(plain));
    }

    #[test]
    fn what_must_stay_as_it_is_is_not_sent_with_one() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("x{KEY}"));
        for body in [
            json!({ "content": encoded, "encoding": "base64" }),
            json!({ "tree": [{ "path": "a", "content": format!("k={KEY}") }] }),
            json!({ "ref": format!("refs/heads/{KEY}") }),
        ] {
            let refused = sent(&body).unwrap_err();
            assert!(refused.contains("a secret of the server"), "{refused}");
            assert!(!refused.contains(KEY));
        }
        // Shapes do not count there: test data of the repository may look like anything.
        let token = ["ghs_", "x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi"].concat();
        let shaped = json!({ "content": token });
        assert_eq!(sent(&shaped), Ok(shaped));
        let path = Request::get("look".to_owned(), format!("/x/{KEY}"));
        assert!(clean(&path, &Redactor::new([KEY])).is_err());
    }
}
