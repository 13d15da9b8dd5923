//! When something that looks like a secret is none.

use std::collections::BTreeMap;

/// What people write where a secret would stand.
const WORDS: [&str; 14] = [
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "dummy",
    "redacted",
    "replace",
    "your_",
    "your-",
    "sample",
    "insert",
    "notreal",
    "not-real",
];

/// Characters in a row that are the same, or each one more than the one before: no random text of the
/// length of a secret has so many.
const MAX_RUN: usize = 7;

/// Bits a character, below which a value is no random one.
const MIN_ENTROPY: f64 = 2.8;

/// Tells whether a value stands for a secret and is none: it says so, is masked, counts up, or has
/// little in it.
#[must_use]
pub(super) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
        || value.contains("***")
        || value.contains("...")
        || value.contains('<')
        || longest_run(&lower) > MAX_RUN
        || entropy(secret_part(value)) < MIN_ENTROPY
}

/// Returns the part of a value that would be secret: behind a user's name, or behind the fixed
/// beginning of a token.
fn secret_part(value: &str) -> &str {
    let behind_user = value
        .split_once(':')
        .map_or(value, |(_, password)| password);
    let behind_prefix = behind_user
        .split_once('_')
        .map_or(behind_user, |(_, rest)| rest);
    if behind_prefix.len() >= 8 {
        behind_prefix
    } else {
        behind_user
    }
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut same, mut rising) = (0, 1, 1);
    for pair in text.as_bytes().windows(2) {
        let [one, next] = pair else { continue };
        same = if one == next { same + 1 } else { 1 };
        rising = if one.checked_add(1) == Some(*next) {
            rising + 1
        } else {
            1
        };
        longest = longest.max(same).max(rising);
    }
    longest
}

/// Returns Shannon's entropy of the characters, in bits a character.
#[must_use]
pub(super) fn entropy(text: &str) -> f64 {
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    for c in text.chars() {
        *counts.entry(c).or_default() += 1;
    }
    let total = f64::from(counts.values().sum::<u32>());
    let bits = counts.values().map(|count| {
        let share = f64::from(*count) / total;
        -share * share.log2()
    });
    bits.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_secret_is_none() {
        for value in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "sk-ant-api03-YOUR_KEY_HERE_0000000000",
            "user:<password>",
            "sk_live_1234567890abcdefghijklmnop",
            "postgres:postgres",
            "glpat-********************",
            "npm_abababababababababababababababababab",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn what_is_random_is_no_placeholder() {
        for value in [
            "x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi",
            "app:q9Xv2LmZ7pRt",
            "AKIA2QWERT7YUIOP9LKJ",
        ] {
            assert!(!is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn entropy_is_in_bits_a_character() {
        assert!(entropy("aaaa").abs() < 1e-9);
        assert!((entropy("abab") - 1.0).abs() < 1e-9);
        assert!((entropy("abcdefgh") - 3.0).abs() < 1e-9);
    }
}
