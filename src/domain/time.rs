//! Points in time and spans, in whole milliseconds. Arithmetic only: the clock is a port.

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u64);

impl Timestamp {
    /// The epoch itself; earlier than anything a delivery can carry.
    pub const EPOCH: Self = Self(0);

    /// Builds a timestamp from milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns this time moved later by `span`, saturating at the end of time.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }

    /// Returns this time moved earlier by `span`, saturating at the beginning of time.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }

    /// Returns how long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Builds a span from milliseconds.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Builds a span from seconds, saturating.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Builds a span from minutes, saturating.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// Builds a span from days of 24 hours, saturating.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::minutes(days.saturating_mul(24 * 60))
    }

    /// Returns how many whole days the span has.
    #[must_use]
    pub const fn as_days(self) -> u64 {
        self.0 / Self::days(1).0
    }

    /// Returns the span in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Converts to the standard library's type.
    #[must_use]
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl std::fmt::Display for Span {
    /// Shows a span as a person would say it: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0 / 1_000;
        match (seconds / 3_600, seconds % 3_600 / 60, seconds % 60) {
            (0, 0, s) if s < 10 => write!(f, "{s}.{} s", self.0 % 1_000 / 100),
            (0, 0, s) => write!(f, "{s} s"),
            (0, m, 0) => write!(f, "{m} min"),
            (0, m, s) => write!(f, "{m} min {s} s"),
            (h, 0, _) => write!(f, "{h} h"),
            (h, m, _) => write!(f, "{h} h {m} min"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_a_person_would_say_them() {
        let shown = [
            40, 400, 9_999, 12_000, 60_000, 185_000, 3_600_000, 7_800_000,
        ]
        .map(|ms| Span::millis(ms).to_string());
        assert_eq!(
            shown,
            [
                "0.0 s",
                "0.4 s",
                "9.9 s",
                "12 s",
                "1 min",
                "3 min 5 s",
                "1 h",
                "2 h 10 min"
            ]
        );
    }

    #[test]
    fn time_saturates_and_never_runs_backwards() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Span::seconds(1)), end);
        assert_eq!(Timestamp::EPOCH.since(end), Span::ZERO);
        assert_eq!(
            end.since(Timestamp::from_millis(i64::MAX - 5)),
            Span::millis(5)
        );
    }
}
