//! A task's one status comment, edited in place, and the answer to a request on its pull request.

use std::fmt::Write as _;

use crate::domain::ids::{CommitSha, ThreadNumber};
use crate::domain::job::Told;
use crate::domain::render::parts::{
    Links, check_excerpts, checks, excerpt, files, leaks, left_out, race, remedies, took_over,
};
use crate::domain::render::{footing, spend};
use crate::domain::report::{Outcome, Report};
use crate::domain::sanitize::{neutral, visible};
use crate::domain::task::{State, Task};

/// GitHub refuses bodies of more characters; the marker needs some room.
const MAX_CHARS: usize = 60_000;

/// Returns the comment for the task as it is now.
#[must_use]
pub fn status(task: &Task, links: &Links) -> String {
    let by = &task.work.request.by.login;
    let stop = links.command("stop");
    let mut text = match &task.state {
        State::Queued => {
            format!("**Queued**, asked by @{by}: waits for a free worker. {stop} takes it back.")
        }
        State::Running => format!(
            "**Working on it**, asked by @{by}: an agent runs in a sandboxed checkout. {stop} ends it."
        ),
        State::Publishing if task.footing.is_updating() => {
            format!(
                "**Publishing**: {} is being merged into the branch.",
                neutral::inline(task.base(), 100)
            )
        }
        State::Publishing if task.undone.is_some() => {
            "**Publishing**: the last follow-up is being taken back.".to_owned()
        }
        State::Publishing => {
            format!("**Publishing**, asked by @{by}: the work is done; its pull request is next.")
        }
        State::InReview => in_review(task, links),
        State::Blocked => blocked(task, links),
        State::Stopped => stopped(task, links),
        State::Merged => format!("**Merged**: {}.", pull(task)),
        State::Closed => closed(task, links),
    };
    let footing = footing::line(task, links);
    if !footing.is_empty() {
        text = format!("{}\n\n{footing}", text.trim_end());
    }
    visible::cut(text.trim_end().to_owned(), MAX_CHARS)
}

/// Returns the answer to whoever asks how it stands where there is no task.
#[must_use]
pub fn no_task(links: &Links) -> String {
    format!(
        "No task is open here. {} begins one.",
        links.command("<what to do>")
    )
}

/// Tells why the work was not published when somebody has pushed meanwhile.
#[must_use]
pub fn overtaken(task: &Task, links: &Links) -> String {
    format!(
        "Somebody has pushed to {} since I began, and I never write over anybody's commits: what I did was not published. {} does it again on top of them.",
        links.branch(&task.repo.name, &task.branch),
        links.command("retry")
    )
}

/// Tells why the last follow-up was not taken back when somebody has pushed meanwhile.
#[must_use]
pub fn not_undone(task: &Task, commit: &CommitSha, links: &Links) -> String {
    format!(
        "Somebody has pushed to {} after {}, and I never write over anybody's commits: it was not taken back. `git revert {}` does it on top of them.",
        links.branch(&task.repo.name, &task.branch),
        links.commit(&task.repo.name, commit),
        commit.short()
    )
}

/// Says that the last follow-up was taken back.
fn taken_back(task: &Task, links: &Links) -> String {
    let Some(undone) = &task.undone else {
        return String::new();
    };
    let commit = |sha: &CommitSha| links.commit(&task.repo.name, sha);
    let with = undone
        .with
        .as_ref()
        .map_or_else(String::new, |with| format!(" by {}", commit(with)));
    format!(
        "The last follow-up, {}, is taken back{with}, as @{} asked.\n\n",
        commit(&undone.commit),
        undone.by
    )
}

fn closed(task: &Task, links: &Links) -> String {
    match task.pull {
        Some(number) => {
            format!("**Closed**: pull request #{number} ended without a merge. Nothing runs.")
        }
        None => format!(
            "**Closed** before there was a pull request. Nothing runs.\n\n{}",
            kept(task, links)
        ),
    }
}

fn pull(task: &Task) -> String {
    match task.pull {
        Some(number) => format!("pull request #{number}"),
        None => format!("#{}", task.id.thread.number),
    }
}

fn in_review(task: &Task, links: &Links) -> String {
    let mut out = format!("**In review**: {}", pull(task));
    if let Some(report) = &task.last {
        let _ = write!(out, ", {} changed", files(report.changes.len()));
        if let Some((commit, _)) = &report.commit {
            let _ = write!(out, " in {}", links.commit(&task.repo.name, commit));
        }
        out.push_str(".\n\n");
        out.push_str(&footing::resolved(task));
        out.push_str(&taken_back(task, links));
        out.push_str(&footing::update(task, links));
        out.push_str(&match report.evidence.len() {
            0 => "No checks ran, because `.github/prova.toml` names none.\n".to_owned(),
            _ => checks(&report.evidence),
        });
        out.push_str(&took_over(report));
        out.push_str(&race(report, task, links));
    }
    let _ = write!(
        out,
        "\nWaits for a review of {}. Comment there with {} to ask for changes.",
        pull(task),
        links.command("…")
    );
    out
}

fn blocked(task: &Task, links: &Links) -> String {
    let Some(report) = &task.last else {
        return format!("**Blocked**. {}", next(task, links));
    };
    let mut out = format!("**{}** {}\n", headline(report), story(report, task.pull));
    let back = taken_back(task, links) + &footing::update(task, links);
    if !back.is_empty() {
        let _ = write!(out, "\n{back}");
    }
    out.push_str(&took_over(report));
    out.push_str(&race(report, task, links));
    out.push_str(&remedies(report));
    let left = left_out(report);
    if !left.is_empty() {
        let _ = write!(out, "\n{left}");
    }
    out.push_str(&leaks(report));
    if !report.evidence.is_empty() {
        let _ = write!(
            out,
            "\n{}\n{}",
            checks(&report.evidence),
            check_excerpts(&report.evidence)
        );
    }
    if let (Some(run), false) = (&report.run, report.outcome == Outcome::ChecksFailed) {
        let _ = write!(
            out,
            "\n{}",
            excerpt("End of the agent's output", &run.excerpt)
        );
    }
    out.push_str(&spend::traffic(&report.traffic));
    if let Outcome::SetupFailed(evidence) = &report.outcome {
        let _ = write!(
            out,
            "\n{}",
            excerpt("End of the setup's output", &evidence.excerpt)
        );
    }
    let _ = write!(out, "\n{}{}", kept(task, links), next(task, links));
    out
}

const fn headline(report: &Report) -> &'static str {
    match report.outcome {
        Outcome::Proposed => "Not published.",
        Outcome::NothingChanged => "Nothing changed.",
        Outcome::ChecksFailed => "Checks failed.",
        Outcome::Refused => "Refused.",
        Outcome::Secret => "A secret in the change.",
        Outcome::Unresolved(_) => "Conflicts are left.",
        Outcome::AgentFailed => "The agent failed.",
        Outcome::SetupFailed(_) => "Setup failed.",
        Outcome::OutOfBudget(_) => "Out of budget.",
        Outcome::Stopped => "Stopped.",
        Outcome::Faulted(_) => "Blocked.",
    }
}

/// Tells what happened; `pull` is the pull request that was there before.
fn story(report: &Report, pull: Option<ThreadNumber>) -> String {
    let unopened = match pull {
        None => "no pull request was opened".to_owned(),
        Some(number) => format!("pull request #{number} is not ready for a review"),
    };
    let agent = report.run.as_ref().map_or_else(String::new, |run| {
        format!(
            "{} ran {} ({})",
            neutral::inline(&run.agent, 80),
            run.took,
            run.ending
        )
    });
    match &report.outcome {
        Outcome::Proposed => "The work is done, but it could not be published.".to_owned(),
        Outcome::NothingChanged => {
            format!("{agent} and left every file as it was, so there is nothing to propose.")
        }
        Outcome::ChecksFailed => format!(
            "{agent} and changed {}, but not every check passes, so {unopened}.",
            files(report.changes.len())
        ),
        Outcome::Refused => format!(
            "{agent} and left things that may not be published. They were left out, and because the change is not whole without them, {unopened}:"
        ),
        Outcome::Secret => {
            format!("{agent} and wrote what looks like a secret into the change, so {unopened}.")
        }
        Outcome::Unresolved(paths) => format!(
            "{agent} and left conflict markers in {}. Nothing of the merge was published, and the branch is as it was.",
            footing::listed(paths)
        ),
        Outcome::AgentFailed => {
            let why = report
                .run
                .as_ref()
                .map_or_else(String::new, |run| why(&run.told));
            format!("{agent}{why}, so {unopened}.")
        }
        Outcome::SetupFailed(evidence) => format!(
            "{} ended with {}, so the agent was not started.",
            neutral::inline(&evidence.command, 120),
            evidence.ending
        ),
        Outcome::OutOfBudget(exceeded) if agent.is_empty() => format!(
            "{} The agent was not started, and nothing was spent.",
            spend::exceeded(exceeded)
        ),
        Outcome::OutOfBudget(exceeded) => format!(
            "{agent} until a budget was used up, so {unopened}. {}",
            spend::exceeded(exceeded)
        ),
        Outcome::Stopped => "It was stopped.".to_owned(),
        Outcome::Faulted(why) => why.clone(),
    }
}

/// Says why a run failed, where its exit code does not.
fn why(told: &Told) -> String {
    match told {
        Told {
            stall: Some(stall), ..
        } => {
            format!(
                " and was ended: {}",
                neutral::inline(&stall.to_string(), 300)
            )
        }
        Told {
            trouble: Some(trouble),
            ..
        } => {
            format!(
                " and ended in trouble, in its own words: {}",
                neutral::inline(trouble, 300)
            )
        }
        Told {
            thoughtless: true, ..
        } => " without a model call that was answered".to_owned(),
        Told { .. } => String::new(),
    }
}

fn stopped(task: &Task, links: &Links) -> String {
    let by = task
        .stopped_by
        .as_ref()
        .map_or_else(String::new, |login| format!(" by @{login}"));
    format!(
        "**Stopped**{by}. Nothing runs.\n{}\n{}{}",
        task.last.as_ref().map(leaks).unwrap_or_default(),
        kept(task, links),
        next(task, links)
    )
}

/// Says where the work is that was done so far.
fn kept(task: &Task, links: &Links) -> String {
    let Some(report) = &task.last else {
        return String::new();
    };
    let what = match report.outcome {
        Outcome::Refused => "The rest of the change",
        Outcome::Proposed
        | Outcome::NothingChanged
        | Outcome::ChecksFailed
        | Outcome::Secret
        | Outcome::Unresolved(_)
        | Outcome::AgentFailed
        | Outcome::SetupFailed(_)
        | Outcome::OutOfBudget(_)
        | Outcome::Stopped
        | Outcome::Faulted(_) => "What was changed",
    };
    match &report.commit {
        Some((commit, _)) => format!(
            "{what} is kept on {} as {}.\n\n",
            links.branch(&task.repo.name, &task.branch),
            links.commit(&task.repo.name, commit)
        ),
        None => String::new(),
    }
}

fn next(task: &Task, links: &Links) -> String {
    let open = task
        .pull
        .map_or_else(String::new, |n| format!(" Pull request #{n} stays open."));
    format!(
        "Waits for a person: {} runs it again, {} asks for something else.{open}",
        links.command("retry"),
        links.command("…"),
    )
}
