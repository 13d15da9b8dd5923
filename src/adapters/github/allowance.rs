//! What an answer tells of GitHub's limits.

use std::str::FromStr;

use http::HeaderName;

use crate::adapters::github::answer::Answer;
use crate::domain::governor::{Hour, Refusal, Told};
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::Class;

/// The furthest end of an hour that is believed.
const FURTHEST: Span = Span::minutes(70);

impl Answer {
    /// Returns what the answer tells of the limits of whoever has asked.
    pub(super) fn told(&self) -> Told {
        let (class, _) = self.judge();
        // An hour of another resource that is used up holds up nothing else.
        let refusal = match class {
            Class::RateLimited(_) if self.is_of_another_resource() && self.is_spent() => None,
            Class::RateLimited(until) if self.names_an_end() => Some(Refusal::Until(until)),
            Class::RateLimited(_) => Some(Refusal::Unsaid),
            Class::Transient
            | Class::AuthLost
            | Class::Conflict
            | Class::NotFound
            | Class::Permanent => None,
        };
        Told {
            hour: self.hour(),
            refusal,
        }
    }

    fn names_an_end(&self) -> bool {
        self.retry_after().is_some() || self.is_spent() && self.reset().is_some()
    }

    /// Returns whether nothing is left of the hour.
    pub(super) fn is_spent(&self) -> bool {
        self.number("x-ratelimit-remaining") == Some(0_u32)
    }

    /// Returns whether it tells of another resource than the core, such as GraphQL, which has an hour of
    /// its own.
    fn is_of_another_resource(&self) -> bool {
        let resource = self.header(HeaderName::from_static("x-ratelimit-resource"));
        resource.is_some_and(|name| name != "core")
    }

    /// Returns what is left of the hour, by our clock. Nothing here asks for as much of another resource
    /// as it gives in an hour.
    fn hour(&self) -> Option<Hour> {
        if self.is_of_another_resource() {
            return None;
        }
        let theirs: i64 = self.number("x-ratelimit-reset")?;
        let offset = self.clock_offset_ms().unwrap_or_default();
        let reset = Timestamp::from_millis(theirs.saturating_mul(1_000).saturating_sub(offset));
        Some(Hour {
            limit: self.number("x-ratelimit-limit")?,
            left: self.number("x-ratelimit-remaining")?,
            reset: reset.min(self.received.plus(FURTHEST)),
        })
    }

    /// Reads a header that is a number.
    pub(super) fn number<T: FromStr>(&self, header: &'static str) -> Option<T> {
        let text = self.header(HeaderName::from_static(header))?;
        text.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    /// Sat, 21 Nov 2026 01:13:06 GMT
    const NOW: i64 = 1_795_223_586_000;

    fn told(status: u16, headers: &[(&'static str, &str)]) -> Told {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let answer = Answer {
            doing: "try".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: Bytes::new(),
            received: Timestamp::from_millis(NOW),
            complaint: String::new(),
        };
        answer.told()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(NOW + seconds * 1_000)
    }

    #[test]
    fn what_is_left_of_the_hour_is_read_by_our_clock() {
        let hour = |reset| Hour {
            limit: 5_000,
            left: 17,
            reset,
        };
        let (limit, left) = (
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "17"),
        );
        let reset = ("x-ratelimit-reset", "1795223886");
        let (core, date) = (
            ("x-ratelimit-resource", "core"),
            ("date", "Sat, 21 Nov 2026 01:11:06 GMT"),
        );
        for (headers, expected) in [
            (vec![limit, left, reset], Some(hour(at(300)))),
            (vec![limit, left, reset, core, date], Some(hour(at(420)))),
            (
                vec![limit, left, ("x-ratelimit-reset", "99999999999999999")],
                Some(hour(at(4_200))),
            ),
            (
                vec![limit, left, reset, ("x-ratelimit-resource", "search")],
                None,
            ),
            (vec![left, reset], None),
            (vec![limit, ("x-ratelimit-remaining", "-1"), reset], None),
            (vec![], None),
        ] {
            assert_eq!(told(200, &headers).hour, expected, "{headers:?}");
        }
    }

    #[test]
    fn a_refusal_for_the_rate_is_told_from_every_other() {
        let spent = ("x-ratelimit-remaining", "0");
        for (status, headers, expected) in [
            (200, vec![spent], None),
            (403, vec![], None),
            (502, vec![], None),
            (403, vec![("retry-after", "8")], Some(Refusal::Until(at(8)))),
            (429, vec![], Some(Refusal::Unsaid)),
            (403, vec![spent], Some(Refusal::Unsaid)),
            (
                403,
                vec![spent, ("x-ratelimit-reset", "1795223886")],
                Some(Refusal::Until(at(300))),
            ),
        ] {
            assert_eq!(
                told(status, &headers).refusal,
                expected,
                "{status} {headers:?}"
            );
        }
    }
}
