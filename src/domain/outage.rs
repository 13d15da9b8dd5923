//! How long the model of a run has answered nothing, as the gateway counts its calls.
//!
//! Some agents ask again for as long as they may, and print while they do so: neither their exit nor
//! their silence ends such a run.

use crate::domain::time::{Span, Timestamp};
use crate::domain::traffic::Traffic;

/// The calls that failed in a row, since the last that was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// Calls that were answered in all.
    answered: u64,
    /// Calls that had failed when the last was answered.
    before: u64,
    /// Calls that failed in all.
    failed: u64,
    /// When the first and the last in a row were seen to have failed.
    row: Option<(Timestamp, Timestamp)>,
}

impl Outage {
    /// Takes what the gateway has counted until now. A request that an endpoint refused for itself
    /// does not count: the next may do better.
    pub fn take(&mut self, traffic: &Traffic, now: Timestamp) {
        let down = traffic
            .unanswered
            .iter()
            .filter(|one| one.failure.is_down());
        let failed = down.fold(0, |sum: u64, one| sum.saturating_add(one.calls));
        if traffic.answered != self.answered {
            *self = Self {
                answered: traffic.answered,
                before: failed,
                failed,
                ..Self::default()
            };
        } else if failed > self.failed {
            self.failed = failed;
            self.row = Some((self.row.map_or(now, |(first, _)| first), now));
        }
    }

    /// Returns how many calls failed in a row.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.failed.saturating_sub(self.before)
    }

    /// Returns how long it was from the first of them to the last. What comes after does not count: an
    /// agent that asks no more, because it works or waits, is not in trouble with its model.
    #[must_use]
    pub fn lasted(&self) -> Span {
        self.row
            .map_or(Span::ZERO, |(first, last)| last.since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::unanswered::CallFailure;

    /// Answers (`+`), failures (`-`), refused requests (`?`) and seconds that pass (` `).
    fn after(story: &str) -> (u64, Span) {
        let (mut traffic, mut outage) = (Traffic::default(), Outage::default());
        for (second, step) in story.chars().enumerate() {
            match step {
                '+' => traffic.answer(),
                '-' => traffic.fail("main", CallFailure::RateLimited),
                '?' => traffic.fail("main", CallFailure::Refused),
                _ => {}
            }
            let millis = i64::try_from(second).unwrap() * 1000;
            outage.take(&traffic, Timestamp::from_millis(millis));
        }
        (outage.calls(), outage.lasted())
    }

    #[test]
    fn what_failed_in_a_row_is_counted_from_the_first_to_the_last() {
        for (story, calls, seconds) in [
            ("", 0, 0),
            ("+ +", 0, 0),
            ("-", 1, 0),
            ("-- - ", 3, 3),
            ("+ -  -     ", 2, 3),
            ("- - +", 0, 0),
            ("- - +  - -", 2, 2),
            ("- ? ?", 1, 0),
            ("????", 0, 0),
        ] {
            let expected = (calls, Span::seconds(seconds));
            assert_eq!(after(story), expected, "{story:?}");
        }
    }
}
