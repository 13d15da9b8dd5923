//! What is answered in the place of a model, in the shape that each API gives its errors, so that
//! agents show it and take it for something to try again only where it is.

use http::StatusCode;
use serde_json::{Value, json};

use crate::domain::budget::{Exceeded, Scope};
use crate::domain::model::Api;
use crate::domain::name::Name;

/// Why a call was not made, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The key of the request is not the one of this pass.
    #[error(
        "this is not the key that the gateway gave to this job; use the one in the environment"
    )]
    Key,
    /// The path is none that is passed on.
    #[error(
        "the gateway does not pass on {0}; it passes on model calls, token counts and model lists"
    )]
    Path(String),
    /// The model is none of those that may be called.
    #[error("the model {asked:?} may not be called here; these may: {allowed}")]
    Model {
        /// What was asked for.
        asked: String,
        /// What may be asked for.
        allowed: String,
    },
    /// The request cannot be understood, or could be understood in two ways.
    #[error("the gateway does not understand this request: {0}")]
    Malformed(String),
    /// The request would have the provider reach for something that is not in it.
    #[error("the gateway does not pass on {0}: all that a call reads must be in its request")]
    Outside(&'static str),
    /// The request is priced otherwise than the settings say.
    #[error("the gateway does not pass on {0}: it changes the price")]
    Price(&'static str),
    /// The request is too long.
    #[error("the request is longer than the {0} bytes that the gateway passes on")]
    Long(u32),
    /// It could have passed a budget.
    #[error("{}", over(.0))]
    Budget(Box<Exceeded>),
    /// The ledger does not answer, so nobody knows whether a budget has room.
    #[error(
        "the gateway cannot tell now whether the budget has room for this call: it was not made; try again"
    )]
    Ledger,
    /// The endpoint refused the real key.
    #[error("the endpoint {0} refused the server's key; its operator has to look at models.{0}")]
    ServersKey(Name),
    /// The endpoint could not be reached, or broke off.
    #[error("the endpoint {0} cannot be reached by the gateway")]
    Unreachable(Name),
    /// The endpoint was silent for too long.
    #[error("the endpoint {0} did not answer in time")]
    Silent(Name),
}

fn over(exceeded: &Exceeded) -> String {
    let cap = &exceeded.cap;
    let whose = match &cap.scope {
        Scope::Job(_) => "this job",
        Scope::Task(_) => "this task",
        Scope::Repository(..) => "this repository for today",
        Scope::Person(..) => "the person who asked for today",
        Scope::Server(_) => "this server for today",
    };
    format!(
        "the budget of {whose} is {} USD, {} are spent, and this call could cost {}: it was not made",
        cap.most, cap.spent, exceeded.asked
    )
}

/// The words that the APIs have for one kind of error.
struct Words {
    status: StatusCode,
    anthropic: &'static str,
    open_ai: (&'static str, &'static str),
    gemini: &'static str,
}

impl Refusal {
    /// Returns the status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.words().status
    }

    /// Returns the body of the answer.
    pub(crate) fn body(&self, api: Api) -> Value {
        let (words, message) = (self.words(), self.to_string());
        match api {
            Api::Anthropic => json!({
                "type": "error",
                "error": {"type": words.anthropic, "message": message},
            }),
            Api::OpenAi => json!({
                "error": {
                    "message": message,
                    "type": words.open_ai.0,
                    "param": null,
                    "code": words.open_ai.1,
                },
            }),
            Api::Gemini => json!({
                "error": {
                    "code": words.status.as_u16(),
                    "message": message,
                    "status": words.gemini,
                },
            }),
        }
    }

    fn words(&self) -> Words {
        let words = |status, anthropic, open_ai, gemini| Words {
            status,
            anthropic,
            open_ai,
            gemini,
        };
        let request = "invalid_request_error";
        match self {
            Self::Key => words(
                StatusCode::UNAUTHORIZED,
                "authentication_error",
                ("authentication_error", "invalid_api_key"),
                "UNAUTHENTICATED",
            ),
            Self::Path(_) => words(
                StatusCode::NOT_FOUND,
                "not_found_error",
                (request, "unknown_url"),
                "NOT_FOUND",
            ),
            Self::Model { .. } => words(
                StatusCode::FORBIDDEN,
                "permission_error",
                (request, "model_not_found"),
                "PERMISSION_DENIED",
            ),
            Self::Malformed(_) | Self::Outside(_) | Self::Price(_) => words(
                StatusCode::BAD_REQUEST,
                request,
                (request, "unsupported_value"),
                "INVALID_ARGUMENT",
            ),
            Self::Long(_) => words(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_too_large",
                (request, "request_too_large"),
                "INVALID_ARGUMENT",
            ),
            // 429 would say that it passes by itself.
            Self::Budget(_) => words(
                StatusCode::PAYMENT_REQUIRED,
                "billing_error",
                ("insufficient_quota", "insufficient_quota"),
                "FAILED_PRECONDITION",
            ),
            // Agents try this again.
            Self::Ledger => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "api_error",
                ("server_error", "budget_unknown"),
                "UNAVAILABLE",
            ),
            Self::ServersKey(_) => words(
                StatusCode::FORBIDDEN,
                "permission_error",
                ("permission_error", "endpoint_key_refused"),
                "PERMISSION_DENIED",
            ),
            Self::Unreachable(_) => words(
                StatusCode::BAD_GATEWAY,
                "api_error",
                ("server_error", "endpoint_unreachable"),
                "UNAVAILABLE",
            ),
            Self::Silent(_) => words(
                StatusCode::GATEWAY_TIMEOUT,
                "api_error",
                ("server_error", "endpoint_silent"),
                "DEADLINE_EXCEEDED",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::{Cap, Day};

    #[test]
    fn a_used_up_budget_is_said_in_each_apis_own_way() {
        let usd = |text: &str| text.parse().unwrap();
        let refusal = Refusal::Budget(Box::new(Exceeded {
            cap: Cap {
                scope: Scope::Server(Day(20_000)),
                most: usd("2"),
                spent: usd("1.93"),
            },
            asked: usd("0.12"),
        }));
        let message = "the budget of this server for today is 2.00 USD, 1.93 are spent, and this call could cost 0.12: it was not made";
        assert_eq!(refusal.status(), 402);
        assert_eq!(
            Api::ALL.map(|api| refusal.body(api)),
            [
                json!({"type": "error", "error": {"type": "billing_error", "message": message}}),
                json!({"error": {"message": message, "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}}),
                json!({"error": {"code": 402, "message": message, "status": "FAILED_PRECONDITION"}}),
            ]
        );
    }
}
