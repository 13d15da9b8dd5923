//! The commit's message.

use crate::domain::event::ThreadKind;
use crate::domain::ids::{CommitSha, TaskId};
use crate::domain::integration::Occasion;
use crate::domain::job::Request;
use crate::domain::repo::Actor;
use crate::domain::report::Report;
use crate::domain::sanitize::{neutral, visible};
use crate::domain::task::Task;

/// Longest first line of a message, in characters.
const TITLE_CHARS: usize = 72;

/// Returns the title of the change: what the agent called it, else what was asked for on the pull
/// request, else what the thread is called.
#[must_use]
pub fn title(claimed: Option<&str>, request: &Request, max_chars: usize) -> String {
    let claimed = claimed
        .map(|t| neutral::subject(t, max_chars))
        .filter(|t| !t.is_empty());
    let own = || {
        if let Some(occasion) = &request.occasion {
            return neutral::subject(&mended(occasion), max_chars);
        }
        let asked = match request.thread.kind {
            ThreadKind::Issue => String::new(),
            ThreadKind::Pull => visible::visible(&request.text, 1_000),
        };
        let first = asked.trim().lines().next().unwrap_or_default();
        let asked = neutral::subject(first, max_chars);
        if asked.is_empty() && request.review.is_some() {
            let name = neutral::subject(request.by.login.as_str(), 100);
            neutral::subject(&format!("Answer the review by {name}"), max_chars)
        } else if asked.is_empty() {
            neutral::subject(&request.thread.title, max_chars)
        } else {
            asked
        }
    };
    let title = claimed.unwrap_or_else(own);
    if title.is_empty() {
        format!("Work on #{}", request.thread.number)
    } else {
        title
    }
}

fn mended(occasion: &Occasion) -> String {
    let names = occasion.checks.iter().map(|check| check.name.as_str());
    format!("Mend {}", names.collect::<Vec<_>>().join(", "))
}

/// Returns the message with its trailers. `web_host` is GitHub's host for people, of which the
/// noreply address is made, so that the person who asked is shown as co-author.
///
/// Without a host the work does not go to GitHub: the person is the commit's author already, and the
/// number is no issue's, so the message must not link to whatever has it when it is pushed one day.
#[must_use]
pub fn message(task: TaskId, request: &Request, claimed: Option<&str>, web_host: &str) -> String {
    let title = title(claimed, request, TITLE_CHARS);
    if web_host.is_empty() {
        return format!("{title}\n\nProva-Task: {task}\n");
    }
    if let Some(occasion) = &request.occasion {
        let names = occasion.checks.iter().map(|check| check.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        return format!(
            "{title}\n\nContinuous integration failed on {}: {}.\n\nProva-Task: {task}\n",
            occasion.commit,
            neutral::subject(&names, 300)
        );
    }
    let by = &request.by;
    let name = neutral::subject(by.login.as_str(), 100);
    format!(
        "{title}\n\nAsked in #{} by {name}.\n\nProva-Task: {task}\nCo-authored-by: {name} <{}+{name}@users.noreply.{web_host}>\n",
        request.thread.number, by.id,
    )
}

/// Returns the message of the commit that takes another one back.
#[must_use]
pub fn undone(task: TaskId, commit: &CommitSha, by: &Actor) -> String {
    let name = neutral::subject(by.login.as_str(), 100);
    format!(
        "Take back {}\n\nThe tree is the one from before {commit}. Asked by {name}.\n\nProva-Task: {task}\n",
        commit.short()
    )
}

/// Returns the message of the commit that merges the head of the base into the branch.
#[must_use]
pub fn update(task: &Task, base: &CommitSha) -> String {
    format!(
        "{}\n\nThe head of the base was {base}; the merge had no conflicts.\n\nProva-Task: {}\n",
        merge_title(task),
        task.id
    )
}

/// Returns the message of the commit that merges the base into the branch with conflicts that `agent` has
/// resolved.
#[must_use]
pub fn resolved(task: &Task, request: &Request, agent: &str, web_host: &str) -> String {
    let title = merge_title(task);
    let agent = neutral::subject(agent, 100);
    let rest = message(task.id, request, Some(&title), web_host);
    let rest = rest.strip_prefix(&title).unwrap_or(&rest);
    format!("{title}\n\n{agent} resolved the conflicts.{rest}")
}

fn merge_title(task: &Task) -> String {
    format!(
        "Merge {} into {}",
        neutral::subject(task.base(), 100),
        task.branch
    )
}

/// Returns the message of the commit that keeps partial work, which says so in its first line.
#[must_use]
pub fn partial(task: TaskId, request: &Request, report: &Report, web_host: &str) -> String {
    format!(
        "Partial ({}): {}",
        report.outcome.word(),
        message(task, request, None, web_host)
    )
}
