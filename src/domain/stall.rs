//! When an agent that still runs has come to nothing: it is silent, does the same again and again, or
//! waits for an answer that nobody gives.

use serde::{Deserialize, Serialize};

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
}

impl std::fmt::Display for Stall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent(span) => write!(f, "it printed nothing for {} s", span.as_millis() / 1000),
            Self::Repeated(what, times) => write!(f, "it did the same {times} times: {what}"),
            Self::Waiting(what) => write!(f, "it waited for an answer: {what}"),
        }
    }
}

/// Returns whether a run has come to nothing. `stirred` is when it last printed anything.
#[must_use]
pub fn stall(
    heard: &Heard,
    stirred: Timestamp,
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
        (None, Some(_) | None) => (silent >= patience.silent).then_some(Stall::Silent(silent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::progress::{Action, StepState, Update};

    const PATIENCE: Patience = Patience {
        silent: Span::seconds(60),
        waiting: Span::seconds(10),
        repeated: 3,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn after(updates: impl IntoIterator<Item = Update>, now: i64) -> Option<Stall> {
        let mut heard = Heard::default();
        for update in updates {
            heard.take(update, at(100));
        }
        stall(&heard, at(100), at(now), &PATIENCE)
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
