//! What a failed call of a model means.

use std::time::Duration;

use genai::webc;
use serde_json::Value;

use crate::inside::agent::clip::line;
use crate::inside::agent::model::{Refused, Why};

/// Most characters of what a provider said.
const MESSAGE_CHARS: usize = 1_000;

/// By these words providers say that a request is too long; they have no code in common.
const TOO_LONG: [&str; 5] = [
    "context_length_exceeded",
    "prompt is too long",
    "maximum context length",
    "exceeds the maximum number of tokens",
    "context window",
];

/// Reads an error of the library. Its kinds are many, and few of them mean anything here.
pub(super) fn of(error: &genai::Error) -> Refused {
    if let genai::Error::WebModelCall { webc_error, .. } = error {
        return of_call(webc_error);
    }
    // This one prints the whole request as well.
    if let genai::Error::ChatResponseGeneration { cause, .. } = error {
        return refused(Why::Garbled, cause);
    }
    refused(Why::Lasting, &error.to_string())
}

fn of_call(error: &webc::Error) -> Refused {
    if let webc::Error::ResponseFailedStatus {
        status,
        body,
        headers,
    } = error
    {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let after = retry_after(header("retry-after"), header("retry-after-ms"));
        return of_status(status.as_u16(), body, after);
    }
    if let webc::Error::Reqwest(error) = error {
        let message = format!("the model is not reached: {}", chain(error));
        return refused(Why::Busy(None), &message);
    }
    // An answer that is cut short, or no JSON: what stands between may do better next time.
    refused(Why::Busy(None), &error.to_string())
}

fn refused(why: Why, message: &str) -> Refused {
    Refused {
        why,
        message: line(message, MESSAGE_CHARS),
    }
}

fn of_status(status: u16, body: &str, after: Option<Duration>) -> Refused {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let error = json.get("error").unwrap_or(&json);
    let member = |name: &str| error.get(name).and_then(Value::as_str);
    let said = member("message").unwrap_or(body).trim();
    let no_money =
        |word: Option<&str>| matches!(word, Some("insufficient_quota" | "billing_error"));
    let lower = body.to_lowercase();
    let why = if status == 402 || no_money(member("code")) || no_money(member("type")) {
        Why::Budget
    } else if status == 413 || (status == 400 && TOO_LONG.iter().any(|word| lower.contains(word))) {
        Why::TooLong
    } else if matches!(status, 408 | 409 | 425 | 429) || status >= 500 {
        Why::Busy(after)
    } else {
        Why::Lasting
    };
    let message = format!("{status}: {}", line(said, MESSAGE_CHARS));
    Refused { why, message }
}

fn retry_after(seconds: Option<&str>, millis: Option<&str>) -> Option<Duration> {
    let whole = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    let millis = whole(millis).map(Duration::from_millis);
    millis.or_else(|| whole(seconds).map(Duration::from_secs))
}

/// Returns an error with its causes: the first is often just "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_try_again() {
        let quota = r#"{"error":{"message":"no money","code":"insufficient_quota"}}"#;
        let long = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}"#;
        let soon = Some(Duration::from_secs(7));
        for (status, body, why, message) in [
            (
                429,
                r#"{"error":{"message":"slow"}}"#,
                Why::Busy(soon),
                "429: slow",
            ),
            (429, quota, Why::Budget, "429: no money"),
            (402, "", Why::Budget, "402: "),
            (529, "busy", Why::Busy(soon), "529: busy"),
            (502, "", Why::Busy(soon), "502: "),
            (400, long, Why::TooLong, "400: prompt is too long: 9 > 8"),
            (400, "bad", Why::Lasting, "400: bad"),
            (401, "[]", Why::Lasting, "401: []"),
            (404, r#"{"message":"gone"}"#, Why::Lasting, "404: gone"),
        ] {
            let refused = of_status(status, body, soon);
            assert_eq!((refused.why, refused.message.as_str()), (why, message));
        }
        assert_eq!(retry_after(Some("3"), None), Some(Duration::from_secs(3)));
        let millis = retry_after(Some("3"), Some("250"));
        assert_eq!(millis, Some(Duration::from_millis(250)));
        assert_eq!(retry_after(Some("Wed, 21 Oct 2026"), None), None);
    }
}
