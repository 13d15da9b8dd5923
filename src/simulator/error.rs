//! The one error of the simulator: what GitHub would refuse, with GitHub's own status and words.

use serde_json::{Value, json};

use crate::simulator::json::Fields as _;

/// Why GitHub refuses a request, or a person's action.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SimError {
    /// 404: it does not exist, or the caller may not know that it does.
    #[error("{0}")]
    NotFound(String),
    /// 401: no, wrong or expired credentials.
    #[error("{0}")]
    Unauthorized(String),
    /// 403: known, but not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// 410: an issue that was deleted.
    #[error("{0}")]
    Gone(String),
    /// 301: a repository that was renamed, an issue that was transferred.
    #[error("Moved Permanently to {0}")]
    Moved(String),
    /// 409: the repository is in no state for it.
    #[error("{0}")]
    Conflict(String),
    /// 422: understood, but not valid.
    #[error("{message}{}", FieldError::list(errors))]
    Invalid {
        /// The sentence at the top, such as `Validation Failed`.
        message: String,
        /// One entry for each field at fault.
        errors: Vec<FieldError>,
    },
    /// 400: not even understood.
    #[error("{0}")]
    BadRequest(String),
    /// 403 or 429 with the headers of a spent primary limit.
    #[error("API rate limit exceeded for installation ID {installation}.")]
    RateLimited {
        /// Whose budget is spent.
        installation: u64,
        /// When it is filled again, in seconds since the epoch.
        reset: i64,
    },
    /// 500: the simulator itself failed (disk, git).
    #[error("{0}")]
    Internal(String),
}

/// One field that GitHub found at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The kind of thing, such as `PullRequest`.
    pub resource: &'static str,
    /// `custom`, `invalid`, `missing_field`, `already_exists` or `unprocessable`.
    pub code: &'static str,
    /// The key at fault, when there is one.
    pub field: Option<&'static str>,
    /// The sentence, when the code alone does not say it.
    pub message: Option<String>,
}

impl FieldError {
    fn list(errors: &[Self]) -> String {
        let each = errors
            .iter()
            .map(|error| match (&error.message, error.field) {
                (Some(message), _) => message.clone(),
                (None, Some(field)) => format!("{} {} {}", error.resource, field, error.code),
                (None, None) => format!("{} {}", error.resource, error.code),
            });
        let text = each.collect::<Vec<_>>().join("; ");
        if text.is_empty() {
            text
        } else {
            format!(": {text}")
        }
    }

    fn json(&self) -> Value {
        let mut entry = json!({"resource": self.resource, "code": self.code});
        if let Some(field) = self.field {
            entry.set("field", json!(field));
        }
        if let Some(message) = &self.message {
            entry.set("message", json!(message));
        }
        entry
    }
}

impl SimError {
    /// The plain 404.
    pub(crate) fn not_found() -> Self {
        Self::NotFound("Not Found".to_owned())
    }

    /// What an App without the permission hears.
    pub(crate) fn no_permission() -> Self {
        Self::Forbidden("Resource not accessible by integration".to_owned())
    }

    /// 422 with a sentence and no field.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            errors: Vec::new(),
        }
    }

    /// 422 `Validation Failed` for a field, by code alone.
    pub(crate) fn field(resource: &'static str, field: &'static str, code: &'static str) -> Self {
        Self::validation(FieldError {
            resource,
            code,
            field: Some(field),
            message: None,
        })
    }

    /// 422 `Validation Failed` with a sentence of its own.
    pub(crate) fn custom(resource: &'static str, message: impl Into<String>) -> Self {
        let message = Some(message.into());
        Self::validation(FieldError {
            resource,
            code: "custom",
            field: None,
            message,
        })
    }

    /// 422 `Validation Failed` for one field.
    pub(crate) fn validation(error: FieldError) -> Self {
        Self::Invalid {
            message: "Validation Failed".to_owned(),
            errors: vec![error],
        }
    }

    /// The HTTP status GitHub answers with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Moved(_) => 301,
            Self::BadRequest(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::Forbidden(_) | Self::RateLimited { .. } => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Gone(_) => 410,
            Self::Invalid { .. } => 422,
            Self::Internal(_) => 500,
        }
    }

    /// The body GitHub answers with.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status().to_string(),
        });
        match self {
            Self::Invalid { message, errors } => {
                body.set("message", json!(message));
                if !errors.is_empty() {
                    body.set(
                        "errors",
                        errors.iter().map(FieldError::json).collect::<Value>(),
                    );
                }
            }
            Self::Moved(url) => {
                body.set("message", json!("Moved Permanently"));
                body.set("url", json!(url));
            }
            Self::NotFound(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::Gone(_)
            | Self::Conflict(_)
            | Self::BadRequest(_)
            | Self::RateLimited { .. }
            | Self::Internal(_) => body.set("message", json!(self.to_string())),
        }
        body
    }
}

/// The connection ends without an answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection was cut")]
pub struct Cut;

impl From<std::io::Error> for SimError {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(format!("the simulator's disk or git failed: {error}"))
    }
}
