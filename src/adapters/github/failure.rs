//! What a refusal means, and what GitHub says about it.

use http::{HeaderName, StatusCode};
use serde::Deserialize;

use crate::adapters::github::answer::Answer;
use crate::adapters::github::{bounded, date};
use crate::domain::redact::Redactor;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::{Class, Fault};

const COMPLAINT_CHARS: usize = 300;

/// How long to stay away when GitHub limits the rate and does not say for how long.
const UNSAID: Span = Span::minutes(1);
/// The longest wait that is believed; GitHub's own limits reset within the hour.
const LONGEST: Span = Span::days(1);

#[derive(Deserialize)]
struct Refusal {
    /// Not there in answers of the GraphQL API, whose errors have each their own.
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

/// Returns what the body of a refusal says, on one line, bounded, and without `secret` or anything
/// else that looks like a token.
pub(super) fn complaint(body: &[u8], secret: &str) -> String {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return String::new();
    };
    let details = refusal.errors.iter().filter_map(|error| {
        // Some are objects with a message, some name a field and a code, some are plain text.
        let field = |name| error.get(name).and_then(serde_json::Value::as_str);
        (error
            .as_str()
            .or_else(|| field("message"))
            .map(str::to_owned))
        .or_else(|| Some(format!("{} {}", field("field")?, field("code")?)))
    });
    let mut said = refusal.message;
    for detail in details {
        if !said.is_empty() {
            said.push_str("; ");
        }
        said.push_str(&detail);
    }
    bounded(&Redactor::new([secret]).redact(&said), COMPLAINT_CHARS)
}

impl Answer {
    /// Says what is wrong with an answer that is not a success.
    pub(super) fn fault(self) -> Fault {
        let (class, remedy) = self.judge();
        let mut cause = if self.complaint.is_empty() {
            format!("GitHub answered {}", self.status)
        } else {
            format!(
                "GitHub answered {}: {}",
                self.status.as_u16(),
                self.complaint
            )
        };
        if let Some(remedy) = remedy {
            cause.push_str(" (");
            cause.push_str(&remedy);
            cause.push(')');
        }
        Fault::new(class, self.doing, cause)
    }

    /// Returns the fault of that class instead of the one that the status stands for.
    pub(super) fn fault_of(self, class: Class) -> Fault {
        Fault {
            class,
            ..self.fault()
        }
    }

    /// Returns the class of what is no success, and what helps.
    pub(super) fn judge(&self) -> (Class, Option<String>) {
        let plain = |class| (class, None);
        match self.status {
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => self.judge_forbidden(),
            StatusCode::UNAUTHORIZED => plain(Class::AuthLost),
            StatusCode::NOT_FOUND | StatusCode::GONE => plain(Class::NotFound),
            StatusCode::CONFLICT if self.says("repository is empty") => (
                Class::Permanent,
                Some("push a first commit to the repository".to_owned()),
            ),
            StatusCode::CONFLICT => plain(Class::Conflict),
            StatusCode::REQUEST_TIMEOUT => plain(Class::Transient),
            status if status.is_server_error() => plain(Class::Transient),
            _ => plain(Class::Permanent),
        }
    }

    /// GitHub answers 403 to four unlike things: a limit, a missing permission, a suspended
    /// installation, and something that nobody may do.
    fn judge_forbidden(&self) -> (Class, Option<String>) {
        if let Some(until) = self.retry_after() {
            return (Class::RateLimited(until), None);
        }
        if self.says("not accessible by integration") {
            let lacks = match self.header(HeaderName::from_static("x-accepted-github-permissions"))
            {
                Some(needs) => format!("the App needs {}", bounded(needs, 80)),
                None => "the App lacks a permission".to_owned(),
            };
            let remedy =
                "compare with app.yml and accept new permissions on the installation's page";
            return (Class::AuthLost, Some(format!("{lacks}; {remedy}")));
        }
        if self.says("suspended") {
            return (Class::AuthLost, None);
        }
        let spent = self.is_spent();
        if spent && let Some(reset) = self.reset() {
            return (Class::RateLimited(reset), None);
        }
        let limited = spent || self.says("rate limit") || self.says("abuse detection");
        if limited || self.status == StatusCode::TOO_MANY_REQUESTS {
            return (Class::RateLimited(self.received.plus(UNSAID)), None);
        }
        if self.says("archived") {
            let remedy = "nothing in an archived repository can be changed; unarchive it first";
            return (Class::Permanent, Some(remedy.to_owned()));
        }
        (Class::Permanent, None)
    }

    /// Reads `Retry-After`, which is a number of seconds or a date.
    pub(super) fn retry_after(&self) -> Option<Timestamp> {
        let text = self.header(http::header::RETRY_AFTER)?.trim();
        let until = match text.parse() {
            Ok(seconds) => self.received.plus(Span::seconds(seconds)),
            Err(_) => date::http(text)?,
        };
        Some(self.believed(until))
    }

    /// Reads when the limit of the hour ends.
    pub(super) fn reset(&self) -> Option<Timestamp> {
        let seconds: i64 = self.number("x-ratelimit-reset")?;
        let reset = Timestamp::from_millis(seconds.saturating_mul(1_000));
        Some(self.believed(reset))
    }

    /// A moment that is past already says that the clocks differ, not that the limit is over.
    fn believed(&self, until: Timestamp) -> Timestamp {
        if until <= self.received {
            return self.received.plus(UNSAID);
        }
        until.min(self.received.plus(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_223_586_000); // Sat, 21 Nov 2026 01:13:06 GMT

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn class(status: u16, message: &str, headers: Headers<'_>) -> Class {
        let body = serde_json::json!({ "message": message }).to_string();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let answer = Answer {
            doing: "try".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            complaint: complaint(body.as_bytes(), "secret"),
            body: body.into(),
            received: NOW,
        };
        answer.fault().class
    }

    fn after(seconds: u64) -> Class {
        Class::RateLimited(NOW.plus(Span::seconds(seconds)))
    }

    #[test]
    fn every_way_of_limiting_the_rate_says_until_when() {
        let secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again";
        let cases: [(u16, &str, Headers<'_>, u64); 9] = [
            (403, secondary, &[("retry-after", "8")], 8),
            (
                429,
                secondary,
                &[("retry-after", "Sat, 21 Nov 2026 01:15:06 GMT")],
                120,
            ),
            (
                429,
                secondary,
                &[("retry-after", "Sat, 21 Nov 2020 01:15:06 GMT")],
                60,
            ),
            (403, secondary, &[], 60),
            (429, "", &[], 60),
            (
                403,
                "API rate limit exceeded",
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1795223886"),
                ],
                300,
            ),
            (
                403,
                "x",
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1795220000"),
                ],
                60,
            ),
            (403, "x", &[("x-ratelimit-remaining", "0")], 60),
            (
                403,
                "x",
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "9999999999999999"),
                ],
                86_400,
            ),
        ];
        for (status, message, headers, seconds) in cases {
            assert_eq!(
                class(status, message, headers),
                after(seconds),
                "{status} {headers:?}"
            );
        }
        assert_eq!(
            class(403, "x", &[("retry-after", "99999999999999999999")]),
            Class::Permanent
        );
    }

    #[test]
    fn every_other_refusal_has_its_class() {
        for (status, message, expected) in [
            (500, "", Class::Transient),
            (502, "Server Error", Class::Transient),
            (503, "", Class::Transient),
            (408, "", Class::Transient),
            (401, "Bad credentials", Class::AuthLost),
            (
                403,
                "Resource not accessible by integration",
                Class::AuthLost,
            ),
            (403, "This installation has been suspended", Class::AuthLost),
            (
                403,
                "Repository was archived so is read-only.",
                Class::Permanent,
            ),
            (
                403,
                "Unable to create comment because issue is locked.",
                Class::Permanent,
            ),
            (404, "Not Found", Class::NotFound),
            (410, "This issue was deleted", Class::NotFound),
            (409, "Merge conflict", Class::Conflict),
            (409, "Git Repository is empty.", Class::Permanent),
            (422, "Validation Failed", Class::Permanent),
            (451, "Repository access blocked", Class::Permanent),
            (400, "Problems parsing JSON", Class::Permanent),
        ] {
            assert_eq!(class(status, message, &[]), expected, "{status} {message}");
        }
    }

    #[test]
    fn a_complaint_is_one_bounded_line_without_secrets() {
        let body = serde_json::json!({
            "message": "Validation\nFailed",
            "errors": [
                {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"},
                {"resource": "Release", "code": "already_exists", "field": "tag_name"},
                "plain", {"odd": 1}, 7
            ],
        });
        assert_eq!(
            complaint(body.to_string().as_bytes(), ""),
            "Validation Failed; No commits between main and x; tag_name already_exists; plain"
        );
        let token = format!("ghs_{}", "A1b2.c_D-3".repeat(50));
        let leak = serde_json::json!({ "message": format!("bad hunter22 and {token}") });
        assert_eq!(
            complaint(leak.to_string().as_bytes(), "hunter22"),
            "bad [redacted] and [redacted]"
        );
        let long = serde_json::json!({"message": "é".repeat(5_000)}).to_string();
        assert_eq!(
            complaint(long.as_bytes(), "").chars().count(),
            COMPLAINT_CHARS + 1
        );
        assert_eq!(complaint(b"<html>oops", ""), "");
    }
}
