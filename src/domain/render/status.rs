//! A task's one status comment, edited in place, and the answer to a request on its pull request.

use std::fmt::Write as _;

use crate::domain::footing::Came;
use crate::domain::home::Home;
use crate::domain::ids::CommitSha;
use crate::domain::job::{Told, Wanted};
use crate::domain::render::fit::fit;
use crate::domain::render::integration;
use crate::domain::render::parts::{
    Links, check_excerpts, checks, excerpt, files, leaks, left_out, race, remedies, took_over,
};
use crate::domain::render::trail::trail;
use crate::domain::render::{footing, offered, spend, words};
use crate::domain::report::{Outcome, Report};
use crate::domain::sanitize::neutral;
use crate::domain::task::{State, Task};

/// Returns the comment for the task as it is now.
#[must_use]
pub fn status(task: &Task, links: &Links) -> String {
    with_trail(&told(task, links), task, links)
}

/// Returns the comment while runs last, with how far each is, as Markdown.
#[must_use]
pub fn live(task: &Task, runs: &[String], links: &Links) -> String {
    let mut text = told(task, links);
    for run in runs {
        text.push_str("\n\n");
        text.push_str(run);
    }
    with_trail(&text, task, links)
}

/// Cuts a text that is too long, and puts below it where the rest can be looked at.
fn with_trail(text: &str, task: &Task, links: &Links) -> String {
    let text = fit(text.trim_end().to_owned());
    match trail(task, links) {
        none if none.is_empty() => text,
        trail => format!("{text}\n\n{trail}"),
    }
}

fn told(task: &Task, links: &Links) -> String {
    let asked = asked(task);
    let stop = links.command("stop");
    let text = match &task.state {
        State::Queued => format!(
            "**Queued**, {asked}: waits for a free worker. {stop} takes it back.{}",
            behind(task)
        ),
        State::Running => format!(
            "**Working on it**, {asked}: an agent runs in a sandboxed checkout. {stop} ends it.{}",
            behind(task)
        ),
        State::Publishing if task.footing.is_updating() => format!(
            "**Publishing**: {} is being merged into the branch.{}",
            neutral::inline(task.base(), 100),
            behind(task)
        ),
        State::Publishing if task.undone.is_some() => format!(
            "**Publishing**: the last follow-up is being taken back.{}",
            behind(task)
        ),
        State::Publishing => format!(
            "**Publishing**, {asked}: the work is done; its {} is next.{}",
            if task.home.is_own() {
                "pull request"
            } else {
                "commit"
            },
            behind(task)
        ),
        State::InReview => in_review(task, links),
        State::Blocked if is_planned(task) => planned(task, links),
        State::Blocked => blocked(task, links),
        State::Stopped => stopped(task, links),
        State::Merged => format!("**Merged**: {}.", pull(task)),
        State::Closed => closed(task, links),
        State::Answered => answered(task, links),
    };
    let plan = task
        .plan
        .as_ref()
        .map_or_else(String::new, |plan| words::plan(plan, links));
    let mut text = format!("{}{plan}", text.trim_end());
    let footing = footing::line(task, links);
    if !footing.is_empty() {
        text = format!("{}\n\n{footing}", text.trim_end());
    }
    text
}

/// Who does what is asked for while a job is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A job of its own, when that has ended.
    OwnJob,
    /// The agent that is at work, when it has done what it has, if it is there still.
    SameAgent,
}

/// Tells whoever asks while a job is under way that it waits; `waiting` is how many do, with this one.
#[must_use]
pub fn noted(waiting: usize, turn: Turn, links: &Links) -> String {
    let turn = match (turn, waiting) {
        (Turn::OwnJob, 0 | 1) => "I begin with this when it has ended".to_owned(),
        (Turn::OwnJob, more) => format!(
            "I begin with this when that and {} before yours are done",
            requests(more - 1)
        ),
        (Turn::SameAgent, 0 | 1) => {
            "When the agent is done with that, it gets this too; if it has ended by then, I begin with this next"
                .to_owned()
        }
        (Turn::SameAgent, more) => format!(
            "When the agent is done with that, it gets {} before yours and then this; what it does not get, I begin with when it has ended",
            requests(more - 1)
        ),
    };
    format!(
        "I am still working on the last request here. {turn}; {} ends what runs and forgets what waits.",
        links.command("stop")
    )
}

/// Says what was added to the work that is under way, and what waits behind it.
fn behind(task: &Task) -> String {
    let mut out = String::new();
    match task.work.steered.len() {
        0 => {}
        more => {
            let _ = write!(out, "\n\nHanded on to its agent: {}.", requests(more));
        }
    }
    match task.waiting.len() {
        0 => {}
        more => {
            let _ = write!(out, "\n\nBehind it: {}.", requests(more));
        }
    }
    out
}

fn requests(count: usize) -> String {
    match count {
        1 => "one request".to_owned(),
        count => format!("{count} requests"),
    }
}

/// Shows what was said for a task that asked for no more.
fn answered(task: &Task, links: &Links) -> String {
    let request = &task.work.request;
    let said = |report: &Report| match request.wanted {
        Wanted::Change => offered::proposed(task, report, links),
        Wanted::Answer | Wanted::Review | Wanted::Plan | Wanted::PlanFirst => {
            words::words(report, request, links)
        }
    };
    task.last.as_ref().map_or_else(String::new, said)
}

/// Returns whether the plan that was asked for last is there, and waits for a word.
fn is_planned(task: &Task) -> bool {
    let planned = task
        .last
        .as_ref()
        .is_some_and(|last| last.outcome == Outcome::Answered);
    planned
        && task
            .plan
            .as_ref()
            .is_some_and(|plan| plan.approved.is_none())
}

fn planned(task: &Task, links: &Links) -> String {
    format!(
        "**Planned**, asked by @{}: nothing is changed before a person says {}.{}",
        task.work.request.by.login,
        links.command("approve"),
        task.last
            .as_ref()
            .map(|report| spend::traffic(&report.traffic))
            .unwrap_or_default()
    )
}

/// Shows the end of what was printed, and what passed the gateway. Where checks failed, theirs counts.
fn printed(report: &Report) -> String {
    let mut out = String::new();
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
    out
}

/// Tells why a job that was to say something said nothing.
#[must_use]
pub fn failure(report: &Report, wanted: Wanted) -> String {
    let so = match wanted {
        Wanted::Answer => "there is no answer",
        Wanted::Review => "there is no review",
        Wanted::Plan | Wanted::PlanFirst => "there is no plan",
        Wanted::Change => "nothing was changed",
    };
    let mut out = format!("**{}** {}\n", headline(report), story(report, so));
    out.push_str(&took_over(report));
    out.push_str(&remedies(report));
    out.push_str(&printed(report));
    out.trim_end().to_owned()
}

/// Says what the job is for.
fn asked(task: &Task) -> String {
    let request = &task.work.request;
    match &request.occasion {
        Some(occasion) => integration::occasion(occasion),
        None => format!("asked by @{}", request.by.login),
    }
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
    let mut out = match (task.home, &task.last) {
        (Home::Own, _) => format!("**In review**: {}", pull(task)),
        (Home::Theirs | Home::Fork, Some(_)) => format!("**Done** on {}", pull(task)),
        (Home::Theirs | Home::Fork, None) => without_job(task, links),
    };
    if let Some(report) = &task.last {
        let _ = write!(out, ", {} changed", files(report.changes.len()));
        if let Some((commit, _)) = &report.commit {
            let _ = write!(out, " in {}", links.commit(&task.repo.name, commit));
        }
        if !task.home.is_own() {
            let branch = links.branch(&task.repo.name, &task.branch);
            let _ = write!(out, " on {branch}, {}", asked(task));
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
    if let Some(seen) = &task.mending.seen {
        out.push_str(&integration::seen(task, seen, links));
    }
    out.push_str(&integration::bots(task));
    let seen = task.mending.seen.as_ref();
    let first = if seen.is_some_and(|seen| !seen.asked.is_empty()) {
        "somebody to look at that, and for "
    } else {
        ""
    };
    let _ = match task.home {
        Home::Own => write!(
            out,
            "\nWaits for {first}a review of {}. Comment there with {} to ask for changes.",
            pull(task),
            links.command("…")
        ),
        Home::Theirs | Home::Fork => write!(out, "\n{} asks for more.", links.command("…")),
    };
    out
}

/// Tells what there is of ours on a person's pull request, where it is of no job.
fn without_job(task: &Task, links: &Links) -> String {
    let update = task.footing.update.as_ref().map(|update| &update.came);
    let so = match (update, &task.undone) {
        (Some(Came::Made(_)), _) => format!("**Done** on {}", pull(task)),
        (Some(Came::OnItsWay | Came::Not(_)) | None, Some(_)) => {
            format!("**Nothing of mine** is left on {}", pull(task))
        }
        (Some(Came::OnItsWay | Came::Not(_)) | None, None) => {
            format!("**Nothing of mine** is on {}", pull(task))
        }
    };
    let told = taken_back(task, links) + &footing::update(task, links);
    format!("{so}.\n\n{told}").trim_end().to_owned() + "\n"
}

fn blocked(task: &Task, links: &Links) -> String {
    let Some(report) = &task.last else {
        return format!("**Blocked**. {}", next(task, links));
    };
    if task.is_words() {
        let request = &task.work.request;
        return format!(
            "{}\n\n{}",
            failure(report, request.wanted),
            next(task, links)
        );
    }
    let so = match (task.pull, task.home) {
        (None, _) => "no pull request was opened".to_owned(),
        (Some(number), Home::Own) => format!("pull request #{number} is not ready for a review"),
        (Some(number), Home::Theirs | Home::Fork) => {
            format!("nothing was put on pull request #{number}")
        }
    };
    let mut out = format!("**{}** {}\n", headline(report), story(report, &so));
    if task.work.request.occasion.is_some() {
        let _ = write!(out, "\nIt was {}.\n", asked(task));
    }
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
    out.push_str(&printed(report));
    let _ = write!(out, "\n{}{}", kept(task, links), next(task, links));
    out
}

const fn headline(report: &Report) -> &'static str {
    match report.outcome {
        Outcome::Proposed => "Not published.",
        Outcome::Answered => "Answered.",
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

/// Tells what happened, and what follows when it did not end well.
fn story(report: &Report, so: &str) -> String {
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
        Outcome::Answered => format!("{agent} and said what was asked for."),
        Outcome::NothingChanged => {
            format!("{agent} and left every file as it was, so there is nothing to propose.")
        }
        Outcome::ChecksFailed => format!(
            "{agent} and changed {}, but not every check passes, so {so}.",
            files(report.changes.len())
        ),
        Outcome::Refused => format!(
            "{agent} and left things that may not be published. They were left out, and because the change is not whole without them, {so}:"
        ),
        Outcome::Secret => {
            format!("{agent} and wrote what looks like a secret into the change, so {so}.")
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
            format!("{agent}{why}, so {so}.")
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
            "{agent} until a budget was used up, so {so}. {}",
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
        | Outcome::Answered
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
            links.branch(&task.repo.name, &task.holder(report)),
            links.commit(&task.repo.name, commit)
        ),
        None => offered::left(report),
    }
}

fn next(task: &Task, links: &Links) -> String {
    let open = task.pull.filter(|_| task.home.is_own());
    let open = open.map_or_else(String::new, |n| format!(" Pull request #{n} stays open."));
    format!(
        "Waits for a person: {} runs it again, {} asks for something else.{open}",
        links.command("retry"),
        links.command("…"),
    )
}
