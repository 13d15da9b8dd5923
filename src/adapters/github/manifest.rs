//! What the code needs of the App's manifest.

/// Permissions that an installation token is asked for, as GitHub names them, each with its level.
///
/// Contents: read policy, write commits and branches. Issues and pull requests: comments,
/// reactions, pull requests. Checks: the check run `prova`. Metadata: who may do what.
pub const PERMISSIONS: &[(&str, &str)] = &[
    ("checks", "write"),
    ("contents", "write"),
    ("issues", "write"),
    ("metadata", "read"),
    ("pull_requests", "write"),
];

/// Permissions that are used where an installation grants them, and are not asked for with the others:
/// without it no log is read, and nothing runs once more.
///
/// Actions: the logs of checks that fail, and running them once more.
pub const OPTIONAL: &[(&str, &str)] = &[("actions", "write")];

/// Permissions of a token that reads logs.
pub(super) const LOGS_PERMISSIONS: &[(&str, &str)] = &[("actions", "read")];

/// Permissions of a token that has workflows run once more.
pub(super) const RERUN_PERMISSIONS: &[(&str, &str)] = &[("actions", "write")];

/// Permissions of a token that git fetches with.
pub(super) const FETCH_PERMISSIONS: &[(&str, &str)] = &[("contents", "read")];

/// Events that the App must be subscribed to. GitHub sends `installation` and
/// `installation_repositories` to every App without being asked.
pub const EVENTS: &[&str] = &[
    "check_run",
    "check_suite",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "push",
    "repository",
];
