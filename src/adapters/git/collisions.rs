//! Names that are two here and one on a file system that ignores case or composes accents.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::adapters::git::names;
use crate::adapters::git::paths::prefixes;

/// Finds those of the `added` paths that, or a directory of which, would fall together with a
/// differently spelled path of the resulting tree. `others` are the paths that were there before.
///
/// Of two added paths the later falls; collisions that the base already has are left alone.
pub(crate) fn find<'a>(
    added: &[&'a [u8]],
    others: impl Iterator<Item = &'a [u8]>,
) -> Vec<&'a [u8]> {
    if added.is_empty() {
        return Vec::new();
    }
    // Spellings by what they fold to, for the added paths and their directories only: the base can
    // be large and a change is small.
    let mut spellings: HashMap<String, Vec<&[u8]>> = HashMap::new();
    let wanted: HashSet<String> = added
        .iter()
        .flat_map(|path| prefixes(path))
        .map(fold)
        .collect();
    for path in others {
        for prefix in prefixes(path) {
            let folded = fold(prefix);
            if wanted.contains(&folded) {
                note(&mut spellings, folded, prefix);
            }
        }
    }
    let mut colliding = Vec::new();
    for &path in added {
        let collides = prefixes(path).any(|prefix| {
            spellings
                .get(&fold(prefix))
                .is_some_and(|spellings| !spellings.contains(&prefix))
        });
        if collides {
            colliding.push(path);
        } else {
            for prefix in prefixes(path) {
                note(&mut spellings, fold(prefix), prefix);
            }
        }
    }
    colliding
}

fn note<'a>(spellings: &mut HashMap<String, Vec<&'a [u8]>>, folded: String, spelling: &'a [u8]) {
    let known = spellings.entry(folded).or_default();
    if !known.contains(&spelling) {
        known.push(spelling);
    }
}

/// Returns the path as a file system compares it that ignores case and composes accents.
pub(crate) fn fold(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Upper before lower brings the forms together that have no single-letter counterpart.
    names::visible(&text)
        .nfd()
        .collect::<String>()
        .to_uppercase()
        .to_lowercase()
        .nfd()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &[&str], added: &[&str], expected: &[&str]) {
        let added: Vec<&[u8]> = added.iter().map(|path| path.as_bytes()).collect();
        let found = find(&added, base.iter().map(|path| path.as_bytes()));
        let expected: Vec<&[u8]> = expected.iter().map(|path| path.as_bytes()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_spellings_of_one_name_collide() {
        check(&["README.md"], &["readme.md"], &["readme.md"]);
        check(&["src/a"], &["Src/b"], &["Src/b"]);
        check(&["src/a"], &["SRC"], &["SRC"]);
        check(&[], &["A/modules/x", "a"], &["a"]);
        check(&["caf\u{e9}"], &["cafe\u{301}"], &["cafe\u{301}"]);
        check(&["stra\u{df}e"], &["STRASSE"], &["STRASSE"]);
        check(&["a"], &["\u{200c}a"], &["\u{200c}a"]);
    }

    #[test]
    fn what_was_there_before_is_left_alone() {
        check(
            &["xt_TCPMSS.h", "xt_tcpmss.h", "src/a"],
            &["src/b", "c"],
            &[],
        );
        check(&["Src/a", "src/b"], &["src/c"], &[]);
        check(&["Src/a", "src/b"], &["SRC/c"], &["SRC/c"]);
    }
}
