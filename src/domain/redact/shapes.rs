//! What secrets look like. One pass over the text, by hand: the shapes are few and simple.

use std::ops::Range;

/// A kind of token: a fixed beginning and what may follow.
struct Shape {
    prefix: &'static str,
    /// Characters that follow, at least.
    min: usize,
    /// Whether a character can be part of it.
    body: fn(u8) -> bool,
    /// Whether the beginning is so common within words that it must begin one, and what follows must
    /// have a digit: `task-…` and `sk-learn-…` are no keys.
    common: bool,
}

const fn shape(prefix: &'static str, min: usize, body: fn(u8) -> bool) -> Shape {
    Shape {
        prefix,
        min,
        body,
        common: false,
    }
}

const fn common(prefix: &'static str, min: usize, body: fn(u8) -> bool) -> Shape {
    Shape {
        prefix,
        min,
        body,
        common: true,
    }
}

/// GitHub's installation tokens are `ghs_APPID_JWT` since April 2026: any length, and a JWT has
/// dots, dashes and underscores. The older kinds are letters and digits.
const SHAPES: [Shape; 16] = [
    shape("ghs_", 16, is_jwt),
    shape("ghp_", 16, is_jwt),
    shape("gho_", 16, is_jwt),
    shape("ghu_", 16, is_jwt),
    shape("ghr_", 16, is_jwt),
    shape("github_pat_", 16, is_word),
    common("sk-", 20, is_url_safe),
    common("AKIA", 16, is_upper_or_digit),
    common("ASIA", 16, is_upper_or_digit),
    common("AIza", 30, is_url_safe),
    common("xoxb-", 10, is_url_safe),
    common("xoxa-", 10, is_url_safe),
    common("xoxp-", 10, is_url_safe),
    common("glpat-", 16, is_url_safe),
    common("npm_", 30, is_word),
    common("hf_", 30, is_word),
];

/// The first bytes of all shapes, so that most of a text is passed over at once.
const FIRST: &[u8] = b"gsAxnhe";

/// The shortest JSON Web Token with a signature is longer than this.
const MIN_JWT: usize = 40;

/// Finds what looks like a secret; the ranges may overlap and are in no order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    tokens(text, &mut found);
    private_keys(text, &mut found);
    authorizations(text, &mut found);
    userinfo(text, &mut found);
    found
}

fn tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if !FIRST.contains(rest.first().unwrap_or(&0)) {
            at += 1;
            continue;
        }
        // Only where none of these characters stands before: a long run of them is then read once.
        let begins_word = at == 0 || bytes.get(at - 1).is_none_or(|b| !is_url_safe(*b));
        let shaped = SHAPES
            .iter()
            .filter(|shape| begins_word || !shape.common)
            .find_map(|shape| length(shape, rest));
        let hit = shaped.or_else(|| begins_word.then(|| jwt_length(rest)).flatten());
        if let Some(length) = hit {
            found.push(at..at + length);
        }
        at += hit.unwrap_or(1);
    }
}

/// Returns how long the token is with which `text` begins.
fn length(shape: &Shape, text: &[u8]) -> Option<usize> {
    let body = text.strip_prefix(shape.prefix.as_bytes())?;
    let body = body.get(..run(body, shape.body))?;
    // The full stop of the sentence is not part of it.
    let body = body.strip_suffix(b".").unwrap_or(body);
    let plausible = !shape.common || body.iter().any(u8::is_ascii_digit);
    (body.len() >= shape.min && plausible).then_some(shape.prefix.len() + body.len())
}

/// Returns how long the JSON Web Token is with which `text` begins: three parts in base64, of which
/// the first begins with `{"`.
fn jwt_length(text: &[u8]) -> Option<usize> {
    if !text.starts_with(b"eyJ") {
        return None;
    }
    let head = run(text, is_url_safe);
    let payload = run(text.get(head..)?.strip_prefix(b".")?, is_url_safe);
    let signature = run(
        text.get(head + 1 + payload..)?.strip_prefix(b".")?,
        is_url_safe,
    );
    let length = head + 1 + payload + 1 + signature;
    (length >= MIN_JWT && payload > 0 && signature > 0).then_some(length)
}

fn run(text: &[u8], part: fn(u8) -> bool) -> usize {
    text.iter().position(|b| !part(*b)).unwrap_or(text.len())
}

/// Finds PEM private keys; one without an end, as in a log that was cut, reaches to the end.
fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    const END: &str = "PRIVATE KEY-----";
    /// Characters of a first line that are looked at; the longest kind known has 45.
    const MAX_LABEL: usize = 80;
    let mut from = 0;
    while let Some(start) = text
        .get(from..)
        .and_then(|rest| rest.find("-----BEGIN "))
        .map(|at| from + at)
    {
        let rest = text.get(start..).unwrap_or_default();
        let label = rest
            .char_indices()
            .nth(MAX_LABEL)
            .map_or(rest, |(end, _)| rest.split_at(end).0);
        let label = label.lines().next().unwrap_or_default();
        let Some(head) = label.find(END).map(|at| start + at + END.len()) else {
            from = start + 1;
            continue;
        };
        let tail = text.get(head..).and_then(|rest| rest.find(END));
        let end = tail.map_or(text.len(), |at| head + at + END.len());
        found.push(start..end);
        from = end;
    }
}

/// Finds the credentials of `Authorization: Bearer …` and of the schemes like it.
fn authorizations(text: &str, found: &mut Vec<Range<usize>>) {
    let lower = text.to_ascii_lowercase();
    for scheme in ["bearer ", "basic ", "token "] {
        for (at, _) in lower.match_indices(scheme) {
            let start = at + scheme.len();
            let Some(rest) = text.get(start..) else {
                continue;
            };
            let end = rest
                .find(|c: char| c.is_whitespace() || "\"'`,;".contains(c))
                .unwrap_or(rest.len());
            let Some(credential) = rest.get(..end) else {
                continue;
            };
            let before = lower
                .get(..at)
                .unwrap_or_default()
                .trim_end_matches([' ', '"', '\'', '`', '=', ':', '\\']);
            let in_header = before.ends_with("authorization") && before.len() < at;
            let opaque = credential.len() >= 20 && credential.bytes().any(|b| b.is_ascii_digit());
            if !credential.is_empty() && (in_header || (scheme == "bearer " && opaque)) {
                found.push(start..start + end);
            }
        }
    }
}

/// Finds the password of `https://user:password@host`, with its user, and a token in a user's place.
fn userinfo(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let Some(rest) = text.get(start..) else {
            continue;
        };
        let stops = |c: char| c.is_whitespace() || "/?#\"'`<>|\\".contains(c);
        let authority = rest.split(stops).next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@')
            && (user.contains(':') || user.len() >= 20)
        {
            found.push(start..start + user.len());
        }
    }
}

const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

const fn is_url_safe(b: u8) -> bool {
    is_word(b) || b == b'-'
}

const fn is_jwt(b: u8) -> bool {
    is_url_safe(b) || b == b'.'
}

const fn is_upper_or_digit(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::redact::{REDACTED, Redactor};

    fn check(text: &str, expect: &str) {
        assert_eq!(Redactor::default().redact(text), expect, "{text}");
    }

    // The tokens here are put together, so that no scanner takes this file for a leak.
    fn token(prefix: &str, body: &str) -> String {
        format!("{prefix}{body}")
    }

    #[test]
    fn tokens_go_and_the_sentence_stays() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NSIsImV4cCI6MX0.c2lnbmF0-dXJl_Cg";
        check(&format!("token ghs_12345_{jwt}."), "token [redacted].");
        check(&format!("jwt {jwt}!"), "jwt [redacted]!");
        for (prefix, body) in [
            ("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            ("gho_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            ("ghu_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            ("ghr_", "abcdefghijklmnopqrstuvwxyz0123456789"),
            ("github_pat_", "11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz"),
            ("sk-", "proj-abcdefghijklmnopqrstuvwxyz0123"),
            ("sk-ant-", "api03-abcdefghijklmnop_qrstuvwxyz-AA"),
            ("AKIA", "IOSFODNN7EXAMPLE"),
            ("AIza", "SyA-abcdefghijklmnopqrstuvwxyz012345"),
            ("xoxb-", "123456789012-abcdefghijkl"),
            ("glpat-", "abcdefghijklmnop1234"),
        ] {
            let secret = token(prefix, body);
            check(&format!("key={secret}, next"), "key=[redacted], next");
            check(&format!("\"{secret}\""), "\"[redacted]\"");
        }
    }

    #[test]
    fn words_that_resemble_tokens_stay() {
        for text in [
            "task-list-with-a-very-long-name-2",
            "sk-learn-is-a-long-name-without-one",
            "ghs_short",
            "AKIA",
            "xoxb-1",
            "the ghp_ prefix",
            "eyJ",
            "a bearer of good news",
            "Bearer token-based authentication",
            "basic idea",
            "https://example.org/a@b",
            "https://user@example.org",
            "mail@example.org",
            "-----BEGIN CERTIFICATE-----",
            "The Authorization header is missing",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn private_keys_go_even_when_they_are_cut() {
        check(
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb",
            "a\n[redacted]\nb",
        );
        check("-----BEGIN PRIVATE KEY-----\nMIIE\nMore", "[redacted]");
        check(
            "-----BEGIN x-----BEGIN OPENSSH PRIVATE KEY-----b",
            "[redacted]",
        );
    }

    #[test]
    fn credentials_in_headers_and_urls_go() {
        check(
            "Authorization: Bearer abc\nnext",
            "Authorization: Bearer [redacted]\nnext",
        );
        check(
            "{\"authorization\": \"token abc\"}",
            "{\"authorization\": \"token [redacted]\"}",
        );
        check("AUTHORIZATION=basic eDp5", "AUTHORIZATION=basic [redacted]");
        check(
            "curl -H 'Bearer 0123456789abcdefghij'",
            "curl -H 'Bearer [redacted]'",
        );
        check(
            "https://x-access-token:abc@github.com/o/r.git",
            "https://[redacted]@github.com/o/r.git",
        );
        check("https://a:p@ss@h/x", "https://[redacted]@h/x");
        check(
            "https://0123456789abcdef0123456789abcdef01234567@h/x",
            "https://[redacted]@h/x",
        );
    }

    #[test]
    fn a_large_log_is_read_quickly() {
        for unit in [
            "ghs_",
            "eyJ.",
            "://",
            "-----BEGIN ",
            "bearer ",
            "sk-a",
            "authorization: ",
        ] {
            let log = unit.repeat(200_000 / unit.len());
            let _ = Redactor::new(["a-secret-value"]).redact(&log);
        }
    }

    #[test]
    fn every_shape_begins_with_a_first_byte() {
        let known = |prefix: &str| super::FIRST.contains(&prefix.as_bytes()[0]);
        assert!(super::SHAPES.iter().all(|shape| known(shape.prefix)) && known("eyJ"));
    }

    proptest! {
        #[test]
        fn a_token_in_any_text_goes(before in "\\PC{0,20}", body in "[A-Za-z0-9]{36}", after in "(\\PC[ -~]{0,20})?") {
            let secret = token("ghs_", &body);
            let text = format!("{before}{secret}{after}");
            let shown = Redactor::default().redact(&text).into_owned();
            prop_assert!(!shown.contains(&body) && shown.contains(REDACTED), "{}", shown);
        }
    }
}
