//! What came of a run: for people, and as one JSON object.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::output::{Output, Style, columns, one_line, printable};
use crate::domain::change::{ChangeKind, Mode};
use crate::domain::evidence::{Claim, Ending, Evidence};
use crate::domain::render::parts::{files, reason};
use crate::domain::render::spend;
use crate::domain::report::{self, Changed, Report};
use crate::domain::task::{State, Task};

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A complete change with green checks, or none to run, stands on a branch.
    Proposed,
    /// Anything else.
    Otherwise,
}

/// A run that has come to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// The task as it is now.
    pub(crate) task: &'a Task,
    /// The repository's directory.
    pub(crate) root: &'a Path,
    /// The temporary directory, when it stays.
    pub(crate) kept: Option<&'a Path>,
}

impl Run<'_> {
    /// Returns what the exit code says: only what was observed counts.
    pub(crate) fn outcome(&self) -> Outcome {
        let last = self.task.last.as_ref().map(|report| &report.outcome);
        let proposed = matches!(last, Some(report::Outcome::Proposed));
        if proposed && self.task.state == State::InReview && self.commit().is_some() {
            Outcome::Proposed
        } else {
            Outcome::Otherwise
        }
    }

    /// Shows the result.
    pub(crate) fn show(&self, output: &Output, as_json: bool) {
        if as_json {
            output.json(&self.json());
            return;
        }
        let Some(report) = &self.task.last else {
            output.line(&format!("The task is {}.", self.task.state.word()));
            return;
        };
        self.headline(output, report);
        list(output, "changed", &changed(report));
        list(output, "left out", &left_out(report));
        if let report::Outcome::SetupFailed(evidence) = &report.outcome {
            quote(output, "end of its output", &evidence.excerpt);
        }
        list(output, "checks", &checks(&report.evidence));
        if report.evidence.is_empty() {
            output.line("\nchecks: none ran");
        }
        for evidence in failed(report) {
            let title = format!("end of the output of {}", one_line(&evidence.command));
            quote(output, &title, &evidence.excerpt);
        }
        self.agent(output, report);
        if let Some(claim) = &report.claim {
            claimed(output, claim);
        }
        if let Some(branch) = self.branch() {
            let (repo, base) = (quoted(&self.root.to_string_lossy()), self.base());
            output.line("\nlook at it:");
            output.line(&format!(
                "  git -C {repo} log -p {}..{}",
                quoted(base),
                quoted(branch)
            ));
            output.line(&format!(
                "  git -C {repo} diff {}...{}",
                quoted(base),
                quoted(branch)
            ));
        }
    }

    fn headline(&self, output: &Output, report: &Report) {
        let (style, word) = headline(&report.outcome);
        let word = output.paint(style, word);
        output.line(&match (self.branch(), self.commit()) {
            (Some(branch), Some(commit)) => format!(
                "{word}: {} on {} as {commit}",
                files(report.changes.len()),
                output.paint(Style::Strong, branch),
            ),
            _ => format!("{word}: no branch was made"),
        });
        if let Some(why) = why(&report.outcome) {
            output.line(printable(&why).trim_end());
        }
    }

    fn agent(&self, output: &Output, report: &Report) {
        for over in &report.passed_over {
            let agent = one_line(&over.agent);
            output.line(&format!(
                "\nagent {agent} could not be used: {}",
                over.why()
            ));
        }
        let Some(run) = &report.run else {
            return;
        };
        output.line(&format!(
            "\nagent {}: {} after {}, sandbox {}, from {} ({})",
            one_line(&run.agent),
            run.ending,
            run.took,
            run.sandbox,
            run.base,
            one_line(self.base()),
        ));
        if !run.ending.succeeded() {
            quote(output, "end of its output", &run.excerpt);
        }
    }

    fn base(&self) -> &str {
        &self.task.repo.default_branch
    }

    /// Returns the commit, once the branch was seen to point at it.
    fn commit(&self) -> Option<&str> {
        let (commit, _) = self.task.last.as_ref()?.commit.as_ref()?;
        (self.task.head.as_ref() == Some(commit)).then(|| commit.as_str())
    }

    fn branch(&self) -> Option<&str> {
        self.commit().map(|_| self.task.branch.as_str())
    }

    fn json(&self) -> Value {
        let report = self.task.last.as_ref();
        let run = report.and_then(|report| report.run.as_ref());
        let evidence = report.map_or(&[][..], |report| &report.evidence);
        json!({
            "outcome": report.map_or(self.task.state.word(), |report| report.outcome.word()),
            "why": report.and_then(|report| why(&report.outcome)),
            "repository": self.root.to_string_lossy(),
            "task": self.task.id,
            "base": { "branch": self.base(), "commit": run.map(|run| &run.base) },
            "branch": self.branch(),
            "commit": self.commit(),
            "changes": report.map_or_else(Vec::new, |report| report.changes.iter().map(changed_json).collect()),
            "left_out": report.map_or_else(Vec::new, |report| left_out(report).iter().map(|row| {
                json!({ "path": row.first(), "why": row.get(1) })
            }).collect()),
            "checks": evidence.iter().map(evidence_json).collect::<Vec<_>>(),
            "agent": run.map(|run| json!({
                "name": run.agent,
                "ending": run.ending.to_string(),
                "exit_code": exit_code(run.ending),
                "milliseconds": run.took.as_millis(),
                "sandbox": run.sandbox,
                "output_end": run.excerpt,
                "log_sha256": run.log_digest,
                "brief_sha256": run.brief_digest,
            })),
            "passed_over": report.map_or_else(Vec::new, |report| report.passed_over.iter().map(|over| {
                json!({ "name": over.agent, "why": over.why() })
            }).collect()),
            "claim": report.and_then(|report| report.claim.as_ref()),
            "kept": self.kept.map(|path| path.to_string_lossy()),
        })
    }
}

/// Returns how an outcome is called.
const fn headline(outcome: &report::Outcome) -> (Style, &'static str) {
    match outcome {
        report::Outcome::Proposed => (Style::Good, "Proposed"),
        report::Outcome::Answered => (Style::Good, "Answered"),
        report::Outcome::NothingChanged => (Style::Bad, "Nothing changed"),
        report::Outcome::ChecksFailed => (Style::Bad, "Checks failed"),
        report::Outcome::Refused => (Style::Bad, "Refused"),
        report::Outcome::Secret => (Style::Bad, "A secret in the change"),
        report::Outcome::Unresolved(_) => (Style::Bad, "Conflicts are left"),
        report::Outcome::AgentFailed => (Style::Bad, "The agent failed"),
        report::Outcome::SetupFailed(_) => (Style::Bad, "Setup failed"),
        report::Outcome::OutOfBudget(_) => (Style::Bad, "Out of budget"),
        report::Outcome::Stopped => (Style::Bad, "Stopped"),
        report::Outcome::Faulted(_) => (Style::Bad, "Failed"),
    }
}

/// Returns why it came to an outcome, where its name does not say it all.
fn why(outcome: &report::Outcome) -> Option<String> {
    let why = match outcome {
        report::Outcome::Proposed | report::Outcome::Answered | report::Outcome::Stopped => {
            return None;
        }
        report::Outcome::NothingChanged => "The agent ended well and left every file as it was.",
        report::Outcome::ChecksFailed => {
            "Not every check passes, so no pull request would be opened."
        }
        report::Outcome::Refused => {
            "The agent left things that may not be published. Without them the change is not whole, so no pull request would be opened."
        }
        report::Outcome::Secret => {
            "What looks like a secret is in the change, so nothing of it would be pushed."
        }
        report::Outcome::Unresolved(_) => "Conflict markers are left, so nothing would be pushed.",
        report::Outcome::AgentFailed => "No pull request would be opened.",
        report::Outcome::SetupFailed(evidence) => {
            let Evidence {
                command, ending, ..
            } = evidence;
            return Some(format!(
                "`{command}` ended with {ending}, so the agent was not started."
            ));
        }
        report::Outcome::OutOfBudget(exceeded) => return Some(spend::exceeded(exceeded)),
        report::Outcome::Faulted(why) => why,
    };
    Some(why.to_owned())
}

fn changed(report: &Report) -> Vec<Vec<String>> {
    let rows = report.changes.iter().map(|change| {
        let (word, entry) = what(change);
        let mode = match entry {
            Some(Mode::Executable) => "(executable)",
            Some(Mode::Link) => "(link)",
            Some(Mode::File) | None => "",
        };
        vec![word.to_owned(), change.path.to_string(), mode.to_owned()]
    });
    rows.collect()
}

fn changed_json(change: &Changed) -> Value {
    let (word, mode) = what(change);
    json!({ "path": change.path, "change": word, "mode": mode.map(Mode::octal) })
}

const fn what(change: &Changed) -> (&'static str, Option<Mode>) {
    match &change.kind {
        ChangeKind::Added(entry) => ("added", Some(entry.mode)),
        ChangeKind::Modified(entry) => ("modified", Some(entry.mode)),
        ChangeKind::Deleted => ("deleted", None),
    }
}

fn left_out(report: &Report) -> Vec<Vec<String>> {
    let protected = report.protected.iter();
    let protected =
        protected.map(|(path, by)| vec![path.to_string(), format!("protected by {by}")]);
    let refused = report.refused.iter();
    let refused = refused.map(|one| vec![one.path.to_string(), reason(one.reason).to_owned()]);
    protected.chain(refused).collect()
}

fn checks(evidence: &[Evidence]) -> Vec<Vec<String>> {
    let rows = evidence.iter().map(|one| {
        let mark = if one.ending.succeeded() {
            "ok"
        } else {
            "FAILED"
        };
        vec![
            mark.to_owned(),
            one.command.clone(),
            one.ending.to_string(),
            one.took.to_string(),
        ]
    });
    rows.collect()
}

fn failed(report: &Report) -> impl Iterator<Item = &Evidence> {
    report.evidence.iter().filter(|one| !one.ending.succeeded())
}

fn evidence_json(one: &Evidence) -> Value {
    json!({
        "command": one.command,
        "passed": one.ending.succeeded(),
        "ending": one.ending.to_string(),
        "exit_code": exit_code(one.ending),
        "milliseconds": one.took.as_millis(),
        "output_end": one.excerpt,
        "log_sha256": one.log_digest,
    })
}

const fn exit_code(ending: Ending) -> Option<i32> {
    match ending {
        Ending::Exited(code) => Some(code),
        Ending::Signalled(_)
        | Ending::TimedOut
        | Ending::Cancelled
        | Ending::OutOfMemory
        | Ending::DiskFull => None,
    }
}

fn claimed(output: &Output, claim: &Claim) {
    let said: Vec<&str> = [&claim.title, &claim.summary, &claim.notes]
        .into_iter()
        .filter_map(|text| text.as_deref())
        .filter(|text| !text.trim().is_empty())
        .collect();
    quote(
        output,
        "what the agent says (not verified)",
        &said.join("\n\n"),
    );
}

fn list(output: &Output, title: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    output.line(&format!("\n{title}:"));
    for row in columns(&[], rows).iter().skip(1) {
        output.line(&format!("  {row}"));
    }
}

/// Shows text of others set in, so that it cannot be taken for ours.
fn quote(output: &Output, title: &str, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    output.line(&format!("\n{title}:"));
    for line in printable(text.trim_end()).lines() {
        output.line(&output.paint(Style::Aside, &format!("  | {line}")));
    }
}

/// Writes a word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", printable(word).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("/srv/x-1.git"), "/srv/x-1.git");
        assert_eq!(quoted("it's $(here)"), "'it'\\''s $(here)'");
    }
}
