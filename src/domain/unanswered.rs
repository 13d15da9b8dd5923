//! Model calls that got no answer from their endpoint, as the gateway saw it.

use serde::{Deserialize, Serialize};

/// Calls of one endpoint that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// The endpoint's name in the settings.
    pub endpoint: String,
    /// How they failed.
    pub failure: CallFailure,
    /// How many.
    pub calls: u64,
}

/// How a model call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFailure {
    /// No connection, no answer in time, or one that broke off before it began.
    Unreachable,
    /// The endpoint does not take the server's key.
    KeyRefused,
    /// The account has no money or quota left.
    OutOfQuota,
    /// Too many calls for now.
    RateLimited,
    /// The endpoint is overloaded, or has failed itself.
    Failing,
    /// The endpoint refused this one request; another may do better.
    Refused,
}

/// Words by which endpoints tell that an account is used up, where the status alone does not.
const USED_UP: [&str; 4] = [
    "insufficient_quota",
    "credit balance",
    "billing_hard_limit",
    "exceeded your current quota",
];

impl CallFailure {
    /// Returns what an endpoint means by a status that is no success, and the text with it.
    #[must_use]
    pub fn of(status: u16, text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let used_up = USED_UP.iter().any(|words| text.contains(words));
        match status {
            401 | 403 => Self::KeyRefused,
            402 => Self::OutOfQuota,
            400 | 429 if used_up => Self::OutOfQuota,
            429 => Self::RateLimited,
            408 | 500..=599 => Self::Failing,
            _ => Self::Refused,
        }
    }

    /// Returns whether it says something about the endpoint, and not only about one request.
    #[must_use]
    pub const fn is_down(self) -> bool {
        match self {
            Self::Unreachable
            | Self::KeyRefused
            | Self::OutOfQuota
            | Self::RateLimited
            | Self::Failing => true,
            Self::Refused => false,
        }
    }

    /// Returns what the endpoint did, in words that follow its name.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "could not be reached",
            Self::KeyRefused => "refused the server's key",
            Self::OutOfQuota => "says that the account's quota is used up",
            Self::RateLimited => "took no more calls for now",
            Self::Failing => "was overloaded or failed",
            Self::Refused => "refused the request",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_endpoint_means_by_its_status() {
        use CallFailure::{Failing, KeyRefused, OutOfQuota, RateLimited, Refused};
        let anthropic = "Your credit balance is too low to access the Anthropic API.";
        for (status, text, expected) in [
            (401, "invalid x-api-key", KeyRefused),
            (403, "", KeyRefused),
            (402, "Insufficient credits", OutOfQuota),
            (400, anthropic, OutOfQuota),
            (400, "max_tokens: too large", Refused),
            (429, "{\"code\":\"insufficient_quota\"}", OutOfQuota),
            (429, "You exceeded your current quota", OutOfQuota),
            (429, "rate_limit_error", RateLimited),
            (404, "model not found", Refused),
            (408, "", Failing),
            (500, "credit balance", Failing),
            (503, "", Failing),
            (529, "overloaded_error", Failing),
        ] {
            assert_eq!(CallFailure::of(status, text), expected, "{status} {text}");
        }
    }
}
