//! What is proposed for a pull request that comes from a fork, where an App cannot push.

use crate::domain::job::Request;
use crate::domain::render::parts::{Links, checks, files, race, took_over};
use crate::domain::render::spend;
use crate::domain::report::Report;
use crate::domain::sanitize::neutral;
use crate::domain::suggested::{MOST, Misfit, Offer, Suggestion};
use crate::domain::task::Task;

/// Returns a suggestion as the comment on its lines.
#[must_use]
pub fn suggestion(suggestion: &Suggestion) -> String {
    let mut text = suggestion.lines.join("\n");
    if !suggestion.lines.is_empty() {
        text.push('\n');
    }
    neutral::exactly(&text, "suggestion")
}

/// Says in a review of suggestions who made them for whom.
#[must_use]
pub fn heading(report: &Report, request: &Request) -> String {
    let by = report.run.as_ref().map_or_else(String::new, |run| {
        format!(", by {}", neutral::inline(&run.agent, 80))
    });
    format!(
        "**Suggestions** for @{}{by}. They belong together: what was checked is all of them.",
        request.by.login
    )
}

/// Returns a patch, folded, with how it is applied.
#[must_use]
pub fn folded(patch: &str) -> String {
    format!(
        "<details><summary>The change</summary>\n\n{}\n\nPut it into a file, and `git apply` that file on \
         the head of the pull request.\n\n</details>",
        neutral::exactly(patch, "diff")
    )
}

/// Returns what a job left that was not proposed; empty where it left nothing.
#[must_use]
pub fn left(report: &Report) -> String {
    let patch = report.offer.as_ref().and_then(|offer| offer.patch.as_ref());
    patch.map_or_else(String::new, |patch| format!("{}\n\n", folded(patch)))
}

/// Returns the comment about what is proposed.
#[must_use]
pub fn proposed(task: &Task, report: &Report, links: &Links) -> String {
    let request = &task.work.request;
    let read = report.run.as_ref().map_or_else(String::new, |run| {
        format!(
            ", by {} from `{}`",
            neutral::inline(&run.agent, 80),
            run.base.short()
        )
    });
    let mut out = format!(
        "**Proposed** for @{}{read}: {} changed. This pull request comes from a fork, and GitHub lets an App \
         push only to repositories that it is installed in. ",
        request.by.login,
        files(report.changes.len())
    );
    if let Some(offer) = &report.offer {
        out.push_str(&way(offer));
    }
    out.push_str("\n\n");
    out.push_str(&match report.evidence.len() {
        0 => "No checks ran, because `.github/prova.toml` names none.\n".to_owned(),
        _ => checks(&report.evidence),
    });
    out.push_str(&took_over(report));
    out.push_str(&race(report, task, links));
    out.push_str(&spend::traffic(&report.traffic));
    out.trim_end().to_owned()
}

/// Says in which way a change is proposed.
fn way(offer: &Offer) -> String {
    let Some(misfit) = &offer.misfit else {
        let count = match offer.suggestions.len() {
            1 => "a suggestion".to_owned(),
            count => format!("{count} suggestions"),
        };
        return format!(
            "The change is {count} in a review of it, which whoever can push to the fork can commit."
        );
    };
    let why = why(misfit);
    match &offer.patch {
        Some(patch) => format!(
            "The change does not fit into suggestions, since {why}. It is here as a patch.\n\n{}",
            folded(patch)
        ),
        None => format!(
            "The change does not fit into suggestions, since {why}, and not into a comment either, so it is \
             not kept. Ask for less at once, or open the pull request from a branch of this repository."
        ),
    }
}

fn why(misfit: &Misfit) -> String {
    let shown = |path: &str| neutral::inline(path, 200);
    match misfit {
        Misfit::File(path) => format!("{} comes, goes or changes in more than lines", shown(path)),
        Misfit::Line(path, line) => format!(
            "{} is not on a line that the pull request shows",
            shown(&format!("{path}:{line}"))
        ),
        Misfit::End(path) => format!("the end of {} changes", shown(path)),
        Misfit::Characters(path) => format!(
            "{} has characters that a comment does not keep or nobody sees",
            shown(path)
        ),
        Misfit::Many(count) => format!("it has {count} parts, and I suggest {MOST} at most"),
        Misfit::Large => "it is too large or no text".to_owned(),
    }
}
