//! Secrets taken out of text before it is logged, stored, shown or sent.
//!
//! Two nets: the secrets that this server holds, by value and in every form in which programs write
//! values (`forms`, `known`), and texts that have the shape of a secret, whoever it belongs to
//! (`shapes`). The second is a guess and the last line; nothing relies on it to let a secret into a
//! text in the first place.

mod forms;
mod known;
pub mod shapes;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use crate::domain::redact::known::Known;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Shorter values, in bytes, are not secrets worth the name, and would take common words apart.
pub const MIN_VALUE: usize = 8;

/// Minted tokens that are remembered. They live an hour, and no server mints more in one.
const MAX_MINTED: usize = 500;

/// Replaces secrets in text. Has no `Debug`: it holds them.
#[derive(Clone, Default)]
pub struct Redactor {
    lasting: Vec<String>,
    minted: VecDeque<String>,
    known: Known,
}

impl Redactor {
    /// Builds a redactor for the secrets that are known; those under [`MIN_VALUE`] are passed over.
    #[must_use]
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.learn(secret.as_ref());
        }
        redactor
    }

    /// Adds a secret that stays one for as long as the process runs.
    ///
    /// A secret of several lines is known by its lines as well, because logs indent and cut.
    pub fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        if self.lasting.iter().all(|known| known != secret) {
            self.known.add(forms::of(secret));
            self.lasting.push(secret.to_owned());
        }
    }

    /// Adds a token that will expire; the oldest of them are forgotten when they are too many.
    pub fn learn_minted(&mut self, token: &str) {
        if self.minted.iter().any(|known| known == token) {
            return;
        }
        self.minted.push_back(token.to_owned());
        if self.minted.len() <= MAX_MINTED {
            self.known.add(forms::of(token));
            return;
        }
        // Half of them at once: what is found by is built anew, and that should be rare.
        self.minted.drain(..MAX_MINTED / 2);
        self.known = Known::default();
        for secret in self.lasting.iter().chain(&self.minted) {
            self.known.add(forms::of(secret));
        }
    }

    /// Replaces every secret by `[redacted]`; text without one comes back as it is.
    ///
    /// Takes time linear in the text, however many secrets are known. Of a value that was cut, as at
    /// the end of a line or of a log, every part of 31 bytes or more is found.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found: Vec<_> = shapes::find(text)
            .into_iter()
            .map(|hit| hit.range)
            .collect();
        found.extend(self.held(text.as_bytes()));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| range.start);
        Cow::Owned(replace(text, &found))
    }

    /// Finds the secrets that are known by value, in whatever form; in order, none overlaps another.
    #[must_use]
    pub fn held(&self, text: &[u8]) -> Vec<Range<usize>> {
        self.known.find(text)
    }
}

/// Replaces ranges, sorted by their starts; those that overlap or touch become one. One that begins
/// or ends within a character takes the whole of it.
fn replace(text: &str, found: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut replaced_any = false;
    for range in found {
        let start = text.floor_char_boundary(range.start);
        if start > copied || !replaced_any {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str(REDACTED);
            replaced_any = true;
        }
        copied = copied.max(text.ceil_char_boundary(range.end));
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
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
        let key = "-----BEGIN RSA PRIVATE KEY-----\nfirst line of a long key\nsecond line of a long key\n";
        let redactor = Redactor::new([key]);
        assert_eq!(
            redactor.redact("log: second line of a long key;"),
            "log: [redacted];"
        );
        // What every key begins with is no secret.
        let public = "a file that begins -----BEGIN RSA PRIVATE";
        assert_eq!(redactor.redact(public), public);
        let encoded = STANDARD.encode(format!("{{\"key\":\"{key}\"}}"));
        let shown = redactor.redact(&encoded).into_owned();
        assert!(shown.len() < REDACTED.len() + 40, "{shown}");
    }

    #[test]
    fn what_is_learned_later_goes_too_and_old_tokens_are_forgotten() {
        let mut redactor = Redactor::new(["the-lasting-secret"]);
        let token = |n: usize| format!("opaque-token-number-{n:08}-of-many");
        assert_eq!(redactor.redact(&token(0)), token(0));
        for n in 0..=MAX_MINTED {
            redactor.learn_minted(&token(n));
        }
        for text in [
            token(MAX_MINTED),
            token(MAX_MINTED - 1),
            "the-lasting-secret".to_owned(),
        ] {
            assert_eq!(redactor.redact(&text), REDACTED);
        }
        assert!(redactor.minted.len() <= MAX_MINTED);
    }

    #[test]
    fn a_token_of_five_hundred_characters_goes_whole_and_in_pieces() {
        let body = "A1b2.c_D-3e4F.g5".chars().cycle().enumerate();
        let body: String = body
            .map(|(n, c)| {
                if n % 7 == 0 {
                    char::from(b'a' + u8::try_from(n % 26).unwrap())
                } else {
                    c
                }
            })
            .take(500)
            .collect();
        // No prefix that a shape knows: only the value gives it away.
        let redactor = Redactor::new([&body]);
        assert_eq!(redactor.redact(&format!("<{body}>")), "<[redacted]>");
        for width in [40, 64, 76, 100] {
            let lines: Vec<_> = body
                .as_bytes()
                .chunks(width)
                .filter(|line| line.len() >= 31)
                .collect();
            for line in lines {
                let line = std::str::from_utf8(line).unwrap();
                assert_eq!(redactor.redact(&format!("| {line} |")), "| [redacted] |");
            }
        }
        let wrapped = STANDARD.encode(format!("x-access-token:{body}"));
        for line in wrapped
            .as_bytes()
            .chunks(76)
            .skip(1)
            .filter(|line| line.len() == 76)
        {
            assert_eq!(
                redactor.redact(std::str::from_utf8(line).unwrap()),
                REDACTED
            );
        }
    }

    #[test]
    fn a_secret_between_characters_of_several_bytes() {
        let redactor = Redactor::new(["pässwörd-ü"]);
        assert_eq!(redactor.redact("äpässwörd-üä"), "ä[redacted]ä");
    }

    /// Whether a text still says a secret of that many characters, but where the replacement does.
    fn tells(text: &str, secret: &str) -> bool {
        text.replace(REDACTED, "\u{1}").contains(secret)
    }

    proptest! {
        #[test]
        fn no_planted_secret_survives_in_any_form(
            secret in "[!-~]{8,40}|[a-zA-Z0-9._-]{300,600}",
            before in "\\PC{0,20}",
            after in "\\PC{0,20}",
            padding in "[a-z]{0,4}",
        ) {
            let redactor = Redactor::new([&secret]);
            let json = serde_json::to_string(&secret).unwrap();
            let forms = [
                secret.clone(),
                hex::encode(&secret),
                hex::encode_upper(&secret),
                utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string(),
                utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string().replace("%2D", "-").replace("%2E", ".").replace("%5F", "_").replace("%7E", "~"),
                json.trim_matches('"').to_owned(),
            ];
            for form in forms.iter().filter(|form| !form.is_empty()) {
                let text = format!("{before}{form}{after}{form}");
                let shown = redactor.redact(&text).into_owned();
                prop_assert!(!tells(&shown, form), "{} in {}", form, shown);
            }
            let joined = format!("{padding}{secret}{padding}");
            for text in [STANDARD.encode(&joined), URL_SAFE.encode(&joined)] {
                let shown = redactor.redact(&text).into_owned();
                prop_assert!(shown.contains(REDACTED), "{}", shown);
                // Of the characters at its edges each also holds bits of the text around it.
                let rest: usize = shown.replace(REDACTED, "").len();
                prop_assert!(rest <= 2 * 4 * padding.len().div_ceil(3) + 8, "{}", shown);
            }
        }

        #[test]
        fn every_long_piece_of_a_known_secret_goes(
            secret in "[a-zA-Z0-9+/._-]{31,400}",
            start in 0_usize..400,
            length in 31_usize..200,
        ) {
            let start = start % (secret.len() - 30);
            let piece = &secret[start..secret.len().min(start + length)];
            let shown = Redactor::new([&secret]).redact(&format!("é{piece}é")).into_owned();
            prop_assert_eq!(shown, format!("é{REDACTED}é"));
        }

        #[test]
        fn text_without_secrets_is_unchanged(text in "([A-Za-z]{1,9}[ .,:;!?/@\n-]{1,2}){0,40}") {
            prop_assert_eq!(Redactor::new(["hunter2-9"]).redact(&text), text.as_str());
        }
    }
}
