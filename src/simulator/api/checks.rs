//! Check runs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::simulator::api::message::{Answer, Reply, counted_page};
use crate::simulator::api::{Call, number};
use crate::simulator::error::SimError;
use crate::simulator::world::World;
use crate::simulator::world::checks::{CheckRun, CheckedBy};
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

const STATUSES: [&str; 3] = ["queued", "in_progress", "completed"];

/// Routes `check-runs/...` and `commits/{ref}/check-runs`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", ["commits", name, "check-runs"]) => list(call, name),
        ("POST", ["check-runs"]) => create(call),
        ("GET", ["check-runs", id]) => {
            call.need(&["checks"], Access::Read)?;
            show(call, number(id)?)
        }
        ("GET", ["check-runs", id, "annotations"]) => {
            call.need(&["checks"], Access::Read)?;
            annotations(call, number(id)?)
        }
        ("PATCH", ["check-runs", id]) => update(call, number(id)?),
        _ => Err(SimError::not_found()),
    }
}

fn show(call: &Call<'_>, id: u64) -> Answer {
    let run = call.world.check_run(call.repo, id)?;
    Ok(Reply::ok(render::checks::check_run(
        call.world,
        call.repository()?,
        run,
    )))
}

fn annotations(call: &Call<'_>, id: u64) -> Answer {
    let run = call.world.check_run(call.repo, id)?;
    let sent = run.annotations.iter();
    let all = sent
        .map(|one| render::checks::annotation(run, one))
        .collect();
    Ok(call.page(all))
}

fn list(call: &Call<'_>, name: &str) -> Answer {
    call.need(&["checks"], Access::Read)?;
    let repository = call.repository()?;
    let commit = repository.resolve(name)?.ok_or_else(|| no_commit(name))?;
    let of_app = |run: &CheckRun| {
        let app = call.incoming.query("app_id");
        app.is_none_or(|id| id == app_of(call.world, run.by).to_string())
    };
    listed(call, |run| run.head_sha == commit.sha && of_app(run))
}

/// The newest run of each name, unless `filter=all`.
pub(crate) fn listed(call: &Call<'_>, wanted: impl Fn(&CheckRun) -> bool) -> Answer {
    let query = |key: &str| call.incoming.query(key);
    let repository = call.repository()?;
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for run in repository.check_runs.iter().rev() {
        let wanted = wanted(run)
            && query("check_name").is_none_or(|name| run.name == name)
            && query("status").is_none_or(|status| run.status == status);
        let is_newest = wanted && seen.insert(run.name.clone());
        if wanted && (is_newest || query("filter") == Some("all")) {
            items.push(render::checks::check_run(call.world, repository, run));
        }
    }
    Ok(counted_page(
        &call.world.origin,
        call.incoming,
        "check_runs",
        items,
    ))
}

/// The id of an App.
pub(crate) fn app_of(world: &World, by: CheckedBy) -> u64 {
    match by {
        CheckedBy::App => world.app.id,
        CheckedBy::Integration => render::checks::INTEGRATION,
    }
}

/// There is no such commit.
pub(crate) fn no_commit(sha: &str) -> SimError {
    SimError::unprocessable(format!("No commit found for SHA: {sha}"))
}

fn create(call: &mut Call<'_>) -> Answer {
    call.need_write(&["checks"])?;
    let name = call.incoming.required("name")?;
    let head_sha = call.incoming.required("head_sha")?;
    if call.repository()?.objects.commit(head_sha)?.is_none() {
        return Err(no_commit(head_sha));
    }
    let run = CheckRun {
        id: 0,
        by: CheckedBy::App,
        name: name.to_owned(),
        head_sha: head_sha.to_owned(),
        branch: branch_at(call, head_sha)?,
        attempt: 1,
        log: String::new(),
        external_id: String::new(),
        details_url: None,
        status: "queued".to_owned(),
        conclusion: None,
        started_at: Some(render::time(call.world.now())),
        completed_at: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
    };
    let mut run = apply(call, run)?;
    run.id = call.world.next_id();
    let id = run.id;
    call.world.put_check_run(call.repo, run, true)?;
    show(call, id).map(|reply| Reply {
        status: 201,
        ..reply
    })
}

/// The branch whose tip a commit is; none when it is nobody's.
fn branch_at(call: &Call<'_>, sha: &str) -> Result<String, SimError> {
    let mut refs = call.repository()?.refs.iter();
    let found =
        refs.find_map(|(name, tip)| name.strip_prefix("refs/heads/").filter(|_| tip == sha));
    Ok(found.unwrap_or_default().to_owned())
}

fn update(call: &mut Call<'_>, id: u64) -> Answer {
    call.need_write(&["checks"])?;
    let mut run = call.world.check_run(call.repo, id)?.clone();
    if let Some(name) = call.incoming.text("name") {
        name.clone_into(&mut run.name);
    }
    let run = apply(call, run)?;
    let says = |field: &str| call.incoming.text(field).is_some();
    let reports = says("status") || says("conclusion");
    call.world.put_check_run(call.repo, run, reports)?;
    show(call, id)
}

/// Refuses more than GitHub takes by one request.
fn at_most(list: &Value, most: usize) -> Result<(), SimError> {
    match list.as_array().map_or(0, Vec::len) {
        many if many > most => Err(SimError::unprocessable(format!(
            "Invalid request.\n\nNo more than {most} items are allowed; {many} were supplied."
        ))),
        _ => Ok(()),
    }
}

/// Takes over what the body says.
fn apply(call: &Call<'_>, mut run: CheckRun) -> Result<CheckRun, SimError> {
    let body = &call.incoming.json;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(status) = body["status"].as_str() {
        let conclusion_is_known = body["conclusion"].is_string() || run.conclusion.is_some();
        if !STATUSES.contains(&status) || (status == "completed" && !conclusion_is_known) {
            // The real refusal, word for word: a schema error of the union it is written as.
            return Err(SimError::unprocessable(format!(
                "Invalid request.\n\nNo subschema in \"anyOf\" matched.\n\"conclusion\" wasn't supplied.\n{status} is not a member of [\"queued\", \"in_progress\"]."
            )));
        }
        status.clone_into(&mut run.status);
        if status != "completed" {
            (run.conclusion, run.completed_at) = (None, None);
        }
    }
    if let Some(conclusion) = text(&body["conclusion"]) {
        run.conclusion = Some(conclusion);
        "completed".clone_into(&mut run.status);
        let now = render::time(call.world.now());
        run.completed_at = text(&body["completed_at"])
            .or(run.completed_at)
            .or(Some(now));
    }
    if let Some(started_at) = text(&body["started_at"]) {
        run.started_at = Some(started_at);
    }
    if let Some(id) = text(&body["external_id"]) {
        run.external_id = id;
    }
    if let Some(url) = text(&body["details_url"]) {
        run.details_url = Some(url);
    }
    let output = &body["output"];
    at_most(&body["actions"], 3)?;
    at_most(&output["annotations"], 50)?;
    if let Some(actions) = body["actions"].as_array() {
        run.actions.clone_from(actions);
    }
    if output.is_object() {
        let summary = text(&output["summary"]).unwrap_or_default();
        let texts = [Some(summary.as_str()), output["text"].as_str()];
        if texts
            .iter()
            .flatten()
            .any(|text| text.chars().count() > 65_535)
        {
            return Err(SimError::unprocessable(
                "Invalid request.\n\nOnly 65535 characters are allowed.",
            ));
        }
        run.title = text(&output["title"]).or(run.title);
        run.summary = Some(summary);
        run.text = text(&output["text"]).or(run.text);
        run.annotations.extend(
            output["annotations"]
                .as_array()
                .into_iter()
                .flatten()
                .cloned(),
        );
    }
    Ok(run)
}
