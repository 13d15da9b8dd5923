//! When a failed step is tried again, and when not.

use crate::domain::time::{Span, Timestamp};

/// How many times a step is tried before it is given up: almost two hours in all, which is longer
/// than nearly every outage of GitHub. What is given up needs a person, so it is not done early.
pub const MAX_ATTEMPTS: u32 = 20;

const FIRST: Span = Span::seconds(2);
const LONGEST: Span = Span::minutes(10);

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again, not before then.
    RetryAt(Timestamp),
    /// Give up and say so.
    GiveUp,
}

/// Returns when to try again what failed in a way that may pass, after `attempts` tries.
///
/// The waits double from 2 s and stop growing at 10 min: 2, 4, 8, …, 512, 600, 600 s.
#[must_use]
pub fn after_transient(attempts: u32, now: Timestamp) -> Verdict {
    if attempts >= MAX_ATTEMPTS {
        return Verdict::GiveUp;
    }
    Verdict::RetryAt(now.plus(wait(attempts)))
}

fn wait(attempts: u32) -> Span {
    let doublings = attempts.saturating_sub(1).min(16);
    let wait = FIRST.as_millis().saturating_mul(1 << doublings);
    Span::millis(wait.min(LONGEST.as_millis()))
}

/// Returns when what died with its process may begin again, after `attempts` tries.
///
/// The first time at once: somebody pulled the plug. From then on it may be what kills the process,
/// and everything else must come forward between two deaths: 0, 2, 4, 8, …, 512, 600 s.
#[must_use]
pub fn after_death(attempts: u32, now: Timestamp) -> Timestamp {
    match attempts {
        0 | 1 => now,
        more => now.plus(wait(more - 1)),
    }
}

/// Returns when to try again what was refused until `until`. A refusal for its rate says nothing
/// about the request, so it does not use up attempts; a moment in the past becomes the first wait.
#[must_use]
pub fn after_rate_limit(until: Timestamp, now: Timestamp) -> Verdict {
    Verdict::RetryAt(until.max(now.plus(FIRST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<_> = (1..=MAX_ATTEMPTS)
            .map(|n| match after_transient(n, Timestamp::EPOCH) {
                Verdict::RetryAt(at) => at.as_millis() / 1000,
                Verdict::GiveUp => -1,
            })
            .collect();
        assert_eq!(waits[..10], [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
        assert!(waits[10..19].iter().all(|wait| *wait == 600));
        assert_eq!(waits[19..], [-1]);
        assert!(waits.iter().sum::<i64>() > 100 * 60);
    }

    #[test]
    fn one_death_costs_no_time_and_many_cost_more_and_more() {
        let waits: Vec<_> = (1..=12)
            .map(|n| after_death(n, Timestamp::EPOCH).as_millis() / 1000)
            .collect();
        assert_eq!(waits, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    proptest! {
        #[test]
        fn a_retry_is_later_and_bounded(attempts in 0u32..20, now in 0i64..1 << 50, until in 0i64..1 << 50) {
            let now = Timestamp::from_millis(now);
            if let Verdict::RetryAt(at) = after_transient(attempts, now) {
                prop_assert!(at > now && at.since(now) <= LONGEST);
            }
            let Verdict::RetryAt(at) = after_rate_limit(Timestamp::from_millis(until), now) else {
                return Err(TestCaseError::fail("a rate limit passes"));
            };
            prop_assert!(at > now);
        }

        #[test]
        fn at_any_time_and_after_any_number_of_attempts_nothing_is_due_in_the_past(attempts: u32, now: i64, until: i64) {
            let now = Timestamp::from_millis(now);
            let until = Timestamp::from_millis(until);
            let due = |verdict| match verdict {
                Verdict::RetryAt(at) => at,
                Verdict::GiveUp => now,
            };
            let again = due(after_transient(attempts, now));
            prop_assert!(again >= now && again.since(now) <= LONGEST);
            let risen = after_death(attempts, now);
            prop_assert!(risen >= now && risen.since(now) <= LONGEST);
            prop_assert!(after_death(attempts.saturating_add(1), now) >= risen, "waits grow");
            let allowed = due(after_rate_limit(until, now));
            prop_assert!(allowed >= now && allowed >= until);
        }
    }
}
