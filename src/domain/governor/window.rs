//! What was used within a stretch of time that moves along.

use std::collections::VecDeque;

use crate::domain::time::{Span, Timestamp};

/// What was used within the last so many seconds, to the millisecond: a limit that is counted by the
/// clock's minutes lets twice as much through around a full one.
#[derive(Clone, Debug)]
pub(super) struct Window {
    within: Span,
    /// When and how much, oldest first. No longer than the limit is high.
    used: VecDeque<(Timestamp, u32)>,
    sum: u32,
}

impl Window {
    /// Builds one in which nothing was used.
    #[must_use]
    pub(super) const fn new(within: Span) -> Self {
        Self {
            within,
            used: VecDeque::new(),
            sum: 0,
        }
    }

    /// Notes a use. One at a time before the last, by a clock that was set back, counts as of the last.
    pub(super) fn add(&mut self, now: Timestamp, amount: u32) {
        if amount == 0 {
            return;
        }
        self.forget(now);
        let at = self.used.back().map_or(now, |(last, _)| now.max(*last));
        self.used.push_back((at, amount));
        self.sum = self.sum.saturating_add(amount);
    }

    /// Returns what was used within the time up to `now`.
    pub(super) fn used(&mut self, now: Timestamp) -> u32 {
        self.forget(now);
        self.sum
    }

    /// Returns when at most that much of what is used now will still count.
    #[must_use]
    pub(super) fn down_to(&self, most: u32) -> Timestamp {
        let mut left = self.sum;
        let mut at = Timestamp::EPOCH;
        for (used, amount) in &self.used {
            if left <= most {
                break;
            }
            left = left.saturating_sub(*amount);
            at = used.plus(self.within);
        }
        at
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, amount)) = self.used.front()
            && at.plus(self.within) <= now
        {
            self.sum = self.sum.saturating_sub(*amount);
            self.used.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn what_is_used_counts_for_its_time_and_no_longer() {
        let mut window = Window::new(Span::seconds(60));
        for (second, amount) in [(0, 5), (10, 1), (10, 0), (30, 2)] {
            window.add(at(second), amount);
        }
        for (most, second) in [
            (8, None),
            (7, Some(60)),
            (3, Some(60)),
            (2, Some(70)),
            (0, Some(90)),
        ] {
            let expected = second.map_or(Timestamp::EPOCH, at);
            assert_eq!(window.down_to(most), expected, "down to {most}");
        }
        for (second, used) in [(30, 8), (59, 8), (60, 3), (69, 3), (70, 2), (90, 0)] {
            assert_eq!(window.used(at(second)), used, "at {second}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_count_for_less() {
        let mut window = Window::new(Span::seconds(60));
        window.add(at(100), 1);
        window.add(at(40), 1);
        assert_eq!(window.used(at(40)), 2);
        assert_eq!(window.used(at(159)), 2);
        assert_eq!(window.used(at(160)), 0);
    }
}
