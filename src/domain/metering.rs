//! What a model call is charged: what its API says it used, or the worst when it did not say.

use crate::domain::model::{Model, Prices};
use crate::domain::money::Usd;
use crate::domain::traffic::Tokens;

/// What a provider adds to a request of its own: how tools are to be called, templates.
const ADDED: u64 = 2_000;
/// What one picture or document costs at most beyond its bytes; the larger ones are many bytes.
const PER_ATTACHMENT: u64 = 2_000;

/// How large a call can become, as far as its request tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the request.
    pub bytes: u64,
    /// Pictures, documents and the like in it.
    pub attachments: u64,
    /// The most tokens that one answer may have, when the request says so.
    pub answer: Option<u64>,
    /// How many answers it asks for.
    pub answers: u64,
}

/// The most tokens that a call can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Read, of any kind.
    pub read: u64,
    /// Written, of any kind.
    pub written: u64,
}

impl Most {
    /// Returns the most that a call of this size can use. A token is at least one byte of text.
    #[must_use]
    pub fn of(size: &Size, model: &Model) -> Self {
        let read = size
            .attachments
            .saturating_mul(PER_ATTACHMENT)
            .saturating_add(size.bytes)
            .saturating_add(ADDED);
        Self {
            read: model.context_tokens.map_or(read, |most| read.min(most)),
            written: size
                .answer
                .unwrap_or(model.max_output_tokens)
                .saturating_mul(size.answers.max(1)),
        }
    }

    /// Returns the most that it can cost.
    #[must_use]
    pub fn cost(&self, prices: &Prices) -> Usd {
        prices.worst(self.read, self.written)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer was passed on to its end.
    Whole,
    /// The endpoint broke it off.
    Broken,
    /// Whoever called went away. What the model goes on to write nobody sees, and somebody pays.
    Abandoned,
}

/// What was seen of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What the API said so far.
    pub tokens: Tokens,
    /// Whether that is its last word, wherever the answer ends after it.
    pub settled: bool,
    /// Bytes of the answer.
    pub bytes: u64,
}

/// Returns what a call is charged: tokens, and their price.
#[must_use]
pub fn charge(most: &Most, seen: &Seen, end: End, prices: &Prices) -> (Tokens, Usd) {
    let said = seen.tokens;
    let wrote = said.output.saturating_add(said.reasoning);
    let read = said
        .input
        .saturating_add(said.cache_read)
        .saturating_add(said.cache_write);
    let last_word = seen.settled || (end == End::Whole && read > 0 && wrote > 0);
    if last_word {
        return (said, prices.cost(&said));
    }
    let written = match end {
        End::Abandoned => most.written,
        End::Whole | End::Broken => most.written.min(seen.bytes),
    };
    let tokens = Tokens {
        output: said.output.max(written.saturating_sub(said.reasoning)),
        ..if read > 0 {
            said
        } else {
            Tokens {
                input: most.read,
                ..said
            }
        }
    };
    let cost = if read > 0 {
        prices.cost(&tokens)
    } else {
        prices.worst(most.read, tokens.output.saturating_add(tokens.reasoning))
    };
    (tokens, cost)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODEL: Model = Model {
        prices: Prices {
            input: Usd::from_micros(3_000_000),
            cache_read: Usd::from_micros(300_000),
            cache_write: Usd::from_micros(3_750_000),
            output: Usd::from_micros(15_000_000),
            reasoning: None,
        },
        max_output_tokens: 8_000,
        context_tokens: Some(200_000),
    };

    fn size(bytes: u64, answer: Option<u64>) -> Size {
        Size {
            bytes,
            answer,
            ..Size::default()
        }
    }

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens {
            input,
            output,
            ..Tokens::default()
        }
    }

    #[test]
    fn the_worst_of_a_call_is_a_token_a_byte_and_the_whole_answer() {
        let most = |bytes, answer| Most::of(&size(bytes, answer), &MODEL);
        assert_eq!(
            most(10_000, None),
            Most {
                read: 12_000,
                written: 8_000
            }
        );
        assert_eq!(
            most(10_000, Some(64)),
            Most {
                read: 12_000,
                written: 64
            }
        );
        // No request is longer than the model reads.
        assert_eq!(most(5_000_000, None).read, 200_000);
        assert_eq!(most(1_000, None).cost(&MODEL.prices).to_string(), "0.13125");
        let many = Size {
            answers: 4,
            attachments: 3,
            ..size(10, None)
        };
        assert_eq!(
            Most::of(&many, &MODEL),
            Most {
                read: 8_010,
                written: 32_000
            }
        );
    }

    #[test]
    fn what_the_api_says_counts_when_it_has_said_all() {
        let most = Most::of(&size(1_000, None), &MODEL);
        let seen = Seen {
            tokens: tokens(250, 40),
            settled: true,
            bytes: 9_000,
        };
        for end in [End::Whole, End::Broken, End::Abandoned] {
            assert_eq!(charge(&most, &seen, end, &MODEL.prices).0, tokens(250, 40));
        }
    }

    #[test]
    fn what_it_did_not_say_is_charged_at_its_worst() {
        let most = Most::of(&size(1_000, None), &MODEL);
        let nothing = Seen {
            bytes: 700,
            ..Seen::default()
        };
        let charged = |seen: &Seen, end| charge(&most, seen, end, &MODEL.prices).0;
        assert_eq!(charged(&nothing, End::Broken), tokens(3_000, 700));
        assert_eq!(charged(&nothing, End::Whole), tokens(3_000, 700));
        assert_eq!(charged(&nothing, End::Abandoned), tokens(3_000, 8_000));
        // The start of a stream tells what was read.
        let begun = Seen {
            tokens: tokens(250, 1),
            ..nothing
        };
        assert_eq!(charged(&begun, End::Broken), tokens(250, 700));
        assert_eq!(charged(&begun, End::Abandoned), tokens(250, 8_000));
    }

    proptest! {
        #[test]
        fn an_estimate_is_never_nothing_and_never_above_the_worst(
            bytes in 0_u64..1_000_000,
            got in 0_u64..1_000_000,
            answer in proptest::option::of(1_u64..100_000),
            end in prop_oneof![Just(End::Whole), Just(End::Broken), Just(End::Abandoned)],
        ) {
            let most = Most::of(&size(bytes, answer), &MODEL);
            let seen = Seen { bytes: got, ..Seen::default() };
            let (tokens, cost) = charge(&most, &seen, end, &MODEL.prices);
            prop_assert!(cost > Usd::ZERO && cost <= most.cost(&MODEL.prices));
            prop_assert!(tokens.input > 0);
        }

        #[test]
        fn no_numbers_overflow(said: [u64; 5], bytes: u64, got: u64, settled: bool) {
            let [input, cache_read, cache_write, output, reasoning] = said;
            let tokens = Tokens { input, cache_read, cache_write, output, reasoning };
            let most = Most::of(&size(bytes, Some(output)), &MODEL);
            for end in [End::Whole, End::Broken, End::Abandoned] {
                let _ = charge(&most, &Seen { tokens, settled, bytes: got }, end, &MODEL.prices);
            }
        }
    }
}
