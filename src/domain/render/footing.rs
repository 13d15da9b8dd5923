//! How the branch of a task stands to its base, in words.

use std::fmt::Write as _;

use crate::domain::change::RepoPath;
use crate::domain::footing::{Came, Stand};
use crate::domain::ids::Login;
use crate::domain::render::parts::Links;
use crate::domain::sanitize::neutral;
use crate::domain::task::{State, Task};

/// How many conflicting paths a text lists before it only counts.
const LISTED: usize = 20;

/// Returns what stands in the status comment, as a paragraph; empty when a person need do nothing.
///
/// A base that moved on and merges is the usual case, and is not told: the comments of all branches
/// would be edited with every push to it.
#[must_use]
pub fn line(task: &Task, links: &Links) -> String {
    match (&task.footing.stand, &task.state) {
        (_, State::Merged | State::Closed | State::Answered)
        | (Stand::Conflicting(_), State::Publishing) => String::new(),
        (Stand::Unknown | Stand::UpToDate | Stand::Behind { .. }, _) => String::new(),
        (Stand::Conflicting(paths), State::Queued | State::Running) => {
            format!("**Conflicts** with {} in {}.\n", base(task), listed(paths))
        }
        (Stand::Conflicting(paths), State::InReview | State::Blocked | State::Stopped) => format!(
            "**Conflicts** with {} in {}. {} has an agent resolve them.\n",
            base(task),
            listed(paths),
            links.command("rebase")
        ),
        (Stand::BaseGone, _) => format!(
            "**The base is gone**: there is no branch {} any more. Bring it back, or give the pull request another base.\n",
            base(task)
        ),
    }
}

/// Returns how the branch stands, for whoever asks; empty when nobody has looked.
#[must_use]
pub fn standing(task: &Task, links: &Links) -> String {
    match &task.footing.stand {
        Stand::Behind { .. } => format!(
            "{} has moved on, and merges without conflicts. {} brings it into the branch.\n",
            base(task),
            links.command("rebase")
        ),
        Stand::UpToDate => format!("The branch has everything of {}.\n", base(task)),
        Stand::Unknown | Stand::Conflicting(_) | Stand::BaseGone => String::new(),
    }
}

/// Tells of the last merge of the base, as a paragraph; empty when there was none.
#[must_use]
pub fn update(task: &Task, links: &Links) -> String {
    let Some(update) = &task.footing.update else {
        return String::new();
    };
    match &update.came {
        Came::OnItsWay => String::new(),
        Came::Made(with) => {
            let checks = task.last.as_ref().map_or(0, |last| last.evidence.len());
            let before = match checks {
                0 => "",
                _ => " The checks here ran before that.",
            };
            format!(
                "{} was merged into the branch by {}, without conflicts.{before}\n\n",
                base(task),
                links.commit(&task.repo.name, with)
            )
        }
        Came::Not(why) => format!(
            "{} could not be merged into the branch: {why}\n\n",
            base(task)
        ),
    }
}

/// Tells that the last job merged the base, as a paragraph; empty when it did something else.
#[must_use]
pub fn resolved(task: &Task) -> String {
    match &task.work.resolve {
        Some(onto) => format!(
            "That merges {} into the branch, with the conflicts resolved by the agent.\n\n",
            neutral::inline(onto, 100)
        ),
        None => String::new(),
    }
}

/// Answers whoever asked for a merge that has ended.
#[must_use]
pub fn made(task: &Task, links: &Links) -> String {
    update(task, links).trim_end().to_owned()
}

/// Answers whoever asked before somebody else did.
#[must_use]
pub fn taken_over(by: &Login) -> String {
    format!("@{by} has asked for the same since; what comes of it is said there.")
}

/// Answers whoever asked where nothing is to be merged.
#[must_use]
pub fn nothing(task: &Task, links: &Links) -> String {
    let branch = links.branch(&task.repo.name, &task.branch);
    match &task.footing.stand {
        Stand::BaseGone => line(task, links).trim_end().to_owned(),
        Stand::Unknown => format!(
            "There is no branch {branch} to bring up to date any more, so nothing was done."
        ),
        Stand::UpToDate | Stand::Behind { .. } | Stand::Conflicting(_) => format!(
            "{branch} has everything of {} already, so nothing was done.",
            base(task)
        ),
    }
}

/// Answers whoever asked where an agent has to resolve conflicts.
#[must_use]
pub fn resolving(task: &Task) -> String {
    let paths = match &task.footing.stand {
        Stand::Conflicting(paths) => listed(paths),
        Stand::Unknown | Stand::UpToDate | Stand::Behind { .. } | Stand::BaseGone => String::new(),
    };
    format!(
        "{} conflicts with the branch in {paths}. An agent resolves that; the status comment on #{} says how far it is.",
        base(task),
        task.id.thread.number
    )
}

/// Tells that the base is not there whose conflicts are to be resolved.
#[must_use]
pub fn no_base(onto: &str) -> String {
    format!(
        "There is no branch {} any more, so there is nothing to merge.",
        neutral::inline(onto, 100)
    )
}

/// Tells that the conflicts that were to be resolved are gone.
#[must_use]
pub fn merges_now(onto: &str, links: &Links) -> String {
    format!(
        "{} merges without conflicts by now, so no agent was started. {} brings it into the branch.",
        neutral::inline(onto, 100),
        links.command("rebase")
    )
}

/// Tells that what was to be merged is in the branch.
#[must_use]
pub fn merged_by_now(onto: &str) -> String {
    format!(
        "The branch has everything of {} by now, so no agent was started.",
        neutral::inline(onto, 100)
    )
}

/// Returns how the branch stands, in a word or two for the log.
#[must_use]
pub fn found(task: &Task) -> String {
    let base = task.base();
    match &task.footing.stand {
        Stand::Unknown => format!("not compared with {base}"),
        Stand::UpToDate => format!("up to date with {base}"),
        Stand::Behind { .. } => format!("behind {base}, without conflicts"),
        Stand::Conflicting(paths) => format!("{} conflicts with {base}", paths.len()),
        Stand::BaseGone => format!("its base {base} is gone"),
    }
}

fn base(task: &Task) -> String {
    neutral::inline(task.base(), 100)
}

/// Lists paths.
#[must_use]
pub fn listed(paths: &[RepoPath]) -> String {
    let each: Vec<_> = (paths.iter().take(LISTED))
        .map(|path| neutral::inline(&path.to_string(), 200))
        .collect();
    let mut out = each.join(", ");
    if paths.len() > LISTED {
        let _ = write!(out, " and {} more", paths.len() - LISTED);
    }
    out
}
