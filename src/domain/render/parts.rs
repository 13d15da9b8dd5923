//! Pieces that several texts share.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::domain::branch::BranchName;
use crate::domain::change::{ChangeKind, Mode, RefusalReason};
use crate::domain::evidence::{Ending, Evidence};
use crate::domain::ids::{CommitSha, JobId, RepoName};
use crate::domain::job::PassedOver;
use crate::domain::report::{Changed, Outcome, Report};
use crate::domain::sanitize::neutral;
use crate::domain::task::Task;

/// How many paths a text lists before it only counts.
const LISTED: usize = 50;

/// Where links point, and how Prova is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// GitHub's address for people, without a slash at its end: `https://github.com`.
    pub web_url: String,
    /// The App's slug: what follows `@`.
    pub slug: String,
    /// Where the server shows its own pages, without a slash at its end; `None` where it shows none.
    pub pages: Option<String>,
}

impl Links {
    /// Returns a link to a branch.
    #[must_use]
    pub fn branch(&self, repo: &RepoName, branch: &BranchName) -> String {
        format!("[`{branch}`]({}/{repo}/tree/{branch})", self.web_url)
    }

    /// Returns a link to a commit.
    #[must_use]
    pub fn commit(&self, repo: &RepoName, commit: &CommitSha) -> String {
        let short = commit.short();
        format!("[`{short}`]({}/{repo}/commit/{commit})", self.web_url)
    }

    /// Returns a link to the check runs of a commit, where ours is the one called `prova`.
    #[must_use]
    pub fn checks(&self, repo: &RepoName, commit: &CommitSha) -> String {
        format!(
            "[check run]({}/{repo}/commit/{commit}/checks)",
            self.web_url
        )
    }

    /// Returns a link to what a job has printed, where the server shows pages.
    #[must_use]
    pub fn log(&self, job: JobId) -> Option<String> {
        let pages = self.pages.as_ref()?;
        Some(format!("[log]({pages}/jobs/{job}/log)"))
    }

    /// Returns a link to the steps of a job, where the server shows pages; none before the first, while
    /// the base is brought into a person's branch.
    #[must_use]
    pub fn steps(&self, job: JobId) -> Option<String> {
        let JobId { task, ordinal } = job;
        let pages = self.pages.as_ref().filter(|_| ordinal > 0)?;
        Some(format!(
            "[steps so far]({pages}/tasks/{task}#job-{ordinal})"
        ))
    }

    /// Returns a command as a person would type it.
    #[must_use]
    pub fn command(&self, command: &str) -> String {
        format!("`@{} {command}`", self.slug)
    }
}

/// Returns the checks as a table; empty when there are none.
#[must_use]
pub fn checks(evidence: &[Evidence]) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let mut out = "| check | result | time |\n| --- | --- | --- |\n".to_owned();
    for one in evidence {
        let mark = if one.ending.succeeded() { "✅" } else { "❌" };
        let command = neutral::inline(&one.command, 120);
        let _ = writeln!(out, "| {command} | {mark} {} | {} |", one.ending, one.took);
    }
    out
}

/// Tells which agents could not be used, and why; empty when there were none.
#[must_use]
pub fn passed(passed_over: &[PassedOver]) -> String {
    let each = passed_over.iter().map(|over| {
        let agent = neutral::inline(&over.agent, 80);
        let (why, took, ending) = (over.why(), over.took, over.ending);
        format!("{agent} could not be used: {why} (it ran {took}: {ending}).")
    });
    each.collect::<Vec<_>>().join(" ")
}

/// Tells which agents could not be used and who did it instead, as a paragraph; empty when the first
/// one could.
#[must_use]
pub fn took_over(report: &Report) -> String {
    let passed = passed(&report.passed_over);
    if passed.is_empty() {
        return passed;
    }
    match &report.run {
        Some(run) => {
            let agent = neutral::inline(&run.agent, 80);
            format!("\n{passed} {agent} took over.\n")
        }
        None => format!("\n{passed}\n"),
    }
}

/// Tells how a race came out, as a table with the one first whose work stands for the job; empty when
/// there was none.
#[must_use]
pub fn race(report: &Report, task: &Task, links: &Links) -> String {
    if report.rivals.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n**A race of {}**, by the same brief, each in a checkout of its own. Who comes first is what the \
         server observed: how each ended, then the checks, then the cost, then the time.\n\n\
         | agent | result | checks | changed | cost | time | branch |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        report.rivals.len() + 1
    );
    let own = report.commit.as_ref();
    let first = report.as_rival(own.map(|(commit, _)| (task.holder(report), commit.clone())));
    for rival in std::iter::once(&first).chain(&report.rivals) {
        let (passed, of) = rival.checks;
        let result = match &rival.outcome {
            Outcome::Faulted(why) => neutral::inline(why, 200),
            Outcome::Proposed
            | Outcome::Answered
            | Outcome::NothingChanged
            | Outcome::ChecksFailed
            | Outcome::Refused
            | Outcome::Secret
            | Outcome::Unresolved(_)
            | Outcome::AgentFailed
            | Outcome::SetupFailed(_)
            | Outcome::OutOfBudget(_)
            | Outcome::Stopped => rival.outcome.word().to_owned(),
        };
        let branch = rival.branch.as_ref().map_or_else(
            || "none".to_owned(),
            |(branch, _)| links.branch(&task.repo.name, branch),
        );
        let _ = writeln!(
            out,
            "| {} | {result} | {passed} of {of} | {} | ${} | {} | {branch} |",
            neutral::inline(&rival.agent, 80),
            files(rival.changed),
            rival.cost,
            rival.took,
        );
    }
    out
}

/// Returns what can be done about the limits that a job has met; empty when it has met none.
#[must_use]
pub fn remedies(report: &Report) -> String {
    let setup = match &report.outcome {
        Outcome::SetupFailed(evidence) => Some(evidence.ending),
        Outcome::Proposed
        | Outcome::Answered
        | Outcome::NothingChanged
        | Outcome::ChecksFailed
        | Outcome::Refused
        | Outcome::AgentFailed
        | Outcome::Stopped
        | Outcome::Secret
        | Outcome::Unresolved(_)
        | Outcome::OutOfBudget(_)
        | Outcome::Faulted(_) => None,
    };
    let run = report.run.as_ref().map(|run| run.ending);
    let checks = report.evidence.iter().map(|one| one.ending);
    let met: BTreeSet<_> = setup
        .into_iter()
        .chain(run)
        .chain(checks)
        .filter_map(remedy)
        .collect();
    met.into_iter().fold(String::new(), |mut out, remedy| {
        let _ = writeln!(out, "\n{remedy}");
        out
    })
}

/// Returns what can be done about a limit, by the people who read this.
const fn remedy(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::OutOfMemory => Some(
            "It needed more memory than one run may have, so part of it was killed. Ask for fewer things at once (`-j2`, a smaller test run), or ask whoever runs this server for a higher `memory_mib` in its `[limits]`.",
        ),
        Ending::DiskFull => Some(
            "It wrote more than one run may write, or the server's disk is nearly full, so it was killed. Ask whoever runs this server for a higher `disk_mib` in its `[limits]`, or for more room.",
        ),
        Ending::Exited(_) | Ending::Signalled(_) | Ending::TimedOut | Ending::Cancelled => None,
    }
}

/// Returns the end of a log, folded; empty when there is none.
#[must_use]
pub fn excerpt(title: &str, text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>{title}</summary>\n\n{}\n\n</details>\n",
        neutral::fenced(text)
    )
}

/// Returns the excerpts of the checks that failed, or of the last one when all passed.
#[must_use]
pub fn check_excerpts(evidence: &[Evidence]) -> String {
    let failed: Vec<_> = evidence.iter().filter(|e| !e.ending.succeeded()).collect();
    let chosen = if failed.is_empty() {
        evidence.last().into_iter().collect()
    } else {
        failed
    };
    chosen
        .iter()
        .map(|one| {
            let command = neutral::inline(&one.command, 120);
            let shown = excerpt("End of its output", &one.excerpt);
            if shown.is_empty() {
                shown
            } else {
                format!("{command}\n{shown}\n")
            }
        })
        .collect()
}

/// Returns the changed paths as a list.
#[must_use]
pub fn changes(changes: &[Changed]) -> String {
    let mut out = String::new();
    for change in changes.iter().take(LISTED) {
        let (word, extra) = match &change.kind {
            ChangeKind::Added(entry) => ("added", mode_word(entry.mode)),
            ChangeKind::Modified(entry) => ("modified", mode_word(entry.mode)),
            ChangeKind::Deleted => ("deleted", ""),
        };
        let path = neutral::inline(&change.path.to_string(), 200);
        let _ = writeln!(out, "- {word} {path}{extra}");
    }
    if changes.len() > LISTED {
        let _ = writeln!(out, "- and {} more", changes.len() - LISTED);
    }
    out
}

/// Returns what was left out of the change and why, as a list; empty when nothing was.
#[must_use]
pub fn left_out(report: &Report) -> String {
    let protected = report.protected.iter().map(|(path, pattern)| {
        let path = neutral::inline(&path.to_string(), 200);
        format!("- {path}: protected by {}\n", neutral::inline(pattern, 200))
    });
    let refused = report.refused.iter().map(|refusal| {
        let path = neutral::inline(&refusal.path.to_string(), 200);
        format!("- {path}: {}\n", reason(refusal.reason))
    });
    let all: Vec<_> = protected.chain(refused).collect();
    let mut out: String = all.iter().take(LISTED).map(String::as_str).collect();
    if all.len() > LISTED {
        let _ = writeln!(out, "- and {} more", all.len() - LISTED);
    }
    out
}

/// Returns where the change says secrets and what to do, as a list; empty when it says none. The
/// secrets themselves are never in it.
#[must_use]
pub fn leaks(report: &Report) -> String {
    if report.leaks.is_empty() {
        return String::new();
    }
    let mut out = "\nNothing of the change was put on GitHub, on no branch either, since a secret that is pushed is a secret that is lost. It says:\n\n".to_owned();
    for leak in report.leaks.iter().take(LISTED) {
        let path = neutral::inline(&leak.path.to_string(), 200);
        let place = match leak.line {
            Some(line) => format!("{path}, line {line}"),
            None => format!("the name {path}"),
        };
        let _ = writeln!(out, "- {place}: {}", leak.what);
    }
    if report.leaks.len() > LISTED {
        let _ = writeln!(out, "- and {} more", report.leaks.len() - LISTED);
    }
    out.push_str(
        "\nIf one of them is real, find out how the agent came by it, and revoke it. If they are test data, \
         name their paths under `[secrets]` `allow` in `.github/prova.toml` on the default branch. Then ask again.\n",
    );
    out
}

/// Returns `1 file` or `N files`.
#[must_use]
pub fn files(count: usize) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}

const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::File => "",
        Mode::Executable => " (executable)",
        Mode::Link => " (link)",
    }
}

/// Returns why something was left out, in words.
#[must_use]
pub const fn reason(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::NestedGit => "a repository inside the repository",
        RefusalReason::SpecialFile => "a device, pipe or socket",
        RefusalReason::EscapingLink => "a link that leads out of the repository",
        RefusalReason::HostileName => "a name that git refuses or that harms some systems",
        RefusalReason::NotUtf8 => "a name that is not UTF-8, which GitHub's API cannot carry",
        RefusalReason::TooLarge => "too large",
        RefusalReason::HostileModules => "a `.gitmodules` that git refuses",
        RefusalReason::CaseCollision => "differs from another name only in case",
        RefusalReason::TooDeep => "nested too deep",
        RefusalReason::TooMany => "too many files; the rest was not read",
        RefusalReason::Unreadable => "could not be read",
    }
}
