//! Models and what they charge.

use serde::{Deserialize, Serialize};

use crate::domain::money::Usd;
use crate::domain::traffic::Tokens;

/// The language that an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Responses and Chat Completions, and whatever is compatible with them.
    OpenAi,
    /// Gemini's `generateContent`.
    Gemini,
}

impl Api {
    /// Every one of them, for messages.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::OpenAi, Self::Gemini];

    /// Returns the name in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Gemini => "gemini",
        }
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A model that may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// What it costs.
    pub prices: Prices,
    /// The most tokens that one answer has when the request names no limit.
    pub max_output_tokens: u64,
    /// The most tokens that one request can have, where that is known: the provider refuses more.
    pub context_tokens: Option<u64>,
}

/// What a million tokens cost. All zero for a model that is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Read, and not from a cache.
    pub input: Usd,
    /// Read from the provider's cache.
    pub cache_read: Usd,
    /// Written to the provider's cache.
    pub cache_write: Usd,
    /// Written.
    pub output: Usd,
    /// Thought; as `output` when it has no price of its own.
    pub reasoning: Option<Usd>,
}

impl Prices {
    /// Returns what the tokens cost, rounded up to a millionth of a dollar.
    #[must_use]
    pub fn cost(&self, tokens: &Tokens) -> Usd {
        const MILLION: u128 = 1_000_000;
        let part = |count: u64, price: Usd| u128::from(count) * u128::from(price.as_micros());
        let sum = part(tokens.input, self.input)
            .saturating_add(part(tokens.cache_read, self.cache_read))
            .saturating_add(part(tokens.cache_write, self.cache_write))
            .saturating_add(part(tokens.output, self.output))
            .saturating_add(part(
                tokens.reasoning,
                self.reasoning.unwrap_or(self.output),
            ));
        Usd::from_micros(u64::try_from(sum.div_ceil(MILLION)).unwrap_or(u64::MAX))
    }

    /// Returns the most that `read` tokens of input and `written` tokens of output can cost,
    /// whichever kinds they turn out to be.
    #[must_use]
    pub fn worst(&self, read: u64, written: u64) -> Usd {
        let dearest = Self {
            input: self.input.max(self.cache_read).max(self.cache_write),
            output: self.output.max(self.reasoning.unwrap_or_default()),
            ..Self::default()
        };
        dearest.cost(&Tokens {
            input: read,
            output: written,
            ..Tokens::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn every_kind_of_token_has_its_price() {
        let prices = Prices {
            input: usd("3"),
            cache_read: usd("0.30"),
            cache_write: usd("3.75"),
            output: usd("15"),
            reasoning: None,
        };
        let tokens = Tokens {
            input: 1_000,
            cache_read: 100_000,
            cache_write: 2_000,
            output: 500,
            reasoning: 100,
        };
        // 0.003 + 0.03 + 0.0075 + 0.0075 + 0.0015
        assert_eq!(prices.cost(&tokens), usd("0.0495"));
        let thinking = Prices {
            reasoning: Some(usd("30")),
            ..prices
        };
        assert_eq!(thinking.cost(&tokens), usd("0.051"));
    }

    #[test]
    fn a_fraction_of_a_millionth_is_charged_as_one() {
        let prices = Prices {
            input: usd("0.05"),
            ..Prices::default()
        };
        let tokens = Tokens {
            input: 1,
            ..Tokens::default()
        };
        assert_eq!(prices.cost(&tokens), Usd::from_micros(1));
        assert_eq!(prices.cost(&Tokens::default()), Usd::ZERO);
    }

    proptest! {
        #[test]
        fn no_mixture_costs_more_than_the_worst(
            price in proptest::array::uniform4(0_u64..100_000_000),
            reasoning in proptest::option::of(0_u64..100_000_000),
            count in proptest::array::uniform5(0_u64..10_000_000),
        ) {
            let [input, cache_read, cache_write, output] = price.map(Usd::from_micros);
            let reasoning = reasoning.map(Usd::from_micros);
            let prices = Prices { input, cache_read, cache_write, output, reasoning };
            let [input, cache_read, cache_write, output, reasoning] = count;
            let tokens = Tokens { input, cache_read, cache_write, output, reasoning };
            let worst = prices.worst(input + cache_read + cache_write, output + reasoning);
            prop_assert!(prices.cost(&tokens) <= worst);
        }

        #[test]
        fn costs_saturate(count: u64, price: u64) {
            let prices = Prices { input: Usd::from_micros(price), ..Prices::default() };
            let cost = prices.cost(&Tokens { input: count, ..Tokens::default() });
            let exact = (u128::from(count) * u128::from(price)).div_ceil(1_000_000);
            prop_assert_eq!(u128::from(cost.as_micros()), exact.min(u128::from(u64::MAX)));
        }
    }
}
