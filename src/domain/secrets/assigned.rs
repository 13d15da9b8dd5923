//! Values without a shape that are named like secrets: `db_password = "…"`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::domain::secrets::doubt::{entropy, is_placeholder};

const WHAT: &str = "a value that is named like a secret";

/// Bits a character that a random value of these lengths has at the least.
const MIN_ENTROPY: f64 = 3.3;

/// A name that says secret, a sign that assigns, and a value: in quotes, or bare and longer.
const ASSIGNMENT: &str = concat!(
    r"(?i-u)(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|",
    r"private[_-]?key|signing[_-]?key|encryption[_-]?key|credentials?)[a-z0-9_.-]{0,30}",
    r#"["']?\]?[ \t]{0,8}(?:=>|:=|=|:)[ \t]{0,8}"#,
    r#"(?:"([^"\s]{12,200})"|'([^'\s]{12,200})'|([a-z0-9+/=_~-]{20,200}))"#,
);

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ASSIGNMENT).ok());

/// Finds values that look random and are named like secrets.
pub(super) fn assigned(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let found = PATTERN
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text));
    let values = found.filter_map(|found| (1..=3).find_map(|group| found.get(group)));
    values
        .filter(|value| looks_random(value.as_str()))
        .map(|value| (value.range(), WHAT))
        .collect()
}

/// Tells whether a value was made by a machine and is no name, path, code or placeholder.
fn looks_random(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.as_bytes().iter().any(test);
    let code = |c: char| "(){}[]<>$%\\;,|^ ".contains(c);
    has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !value.contains(code)
        && !value.contains("://")
        && !value.starts_with(['/', '.', '@', '#'])
        && !is_placeholder(value)
        && !is_words(value)
        && entropy(value) >= MIN_ENTROPY
}

/// Tells whether a value is words with signs between them, as the names of things are: one part of it
/// at most mixes letters and digits.
fn is_words(value: &str) -> bool {
    let parts: Vec<&str> = value
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect();
    let mixed = parts.iter().filter(|part| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        digits > 0 && digits < part.len() && part.len() > 4
    });
    let longest = parts.iter().map(|part| part.len()).max().unwrap_or(0);
    parts.len() > 1 && longest < 12 && mixed.count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        assigned(text)
            .into_iter()
            .map(|(range, _)| &text[range])
            .collect()
    }

    #[test]
    fn the_pattern_is_one() {
        assert!(PATTERN.is_some());
    }

    #[test]
    fn values_are_found_however_they_are_assigned() {
        let value = ["q9Xv2LmZ7p", "Rt0aWs4dFg"].concat();
        for text in [
            format!("DB_PASSWORD={value}"),
            format!("db_password: '{value}'"),
            format!("  \"clientSecret\": \"{value}\","),
            format!("api-key := \"{value}\""),
            format!("config['auth_token'] = \"{value}\""),
            format!("$secret => '{value}'"),
            format!("const TOKEN = \"{value}\" // prova:allow gitleaks:allow nosec"),
        ] {
            assert_eq!(found(&text), [value.as_str()], "{text}");
        }
    }

    #[test]
    fn names_code_and_placeholders_are_not() {
        for text in [
            "password = \"correct horse battery staple 1\"",
            "token = \"${GITHUB_TOKEN_2}\"",
            "secret: process.env.SECRET_KEY_BASE_64",
            "token: &str = \"application/vnd.v3\"",
            "password_field = \"user-password-field-2\"",
            "secret_name = \"projects/app/secrets/db-1\"",
            "api_key = \"your-api-key-goes-here-1\"",
            "token = \"xxxxxxxxxxxx1xxxxxxxxxxxx\"",
            "tokens: [\"abcdefghijkl1234\"]",
            "private_key_file = \"/etc/keys/app2.pem\"",
            "password = hunter2",
            "token = getTokenFromEnvironment2()",
            "\"js-tokens\": \"^4.0.0\"",
            "secret = \"https://vault.example.org/v1/secret\"",
            "token: \"2026-03-10T12:00:00Z\"",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
