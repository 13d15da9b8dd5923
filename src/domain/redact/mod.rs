//! Secrets taken out of text before it is logged, stored or shown.
//!
//! Two nets: the secrets that this server holds, by value and in base64, and texts that have the
//! shape of a secret, whoever it belongs to. The second is a guess and the last line; nothing relies
//! on it to let a secret into a text in the first place.

mod shapes;

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Shorter literals are not secrets worth the name, and would take common words apart.
pub const MIN_LITERAL: usize = 6;

/// Replaces secrets in text. Has no `Debug`: it holds them.
#[derive(Clone, Default)]
pub struct Redactor {
    literals: Vec<String>,
}

impl Redactor {
    /// Builds a redactor for the secrets that are known; those under six bytes are passed over.
    ///
    /// A secret of several lines is known by its lines as well, because logs indent and cut.
    #[must_use]
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.learn(secret.as_ref());
        }
        redactor
    }

    /// Adds a secret that became known later, such as a token minted for a job.
    pub fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        let lines = secret
            .lines()
            .map(str::trim)
            .filter(|line| line.len() >= 16 && *line != secret);
        for known in std::iter::once(secret).chain(lines) {
            if known.len() >= MIN_LITERAL {
                self.literals.push(known.to_owned());
                self.literals.extend(encoded(known));
            }
        }
        self.literals.sort();
        self.literals.dedup();
    }

    /// Replaces every secret by `[redacted]`; text without one comes back as it is.
    ///
    /// Takes time linear in the text for a given set of secrets. A text that arrives in pieces must
    /// be put together first: a secret cut in two is found in neither part.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found = shapes::find(text);
        for literal in &self.literals {
            found.extend(
                text.match_indices(literal.as_str())
                    .map(|(at, hit)| at..at + hit.len()),
            );
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| range.start);
        Cow::Owned(replace(text, &found))
    }
}

/// Replaces ranges, sorted by their starts; those that overlap or touch become one.
fn replace(text: &str, found: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut replaced_any = false;
    for range in found {
        if range.start > copied || !replaced_any {
            out.push_str(text.get(copied..range.start).unwrap_or_default());
            out.push_str(REDACTED);
            replaced_any = true;
        }
        copied = copied.max(range.end);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

/// Returns what a secret looks like in base64, wherever in the encoded bytes it begins: as in
/// `Authorization: Basic` of `x-access-token:SECRET`.
///
/// Three alignments are possible. In each, the characters that also depend on the bytes around the
/// secret are left out.
fn encoded(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3_usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        let first = (before * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        for text in [
            STANDARD_NO_PAD.encode(&bytes),
            URL_SAFE_NO_PAD.encode(&bytes),
        ] {
            forms.extend(text.get(first..last).map(str::to_owned));
        }
    }
    forms.retain(|form| form.len() >= MIN_LITERAL);
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_secrets_go_by_value_and_in_base64() {
        let redactor = Redactor::new(["hunter2!", "x"]);
        assert_eq!(redactor.redact("a hunter2! b"), "a [redacted] b");
        assert_eq!(redactor.redact("hunter2!hunter2!"), "[redacted]");
        let basic = STANDARD.encode("x-access-token:hunter2!");
        let shown = redactor.redact(&basic).into_owned();
        assert!(
            shown.starts_with("eC1hY2Nlc3MtdG9rZW4") && shown.contains(REDACTED),
            "{shown}"
        );
        assert_eq!(redactor.redact("x marks"), "x marks");
    }

    #[test]
    fn a_secret_of_several_lines_goes_line_by_line() {
        let key = "first line of a long key\nsecond line of a long key\n";
        let redactor = Redactor::new([key]);
        assert_eq!(
            redactor.redact("log: second line of a long key;"),
            "log: [redacted];"
        );
    }

    #[test]
    fn what_is_learned_later_goes_too() {
        let mut redactor = Redactor::default();
        assert_eq!(redactor.redact("opaque-token"), "opaque-token");
        redactor.learn("opaque-token\n");
        assert_eq!(redactor.redact("opaque-token"), REDACTED);
    }

    proptest! {
        #[test]
        fn no_planted_secret_survives(
            secret in "[!-~]{6,40}",
            before in "\\PC{0,20}",
            after in "\\PC{0,20}",
            padding in "[a-z]{0,4}",
        ) {
            let redactor = Redactor::new([&secret]);
            let plain = redactor.redact(&format!("{before}{secret}{after}{secret}")).into_owned();
            prop_assert!(REDACTED.contains(&secret) || !plain.contains(&secret), "{}", plain);
            let joined = format!("{padding}{secret}{padding}");
            for text in [STANDARD.encode(&joined), URL_SAFE.encode(&joined)] {
                prop_assert!(redactor.redact(&text).contains(REDACTED), "{}", text);
            }
        }

        #[test]
        fn text_without_secrets_is_unchanged(text in "([A-Za-z]{1,9}[ .,:;!?/@\n-]{1,2}){0,40}") {
            prop_assert_eq!(Redactor::new(["hunter2-9"]).redact(&text), text.as_str());
        }
    }
}
