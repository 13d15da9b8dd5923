//! Pull requests, reviews and comments on lines as JSON.

use serde_json::{Map, Value, json};

use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::object;
use crate::simulator::world::pulls::Pull;
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;
use crate::simulator::world::reviews::{Review, ReviewComment};
use crate::simulator::world::threads::Thread;

/// What only a single pull request shows, not one in a list or beside a review.
const DETAILS: [&str; 12] = [
    "merged",
    "mergeable",
    "rebaseable",
    "mergeable_state",
    "merged_by",
    "comments",
    "review_comments",
    "maintainer_can_modify",
    "commits",
    "additions",
    "deletions",
    "changed_files",
];

/// A pull request in full. Line counts are only in the answer to a `GET`, which adds them.
pub(crate) fn pull(world: &World, repository: &Repository, thread: &Thread) -> Value {
    let Some(pull) = &thread.pull else {
        return Value::Null;
    };
    let mut value = common(world, repository, thread, pull);
    value.extend(object(json!({
        "merged": pull.merged.is_some(),
        // GitHub computes this in the background and says null until it knows.
        "mergeable": null,
        "rebaseable": null,
        "mergeable_state": if pull.draft { "draft" } else { "unknown" },
        "merged_by": pull.merged.as_ref().map(|merged| render::user(world, &merged.by)),
        "comments": thread.comments.len(),
        "review_comments": pull.review_comments.len(),
        "maintainer_can_modify": pull.maintainer_can_modify,
    })));
    let contents = repository.contents(&pull.base_sha, &pull.head_sha).ok();
    let commits = contents.as_ref().map(|contents| contents.commits.len());
    let files = contents.as_ref().map(|contents| contents.changes.len());
    value.insert("commits".to_owned(), json!(commits.unwrap_or(0)));
    value.insert("changed_files".to_owned(), json!(files.unwrap_or(0)));
    value.insert("additions".to_owned(), json!(0));
    value.insert("deletions".to_owned(), json!(0));
    Value::Object(value)
}

/// A pull request as lists and webhooks of reviews show it.
pub(crate) fn short_pull(world: &World, repository: &Repository, thread: &Thread) -> Value {
    let mut value = object(pull(world, repository, thread));
    value.retain(|key, _| !DETAILS.contains(&key.as_str()));
    Value::Object(value)
}

fn common(
    world: &World,
    repository: &Repository,
    thread: &Thread,
    pull: &Pull,
) -> Map<String, Value> {
    let (api, html) = (
        render::api(world, repository),
        render::html(world, repository),
    );
    let number = thread.number;
    let (url, page) = (
        format!("{api}/pulls/{number}"),
        format!("{html}/pull/{number}"),
    );
    let issue = render::issue(world, repository, thread);
    let user = |login: &String| render::user(world, login);
    let reviewers: Vec<Value> = pull.requested_reviewers.iter().map(user).collect();
    let statuses = format!("{api}/statuses/{}", pull.head_sha);
    let mut value = object(json!({
        "url": url,
        "id": pull.id,
        "node_id": format!("PR_{}", pull.id),
        "html_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "issue_url": format!("{api}/issues/{number}"),
        "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
        "comments_url": format!("{api}/issues/{number}/comments"),
        "statuses_url": statuses,
        "merged_at": pull.merged.as_ref().map(|merged| render::time(merged.at)),
        "merge_commit_sha": pull.merged.as_ref().map(|merged| merged.sha.clone()),
        "requested_reviewers": reviewers,
        "requested_teams": [],
        "draft": pull.draft,
        "auto_merge": null,
        "head": head(world, repository, pull),
        "base": side(world, repository, &pull.base, &pull.base_sha),
        "_links": {
            "self": {"href": url},
            "html": {"href": page},
            "issue": {"href": format!("{api}/issues/{number}")},
            "comments": {"href": format!("{api}/issues/{number}/comments")},
            "review_comments": {"href": format!("{url}/comments")},
            "review_comment": {"href": format!("{api}/pulls/comments{{/number}}")},
            "commits": {"href": format!("{url}/commits")},
            "statuses": {"href": statuses},
        },
    }));
    // The half that it shares with an issue.
    for key in [
        "number",
        "state",
        "locked",
        "active_lock_reason",
        "title",
        "user",
        "body",
        "labels",
        "milestone",
        "assignee",
        "assignees",
        "created_at",
        "updated_at",
        "closed_at",
        "author_association",
    ] {
        value.insert(key.to_owned(), issue.field(key).clone());
    }
    value
}

fn head(world: &World, repository: &Repository, pull: &Pull) -> Value {
    let mut side = side(world, repository, &pull.head, &pull.head_sha);
    if let Some(owner) = &pull.fork {
        let user = render::user(world, owner);
        let mut fork = side.field("repo").clone();
        // Nobody asks for it; it only must not be taken for the repository itself.
        fork.set("id", json!(pull.id + 1_000_000_000));
        fork.set("full_name", json!(format!("{owner}/{}", repository.name)));
        fork.set("fork", json!(true));
        fork.set("owner", user.clone());
        side.set("label", json!(format!("{owner}:{}", pull.head)));
        side.set("user", user);
        side.set("repo", fork);
    }
    side
}

fn side(world: &World, repository: &Repository, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", repository.owner),
        "ref": branch,
        "sha": sha,
        "user": render::user(world, &repository.owner),
        "repo": render::repository(world, repository),
    })
}

/// A review.
pub(crate) fn review(
    world: &World,
    repository: &Repository,
    thread: &Thread,
    review: &Review,
) -> Value {
    let page = format!("{}/pull/{}", render::html(world, repository), thread.number);
    let pull = format!("{}/pulls/{}", render::api(world, repository), thread.number);
    let html_url = format!("{page}#pullrequestreview-{}", review.id);
    json!({
        "id": review.id,
        "node_id": format!("PRR_{}", review.id),
        "user": render::user(world, &review.author),
        "body": review.body,
        "state": review.state(),
        "html_url": html_url,
        "pull_request_url": pull,
        "author_association": render::association(repository, &review.author),
        "_links": {"html": {"href": html_url}, "pull_request": {"href": pull}},
        "submitted_at": render::time(review.submitted_at),
        "commit_id": review.commit,
    })
}

/// A comment on a line.
pub(crate) fn review_comment(
    world: &World,
    repository: &Repository,
    thread: &Thread,
    comment: &ReviewComment,
) -> Value {
    let api = render::api(world, repository);
    let page = format!("{}/pull/{}", render::html(world, repository), thread.number);
    let url = format!("{api}/pulls/comments/{}", comment.id);
    let html_url = format!("{page}#discussion_r{}", comment.id);
    let pull = format!("{api}/pulls/{}", thread.number);
    let outdated = thread
        .pull
        .as_ref()
        .is_some_and(|pull| repository.is_outdated(pull, comment));
    let now = |line: Option<u64>| line.filter(|_| !outdated);
    let mut value = json!({
        "url": url,
        "pull_request_review_id": comment.review,
        "id": comment.id,
        "node_id": format!("PRRC_{}", comment.id),
        "diff_hunk": comment.hunk,
        "path": comment.path,
        "commit_id": comment.commit,
        "original_commit_id": comment.commit,
        "user": render::user(world, &comment.author),
        "body": comment.body,
        "created_at": render::time(comment.created_at),
        "updated_at": render::time(comment.updated_at),
        "html_url": html_url,
        "pull_request_url": pull,
        "author_association": render::association(repository, &comment.author),
        "_links": {
            "self": {"href": url},
            "html": {"href": html_url},
            "pull_request": {"href": pull},
        },
        "reactions": render::reactions(&url, &comment.reactions),
        "start_line": now(comment.start),
        "original_start_line": comment.start,
        "start_side": comment.start.map(|_| "RIGHT"),
        "line": now(Some(comment.line)),
        "original_line": comment.line,
        "side": "RIGHT",
        "position": now(Some(comment.line)),
        "original_position": comment.line,
        "subject_type": "line",
    });
    if let Some(parent) = comment.in_reply_to {
        value.set("in_reply_to_id", json!(parent));
    }
    value
}
