//! GitHub's limits on creating content, kept when a test arms them.

use std::collections::VecDeque;

use crate::simulator::instance::Simulator;
use crate::simulator::instance::faults::FaultKind;
use crate::simulator::instance::request::Request;

/// How much content may be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentLimits {
    /// Within any minute; GitHub's is 80.
    pub a_minute: usize,
    /// Within any hour; GitHub's is 500.
    pub an_hour: usize,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What was created, and how much may be.
#[derive(Debug, Default)]
pub(crate) struct Content {
    limits: Option<ContentLimits>,
    /// When, in milliseconds since the epoch, oldest first.
    created: VecDeque<i64>,
}

impl Content {
    /// Counts one more; when that is one too many it is not counted, and the whole seconds to wait are
    /// returned.
    fn create(&mut self, now: i64) -> Option<u64> {
        let limits = self.limits?;
        while self.created.front().is_some_and(|at| at + HOUR_MS <= now) {
            self.created.pop_front();
        }
        // The request that one more would be within a window of, if the window is full.
        let full = |most: usize, within: i64| {
            let at = self.created.len().checked_sub(most)?;
            let end = self.created.get(at)? + within;
            (end > now).then_some(end)
        };
        let ends = [
            full(limits.a_minute, MINUTE_MS),
            full(limits.an_hour, HOUR_MS),
        ];
        let Some(end) = ends.into_iter().flatten().max() else {
            self.created.push_back(now);
            return None;
        };
        u64::try_from((end - now + 999) / 1_000).ok()
    }
}

impl Simulator {
    /// Refuses from now on what creates more content than that. What was created before does not count.
    pub fn limit_content(&self, limits: ContentLimits) {
        let content = Content {
            limits: Some(limits),
            created: VecDeque::new(),
        };
        *self.content() = content;
    }

    /// The refusal of a request that is one too many.
    pub(crate) fn too_much(&self, method: &str, path: &str) -> Option<FaultKind> {
        let now = self.now();
        if !Request::new(method, path, 0).creates_content {
            return None;
        }
        let seconds = self.content().create(now)?;
        Some(FaultKind::SecondaryLimit {
            status: 403,
            retry_after: Some(seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_with_the_time() {
        let mut content = Content::default();
        assert_eq!(content.create(0), None, "nothing is armed");
        content.limits = Some(ContentLimits {
            a_minute: 2,
            an_hour: 3,
        });
        for (second, wait) in [
            (0, None),
            (10, None),
            (11, Some(49)),
            (59, Some(1)),
            (60, None),
            (61, Some(3_539)),
            (3_600, None),
            (3_601, Some(9)),
            (3_610, None),
        ] {
            assert_eq!(content.create(second * 1_000), wait, "at {second}");
        }
        assert_eq!(
            content.create(3_610_001),
            Some(50),
            "not yet a whole second"
        );
    }
}
