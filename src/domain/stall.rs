//! When an agent that still runs has come to nothing: it is silent, does the same again and again,
//! waits for an answer that nobody gives, or asks a model that answers nothing.

use serde::{Deserialize, Serialize};

use crate::domain::outage::Outage;
use crate::domain::progress::Heard;
use crate::domain::time::{Span, Timestamp};

/// What a run may be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long it may print nothing.
    pub silent: Span,
    /// How long it may wait for an answer. Nobody gives one.
    pub waiting: Span,
    /// How often it may do the same in a row.
    pub repeated: usize,
    /// How long its model may answer nothing while it is asked.
    pub unanswered: Span,
    /// How many calls must have failed in a row before that counts.
    pub failed_calls: u64,
}

/// Why a run was ended for coming to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// It printed nothing for so long.
    Silent(Span),
    /// It did the same so many times in a row: what.
    Repeated(String, usize),
    /// It waited for an answer: to what.
    Waiting(String),
    /// So many calls of its model failed in a row, from the first to the last for so long.
    Unanswered(u64, Span),
}

impl std::fmt::Display for Stall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent(span) => write!(f, "it printed nothing for {} s", span.as_millis() / 1000),
            Self::Repeated(what, times) => write!(f, "it did the same {times} times: {what}"),
            Self::Waiting(what) => write!(f, "it waited for an answer: {what}"),
            Self::Unanswered(calls, span) => write!(
                f,
                "its model answered none of {calls} calls in a row, for {} s",
                span.as_millis() / 1000
            ),
        }
    }
}

/// Returns whether a run has come to nothing. `stirred` is when it last printed anything, and `outage`
/// what the gateway saw of its model.
#[must_use]
pub fn stall(
    heard: &Heard,
    (stirred, outage): (Timestamp, &Outage),
    now: Timestamp,
    patience: &Patience,
) -> Option<Stall> {
    let silent = now.since(stirred);
    let waits = heard.waiting.as_ref().filter(|_| {
        let said = heard.last.unwrap_or(stirred);
        now.since(said) >= patience.waiting
    });
    match (waits, &heard.action) {
        (Some(what), _) => Some(Stall::Waiting(what.clone())),
        (None, Some(what)) if heard.repeated() >= patience.repeated => {
            Some(Stall::Repeated(what.clone(), heard.repeated()))
        }
        (None, Some(_) | None)
            if outage.calls() >= patience.failed_calls
                && outage.lasted() >= patience.unanswered =>
        {
            Some(Stall::Unanswered(outage.calls(), outage.lasted()))
        }
        (None, Some(_) | None) => (silent >= patience.silent).then_some(Stall::Silent(silent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::progress::{Action, StepState, Update};
    use crate::domain::traffic::Traffic;
    use crate::domain::unanswered::CallFailure;

    const PATIENCE: Patience = Patience {
        silent: Span::seconds(60),
        waiting: Span::seconds(10),
        repeated: 3,
        unanswered: Span::seconds(20),
        failed_calls: 4,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn after(updates: impl IntoIterator<Item = Update>, now: i64) -> Option<Stall> {
        let mut heard = Heard::default();
        for update in updates {
            heard.take(update, at(100));
        }
        stall(&heard, (at(100), &Outage::default()), at(now), &PATIENCE)
    }

    /// A run that prints all the time, whose model refuses a call at each of these seconds.
    fn refused(seconds: impl IntoIterator<Item = i64>) -> Option<Stall> {
        let (mut traffic, mut outage) = (Traffic::default(), Outage::default());
        let mut now = at(0);
        for second in seconds {
            now = at(second);
            traffic.fail("main", CallFailure::Failing);
            outage.take(&traffic, now);
        }
        stall(&Heard::default(), (now, &outage), now, &PATIENCE)
    }

    #[test]
    fn a_model_that_answers_nothing_is_asked_often_and_long_enough_first() {
        assert_eq!(refused([0, 10, 20]), None, "too few calls");
        assert_eq!(refused(0..20), None, "not long enough");
        let ended = refused([0, 2, 6, 20]).map(|stall| stall.to_string());
        let expected = "its model answered none of 4 calls in a row, for 20 s";
        assert_eq!(ended.as_deref(), Some(expected));
    }

    fn run(title: &str) -> Update {
        Update::Action(Action {
            id: String::new(),
            title: title.to_owned(),
            state: StepState::Active,
            files: Vec::new(),
        })
    }

    #[test]
    fn what_goes_on_is_no_stall() {
        assert_eq!(after([], 159), None);
        assert_eq!(
            after([run("ls"), run("ls"), run("pwd"), run("ls")], 130),
            None
        );
        assert_eq!(after([Update::Waiting("ok?".to_owned())], 109), None);
        assert_eq!(
            after([Update::Waiting("ok?".to_owned()), run("ls")], 120),
            None
        );
    }

    #[test]
    fn what_does_not_is_told_by_its_reason() {
        let told = |updates: Vec<Update>, now| after(updates, now).map(|one| one.to_string());
        let cases = [
            (vec![], 160, "it printed nothing for 60 s"),
            (vec![run("make"); 3], 101, "it did the same 3 times: make"),
            (
                vec![Update::Waiting("ok?".to_owned())],
                110,
                "it waited for an answer: ok?",
            ),
        ];
        for (updates, now, expected) in cases {
            assert_eq!(told(updates, now).as_deref(), Some(expected));
        }
    }
}
