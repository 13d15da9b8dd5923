//! What a simulated GitHub starts with.

use std::fmt;
use std::path::PathBuf;

use crate::simulator::openapi::Description;
use crate::simulator::world::Clock;
use crate::simulator::world::installations::{Access, Permissions};

/// What a simulated GitHub starts with.
#[derive(Clone)]
pub struct Options {
    /// The time there.
    pub clock: Clock,
    /// The App's id, the `iss` of its JSON Web Tokens.
    pub app_id: u64,
    /// The App's slug; its user is `SLUG[bot]`.
    pub app_slug: String,
    /// The secret that webhooks are signed with.
    pub webhook_secret: String,
    /// What an installation grants.
    pub permissions: Permissions,
    /// Webhook events that the App has subscribed to.
    pub events: Vec<String>,
    /// Requests an installation may send in an hour.
    pub hourly_limit: u32,
    /// What requests are judged by; none are judged without.
    pub descriptions: Vec<Description>,
    /// Where to keep the App's generated private key for the next process, if anywhere.
    pub key_file: Option<PathBuf>,
}

impl Options {
    /// The App `prova` with the permissions and events that a bot of its kind asks for, and no
    /// descriptions.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let granted = [
            ("actions", Access::Write),
            ("checks", Access::Write),
            ("contents", Access::Write),
            ("issues", Access::Write),
            ("metadata", Access::Read),
            ("pull_requests", Access::Write),
        ];
        let events = [
            "check_run",
            "check_suite",
            "create",
            "delete",
            "issue_comment",
            "issues",
            "pull_request",
            "pull_request_review",
            "pull_request_review_comment",
            "push",
            "repository",
        ];
        Self {
            clock,
            app_id: 12345,
            app_slug: "prova".to_owned(),
            webhook_secret: "It's a Secret to Everybody".to_owned(),
            permissions: granted
                .into_iter()
                .map(|(name, has)| (name.to_owned(), has))
                .collect(),
            events: events.into_iter().map(str::to_owned).collect(),
            hourly_limit: 5000,
            descriptions: Vec::new(),
            key_file: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("app_slug", &self.app_slug)
            .finish_non_exhaustive()
    }
}
