//! Reviews of pull requests, and comments on their lines.

use serde_json::Value;

use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::api::{Call, number, reactions};
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::comments::Subject;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;
use crate::simulator::world::reviews::{Line, ReviewDraft, Verdict};

/// Routes `pulls/comments/...` and `pulls/{number}/{comments,reviews,requested_reviewers}`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    if let (_, ["comments", id, "reactions", rest @ ..]) = (call.method(), rest) {
        return reactions::route(call, Subject::ReviewComment(number(id)?), rest);
    }
    if call.method() == "GET" {
        call.need(&["pull_requests"], Access::Read)?;
    } else {
        call.need_write(&["pull_requests"])?;
    }
    let (bot, repo) = (call.bot(), call.repo);
    match (call.method(), rest) {
        ("GET", ["comments", id]) => Ok(Reply::ok(comment(call, number(id)?)?)),
        ("PATCH", ["comments", id]) => {
            let body = call.incoming.required("body")?;
            call.world
                .edit_review_comment(repo, number(id)?, &bot, body)?;
            Ok(Reply::ok(comment(call, number(id)?)?))
        }
        ("DELETE", ["comments", id]) => {
            call.world.delete_review_comment(repo, number(id)?, &bot)?;
            Ok(Reply::no_content())
        }
        ("GET", [id, "comments"]) => comments(call, number(id)?),
        ("POST", [id, "comments"]) => {
            let body = call.incoming.required("body")?;
            let id = if let Some(to) = call.incoming.json.field("in_reply_to").as_u64() {
                call.world.reply(repo, number(id)?, &bot, (to, body))?
            } else {
                let line = call.incoming.json.field("line").as_u64().unwrap_or(1);
                let line = Line {
                    path: call.incoming.required("path")?,
                    start: call.incoming.json.field("start_line").as_u64(),
                    end: line,
                };
                call.world
                    .comment_on_line(repo, number(id)?, &bot, (line, body))?
            };
            Ok(Reply::created(comment(call, id)?))
        }
        ("POST", [id, "comments", to, "replies"]) => {
            let body = call.incoming.required("body")?;
            let id = call
                .world
                .reply(repo, number(id)?, &bot, (number(to)?, body))?;
            Ok(Reply::created(comment(call, id)?))
        }
        ("GET", [id, "reviews"]) => reviews(call, number(id)?),
        ("POST", [id, "reviews"]) => {
            let verdict = match call.incoming.text("event") {
                Some("APPROVE") => Verdict::Approve,
                Some("REQUEST_CHANGES") => Verdict::RequestChanges,
                Some(_) | None => Verdict::Comment,
            };
            let body = call.incoming.text("body").unwrap_or_default();
            let id = number(id)?;
            let lines = draft_lines(call, id)?;
            let lines: Vec<_> = lines.iter().map(|(at, say)| (&**at, &**say)).collect();
            if body.is_empty() && lines.is_empty() && verdict != Verdict::Approve {
                let why = "Body is too short (minimum is 1 character)";
                return Err(SimError::unprocessable(why));
            }
            let draft = ReviewDraft {
                verdict,
                body,
                lines: &lines,
            };
            let (review, _) = call.world.submit_review(repo, id, &bot, draft)?;
            Ok(Reply::ok(review_of(call, id, review)?))
        }
        ("POST", [id, "requested_reviewers"]) => request_reviewers(call, number(id)?),
        _ => Err(SimError::not_found()),
    }
}

fn comment(call: &Call<'_>, id: u64) -> Result<Value, SimError> {
    let (thread, comment) = call.world.find_review_comment(call.repo, id)?;
    Ok(render::pulls::review_comment(
        call.world,
        call.repository()?,
        thread,
        comment,
    ))
}

fn comments(call: &Call<'_>, number: u64) -> Answer {
    let thread = call.world.thread(call.repo, number)?;
    let pull = thread.as_pull()?;
    let repository = call.repository()?;
    let each = pull.review_comments.iter();
    let mut items: Vec<_> = each
        .map(|one| render::pulls::review_comment(call.world, repository, thread, one))
        .collect();
    // GitHub ignores the direction without a key to sort by.
    let query = |name| call.incoming.query(name);
    if query("sort").is_some() && query("direction") == Some("desc") {
        items.reverse();
    }
    Ok(call.page(items))
}

fn reviews(call: &Call<'_>, number: u64) -> Answer {
    let thread = call.world.thread(call.repo, number)?;
    let pull = thread.as_pull()?;
    let repository = call.repository()?;
    let each = pull.reviews.iter();
    let items = each
        .map(|one| render::pulls::review(call.world, repository, thread, one))
        .collect();
    Ok(call.page(items))
}

/// The comments of a review to submit, as (`path:line`, text). GitHub takes all of them or none, and those
/// on lines that the diff shows alone.
fn draft_lines(call: &Call<'_>, number: u64) -> Result<Vec<(String, String)>, SimError> {
    let repository = call.repository()?;
    let pull = call.world.thread(call.repo, number)?.as_pull()?;
    if let Some(commit) = call.incoming.text("commit_id") {
        let contents = repository.contents(&pull.base_sha, &pull.head_sha)?;
        if !contents.commits.iter().any(|one| one.sha == commit) {
            let why = "commitOID is not part of the pull request";
            return Err(SimError::unprocessable(why));
        }
    }
    let comments = call.incoming.json.field("comments").as_array();
    let each = comments.into_iter().flatten().map(|comment| {
        let path = comment.field("path").as_str().unwrap_or_default();
        let line = comment.field("line").as_u64().unwrap_or(0);
        let body = comment.field("body").as_str().unwrap_or_default();
        if !repository.shows(pull, path, line)? {
            return Err(SimError::unprocessable("Line could not be resolved"));
        }
        Ok((format!("{path}:{line}"), body.to_owned()))
    });
    each.collect()
}

fn review_of(call: &Call<'_>, number: u64, id: u64) -> Result<Value, SimError> {
    let thread = call.world.thread(call.repo, number)?;
    let review = thread.as_pull()?.review(id)?;
    Ok(render::pulls::review(
        call.world,
        call.repository()?,
        thread,
        review,
    ))
}

fn request_reviewers(call: &mut Call<'_>, number: u64) -> Answer {
    let logins = call.incoming.texts("reviewers");
    let author = call.world.thread(call.repo, number)?.author.clone();
    if logins.contains(&author) {
        return Err(SimError::unprocessable(
            "Review cannot be requested from pull request author.",
        ));
    }
    let requested = &mut call.world.pull_mut(call.repo, number)?.requested_reviewers;
    requested.extend(logins);
    requested.dedup();
    let thread = call.world.thread(call.repo, number)?;
    Ok(Reply::created(render::pulls::short_pull(
        call.world,
        call.repository()?,
        thread,
    )))
}
