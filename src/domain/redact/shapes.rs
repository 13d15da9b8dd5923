//! What secrets look like. One pass over the text, by hand: the shapes are few and simple.
//!
//! The redactor takes everything that may be one, also when it was cut short. The scan of a change
//! (`domain::secrets`) takes only what is whole, since it refuses work.

use std::ops::Range;
use std::sync::LazyLock;

/// Something that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// What it is, with its article, as it stands in a sentence.
    pub what: &'static str,
    /// Whether it is as long as its kind is, and not just the beginning of one.
    pub whole: bool,
}

/// A kind of token: a fixed beginning and what may follow.
struct Shape {
    what: &'static str,
    prefix: &'static str,
    /// Characters that follow, at least; fewer are no token even in a log that was cut.
    min: usize,
    /// Characters that follow in a whole one, at least.
    whole: usize,
    /// Whether a character can be part of it.
    body: fn(u8) -> bool,
    /// Whether the beginning is so common within words that it must begin one, and what follows must
    /// have a digit: `task-…` and `sk-learn-…` are no keys.
    common: bool,
}

type Body = fn(u8) -> bool;

const fn shape(
    what: &'static str,
    prefix: &'static str,
    (min, whole): (usize, usize),
    body: Body,
) -> Shape {
    Shape {
        what,
        prefix,
        min,
        whole,
        body,
        common: false,
    }
}

const fn common(
    what: &'static str,
    prefix: &'static str,
    (min, whole): (usize, usize),
    body: Body,
) -> Shape {
    Shape {
        what,
        prefix,
        min,
        whole,
        body,
        common: true,
    }
}

/// GitHub's installation tokens are `ghs_APPID_JWT` since April 2026: any length, and a JWT has
/// dots, dashes and underscores. The older kinds are letters and digits.
///
/// Beginnings and lengths are those that the issuers document for secret scanners. Of two that fit,
/// the first is taken.
const SHAPES: [Shape; 57] = [
    shape("a GitHub installation token", "ghs_", (16, 36), is_jwt),
    shape("a GitHub personal access token", "ghp_", (16, 36), is_jwt),
    shape("a GitHub OAuth token", "gho_", (16, 36), is_jwt),
    shape("a GitHub user token", "ghu_", (16, 36), is_jwt),
    shape("a GitHub refresh token", "ghr_", (16, 36), is_jwt),
    shape(
        "a GitHub personal access token",
        "github_pat_",
        (16, 60),
        is_word,
    ),
    common("an Anthropic key", "sk-ant-", (20, 80), is_url_safe),
    common("an OpenAI key", "sk-proj-", (20, 40), is_url_safe),
    common("an OpenAI key", "sk-svcacct-", (20, 40), is_url_safe),
    common("an OpenRouter key", "sk-or-v1-", (20, 64), is_word),
    common("a key of a model's API", "sk-", (20, 32), is_url_safe),
    common("an xAI key", "xai-", (20, 60), is_word),
    common("a Groq key", "gsk_", (20, 40), is_word),
    common("a Perplexity key", "pplx-", (20, 40), is_word),
    common("a Replicate token", "r8_", (20, 37), is_word),
    common("a Hugging Face token", "hf_", (30, 34), is_word),
    common("an AWS access key id", "AKIA", (16, 16), is_upper_or_digit),
    common("an AWS access key id", "ASIA", (16, 16), is_upper_or_digit),
    common("a Google API key", "AIza", (30, 35), is_url_safe),
    common("a Google OAuth token", "ya29.", (20, 60), is_url_safe),
    common(
        "a Google OAuth client secret",
        "GOCSPX-",
        (20, 28),
        is_url_safe,
    ),
    common("a Slack token", "xoxb-", (10, 40), is_url_safe),
    common("a Slack token", "xoxa-", (10, 40), is_url_safe),
    common("a Slack token", "xoxp-", (10, 40), is_url_safe),
    common("a Slack token", "xoxs-", (10, 40), is_url_safe),
    common("a Slack token", "xoxe.", (20, 60), is_jwt),
    common("a Slack app token", "xapp-", (20, 60), is_url_safe),
    shape(
        "a Slack webhook",
        "hooks.slack.com/services/",
        (20, 40),
        is_path,
    ),
    shape(
        "a Discord webhook",
        "discord.com/api/webhooks/",
        (30, 60),
        is_path,
    ),
    common("a GitLab token", "glpat-", (16, 20), is_jwt),
    common("a GitLab runner token", "glrt-", (16, 20), is_jwt),
    common("a GitLab deploy token", "gldt-", (16, 20), is_jwt),
    common("an npm token", "npm_", (30, 36), is_word),
    common("a PyPI token", "pypi-AgE", (30, 80), is_url_safe),
    common("a RubyGems key", "rubygems_", (30, 48), is_word),
    common("a crates.io token", "cio", (32, 32), is_word),
    common("a Docker Hub token", "dckr_pat_", (20, 27), is_url_safe),
    common("a Stripe key", "sk_live_", (16, 24), is_word),
    common("a Stripe key", "rk_live_", (16, 24), is_word),
    common("a Stripe webhook secret", "whsec_", (20, 32), is_base64),
    common("a Square token", "sq0csp-", (20, 43), is_url_safe),
    common("a Shopify token", "shpat_", (20, 32), is_word),
    common("a SendGrid key", "SG.", (40, 66), is_jwt),
    common("a Mailgun key", "key-", (32, 32), is_word),
    common("a DigitalOcean token", "dop_v1_", (30, 64), is_word),
    common("a Databricks token", "dapi", (32, 32), is_word),
    common("a HashiCorp Vault token", "hvs.", (20, 90), is_url_safe),
    common("a Pulumi token", "pul-", (30, 40), is_word),
    common("a Doppler token", "dp.pt.", (30, 40), is_word),
    common("a Linear key", "lin_api_", (30, 40), is_word),
    common("a Postman key", "PMAK-", (30, 59), is_url_safe),
    common("a Sentry token", "sntrys_", (30, 60), is_base64),
    common("an Atlassian token", "ATATT3", (40, 100), is_base64),
    common("a Tailscale key", "tskey-", (20, 30), is_url_safe),
    shape(
        "an age private key",
        "AGE-SECRET-KEY-1",
        (30, 58),
        is_upper_or_digit,
    ),
    shape("an Azure storage key", "AccountKey=", (40, 86), is_base64),
    shape(
        "an Azure shared access key",
        "SharedAccessKey=",
        (30, 43),
        is_base64,
    ),
];

/// The shapes by their first byte, so that most of a text is passed over at once.
static BY_FIRST: LazyLock<Vec<Vec<&'static Shape>>> = LazyLock::new(|| {
    let starting = |first: u8| {
        SHAPES
            .iter()
            .filter(move |shape| shape.prefix.as_bytes().first() == Some(&first))
    };
    (0..=u8::MAX)
        .map(|first| starting(first).collect())
        .collect()
});

/// The shortest JSON Web Token with a signature is longer than this.
const MIN_JWT: usize = 40;

/// Finds what looks like a secret; the ranges may overlap and are in no order.
#[must_use]
pub fn find(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    tokens(text, &mut found);
    private_keys(text, &mut found);
    let lower = text.to_ascii_lowercase();
    authorizations(text, &lower, &mut found);
    aws_secrets(text, &lower, &mut found);
    userinfo(text, &mut found);
    found
}

fn tokens(text: &str, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.first().copied().unwrap_or_default();
        let candidates = BY_FIRST
            .get(usize::from(first))
            .map_or(&[][..], Vec::as_slice);
        if candidates.is_empty() && first != b'e' {
            at += 1;
            continue;
        }
        // Only where none of these characters stands before: a long run of them is then read once.
        let begins_word = at == 0 || bytes.get(at - 1).is_none_or(|b| !is_url_safe(*b));
        let shaped = candidates
            .iter()
            .filter(|shape| begins_word || !shape.common)
            .find_map(|shape| length(shape, rest));
        let hit = shaped.or_else(|| begins_word.then(|| jwt_length(rest)).flatten());
        if let Some((length, what, whole)) = hit {
            found.push(Hit {
                range: at..at + length,
                what,
                whole,
            });
        }
        at += hit.map_or(1, |(length, ..)| length);
    }
}

/// Returns how long the token is with which `text` begins, what it is, and whether it is whole.
fn length(shape: &Shape, text: &[u8]) -> Option<(usize, &'static str, bool)> {
    let body = text.strip_prefix(shape.prefix.as_bytes())?;
    let body = body.get(..run(body, shape.body))?;
    // The full stop of the sentence is not part of it.
    let body = body.strip_suffix(b".").unwrap_or(body);
    let plausible = !shape.common || body.iter().any(u8::is_ascii_digit);
    let found = (
        shape.prefix.len() + body.len(),
        shape.what,
        body.len() >= shape.whole,
    );
    (body.len() >= shape.min && plausible).then_some(found)
}

/// Returns how long the JSON Web Token is with which `text` begins: three parts in base64, of which
/// the first begins with `{"`.
fn jwt_length(text: &[u8]) -> Option<(usize, &'static str, bool)> {
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
    let plausible = length >= MIN_JWT && payload > 0 && signature > 0;
    plausible.then_some((length, "a JSON Web Token", signature >= 20))
}

fn run(text: &[u8], part: fn(u8) -> bool) -> usize {
    text.iter().position(|b| !part(*b)).unwrap_or(text.len())
}

/// Finds PEM private keys; one without an end, as in a log that was cut, reaches to the end.
fn private_keys(text: &str, found: &mut Vec<Hit>) {
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
        // A frame alone is a program that looks for keys, or a document about them.
        let body = text.get(head..end).unwrap_or_default();
        let whole = body.bytes().filter(|b| is_base64(*b)).count() >= 80;
        found.push(Hit {
            range: start..end,
            what: "a private key",
            whole,
        });
        from = end;
    }
}

/// Finds the credentials of `Authorization: Bearer …` and of the schemes like it.
fn authorizations(text: &str, lower: &str, found: &mut Vec<Hit>) {
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
                found.push(Hit {
                    range: start..start + end,
                    what: "a credential in a header",
                    whole: opaque && credential.bytes().all(is_credential),
                });
            }
        }
    }
}

/// Finds the secret half of an AWS key, which has no shape but a name before it.
fn aws_secrets(text: &str, lower: &str, found: &mut Vec<Hit>) {
    const LENGTH: usize = 40;
    for name in ["secret_access_key", "secretaccesskey"] {
        for (at, _) in lower.match_indices(name) {
            let rest = text.get(at + name.len()..).unwrap_or_default();
            let value = rest.trim_start_matches([' ', '"', '\'', '=', ':', '>']);
            let start = at + name.len() + rest.len() - value.len();
            if value.len() < rest.len() && run(value.as_bytes(), is_base64) == LENGTH {
                let range = start..start + LENGTH;
                found.push(Hit {
                    range,
                    what: "an AWS secret access key",
                    whole: true,
                });
            }
        }
    }
}

/// Finds the password of `https://user:password@host`, with its user, and a token in a user's place.
fn userinfo(text: &str, found: &mut Vec<Hit>) {
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
            found.push(Hit {
                range: start..start + user.len(),
                what: "a password in a URL",
                whole: user.bytes().all(is_credential),
            });
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

const fn is_path(b: u8) -> bool {
    is_url_safe(b) || b == b'/'
}

const fn is_base64(b: u8) -> bool {
    is_url_safe(b) || b == b'+' || b == b'/' || b == b'='
}

const fn is_upper_or_digit(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

/// What credentials are made of, and neither placeholders nor the variables of templates.
const fn is_credential(b: u8) -> bool {
    b.is_ascii_graphic()
        && !matches!(
            b,
            b'<' | b'>' | b'{' | b'}' | b'$' | b'(' | b')' | b'[' | b']' | b'*'
        )
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
    fn the_other_kinds_go_as_well() {
        let digits = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(3);
        for shape in &super::SHAPES {
            let upper = digits.to_ascii_uppercase();
            let body = upper.get(..shape.whole).unwrap();
            let secret = token(shape.prefix, body);
            let shown = Redactor::default()
                .redact(&format!("a {secret} b"))
                .into_owned();
            assert!(!shown.contains(body), "{}: {shown}", shape.what);
        }
        check(
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = [redacted]",
        );
        check(
            "\"SecretAccessKey\": \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"",
            "\"SecretAccessKey\": \"[redacted]\"",
        );
        check(
            "secret_access_key is a setting",
            "secret_access_key is a setting",
        );
    }

    #[test]
    fn a_cut_one_is_not_whole() {
        let hits = |text: &str| {
            super::find(text)
                .iter()
                .map(|hit| hit.whole)
                .collect::<Vec<_>>()
        };
        assert_eq!(hits(&token("ghp_", &"a1".repeat(18))), [true]);
        assert_eq!(hits(&token("ghp_", &"a1".repeat(10))), [false]);
        assert_eq!(hits("-----BEGIN PRIVATE KEY-----"), [false]);
        assert_eq!(hits("https://me:${PASSWORD}@example.org/"), [false]);
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
