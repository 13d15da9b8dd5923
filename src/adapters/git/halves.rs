//! Finding the few that fail among many, when a judgement only tells whether all of them pass.
//!
//! An agent decides how many there are and how many of them are bad. Judged one by one, each would
//! cost a process, so the search is by halves and has an end.

use std::ops::Range;

/// How many judgements a search may take.
const TRIES: u32 = 128;

/// A search for what fails.
#[derive(Debug)]
pub(crate) struct Halves {
    pending: Vec<Range<usize>>,
    failed: Vec<usize>,
    tries: u32,
}

impl Halves {
    /// Starts a search among `count` things.
    pub(crate) fn of(count: usize) -> Self {
        Self {
            pending: if count == 0 {
                Vec::new()
            } else {
                vec![0..count]
            },
            failed: Vec::new(),
            tries: TRIES,
        }
    }

    /// Returns which things to judge together next; `None` when the search is over.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        if self.tries == 0 {
            // What nobody vouches for has failed.
            self.failed.extend(self.pending.drain(..).flatten());
        }
        self.tries = self.tries.saturating_sub(1);
        self.pending.pop()
    }

    /// Takes the judgement that not all of `range` pass.
    pub(crate) fn fails(&mut self, range: Range<usize>) {
        if range.len() == 1 {
            self.failed.push(range.start);
            return;
        }
        let middle = range.start + range.len() / 2;
        self.pending.push(middle..range.end);
        self.pending.push(range.start..middle);
    }

    /// Ends the search and returns what failed, sorted.
    pub(crate) fn failed(mut self) -> Vec<usize> {
        self.failed.sort_unstable();
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(count: usize, bad: impl Fn(usize) -> bool) -> (Vec<usize>, u32) {
        let (mut halves, mut tries) = (Halves::of(count), 0);
        while let Some(range) = halves.next() {
            tries += 1;
            if range.clone().any(&bad) {
                halves.fails(range);
            }
        }
        (halves.failed(), tries)
    }

    #[test]
    fn exactly_what_fails_is_found() {
        assert_eq!(search(0, |_| true), (vec![], 0));
        assert_eq!(search(1, |_| true), (vec![0], 1));
        assert_eq!(search(3_000, |_| false), (vec![], 1));
        let (found, tries) = search(3_000, |at| [0, 1_234, 2_999].contains(&at));
        assert_eq!(found, [0, 1_234, 2_999]);
        assert!(tries < 80, "{tries}");
        assert_eq!(search(20, |_| true).0, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_search_without_end_ends_and_lets_nothing_bad_pass() {
        let (found, tries) = search(3_000, |at| at % 2 == 0);
        assert_eq!(tries, TRIES);
        assert!((0..3_000).step_by(2).all(|at| found.contains(&at)));
    }
}
