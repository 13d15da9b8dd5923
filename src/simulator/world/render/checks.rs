//! Check runs as JSON.

use serde_json::{Value, json};

use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::checks::{CheckRun, CheckedBy};
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;

/// A check run. All runs of the App on one commit share a suite, named by the commit.
pub(crate) fn check_run(world: &World, repository: &Repository, run: &CheckRun) -> Value {
    let api = render::api(world, repository);
    let url = format!("{api}/check-runs/{}", run.id);
    let suite = suite_id(&run.head_sha);
    let job = || {
        let page = render::html(world, repository);
        json!(format!("{page}/actions/runs/{suite}/job/{}", run.id))
    };
    let threads = repository.threads.values();
    let pulls: Vec<Value> = threads
        .filter_map(|thread| Some((thread, thread.pull.as_ref()?)))
        .filter(|(thread, pull)| thread.closed.is_none() && pull.head_sha == run.head_sha)
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
        .collect();
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
        "check_suite": {
            "id": suite,
            "head_branch": (!run.branch.is_empty()).then_some(&run.branch),
            "head_sha": run.head_sha,
        },
        "app": app(world, run.by),
        "pull_requests": pulls,
    })
}

fn app(world: &World, by: CheckedBy) -> Value {
    match by {
        CheckedBy::App => render::app(world),
        CheckedBy::Integration => integration(),
    }
}

/// The id of the suite that all runs of an App on a commit share; of GitHub Actions, it is the run of the
/// workflow as well.
pub(crate) fn suite_id(head_sha: &str) -> u64 {
    u64::from_str_radix(head_sha.get(..8).unwrap_or_default(), 16).unwrap_or(0)
}

/// A suite that has ended.
pub(crate) fn check_suite(
    world: &World,
    (head_sha, branch, by): (&str, &str, CheckedBy),
    newest: &[&CheckRun],
) -> Value {
    let ends = |word: &str| {
        newest
            .iter()
            .any(|run| run.conclusion.as_deref() == Some(word))
    };
    let conclusion = if ends("failure") {
        "failure"
    } else {
        "success"
    };
    json!({
        "id": suite_id(head_sha),
        "head_branch": (!branch.is_empty()).then_some(branch),
        "head_sha": head_sha,
        "status": "completed",
        "conclusion": conclusion,
        "latest_check_runs_count": newest.len(),
        "app": app(world, by),
        "pull_requests": [],
    })
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
