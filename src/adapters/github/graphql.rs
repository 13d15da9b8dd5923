//! Answers of GitHub's GraphQL API, which come with 200 whatever they refuse, and say why in the body.
//!
//! Such an answer gets the status that the REST API would have given it, so that it means to callers, and
//! to the governor of the limits, what it would have meant there.
//! (<https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>)

use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: String,
}

impl Problem {
    fn status(&self) -> StatusCode {
        let message = self.message.to_ascii_lowercase();
        match self.kind.as_deref() {
            Some("RATE_LIMITED" | "RATE_LIMIT" | "FORBIDDEN" | "INSUFFICIENT_SCOPES") => {
                StatusCode::FORBIDDEN
            }
            _ if message.contains("rate limit") => StatusCode::FORBIDDEN,
            Some("NOT_FOUND") => StatusCode::NOT_FOUND,
            Some("UNPROCESSABLE") => StatusCode::UNPROCESSABLE_ENTITY,
            Some("SERVICE_UNAVAILABLE" | "INTERNAL") => StatusCode::BAD_GATEWAY,
            // "Something went wrong while executing your query", which is no fault of the query.
            None if message.contains("something went wrong") => StatusCode::BAD_GATEWAY,
            Some(_) | None => StatusCode::BAD_REQUEST,
        }
    }
}

/// Returns the status that the answer would have had from the REST API. What was done in part is a
/// refusal, too: the first one counts, but a limit before all others.
pub(super) fn status(told: StatusCode, body: &[u8]) -> StatusCode {
    if !told.is_success() {
        return told;
    }
    // What is no JSON is found by whoever reads the answer.
    let body: Body = serde_json::from_slice(body).unwrap_or(Body { errors: Vec::new() });
    let limit = |problem: &&Problem| problem.status() == StatusCode::FORBIDDEN;
    let first = body.errors.iter().find(limit).or(body.errors.first());
    first.map_or(told, Problem::status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_with_200_has_the_status_that_it_means() {
        let cases: [(&str, u16); 11] = [
            (r#"{"data":{"a":1}}"#, 200),
            (r#"{"data":null,"errors":[]}"#, 200),
            ("<html>", 200),
            (
                r#"{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}"#,
                403,
            ),
            (
                r#"{"errors":[{"message":"You have exceeded a secondary rate limit."}]}"#,
                403,
            ),
            (
                r#"{"data":{"a":null},"errors":[{"type":"NOT_FOUND","message":"x"}]}"#,
                404,
            ),
            (
                r#"{"errors":[{"type":"FORBIDDEN","message":"Resource not accessible by integration"}]}"#,
                403,
            ),
            (
                r#"{"errors":[{"type":"UNPROCESSABLE","message":"x"}]}"#,
                422,
            ),
            (
                r#"{"errors":[{"message":"Something went wrong while executing your query."}]}"#,
                502,
            ),
            (
                r#"{"errors":[{"message":"Field 'x' doesn't exist on type 'Query'"}]}"#,
                400,
            ),
            (
                r#"{"errors":[{"type":"NOT_FOUND","message":"x"},{"type":"RATE_LIMITED","message":"x"}]}"#,
                403,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(status(StatusCode::OK, body.as_bytes()), expected, "{body}");
        }
        let away = StatusCode::BAD_GATEWAY;
        assert_eq!(status(away, b"<html>"), away);
    }
}
