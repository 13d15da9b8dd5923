//! What is wrong with a word: the repository's own list, then the dictionary.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use typos::tokens::{Case, Identifier, Word};
use typos::{Dictionary, Status};

/// What `build.rs` has written: a line `WORD\tCORRECTION,CORRECTION` for each word, sorted.
const DICTIONARY: &str = include_str!(concat!(env!("OUT_DIR"), "/words.tsv"));

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
        Some(match find(DICTIONARY, &word.token().to_lowercase())? {
            "" => Status::Invalid,
            right => Status::Corrections(right.split(',').map(|one| cased(one, case)).collect()),
        })
    }
}

/// Returns the corrections of a word, divided by commas, by halving the lines.
fn find<'d>(dictionary: &'d str, word: &str) -> Option<&'d str> {
    let mut lines = dictionary;
    loop {
        // Where the line begins that the middle is in.
        let half = lines.as_bytes().get(..lines.len() / 2)?;
        let start = half.iter().rposition(|&byte| byte == b'\n');
        let (before, rest) = lines.split_at_checked(start.map_or(0, |at| at + 1))?;
        let (line, after) = rest.split_once('\n')?;
        let (known, right) = line.split_once('\t')?;
        lines = match known.cmp(word) {
            Ordering::Equal => return Some(right),
            Ordering::Less => after,
            Ordering::Greater => before,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_by_its_word_and_nothing_else() {
        let few = "a\tx\nab\ty,z\nb\t\n";
        for (word, expected) in [
            ("a", Some("x")),
            ("ab", Some("y,z")),
            ("b", Some("")),
            ("", None),
            ("aa", None),
            ("c", None),
        ] {
            assert_eq!(find(few, word), expected, "{word}");
        }
        assert_eq!(find("", "a"), None);
    }

    #[test]
    fn the_dictionary_is_sorted_and_whole() {
        let mut words: Vec<&str> = Vec::new();
        for line in DICTIONARY.lines() {
            let (word, right) = line.split_once('\t').unwrap();
            assert_eq!(find(DICTIONARY, word), Some(right), "{word}");
            words.push(word);
        }
        assert!(words.is_sorted() && words.len() > 50_000);
        assert_eq!(find(DICTIONARY, "recieve"), Some("receive"));
    }
}
