//! The pull request and the check run.

use std::fmt::Write as _;

use crate::domain::effect::Conclusion;
use crate::domain::event::ThreadKind;
use crate::domain::evidence::Claim;
use crate::domain::job::Request;
use crate::domain::render::fit::fit;
use crate::domain::render::parts::{
    Links, changes, check_excerpts, checks, excerpt, files, left_out, race, remedies, took_over,
};
use crate::domain::render::{commit, spend};
use crate::domain::report::{Outcome, Report, RunFacts};
use crate::domain::sanitize::{neutral, said, visible};
use crate::domain::task::Task;

const TITLE_CHARS: usize = 200;
const ASKED_CHARS: usize = 2_000;
const CLAIM_CHARS: usize = 5_000;

/// Returns the pull request's title.
#[must_use]
pub fn title(request: &Request, report: &Report) -> String {
    let claimed = report.claim.as_ref().and_then(|c| c.title.as_deref());
    commit::title(claimed, request, TITLE_CHARS)
}

/// Returns the pull request's description: what was asked, what changed, what the server observed,
/// and apart from it what the agent says.
#[must_use]
pub fn body(
    task: &Task,
    (request, steered): (&Request, &[&Request]),
    report: &Report,
    links: &Links,
) -> String {
    let mut out = String::new();
    if request.thread.kind == ThreadKind::Issue {
        let _ = write!(out, "Closes #{}\n\n", request.thread.number);
    }
    let _ = write!(
        out,
        "### What was asked\n\n@{} asked in #{}",
        request.by.login, request.thread.number
    );
    if request.text.trim().is_empty() {
        let title = neutral::inline(&request.thread.title, TITLE_CHARS);
        let _ = write!(out, ": {title}\n\n");
    } else {
        let text = visible::visible(&request.text, ASKED_CHARS);
        let _ = write!(out, ":\n\n{}\n\n", neutral::quote(&text));
    }
    for more in steered {
        let text = visible::visible(&more.text, ASKED_CHARS / 2);
        let _ = write!(
            out,
            "@{} asked in #{}, while the agent worked:\n\n{}\n\n",
            more.by.login,
            more.thread.number,
            neutral::quote(&text)
        );
    }
    let count = files(report.changes.len());
    let _ = write!(
        out,
        "### What changed ({count})\n\n{}\n",
        changes(&report.changes)
    );
    out.push_str("### What the server observed\n\n");
    out.push_str(&observed(report, links, task));
    if let Some(claim) = &report.claim {
        out.push_str(&claimed(claim));
    }
    let _ = write!(out, "\n{}", footer(task, report, links));
    fit(out)
}

/// Returns the check run's conclusion, title and summary.
#[must_use]
pub fn check(task: &Task, report: &Report, links: &Links) -> (Conclusion, String, String) {
    let failed = report
        .evidence
        .iter()
        .filter(|e| !e.ending.succeeded())
        .count();
    let total = report.evidence.len();
    let (conclusion, title) = match &report.outcome {
        Outcome::Proposed if total == 0 => (
            Conclusion::Neutral,
            "No checks: policy names none".to_owned(),
        ),
        Outcome::Proposed => (
            Conclusion::Success,
            format!("{total} of {total} checks passed"),
        ),
        Outcome::ChecksFailed => (
            Conclusion::Failure,
            format!("{failed} of {total} checks failed"),
        ),
        other @ (Outcome::Answered
        | Outcome::NothingChanged
        | Outcome::Refused
        | Outcome::Secret
        | Outcome::Unresolved(_)
        | Outcome::AgentFailed
        | Outcome::SetupFailed(_)
        | Outcome::OutOfBudget(_)
        | Outcome::Stopped
        | Outcome::Faulted(_)) => (
            Conclusion::Failure,
            format!("Partial work: {}", other.word()),
        ),
    };
    let mut summary = observed(report, links, task);
    let _ = write!(summary, "\n{}", footer(task, report, links));
    (conclusion, title, fit(summary))
}

/// Returns what an annotation says of a file whose change was left out of the commit.
#[must_use]
pub fn left_out_of(changed: &str, pattern: &str) -> String {
    format!(
        "The agent {changed} this file, and policy protects it ({}): that was left out.",
        neutral::subject(pattern, TITLE_CHARS)
    )
}

fn observed(report: &Report, links: &Links, task: &Task) -> String {
    let mut out = String::new();
    if report.evidence.is_empty() && report.outcome == Outcome::Proposed {
        out.push_str("No checks ran: `checks` in `.github/prova.toml` names none.\n");
    } else if report.evidence.is_empty() {
        out.push_str("No checks ran: the work is not whole.\n");
    } else {
        out.push_str(&checks(&report.evidence));
        if let Some((commit, tree)) = &report.commit {
            let _ = write!(
                out,
                "\nRun by the server in a clean sandbox on tree `{tree}`, which is the tree of {}.\n",
                links.commit(&task.repo.name, commit)
            );
        }
        let _ = write!(out, "\n{}", check_excerpts(&report.evidence));
    }
    out.push_str(&took_over(report));
    out.push_str(&race(report, task, links));
    if let Some(run) = &report.run {
        let _ = write!(
            out,
            "\nThe agent {} ran {}: {}.\n",
            neutral::inline(&run.agent, 80),
            run.took,
            run.ending
        );
        if run.sandbox == "none" {
            out.push_str(
                "\n> [!WARNING]\n> It ran **without a sandbox** (`backend = \"none\"`).\n",
            );
        }
        out.push_str(&excerpt("End of the agent's output", &run.excerpt));
    }
    out.push_str(&remedies(report));
    if let Outcome::OutOfBudget(exceeded) = &report.outcome {
        let _ = write!(out, "\n{}\n", spend::exceeded(exceeded));
    }
    out.push_str(&spend::traffic(&report.traffic));
    let left = left_out(report);
    if !left.is_empty() {
        let _ = write!(out, "\nLeft out:\n\n{left}");
    }
    out
}

fn claimed(claim: &Claim) -> String {
    let said: Vec<_> = [claim.summary.as_deref(), claim.notes.as_deref()]
        .into_iter()
        .flatten()
        .filter(|text| !text.trim().is_empty())
        .map(|text| said::quote(text, CLAIM_CHARS))
        .collect();
    if said.is_empty() {
        return String::new();
    }
    format!(
        "\n### What the agent says (not verified)\n\n{}\n",
        said.join("\n\n")
    )
}

fn footer(task: &Task, report: &Report, links: &Links) -> String {
    let Some(RunFacts {
        brief_digest,
        base,
        log_digest,
        sandbox,
        ..
    }) = &report.run
    else {
        return format!("<sub>Task `{}`, job `{}`.</sub>\n", task.id, report.job);
    };
    format!(
        "<sub>Task `{}`, job `{}`, base `{base}`, brief `sha256:{}`, {} `sha256:{}`, sandbox `{sandbox}`.</sub>\n",
        task.id,
        report.job,
        short(brief_digest),
        links.log(report.job).unwrap_or_else(|| "log".to_owned()),
        short(log_digest),
    )
}

fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}
