//! The model, as the loop sees it.

use std::time::Duration;

use crate::inside::agent::conversation::{Answer, Shown};

/// Something that answers.
#[async_trait::async_trait]
pub(super) trait Model {
    /// Asks for one answer.
    async fn answer(&self, shown: &Shown<'_>) -> Result<Answer, Refused>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refused {
    pub(super) why: Why,
    /// For a person: what the provider said, or what was wrong on the way.
    pub(super) message: String,
}

/// What follows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It may work later: the provider is busy or not reached. It may say when.
    Busy(Option<Duration>),
    /// The budget is used up.
    Budget,
    /// The request is longer than the model reads.
    TooLong,
    /// The model wrote something that is no answer, such as arguments that are not JSON.
    Garbled,
    /// Anything else: the same again will end the same.
    Lasting,
}

/// Lets time pass.
#[async_trait::async_trait]
pub(super) trait Patience {
    async fn wait(&self, span: Duration);
}

/// The real thing.
pub(super) struct Timer;

#[async_trait::async_trait]
impl Patience for Timer {
    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// Most times that one request is sent.
const TRIES: u32 = 6;
/// The first pause; each is twice the one before.
const FIRST: Duration = Duration::from_secs(2);
/// The longest pause, also when a provider asks for more: the run's own clock goes on.
const LONGEST: Duration = Duration::from_mins(2);

/// Asks until there is an answer or no point in asking. `told` hears of every pause.
pub(super) async fn ask(
    model: &dyn Model,
    patience: &dyn Patience,
    shown: &Shown<'_>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Answer, Refused> {
    let mut usual = FIRST;
    let mut tries = 1;
    loop {
        let refused = match model.answer(shown).await {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        let Why::Busy(after) = refused.why else {
            return Err(refused);
        };
        if tries == TRIES {
            return Err(refused);
        }
        let pause = after.unwrap_or(usual).min(LONGEST);
        told(&format!("{refused}; again in {} s", pause.as_secs()));
        patience.wait(pause).await;
        usual = (usual * 2).min(LONGEST);
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::agent::conversation::{Ended, Usage};
    use serde_json::Value;
    use std::sync::Mutex;

    struct Script(Mutex<Vec<Result<Answer, Refused>>>);

    #[async_trait::async_trait]
    impl Model for Script {
        async fn answer(&self, _: &Shown<'_>) -> Result<Answer, Refused> {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[derive(Default)]
    struct Pauses(Mutex<Vec<u64>>);

    #[async_trait::async_trait]
    impl Patience for Pauses {
        async fn wait(&self, span: Duration) {
            self.0.lock().unwrap().push(span.as_secs());
        }
    }

    fn refused(why: Why) -> Result<Answer, Refused> {
        let message = "no".to_owned();
        Err(Refused { why, message })
    }

    async fn pauses(script: Vec<Result<Answer, Refused>>) -> (Vec<u64>, bool) {
        let (model, pauses) = (Script(Mutex::new(script)), Pauses::default());
        let shown = Shown {
            system: "",
            tools: &[],
            task: "",
            turns: &[],
        };
        let mut heard = 0;
        let got = ask(&model, &pauses, &shown, &mut |_| heard += 1).await;
        let pauses = pauses.0.into_inner().unwrap();
        assert_eq!(heard, pauses.len());
        (pauses, got.is_ok())
    }

    #[tokio::test]
    async fn who_is_busy_is_asked_again_and_nobody_else() {
        let answer = Answer {
            text: "hello".to_owned(),
            calls: Vec::new(),
            ended: Ended::Whole,
            usage: Usage::default(),
            carried: Value::Null,
        };
        let after = |secs| refused(Why::Busy(Some(Duration::from_secs(secs))));
        let some = vec![refused(Why::Busy(None)), after(7), after(9_999), Ok(answer)];
        assert_eq!(pauses(some).await, (vec![2, 7, 120], true));
        let always = (0..9).map(|_| refused(Why::Busy(None))).collect();
        assert_eq!(pauses(always).await, (vec![2, 4, 8, 16, 32], false));
        for why in [Why::Budget, Why::TooLong, Why::Garbled, Why::Lasting] {
            assert_eq!(pauses(vec![refused(why)]).await, (vec![], false), "{why:?}");
        }
    }
}
