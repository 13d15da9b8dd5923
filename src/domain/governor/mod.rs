//! When a request may be sent, so that GitHub never has to refuse it for its rate.
//!
//! A request counts from when it is sent until its answer is here and the time of each limit has passed
//! after that: GitHub counts it at some moment in between, and it does not tell at which.

pub mod limits;
mod window;

use crate::domain::governor::limits::{Importance, Kind, Limit, Limits};
use crate::domain::governor::window::Window;
use crate::domain::time::{Span, Timestamp};

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Now. It is under way until it is said to have ended.
    Go,
    /// Not before then.
    NotBefore(Timestamp, Why),
    /// Not before a request that is under way has ended.
    AfterAnother,
}

impl Admission {
    /// Returns the later of both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotBefore(at, _), Self::NotBefore(later, _)) if later > at => other,
            (Self::NotBefore(..), _) | (Self::AfterAnother, Self::Go | Self::AfterAnother) => self,
            (Self::Go, _) | (Self::AfterAnother, Self::NotBefore(..)) => other,
        }
    }
}

/// What keeps a request back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// GitHub has refused one, and named when to come back, or not.
    Refused,
    /// What GitHub answers in an hour is used up, but for what is kept for more important requests.
    Hour,
    /// That limit is used up, but for what is kept for more important requests.
    Limit(&'static str),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("GitHub has asked for a pause"),
            Self::Hour => f.write_str("the requests of this hour are used up"),
            Self::Limit(words) => write!(f, "GitHub takes {words}"),
        }
    }
}

/// What GitHub says with an answer about the requests of the present hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// How many it answers in all.
    pub limit: u32,
    /// How many of them are left.
    pub left: u32,
    /// When it begins anew.
    pub reset: Timestamp,
}

/// How GitHub refuses a request for its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Until then.
    Until(Timestamp),
    /// It does not say until when.
    Unsaid,
}

/// What an answer tells; nothing, when there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of the hour.
    pub hour: Option<Hour>,
    /// Of the rate.
    pub refusal: Option<Refusal>,
}

/// The first pause after a refusal that does not say how long; each that follows on it is twice as
/// long, as GitHub asks.
const PAUSE: Span = Span::minutes(1);
const LONGEST_PAUSE: Span = Span::minutes(60);
/// A reset is computed from times that are told in seconds, so the same one differs by some.
const SAME_HOUR: Span = Span::minutes(1);

/// What one installation has under way and has used, and what GitHub said of it.
#[derive(Clone, Debug)]
pub struct Governor {
    at_once: u32,
    meters: Vec<Meter>,
    under_way: u32,
    hour: Option<Hour>,
    pause: Option<Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    from: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Debug)]
struct Meter {
    limit: Limit,
    ended: Window,
    under_way: u32,
}

impl Governor {
    /// Builds the one of an installation of which nothing is known.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let meters = limits.within.iter().map(|limit| Meter {
            limit: *limit,
            ended: Window::new(limit.within),
            under_way: 0,
        });
        Self {
            at_once: limits.at_once,
            meters: meters.collect(),
            under_way: 0,
            hour: None,
            pause: None,
        }
    }

    /// Asks whether a request may be sent now. It counts as sent when it may.
    pub fn ask(&mut self, now: Timestamp, kind: Kind, importance: Importance) -> Admission {
        let admission = self.admit(now, kind, importance);
        if admission == Admission::Go {
            self.under_way = self.under_way.saturating_add(1);
            for meter in &mut self.meters {
                meter.under_way += meter.limit.unit.cost(kind);
            }
        }
        admission
    }

    fn admit(&mut self, now: Timestamp, kind: Kind, importance: Importance) -> Admission {
        let mut admission = Admission::Go;
        if let Some(pause) = self.pause
            && now < pause.until
        {
            admission = Admission::NotBefore(pause.until, Why::Refused);
        }
        if let Some(hour) = self.hour
            && now < hour.reset
        {
            // Whether what is under way is counted in what is left is not told.
            let left = hour.left.saturating_sub(self.under_way);
            if left <= importance.leaves(hour.limit) {
                admission = admission.and(Admission::NotBefore(hour.reset, Why::Hour));
            }
        }
        if self.under_way >= importance.share(self.at_once) {
            admission = admission.and(Admission::AfterAnother);
        }
        for meter in &mut self.meters {
            admission = admission.and(meter.admit(now, kind, importance));
        }
        admission
    }

    /// Notes that a request has ended, and what its answer tells.
    pub fn ended(&mut self, now: Timestamp, kind: Kind, told: &Told) {
        self.under_way = self.under_way.saturating_sub(1);
        for meter in &mut self.meters {
            let cost = meter.limit.unit.cost(kind);
            meter.under_way = meter.under_way.saturating_sub(cost);
            meter.ended.add(now, cost);
        }
        match (told.hour, &mut self.hour) {
            (Some(hour), known) => *known = Some(newest(hour, *known)),
            (None, Some(known)) => known.left = known.left.saturating_sub(1),
            (None, None) => {}
        }
        if let Some(refusal) = told.refusal {
            self.rest(now, refusal);
        }
    }

    /// Sends nothing for a while. What was under way beside a refused request is refused as well, and
    /// that is no second refusal.
    fn rest(&mut self, now: Timestamp, refusal: Refusal) {
        let last = self.pause;
        let until = match (refusal, last) {
            (Refusal::Until(until), _) => until,
            (Refusal::Unsaid, Some(pause)) if now < pause.until => return,
            (Refusal::Unsaid, Some(pause)) if now.since(pause.until) < PAUSE => {
                let twice = pause.until.since(pause.from).as_millis().saturating_mul(2);
                now.plus(Span::millis(twice).clamp(PAUSE, LONGEST_PAUSE))
            }
            (Refusal::Unsaid, Some(_) | None) => now.plus(PAUSE),
        };
        if last.is_none_or(|pause| pause.until < until) {
            self.pause = Some(Pause { from: now, until });
        }
    }
}

/// Returns what is known of the hour after another answer. Answers overtake each other.
fn newest(told: Hour, known: Option<Hour>) -> Hour {
    match known {
        Some(known) if told.reset.plus(SAME_HOUR) <= known.reset => known,
        Some(known) if told.reset < known.reset.plus(SAME_HOUR) => Hour {
            limit: told.limit,
            left: told.left.min(known.left),
            reset: told.reset.max(known.reset),
        },
        Some(_) | None => told,
    }
}

impl Meter {
    /// Returns whether there is room for a request, else when there will be. Then there will be room
    /// for some more as well, or everything that waits would come for each that becomes free.
    fn admit(&mut self, now: Timestamp, kind: Kind, importance: Importance) -> Admission {
        let cost = self.limit.unit.cost(kind);
        if cost == 0 {
            return Admission::Go;
        }
        let share = importance.share(self.limit.most);
        let Some(room) = share.checked_sub(self.under_way.saturating_add(cost)) else {
            return Admission::AfterAnother;
        };
        if self.ended.used(now) <= room {
            return Admission::Go;
        }
        let some_more = room.saturating_sub(share / 10);
        let at = self.ended.down_to(some_more);
        Admission::NotBefore(at, Why::Limit(self.limit.words))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::governor::limits::Unit;

    const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Span::seconds(seconds))
    }

    fn governor() -> Governor {
        Governor::new(&Limits::GITHUB)
    }

    /// Sends as many as go at once, each answered at once; what the next one hears.
    fn sent(
        governor: &mut Governor,
        now: Timestamp,
        (kind, importance): (Kind, Importance),
    ) -> (u32, Admission) {
        for n in 0..10_000 {
            match governor.ask(now, kind, importance) {
                Admission::Go => governor.ended(now, kind, &Told::default()),
                admission @ (Admission::NotBefore(..) | Admission::AfterAnother) => {
                    return (n, admission);
                }
            }
        }
        panic!("without end");
    }

    #[test]
    fn each_limit_has_room_for_what_is_more_important() {
        use Importance::{Awaited, Bulk, Work};
        let later = |seconds, words| Admission::NotBefore(at(seconds), Why::Limit(words));
        for (kind, words, rooms) in [
            (Kind::Read, "900 points a minute", [675, 135, 90]),
            (Kind::Write, "900 points a minute", [135, 27, 18]),
            (Kind::Content, "80 changes a minute", [60, 12, 8]),
        ] {
            let mut governor = governor();
            for (importance, room) in [Bulk, Work, Awaited].into_iter().zip(rooms) {
                let came = sent(&mut governor, START, (kind, importance));
                assert_eq!(came, (room, later(60, words)), "{kind:?} {importance:?}");
            }
        }
    }

    #[test]
    fn the_hour_of_changes_is_kept_too() {
        let mut governor = governor();
        let mut all = 0;
        for minute in 0..60 {
            all += sent(
                &mut governor,
                at(minute * 60),
                (Kind::Content, Importance::Awaited),
            )
            .0;
        }
        assert_eq!(all, 500);
        let (sent, next) = sent(
            &mut governor,
            at(3_599),
            (Kind::Content, Importance::Awaited),
        );
        let why = Why::Limit("500 changes an hour");
        assert_eq!((sent, next), (0, Admission::NotBefore(at(3_600), why)));
        assert_eq!(why.to_string(), "GitHub takes 500 changes an hour");
    }

    #[test]
    fn a_hundred_are_under_way_at_most() {
        let mut governor = governor();
        for (importance, room) in [
            (Importance::Bulk, 75),
            (Importance::Work, 15),
            (Importance::Awaited, 10),
        ] {
            for _ in 0..room {
                assert_eq!(governor.ask(START, Kind::Read, importance), Admission::Go);
            }
            let next = governor.ask(START, Kind::Read, importance);
            assert_eq!(next, Admission::AfterAnother, "{importance:?}");
        }
        governor.ended(START, Kind::Read, &Told::default());
        assert_eq!(
            governor.ask(START, Kind::Read, Importance::Awaited),
            Admission::Go
        );
    }

    #[test]
    fn what_is_left_of_the_hour_is_kept_for_what_is_important() {
        let hour = |left, reset| Told {
            hour: Some(Hour {
                limit: 5_000,
                left,
                reset,
            }),
            refusal: None,
        };
        let mut governor = governor();
        let mut after = |told: &Told, now| {
            hear(&mut governor, now, told);
            [Importance::Bulk, Importance::Work, Importance::Awaited].map(|importance| {
                let mut asked = governor.clone();
                asked.ask(now, Kind::Read, importance) == Admission::Go
            })
        };
        assert_eq!(after(&hour(1_251, at(900)), START), [true; 3]);
        assert_eq!(after(&hour(1_250, at(900)), START), [false, true, true]);
        assert_eq!(
            after(&hour(1_900, at(900)), START),
            [false, true, true],
            "overtaken"
        );
        assert_eq!(after(&hour(500, at(901)), START), [false, false, true]);
        assert_eq!(
            after(&hour(4_000, at(0)), START),
            [false, false, true],
            "of before"
        );
        assert_eq!(after(&hour(1, at(900)), START), [false, false, true]);
        assert_eq!(
            after(&Told::default(), START),
            [false; 3],
            "one more has been sent"
        );
        assert_eq!(after(&Told::default(), at(901)), [true; 3], "the next hour");
        assert_eq!(after(&hour(4_999, at(4_500)), at(901)), [true; 3]);
        assert_eq!(after(&hour(0, at(4_500)), at(902)), [false; 3]);
    }

    #[test]
    fn a_refusal_is_a_pause_for_all() {
        let refused = |refusal| Told {
            hour: None,
            refusal: Some(refusal),
        };
        let until = |governor: &Governor, now| match governor.clone().ask(
            now,
            Kind::Read,
            Importance::Awaited,
        ) {
            Admission::NotBefore(at, Why::Refused) => Some(at.since(now).as_millis() / 1_000),
            Admission::Go => None,
            other @ (Admission::NotBefore(..) | Admission::AfterAnother) => panic!("{other:?}"),
        };
        let mut governor = governor();
        let mut after = |refusal, now| {
            hear(&mut governor, now, &refused(refusal));
            until(&governor, now)
        };
        assert_eq!(after(Refusal::Until(at(90)), START), Some(90));
        assert_eq!(
            after(Refusal::Until(at(30)), START),
            Some(90),
            "the longer one counts"
        );
        assert_eq!(
            after(Refusal::Unsaid, START),
            Some(90),
            "it was under way with the first"
        );
        assert_eq!(after(Refusal::Unsaid, at(200)), Some(60));
        assert_eq!(after(Refusal::Unsaid, at(201)), Some(59), "the same");
        assert_eq!(after(Refusal::Unsaid, at(260)), Some(120));
        assert_eq!(after(Refusal::Unsaid, at(381)), Some(240));
        assert_eq!(
            after(Refusal::Unsaid, at(5_000)),
            Some(60),
            "it went well for long"
        );
        let mut now = 5_060;
        for _ in 0..20 {
            now += after(Refusal::Unsaid, at(now)).unwrap();
        }
        assert_eq!(after(Refusal::Unsaid, at(now)), Some(3_600));
    }

    /// Lets a request end with that answer, whatever kept it back.
    fn hear(governor: &mut Governor, now: Timestamp, told: &Told) {
        governor.under_way += 1;
        for meter in &mut governor.meters {
            meter.under_way += meter.limit.unit.cost(Kind::Read);
        }
        governor.ended(now, Kind::Read, told);
    }

    /// One thing that happens.
    #[derive(Clone, Debug)]
    enum Step {
        Asks(Kind, Importance),
        /// Ends the request that is under way for so many.
        Ends(usize),
        Passes(u64),
        Hears(Told),
    }

    fn step() -> impl Strategy<Value = Step> {
        let kind = prop_oneof![Just(Kind::Read), Just(Kind::Write), Just(Kind::Content)];
        let importance = prop_oneof![
            Just(Importance::Bulk),
            Just(Importance::Work),
            Just(Importance::Awaited)
        ];
        let hour = (0u32..300, 0u64..4_000).prop_map(|(left, reset)| Hour {
            limit: 5_000,
            left,
            reset: at(reset),
        });
        let refusal = prop_oneof![
            (0u64..4_000).prop_map(|seconds| Refusal::Until(at(seconds))),
            Just(Refusal::Unsaid)
        ];
        let told = (
            proptest::option::weighted(0.3, hour),
            proptest::option::weighted(0.2, refusal),
        )
            .prop_map(|(hour, refusal)| Told { hour, refusal });
        prop_oneof![
            60 => (kind, importance).prop_map(|(kind, importance)| Step::Asks(kind, importance)),
            50 => (0usize..200).prop_map(Step::Ends),
            5 => (0u64..90_000).prop_map(Step::Passes),
            1 => told.prop_map(Step::Hears),
        ]
    }

    /// Small limits are reached sooner.
    const SMALL: Limits = Limits {
        at_once: 9,
        within: &[
            Limit {
                unit: Unit::Points,
                most: 40,
                within: Span::minutes(1),
                words: "points",
            },
            Limit {
                unit: Unit::Content,
                most: 6,
                within: Span::minutes(1),
                words: "minute",
            },
            Limit {
                unit: Unit::Content,
                most: 20,
                within: Span::minutes(10),
                words: "ten minutes",
            },
        ],
    };

    /// GitHub's side: of each request, from when to when it may have counted it.
    #[derive(Default)]
    struct Counted(Vec<(Kind, Timestamp, Option<Timestamp>)>);

    impl Counted {
        /// Returns the most that any moment may have seen of a limit: of two requests both are in one
        /// window when the end of one is less than its length before the beginning of the other.
        fn most(&self, limit: &Limit) -> u32 {
            let within =
                |last: Timestamp, (kind, from, until): &(Kind, Timestamp, Option<Timestamp>)| {
                    let overlaps =
                        *from <= last && until.is_none_or(|until| until.plus(limit.within) > last);
                    if overlaps { limit.unit.cost(*kind) } else { 0 }
                };
            let sums = self
                .0
                .iter()
                .map(|(_, last, _)| self.0.iter().map(|one| within(*last, one)).sum());
            sums.max().unwrap_or(0)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_window_ever_holds_more_than_its_limit(steps in prop::collection::vec(step(), 1..250)) {
            let (mut governor, mut now) = (Governor::new(&SMALL), START);
            let mut counted = Counted::default();
            let mut under_way: Vec<usize> = Vec::new();
            for step in steps {
                match step {
                    Step::Asks(kind, importance) => match governor.ask(now, kind, importance) {
                        Admission::Go => {
                            under_way.push(counted.0.len());
                            counted.0.push((kind, now, None));
                        }
                        Admission::NotBefore(at, _) => prop_assert!(at > now, "at once is no wait"),
                        Admission::AfterAnother => prop_assert!(!under_way.is_empty(), "it waits for ever"),
                    },
                    Step::Ends(n) if !under_way.is_empty() => {
                        let one = under_way.swap_remove(n % under_way.len());
                        counted.0[one].2 = Some(now);
                        governor.ended(now, counted.0[one].0, &Told::default());
                    }
                    Step::Ends(_) => {}
                    Step::Passes(millis) => now = now.plus(Span::millis(millis)),
                    Step::Hears(told) => {
                        hear(&mut governor, now, &told);
                    }
                }
                prop_assert!(under_way.len() <= 9);
            }
            for limit in SMALL.within {
                prop_assert!(counted.most(limit) <= limit.most, "{}", limit.words);
            }
        }

        #[test]
        fn whoever_comes_when_told_gets_through(
            steps in prop::collection::vec(step(), 1..250),
            bulk: bool,
        ) {
            let (mut governor, mut now) = (Governor::new(&SMALL), START);
            let mut under_way = Vec::new();
            for step in steps {
                match step {
                    Step::Asks(kind, importance) => {
                        if governor.ask(now, kind, importance) == Admission::Go {
                            under_way.push(kind);
                        }
                    }
                    Step::Ends(n) if !under_way.is_empty() => {
                        let kind = under_way.swap_remove(n % under_way.len());
                        governor.ended(now, kind, &Told::default());
                    }
                    Step::Ends(_) => {}
                    Step::Passes(millis) => now = now.plus(Span::millis(millis)),
                    Step::Hears(told) => {
                        hear(&mut governor, now, &told);
                    }
                }
            }
            for kind in under_way {
                governor.ended(now, kind, &Told::default());
            }
            let importance = if bulk { Importance::Bulk } else { Importance::Awaited };
            // The more important is never told to come later than the less important.
            let first = |importance| match governor.clone().ask(now, Kind::Content, importance) {
                Admission::NotBefore(at, _) => at,
                Admission::Go | Admission::AfterAnother => now,
            };
            prop_assert!(first(Importance::Awaited) <= first(Importance::Work));
            prop_assert!(first(Importance::Work) <= first(Importance::Bulk));
            let mut last = now;
            for _ in 0..8 {
                match governor.ask(now, Kind::Content, importance) {
                    Admission::Go => {
                        prop_assert!(now.since(START) <= Span::days(2), "it waited for days");
                        return Ok(());
                    }
                    Admission::NotBefore(at, _) => {
                        prop_assert!(at > last, "told an earlier time while nothing else was sent");
                        (last, now) = (at, at);
                    }
                    Admission::AfterAnother => prop_assert!(false, "there is no other"),
                }
            }
            prop_assert!(false, "it is put off again and again");
        }
    }
}
