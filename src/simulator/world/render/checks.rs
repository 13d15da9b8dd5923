//! Check runs as JSON.

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::git::history::Signature;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::checks::{CheckRun, CheckedBy};
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;
use crate::simulator::world::suites::{Suite, suite_id};

/// A check run. All runs of the App on one commit share a suite, named by the commit.
pub(crate) fn check_run(world: &World, repository: &Repository, run: &CheckRun) -> Value {
    let api = render::api(world, repository);
    let url = format!("{api}/check-runs/{}", run.id);
    let suite = suite_id(&run.head_sha, run.by);
    let job = || {
        let page = render::html(world, repository);
        json!(format!("{page}/actions/runs/{suite}/job/{}", run.id))
    };
    json!({
        "id": run.id,
        "node_id": format!("CR_{}", run.id),
        "name": run.name,
        "head_sha": run.head_sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": format!("{}/runs/{}", render::html(world, repository), run.id),
        "details_url": match run.by {
            CheckedBy::App => json!(run.details_url),
            CheckedBy::Integration => job(),
        },
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": run.annotations.len(),
            "annotations_url": format!("{url}/annotations"),
        },
        "check_suite": short_suite(repository, run),
        "app": app(world, run.by),
        "pull_requests": pulls(world, repository, &run.head_sha),
    })
}

/// The suite of a run, as the run shows it.
fn short_suite(repository: &Repository, run: &CheckRun) -> Value {
    let suite = repository.suite(&run.head_sha, run.by);
    json!({
        "id": suite_id(&run.head_sha, run.by),
        "head_branch": (!run.branch.is_empty()).then_some(&run.branch),
        "head_sha": run.head_sha,
        "status": suite.as_ref().map(Suite::status),
        "conclusion": suite.as_ref().and_then(Suite::conclusion),
    })
}

/// The open pull requests whose head a commit is.
fn pulls(world: &World, repository: &Repository, head_sha: &str) -> Vec<Value> {
    let api = render::api(world, repository);
    let threads = repository.threads.values();
    threads
        .filter_map(|thread| Some((thread, thread.pull.as_ref()?)))
        .filter(|(thread, pull)| thread.closed.is_none() && pull.head_sha == head_sha)
        .map(|(thread, pull)| {
            let repo = json!({
                "id": repository.id, "name": repository.name, "url": api,
            });
            json!({
                "id": pull.id,
                "number": thread.number,
                "url": format!("{api}/pulls/{}", thread.number),
                "head": {"ref": pull.head, "sha": pull.head_sha, "repo": repo},
                "base": {"ref": pull.base, "sha": pull.base_sha, "repo": repo},
            })
        })
        .collect()
}

fn app(world: &World, by: CheckedBy) -> Value {
    match by {
        CheckedBy::App => render::app(world),
        CheckedBy::Integration => integration(),
    }
}

/// A suite.
pub(crate) fn check_suite(
    world: &World,
    repository: &Repository,
    suite: &Suite<'_>,
) -> Result<Value, SimError> {
    let id = suite.id();
    let url = format!("{}/check-suites/{id}", render::api(world, repository));
    let commit = repository.objects.commit(suite.head_sha)?;
    let commit = commit.ok_or_else(SimError::not_found)?;
    let who = |who: &Signature| json!({"name": who.name, "email": who.email});
    let runs = suite.newest.iter();
    let began = runs.clone().filter_map(|run| run.started_at.as_ref()).min();
    let ended = runs.filter_map(|run| run.completed_at.as_ref()).max();
    Ok(json!({
        "id": id,
        "node_id": format!("CS_{id}"),
        "head_branch": (!suite.branch.is_empty()).then_some(suite.branch),
        "head_sha": suite.head_sha,
        "status": suite.status(),
        "conclusion": suite.conclusion(),
        "url": url,
        "check_runs_url": format!("{url}/check-runs"),
        "before": null,
        "after": suite.head_sha,
        "created_at": began,
        "updated_at": ended.or(began),
        "latest_check_runs_count": suite.newest.len(),
        "app": app(world, suite.by),
        "head_commit": {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": render::time(commit.committer.seconds * 1000),
            "author": who(&commit.author),
            "committer": who(&commit.committer),
        },
        "pull_requests": pulls(world, repository, suite.head_sha),
    }))
}

/// The id and the name that continuous integration has on github.com.
pub(crate) const INTEGRATION: u64 = 15_368;

fn integration() -> Value {
    json!({"id": INTEGRATION, "slug": "github-actions", "name": "GitHub Actions"})
}

/// One annotation, as it was sent, with the fields that GitHub adds.
pub(crate) fn annotation(run: &CheckRun, sent: &Value) -> Value {
    let mut value = sent.clone();
    for field in ["start_column", "end_column", "title", "raw_details"] {
        if value.field(field).is_null() {
            value.set(field, Value::Null);
        }
    }
    let path = sent["path"].as_str().unwrap_or_default();
    value.set("blob_href", json!(format!("{}/{path}", run.head_sha)));
    value
}
