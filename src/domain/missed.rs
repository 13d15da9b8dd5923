//! Deliveries that GitHub could not bring: which are missing here, what helps, and how far back
//! GitHub's list was looked through.
//!
//! GitHub makes one attempt and never repeats it by itself. It lists attempts newest first, keeps them
//! for days, and makes another one when asked, with the same delivery id.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::ids::{AttemptId, DeliveryId};
use crate::domain::time::{Span, Timestamp};

/// How long GitHub keeps attempts, and redelivers.
pub const KEPT: Span = Span::days(3);
/// Attempts are listed by when they began, and only once they have ended.
const LATE: Span = Span::minutes(10);
/// How long an attempt that was asked for may take to show in the list.
const ASKED_LASTS: Span = Span::minutes(15);

/// One attempt of GitHub to bring a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number.
    pub id: AttemptId,
    /// What it brought; all attempts at one delivery share this.
    pub delivery: DeliveryId,
    /// `X-GitHub-Event`.
    pub event: String,
    /// When it began.
    pub at: Timestamp,
    /// Whether it was asked for.
    pub again: bool,
    /// What it came to.
    pub result: Arrival,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was accepted.
    Accepted,
    /// It was not: in GitHub's words.
    Failed(String),
}

/// What helps against a missing delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Ask GitHub to bring it once more.
    Ask(Attempt),
    /// That has not helped: take what it carried out of the list.
    Take(Attempt),
}

impl Remedy {
    /// Returns the attempt that it is for.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        match self {
            Self::Ask(attempt) | Self::Take(attempt) => attempt,
        }
    }
}

/// How far GitHub's list was looked through; kept from one look to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Everything that began before is here or was given up.
    pub through: Option<Timestamp>,
    /// What was asked for and has not shown yet, with when it was asked for.
    #[serde(default)]
    pub asked: BTreeMap<DeliveryId, Timestamp>,
    /// A look that has not come to its end.
    #[serde(default)]
    pub under_way: Option<UnderWay>,
}

/// A look that goes on where it stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Where in GitHub's list.
    pub cursor: String,
    /// When it began.
    pub began: Timestamp,
    /// The oldest attempt so far whose delivery is still missing.
    pub missing: Option<Timestamp>,
}

/// One stretch of GitHub's list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The attempts in it.
    pub attempts: Vec<Attempt>,
    /// Where it goes on, unless this is the end of the list or of what has to be looked at.
    pub next: Option<String>,
}

impl Looked {
    /// Returns the time before which nothing has to be looked at.
    #[must_use]
    pub fn since(&self, now: Timestamp) -> Timestamp {
        let kept = now.minus(KEPT);
        let through = self.through.map(|through| through.minus(LATE));
        through.map_or(kept, |through| through.max(kept))
    }

    /// Returns what helps against what is missing in a stretch, oldest first. `here` are the
    /// deliveries that are in the inbox.
    #[must_use]
    pub fn remedies(
        &self,
        stretch: &Stretch,
        here: &BTreeSet<DeliveryId>,
        now: Timestamp,
    ) -> Vec<Remedy> {
        let mut seen = BTreeSet::new();
        let mut remedies: Vec<_> = stretch
            .attempts
            .iter()
            // The newest attempt at a delivery says how it stands.
            .filter(|attempt| seen.insert(&attempt.delivery))
            .filter(|attempt| attempt.at >= self.since(now) && !here.contains(&attempt.delivery))
            .filter_map(|attempt| match (&attempt.result, attempt.again) {
                (Arrival::Accepted, _) => None,
                (Arrival::Failed(_), true) => Some(Remedy::Take(attempt.clone())),
                (Arrival::Failed(_), false) if self.waits_for(&attempt.delivery, now) => None,
                (Arrival::Failed(_), false) => Some(Remedy::Ask(attempt.clone())),
            })
            .collect();
        remedies.reverse();
        remedies
    }

    fn waits_for(&self, delivery: &DeliveryId, now: Timestamp) -> bool {
        let asked = self.asked.get(delivery);
        asked.is_some_and(|at| now.since(*at) < ASKED_LASTS)
    }

    /// Notes that an attempt was asked for.
    pub fn note_asked(&mut self, delivery: DeliveryId, now: Timestamp) {
        self.asked.insert(delivery, now);
    }

    /// Notes that a stretch is dealt with; `given_up` are deliveries that nothing helps for.
    #[must_use]
    pub fn after(
        self,
        stretch: &Stretch,
        (here, given_up): (&BTreeSet<DeliveryId>, &BTreeSet<DeliveryId>),
        now: Timestamp,
    ) -> Self {
        let since = self.since(now);
        let is_missing = |attempt: &&Attempt| {
            attempt.at >= since
                && attempt.result != Arrival::Accepted
                && !here.contains(&attempt.delivery)
                && !given_up.contains(&attempt.delivery)
        };
        let missing = stretch.attempts.iter().filter(is_missing);
        let (began, before) = match &self.under_way {
            Some(under_way) => (under_way.began, under_way.missing),
            None => (now, None),
        };
        let missing = missing.map(|attempt| attempt.at).chain(before).min();
        let (through, under_way) = match &stretch.next {
            Some(cursor) => {
                let cursor = cursor.clone();
                let under_way = UnderWay {
                    cursor,
                    began,
                    missing,
                };
                (self.through, Some(under_way))
            }
            None => (Some(missing.unwrap_or(began)), None),
        };
        let asked = self.asked.into_iter();
        let asked = asked.filter(|(id, at)| !here.contains(id) && now.since(*at) < ASKED_LASTS);
        Self {
            through,
            asked: asked.collect(),
            under_way,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn minutes_ago(minutes: u64) -> Timestamp {
        NOW.minus(Span::minutes(minutes))
    }

    fn attempt(delivery: &str, minutes: u64, again: bool, result: Arrival) -> Attempt {
        Attempt {
            id: AttemptId(minutes),
            delivery: DeliveryId::new(delivery),
            event: "issues".to_owned(),
            at: minutes_ago(minutes),
            again,
            result,
        }
    }

    fn failed(delivery: &str, minutes: u64) -> Attempt {
        attempt(delivery, minutes, false, Arrival::Failed("502".to_owned()))
    }

    fn failed_again(delivery: &str, minutes: u64) -> Attempt {
        attempt(delivery, minutes, true, Arrival::Failed("502".to_owned()))
    }

    fn accepted(delivery: &str, minutes: u64) -> Attempt {
        attempt(delivery, minutes, true, Arrival::Accepted)
    }

    fn stretch(attempts: &[Attempt], next: Option<&str>) -> Stretch {
        Stretch {
            attempts: attempts.to_vec(),
            next: next.map(str::to_owned),
        }
    }

    fn ids(names: &[&str]) -> BTreeSet<DeliveryId> {
        names.iter().map(|name| DeliveryId::new(*name)).collect()
    }

    fn helps(looked: &Looked, attempts: &[Attempt], here: &[&str]) -> Vec<String> {
        let remedies = looked.remedies(&stretch(attempts, None), &ids(here), NOW);
        let told = remedies.iter().map(|remedy| match remedy {
            Remedy::Ask(attempt) => format!("ask {}", attempt.delivery),
            Remedy::Take(attempt) => format!("take {}", attempt.delivery),
        });
        told.collect()
    }

    #[test]
    fn the_newest_attempt_says_how_a_delivery_stands() {
        let looked = Looked::default();
        let attempts = [
            failed_again("twice", 1),
            accepted("later", 2),
            failed("new", 3),
            failed("twice", 4),
            failed("later", 5),
            failed("here", 6),
            failed("old", 7),
        ];
        let told = helps(&looked, &attempts, &["here"]);
        assert_eq!(told, ["ask old", "ask new", "take twice"]);
        let ancient = [failed("ancient", 3 * 24 * 60 + 1)];
        assert_eq!(helps(&looked, &ancient, &[]), [""; 0]);
    }

    #[test]
    fn what_was_asked_for_is_waited_for() {
        let mut looked = Looked::default();
        looked.note_asked(DeliveryId::new("a"), minutes_ago(14));
        looked.note_asked(DeliveryId::new("b"), minutes_ago(16));
        let attempts = [failed("a", 20), failed("b", 20)];
        assert_eq!(helps(&looked, &attempts, &[]), ["ask b"]);
        // It has shown, and failed.
        let attempts = [failed_again("a", 1), failed("a", 20)];
        assert_eq!(helps(&looked, &attempts, &[]), ["take a"]);
    }

    #[test]
    fn a_look_is_over_when_nothing_is_missing_before_it() {
        let none = ids(&[]);
        let first = Looked::default().after(&stretch(&[], None), (&none, &none), NOW);
        assert_eq!(first.through, Some(NOW));
        assert_eq!(first.since(NOW), minutes_ago(10));
        // What is still missing is looked at again.
        let attempts = [failed("b", 30), failed("a", 40)];
        let second = first
            .clone()
            .after(&stretch(&attempts, None), (&none, &none), NOW);
        assert_eq!(second.through, Some(NOW), "older than what is looked at");
        let fresh = Looked::default();
        let third = fresh.after(&stretch(&attempts, None), (&none, &none), NOW);
        assert_eq!(third.through, Some(minutes_ago(40)));
        let fourth = third
            .clone()
            .after(&stretch(&attempts, None), (&ids(&["a"]), &none), NOW);
        assert_eq!(fourth.through, Some(minutes_ago(30)));
        let fifth = third.after(&stretch(&attempts, None), (&ids(&["a"]), &ids(&["b"])), NOW);
        assert_eq!(fifth.through, Some(NOW));
    }

    #[test]
    fn a_long_look_goes_on_where_it_stopped() {
        let none = ids(&[]);
        let newer = stretch(&[failed("new", 5)], Some("there"));
        let looked = Looked::default().after(&newer, (&none, &none), minutes_ago(3));
        let under_way = looked.under_way.clone().unwrap();
        assert_eq!((looked.through, under_way.cursor.as_str()), (None, "there"));
        let older = stretch(&[failed("old", 9)], None);
        let here = ids(&["old"]);
        let looked = looked.after(&older, (&here, &none), NOW);
        assert_eq!(looked.through, Some(minutes_ago(5)));
        assert_eq!(looked.under_way, None);
        let over = Looked::default()
            .after(&newer, (&ids(&["new"]), &none), minutes_ago(3))
            .after(&older, (&here, &none), NOW);
        assert_eq!(over.through, Some(minutes_ago(3)), "when it began");
    }
}
