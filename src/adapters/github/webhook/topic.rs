//! Which events and actions are ours, and why the others are not.

/// What a delivery is about, once event and action say that it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Issue(IssueAction),
    IssueComment,
    Pull(PullAction),
    Review,
    ChecksCompleted,
    /// A check run, or a suite of them, is to run again, or a button of a run was pressed.
    RunPressed,
    SuitePressed,
    Push,
    RepositoryRenamed,
    RepositoryDeleted,
    RepositoriesRemoved,
    InstallationLost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IssueAction {
    Opened,
    Labeled,
    Unlabeled,
    Assigned,
    Unassigned,
    Closed,
    Reopened,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullAction {
    Closed,
    Reopened,
    Edited,
}

/// Returns what a delivery is about, or why nothing is done about it. An empty action means none.
pub(super) fn of(event: &str, action: &str) -> Result<Topic, &'static str> {
    Ok(match (event, action) {
        ("issues", "opened") => Topic::Issue(IssueAction::Opened),
        ("issues", "labeled") => Topic::Issue(IssueAction::Labeled),
        ("issues", "unlabeled") => Topic::Issue(IssueAction::Unlabeled),
        ("issues", "assigned") => Topic::Issue(IssueAction::Assigned),
        ("issues", "unassigned") => Topic::Issue(IssueAction::Unassigned),
        ("issues", "closed") => Topic::Issue(IssueAction::Closed),
        ("issues", "reopened") => Topic::Issue(IssueAction::Reopened),
        ("issues", "deleted" | "transferred") => Topic::Issue(IssueAction::Gone),
        ("issues", "edited") => return Err("the request is frozen when work is asked for"),

        ("issue_comment", "created") => Topic::IssueComment,
        ("issue_comment", _) => {
            return Err("a comment counts as it was when it was written");
        }

        ("pull_request_review", "submitted") => Topic::Review,
        ("pull_request_review", "dismissed") => {
            return Err("what a review has asked for stays asked until somebody stops it");
        }
        ("pull_request_review", _) => {
            return Err("a review counts as it was when it was submitted");
        }
        ("pull_request_review_comment", _) => {
            return Err("the review that it is part of tells of it, with all the others");
        }

        ("pull_request", "closed") => Topic::Pull(PullAction::Closed),
        ("pull_request", "reopened") => Topic::Pull(PullAction::Reopened),
        ("pull_request", "edited") => Topic::Pull(PullAction::Edited),
        ("pull_request", "opened" | "labeled" | "assigned") => {
            return Err("work on a pull request is asked for in a comment");
        }
        ("issues" | "pull_request", _) => return Err("changes nothing that a task depends on"),

        ("check_suite", "completed") => Topic::ChecksCompleted,
        ("check_suite", "rerequested") => Topic::SuitePressed,
        ("check_run", "rerequested" | "requested_action") => Topic::RunPressed,
        ("check_suite" | "check_run", _) => {
            return Err("checks count when all of a suite have ended");
        }
        ("push", _) => Topic::Push,

        ("repository", "renamed" | "transferred") => Topic::RepositoryRenamed,
        ("repository", "deleted") => Topic::RepositoryDeleted,
        ("repository", _) => return Err("the repository is read anew when it is needed"),

        ("installation", "deleted" | "suspend") => Topic::InstallationLost,
        ("installation_repositories", "removed") => Topic::RepositoriesRemoved,
        ("installation" | "installation_repositories", _) => {
            return Err("access is looked up when it is needed");
        }

        ("ping", _) => return Err("GitHub only asks whether somebody listens"),
        _ => return Err("Prova does not act on this event"),
    })
}
