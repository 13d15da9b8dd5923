//! What a person sees, as text: for snapshots, and to compare how two runs ended.

use std::fmt::Write as _;

use crate::simulator::error::SimError;
use crate::simulator::git::trees::Change;
use crate::simulator::world::World;
use crate::simulator::world::checks::CheckedBy;
use crate::simulator::world::comments::Reaction;
use crate::simulator::world::pulls::Pull;
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;
use crate::simulator::world::reviews::Verdict;
use crate::simulator::world::threads::{Fate, Thread};

/// One thread: title, state, labels, body, what is in it, and the conversation.
pub(crate) fn thread(world: &World, repo: u64, number: u64) -> Result<String, SimError> {
    let repository = world.repository(repo)?;
    let thread = world.thread(repo, number)?;
    let mut text = String::new();
    header(&mut text, thread);
    if let Some(pull) = &thread.pull {
        branches(&mut text, thread, pull);
    }
    block(
        &mut text,
        thread.body.as_deref().unwrap_or("(no description)"),
    );
    reactions(&mut text, &thread.reactions);
    if let Some(pull) = &thread.pull {
        contents(&mut text, repository, pull)?;
    }
    conversation(&mut text, thread);
    Ok(text)
}

// Writing to a `String` cannot fail, so the results of `writeln!` are dropped in this file.

fn header(text: &mut String, thread: &Thread) {
    let kind = if thread.pull.is_some() {
        "pull request"
    } else {
        "issue"
    };
    let _ = writeln!(text, "# {} (#{})", thread.title, thread.number);
    let merged = thread.pull.as_ref().and_then(|pull| pull.merged.as_ref());
    let state = if merged.is_some() {
        "merged"
    } else {
        thread.state()
    };
    let _ = write!(text, "{state} {kind} by {}", thread.author);
    if let Some(merged) = merged {
        let _ = write!(text, ", merged by {}", merged.by);
    } else if let Some(closed) = thread.closed.as_ref().filter(|_| thread.pull.is_none()) {
        let _ = write!(text, " ({})", closed.reason);
    }
    if thread.locked {
        text.push_str(", locked");
    }
    text.push('\n');
    if !thread.labels.is_empty() {
        let _ = writeln!(text, "labels: {}", thread.labels.join(", "));
    }
    if !thread.assignees.is_empty() {
        let _ = writeln!(text, "assignees: {}", thread.assignees.join(", "));
    }
}

fn branches(text: &mut String, thread: &Thread, pull: &Pull) {
    let draft = if pull.draft && thread.closed.is_none() {
        ", draft"
    } else {
        ""
    };
    let _ = writeln!(text, "{} -> {}{draft}", pull.head, pull.base);
    if !pull.requested_reviewers.is_empty() {
        let _ = writeln!(
            text,
            "review asked of: {}",
            pull.requested_reviewers.join(", ")
        );
    }
}

fn block(text: &mut String, body: &str) {
    text.push('\n');
    for line in body.lines() {
        let _ = writeln!(text, "{}", format!("  {line}").trim_end());
    }
}

fn reactions(text: &mut String, reactions: &[Reaction]) {
    for reaction in reactions {
        let _ = writeln!(text, "  [{} {}]", reaction.content, reaction.user);
    }
}

fn contents(text: &mut String, repository: &Repository, pull: &Pull) -> Result<(), SimError> {
    let contents = repository.contents(&pull.base_sha, &pull.head_sha)?;
    text.push_str("\nfiles:\n");
    for change in &contents.changes {
        let _ = writeln!(text, "  {}", changed(change));
    }
    text.push_str("commits:\n");
    for commit in &contents.commits {
        let verified = if repository.verified.contains(&commit.sha) {
            "verified"
        } else {
            "unverified"
        };
        let _ = writeln!(text, "  by {} ({verified})", commit.author.name);
        for line in commit.message.lines() {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
    }
    let runs = repository
        .check_runs
        .iter()
        .filter(|run| run.head_sha == pull.head_sha);
    for (at, run) in runs.enumerate() {
        if at == 0 {
            text.push_str("checks:\n");
        }
        let state = run.conclusion.as_deref().unwrap_or(&run.status);
        let title = run.title.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "{}",
            format!("  {}: {state} {title}", run.name).trim_end()
        );
        for line in run.summary.as_deref().unwrap_or_default().lines() {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
    }
    Ok(())
}

fn changed(change: &Change) -> String {
    let status = render::commits::status(change);
    match (&change.before, &change.after) {
        (Some(before), Some(after)) if before.mode != after.mode => {
            format!(
                "{status} {} ({} -> {})",
                change.path,
                before.api_mode(),
                after.api_mode()
            )
        }
        (_, Some(after)) => format!("{status} {} ({})", change.path, after.api_mode()),
        (_, None) => format!("{status} {}", change.path),
    }
}

/// Comments, reviews and comments on lines in the order in which they were made.
fn conversation(text: &mut String, thread: &Thread) {
    let mut said: Vec<(u64, String, &str, &[Reaction])> = Vec::new();
    for comment in &thread.comments {
        let edited = if comment.updated_at > comment.created_at {
            " (edited)"
        } else {
            ""
        };
        let head = format!("{} commented{edited}", comment.author);
        said.push((comment.id, head, &comment.body, &comment.reactions));
    }
    if let Some(pull) = &thread.pull {
        for review in &pull.reviews {
            let is_shell = review.body.is_empty()
                && review.verdict == Verdict::Comment
                && pull
                    .review_comments
                    .iter()
                    .any(|comment| comment.review == review.id);
            if !is_shell {
                let verdict = review.state().to_lowercase().replace('_', " ");
                let head = format!("{} reviewed: {verdict}", review.author);
                said.push((review.id, head, &review.body, &[]));
            }
        }
        for comment in &pull.review_comments {
            let verb = if comment.in_reply_to.is_some() {
                "replied"
            } else {
                "commented"
            };
            let resolved = if pull.resolved.contains(&comment.id) {
                " (resolved)"
            } else {
                ""
            };
            let head = format!(
                "{} {verb} on {}:{}{resolved}",
                comment.author, comment.path, comment.line
            );
            said.push((comment.id, head, &comment.body, &comment.reactions));
        }
    }
    said.sort_by_key(|(id, ..)| *id);
    for (_, head, body, given) in said {
        let _ = writeln!(text, "\n--- {head}");
        block(text, body);
        reactions(text, given);
    }
}

/// Everything a person would see in a repository, without ids and times: two runs that ended alike
/// give the same text.
pub(crate) fn final_state(world: &World, repo: u64) -> Result<String, SimError> {
    let repository = world.repository(repo)?;
    let mut text = String::new();
    for (name, sha) in &repository.refs {
        let Some(commit) = repository.objects.commit(sha)? else {
            continue;
        };
        let subject = commit.message.lines().next().unwrap_or_default();
        let _ = writeln!(text, "{name}: tree {} \"{subject}\"", commit.tree);
    }
    for number in repository.threads.keys() {
        let present = repository
            .threads
            .get(number)
            .is_some_and(|one| one.fate == Fate::Present);
        if present {
            let _ = write!(text, "\n{}", thread(world, repo, *number)?);
        } else {
            let _ = writeln!(text, "\n#{number} is gone");
        }
    }
    without_ids(repository, &text)
}

/// The pages of the App's check runs, without ids.
pub(crate) fn check_runs(world: &World, repo: u64) -> Result<String, SimError> {
    let repository = world.repository(repo)?;
    let runs = repository.check_runs.iter();
    let mut text = String::new();
    for run in runs.filter(|run| run.by == CheckedBy::App) {
        let state = run.conclusion.as_deref().unwrap_or(&run.status);
        let title = run.title.as_deref().unwrap_or_default();
        let _ = writeln!(text, "{} on {}: {state}", run.name, run.head_sha);
        block(&mut text, title);
        block(&mut text, run.summary.as_deref().unwrap_or_default());
        text.push('\n');
        for note in &run.annotations {
            let field = |name: &str| note[name].as_str().unwrap_or_default();
            let column = note["start_column"].as_u64();
            let column = column.map_or_else(String::new, |column| format!(":{column}"));
            let _ = writeln!(
                text,
                "  {}:{}{column} {}: {}\n    ({})",
                field("path"),
                note["start_line"],
                field("annotation_level"),
                field("message"),
                field("title"),
            );
        }
        let labels = run.actions.iter();
        let labels = labels.filter_map(|action| action["label"].as_str());
        let buttons: Vec<_> = labels.map(|label| format!("[{label}]")).collect();
        let _ = writeln!(text, "  {}\n", buttons.join(" "));
    }
    without_ids(repository, &text)
}

/// Replaces commit ids (in full or abbreviated to seven or more) and ids of comments in links.
fn without_ids(repository: &Repository, text: &str) -> Result<String, SimError> {
    let mut shas = Vec::new();
    for sha in repository.refs.values() {
        shas.extend(repository.objects.ancestors(sha)?);
    }
    let pulls = repository
        .threads
        .values()
        .filter_map(|thread| thread.pull.as_ref());
    shas.extend(pulls.map(|pull| pull.head_sha.clone()));
    let is_commit = |word: &str| word.len() >= 7 && shas.iter().any(|sha| sha.starts_with(word));
    let mut clean = String::with_capacity(text.len());
    let mut word = String::new();
    // The sentinel at the end flushes the last word.
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() {
            word.push(character);
            continue;
        }
        let is_id = word.bytes().all(|byte| byte.is_ascii_digit())
            && ["issuecomment-", "discussion_r", "pullrequestreview-"]
                .iter()
                .any(|mark| clean.ends_with(mark));
        clean.push_str(if is_commit(&word) {
            "<commit>"
        } else if is_id {
            "<id>"
        } else {
            &word
        });
        word.clear();
        clean.push(character);
    }
    clean.pop();
    Ok(clean)
}
