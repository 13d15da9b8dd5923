//! Amounts of money, exact: model prices are fractions of a cent, and budgets are sums of them.

use serde::{Deserialize, Serialize};

/// An amount of US dollars, never negative, in millionths of a dollar.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Usd(u64);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Usd::EXPECTED)]
pub struct NotAnAmount;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// What an amount must look like, for messages.
    pub const EXPECTED: &'static str =
        "expected an amount of US dollars from 0 to 1000000, such as 5 or 2.50";

    const MICROS_PER_DOLLAR: u64 = 1_000_000;

    /// Builds an amount from millionths of a dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the amount in millionths of a dollar.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns both together, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Returns what is left of this without `other`; nothing when `other` is more.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::str::FromStr for Usd {
    type Err = NotAnAmount;

    /// Parses `5`, `2.5`, `$2.50`; at most six decimals, at most a million dollars.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('$').unwrap_or(text);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 7 || fraction.len() > 6 {
            return Err(NotAnAmount);
        }
        let dollars: u64 = whole.parse().map_err(|_| NotAnAmount)?;
        let micros: u64 = format!("{fraction:0<6}").parse().map_err(|_| NotAnAmount)?;
        let total = dollars * Self::MICROS_PER_DOLLAR + micros;
        if total > 1_000_000 * Self::MICROS_PER_DOLLAR {
            return Err(NotAnAmount);
        }
        Ok(Self(total))
    }
}

impl std::fmt::Display for Usd {
    /// Shows cents always and smaller parts only when there are any: `2.50`, `0.000003`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (dollars, micros) = (
            self.0 / Self::MICROS_PER_DOLLAR,
            self.0 % Self::MICROS_PER_DOLLAR,
        );
        let digits = format!("{micros:06}");
        let shown = digits.trim_end_matches('0');
        write!(f, "{dollars}.{shown:0<2}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        let shown = ["5", "$5", "2.5", "2.50", "0", "0.000003", "1000000"]
            .map(|text| text.parse::<Usd>().unwrap().to_string());
        assert_eq!(
            shown,
            [
                "5.00",
                "5.00",
                "2.50",
                "2.50",
                "0.00",
                "0.000003",
                "1000000.00"
            ]
        );
        for bad in [
            "",
            "-1",
            "1e9",
            "1.",
            ".5",
            "nan",
            "1000000.01",
            "99999999",
            "0.0000001",
            "5 USD",
        ] {
            assert_eq!(bad.parse::<Usd>(), Err(NotAnAmount), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_as_it_is_shown(micros in 0_u64..=1_000_000_000_000) {
            let amount = Usd::from_micros(micros);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
