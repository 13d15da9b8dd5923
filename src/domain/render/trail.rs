//! Where what a task has made can be looked at: the last line of its status comment.

use crate::domain::render::parts::Links;
use crate::domain::task::{State, Task};

/// Returns branch, pull request, check run, cost and log of the last job, as one small line; empty while
/// there is nothing to look at.
///
/// What is elsewhere in the text, too, is here again: whoever looks for it finds it in one place. The
/// branch of a person's pull request is theirs, and that of a task that is over may be gone.
#[must_use]
pub fn trail(task: &Task, links: &Links) -> String {
    let own = task.home.is_own().then_some(&task.branch);
    let branch = own.filter(|_| task.head.is_some() && !task.state.is_over());
    let branch = branch.map(|branch| links.branch(&task.repo.name, branch));
    let elsewhere = |number: &_| *number != task.id.thread.number;
    let pull = task.pull.filter(elsewhere).map(|it| format!("#{it}"));
    let parts = [branch, pull]
        .into_iter()
        .flatten()
        .chain(of_job(task, links));
    let parts = parts.collect::<Vec<_>>().join(" · ");
    if parts.is_empty() {
        return parts;
    }
    format!("<sub>{parts}</sub>")
}

/// What is to be seen of the job that runs, or of the one that has ended.
fn of_job(task: &Task, links: &Links) -> Vec<String> {
    if task.state.is_busy() {
        // A commit that no job makes has no steps.
        let made_here = task.state == State::Publishing
            && (task.footing.is_updating() || task.undone.is_some());
        let steps = links.steps(task.job()).filter(|_| !made_here);
        return steps.into_iter().collect();
    }
    let Some(report) = &task.last else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    if let (Some((commit, _)), true) = (&report.commit, task.home.takes_commits()) {
        parts.push(links.checks(&task.repo.name, commit));
    }
    if !report.traffic.models.is_empty() {
        parts.push(format!("cost: ${}", report.traffic.cost()));
    }
    if report.run.is_some() {
        let by_hand = || format!("log: `prova tasks log {}`", report.job);
        parts.push(links.log(report.job).unwrap_or_else(by_hand));
    }
    parts
}
