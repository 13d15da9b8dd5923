//! "Did you mean": the known word that a mistyped one was probably meant to be.

/// Returns the known word nearest to `word`, when it is near enough to be a slip of the fingers.
///
/// Near is at most two edits (a swap of neighbours is one) and fewer than half of the letters:
/// two edits turn `ok` into `ask`, and nobody meant that.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    // Nothing this long is a slip of a word of ours, and the distance is quadratic.
    if word.len() > 40 {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(edits, _)| *edits <= 2 && edits * 2 < word.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Counts insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_from = None;
    for (row, &a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut left = row + 1;
        let mut previous_to = None;
        for (column, &b) in to.iter().enumerate() {
            let at =
                |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(a != b);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(left + 1);
            if previous_from == Some(b) && previous_to == Some(a) {
                best = best.min(at(&before_last, column.wrapping_sub(1)) + 1);
            }
            current.push(best);
            left = best;
            previous_to = Some(b);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_from = Some(a);
    }
    last.last().copied().unwrap_or(from.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        let edits = [
            ("retyr", "retry"),
            ("kitten", "sitting"),
            ("", "abc"),
            ("abc", ""),
            ("stop", "stop"),
        ]
        .map(|(a, b)| distance(&a.chars().collect::<Vec<_>>(), b));
        assert_eq!(edits, [1, 3, 3, 3, 0]);
    }

    #[test]
    fn only_slips_are_suggested() {
        let known = ["help", "stop", "retry", "undo", "ask"];
        let near = |word| nearest(word, known);
        assert_eq!(near("retyr"), Some("retry"));
        assert_eq!(near("STPO"), Some("stop"));
        assert_eq!(near("halp"), Some("help"));
        assert_eq!(near("ok"), None);
        assert_eq!(near("go"), None);
        assert_eq!(near("merge"), None);
        assert_eq!(near(&"stop".repeat(10_000)), None);
    }
}
