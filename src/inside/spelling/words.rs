//! What is wrong with a word: the repository's own list, then the dictionary.

use std::borrow::Cow;
use std::collections::BTreeMap;

use typos::tokens::{Case, Identifier, Word};
use typos::{Dictionary, Status};
use typos_dict::WORD;
use unicase::UniCase;

/// A dictionary with a list before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'l> {
    /// Words in lower case, and what is right instead.
    pub(super) own: &'l BTreeMap<String, String>,
}

impl Dictionary for Words<'_> {
    fn correct_ident<'s>(&'s self, _: Identifier<'_>) -> Option<Status<'s>> {
        None
    }

    fn correct_word<'s>(&'s self, word: Word<'_>) -> Option<Status<'s>> {
        let case = word.case();
        if case == Case::None {
            return None;
        }
        if let Some(right) = self.own.get(&word.token().to_lowercase()) {
            return Some(match right.as_str() {
                same if same.eq_ignore_ascii_case(word.token()) => Status::Valid,
                "" => Status::Invalid,
                right => Status::Corrections(vec![cased(right, case)]),
            });
        }
        let corrections = WORD.find(&UniCase::new(word.token()))?;
        Some(if corrections.is_empty() {
            Status::Invalid
        } else {
            Status::Corrections(corrections.iter().map(|right| cased(right, case)).collect())
        })
    }
}

/// Writes a correction as the word was written.
fn cased(word: &str, case: Case) -> Cow<'_, str> {
    match case {
        Case::Lower | Case::None => Cow::Borrowed(word),
        Case::Upper => Cow::Owned(word.to_uppercase()),
        Case::Title => {
            let mut letters = word.chars();
            let first = letters.next().map(char::to_uppercase);
            Cow::Owned(first.into_iter().flatten().chain(letters).collect())
        }
    }
}
