//! What an agent said for whoever asked for words: an answer, a plan.

use std::fmt::Write as _;

use crate::domain::evidence::Claim;
use crate::domain::job::{Request, Wanted};
use crate::domain::render::parts::{Links, took_over};
use crate::domain::render::spend;
use crate::domain::render::status::failure;
use crate::domain::report::{Outcome, Report};
use crate::domain::sanitize::{neutral, said, visible};
use crate::domain::task::{Approval, Plan};

const SAID_CHARS: usize = 20_000;

/// Returns the comment with what a job said, or with why it said nothing.
#[must_use]
pub fn words(report: &Report, request: &Request, links: &Links) -> String {
    if report.outcome != Outcome::Answered {
        return failure(report, request.wanted);
    }
    let what = match request.wanted {
        Wanted::Answer => "Answer",
        Wanted::Review => return reviewed(report, request),
        Wanted::Plan | Wanted::PlanFirst => "Plan",
        Wanted::Change => "Change",
    };
    let mut out = format!(
        "**{what}** for @{}{}:\n\n",
        request.by.login,
        source(report)
    );
    if let Some(claim) = &report.claim {
        out.push_str(&said::quote(&claimed(claim), SAID_CHARS));
        out.push('\n');
    }
    if request.wanted == Wanted::Plan {
        let _ = write!(
            out,
            "\n{} carries it out, {} makes another.\n",
            links.command("approve"),
            links.command("plan <what to do otherwise>")
        );
    }
    out.push_str(&took_over(report));
    out.push_str(&spend::traffic(&report.traffic));
    out.trim_end().to_owned()
}

/// Says what a review came to; what it says stands in the review.
fn reviewed(report: &Report, request: &Request) -> String {
    let found = report
        .claim
        .as_ref()
        .map_or(0, |claim| claim.findings.len());
    let found = match found {
        0 => "it found nothing to point at".to_owned(),
        1 => "it found one thing".to_owned(),
        found => format!("it found {found} things"),
    };
    let mut out = format!(
        "**Reviewed** for @{}{}: {found}. What is new of it stands in a review of this pull request, which is \
         never an approval.\n",
        request.by.login,
        source(report)
    );
    out.push_str(&took_over(report));
    out.push_str(&spend::traffic(&report.traffic));
    out.trim_end().to_owned()
}

/// Says who said it, and what they had read.
fn source(report: &Report) -> String {
    report.run.as_ref().map_or_else(String::new, |run| {
        format!(
            ", by {} from reading `{}`; nobody verified it",
            neutral::inline(&run.agent, 80),
            run.base.short()
        )
    })
}

/// Returns what an agent said as one text, hidden parts taken out.
#[must_use]
pub fn claimed(claim: &Claim) -> String {
    let said = [claim.summary.as_deref(), claim.notes.as_deref()];
    let said = said.into_iter().flatten().map(str::trim);
    let said: Vec<_> = said.filter(|text| !text.is_empty()).collect();
    let text = match (said.is_empty(), &claim.title) {
        (true, Some(title)) => title.clone(),
        (true, None) | (false, _) => said.join("\n\n"),
    };
    visible::visible(&text, SAID_CHARS)
}

/// Returns why a run that ended well has no answer, as Markdown.
#[must_use]
pub fn said_nothing() -> String {
    "The agent ended well and said nothing: it left neither a `PROVA_RESULT` nor last words."
        .to_owned()
}

/// Returns the plan as the status comment shows it; open while it waits, folded when it is carried out.
#[must_use]
pub fn plan(plan: &Plan, links: &Links) -> String {
    let text = said::quote(&plan.text, SAID_CHARS);
    let agent = neutral::inline(&plan.agent, 80);
    match &plan.approved {
        None => format!(
            "\n\n### The plan, by {agent}\n\n{text}\n\n{} carries it out, {} makes another.",
            links.command("approve"),
            links.command("plan <what to do otherwise>")
        ),
        Some(approval) => {
            let by = match approval {
                Approval::By(login) => format!("approved by @{login}"),
                Approval::Policy => "carried out as policy says".to_owned(),
            };
            format!(
                "\n\n<details><summary>The plan, by {agent}, {by}</summary>\n\n{text}\n\n</details>"
            )
        }
    }
}
