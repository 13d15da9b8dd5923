//! Corrects one text.

use typos::tokens::Tokenizer;
use typos::{Status, check_str};

use crate::inside::spelling::settings::Settings;
use crate::inside::spelling::words::Words;

/// One word that was corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fix {
    /// The line, from 1.
    pub(super) line: usize,
    pub(super) from: String,
    pub(super) to: String,
}

/// Returns the text with every word corrected that has one correction, and what was corrected.
pub(super) fn fix(text: &str, settings: &Settings) -> (String, Vec<Fix>) {
    let tokenizer = Tokenizer::new();
    let words = Words {
        own: &settings.words,
    };
    let spared = settings.spared.iter();
    let spared: Vec<_> = spared
        .flat_map(|pattern| pattern.find_iter(text).map(|found| found.range()))
        .collect();
    let (mut better, mut fixes) = (String::with_capacity(text.len()), Vec::new());
    let (mut done, mut line) = (0, 1);
    for typo in check_str(text, &tokenizer, &words) {
        let Status::Corrections(corrections) = &typo.corrections else {
            continue;
        };
        let ([to], span) = (corrections.as_slice(), typo.span()) else {
            continue;
        };
        let is_spared = spared
            .iter()
            .any(|range| range.start < span.end && span.start < range.end);
        let Some(before) = text.get(done..span.start).filter(|_| !is_spared) else {
            continue;
        };
        line += before.matches('\n').count();
        better.push_str(before);
        better.push_str(to);
        done = span.end;
        fixes.push(Fix {
            line,
            from: typo.typo.to_string(),
            to: to.to_string(),
        });
    }
    better.push_str(text.get(done..).unwrap_or_default());
    (better, fixes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fixed(text: &str) -> String {
        let settings = Settings::find(Path::new("/nonexistent")).unwrap();
        fix(text, &settings).0
    }

    #[test]
    fn one_correction_is_made_and_its_case_kept() {
        for (text, expected) in [
            ("teh Teh TEH", "the The THE"),
            ("adressBook, AdressBook", "addressBook, AddressBook"),
            ("snake_recieve RECIEVE_IT", "snake_receive RECEIVE_IT"),
            ("grüße, teh straße\r\nteh", "grüße, the straße\r\nthe"),
            ("Everything is right.", "Everything is right."),
            // Several corrections: a person has to choose.
            ("weant", "weant"),
            ("", ""),
        ] {
            assert_eq!(fixed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_word_is_left() {
        for text in [
            "https://example.com/teh/adress",
            "teh.adress@example.com",
            "\"dGVoIGFkcmVzcyByZWNpZXZlIHRlaCBhZHJlc3MgcmVjaWV2ZQ==\"",
            "e5fa44f2b31c1fb553b6021e7360d07d5d91ff5e",
            "0x7e4ade55",
            "3f1b7c0e-7e4a-4ade-9c55-1b7c0e3f7e4a",
        ] {
            assert_eq!(fixed(text), text);
        }
    }
}
