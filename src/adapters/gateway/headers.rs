//! Which headers pass. Those that are not listed are dropped: they may carry keys, cookies, whose
//! bill it is, or what is meant for the next hop alone.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const ASKED: [&str; 11] = [
    "anthropic-version",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "openai-beta",
    "originator",
    "session_id",
    "conversation_id",
    "x-app",
    "x-client-request-id",
    "x-goog-api-client",
    "x-title",
];
const ASKED_PREFIX: &str = "x-stainless-";

const ANSWERED: [&str; 6] = [
    "request-id",
    "x-request-id",
    "x-should-retry",
    "retry-after-ms",
    "openai-processing-ms",
    "openai-version",
];
const ANSWERED_PREFIXES: [&str; 2] = ["anthropic-ratelimit-", "x-ratelimit-"];

/// Returns the headers of a model call that go to its endpoint.
pub(super) fn asked(headers: &HeaderMap) -> HeaderMap {
    let plain = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT];
    let mut kept = pick(headers, |name| {
        plain.contains(name)
            || ASKED.contains(&name.as_str())
            || name.as_str().starts_with(ASKED_PREFIX)
    });
    // Or the answer could not be metered.
    kept.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    kept
}

/// Returns the headers of an endpoint's answer that go inside.
pub(super) fn answered(headers: &HeaderMap) -> HeaderMap {
    let plain = [
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        DATE,
        RETRY_AFTER,
    ];
    let starts = |name: &str| {
        ANSWERED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    pick(headers, |name| {
        plain.contains(name) || ANSWERED.contains(&name.as_str()) || starts(name.as_str())
    })
}

/// Returns the headers of a plain request, or of its answer, without those that are for one hop.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let hop = [
        "connection",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "expect",
    ];
    pick(headers, |name| {
        let name = name.as_str();
        !hop.contains(&name) && !name.starts_with("proxy-") && !named.iter().any(|n| n == name)
    })
}

fn pick(headers: &HeaderMap, keep: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    fn all(names: &[&'static str]) -> HeaderMap {
        let value = HeaderValue::from_static("v");
        names
            .iter()
            .map(|name| (HeaderName::from_static(name), value.clone()))
            .collect()
    }

    #[test]
    fn neither_keys_nor_cookies_nor_bills_reach_an_endpoint() {
        let sent = asked(&all(&[
            "authorization",
            "x-api-key",
            "x-goog-api-key",
            "api-key",
            "cookie",
            "host",
            "connection",
            "content-length",
            "openai-organization",
            "openai-project",
            "x-goog-user-project",
            "x-forwarded-for",
            "accept-encoding",
            "content-type",
            "anthropic-version",
            "x-stainless-lang",
        ]));
        assert_eq!(
            names(&sent),
            [
                "accept-encoding",
                "anthropic-version",
                "content-type",
                "x-stainless-lang"
            ]
        );
        assert_eq!(sent[ACCEPT_ENCODING], "identity");
    }

    #[test]
    fn neither_cookies_nor_accounts_come_back() {
        let got = answered(&all(&[
            "set-cookie",
            "openai-organization",
            "openai-project",
            "anthropic-organization-id",
            "location",
            "transfer-encoding",
            "content-type",
            "x-ratelimit-remaining-tokens",
            "x-request-id",
        ]));
        assert_eq!(
            names(&got),
            [
                "content-type",
                "x-ratelimit-remaining-tokens",
                "x-request-id"
            ]
        );
    }

    #[test]
    fn what_is_for_one_hop_stays_there() {
        let mut headers = all(&["host", "proxy-authorization", "te", "x-mine", "accept"]);
        headers.insert("connection", HeaderValue::from_static("close, X-Mine"));
        assert_eq!(names(&end_to_end(&headers)), ["accept"]);
    }
}
