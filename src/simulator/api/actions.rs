//! GitHub Actions: the logs of jobs, and running workflows once more. A job's id is its check run's.

use serde_json::json;

use crate::simulator::api::message::{Answer, Content, Reply};
use crate::simulator::api::{Call, number};
use crate::simulator::error::SimError;
use crate::simulator::world::World;
use crate::simulator::world::checks::CheckedBy;
use crate::simulator::world::installations::Access;
use crate::simulator::world::suites::suite_id;

/// Where logs are kept: on another host of GitHub's, which asks for no token.
pub(crate) const LOGS: &str = "_logs";

/// Routes `actions/...`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", ["jobs", id, "logs"]) => logs(call, number(id)?),
        ("GET", ["runs", id]) => {
            need(call, Access::Read)?;
            let (id, head_sha) = suite(call, number(id)?)?;
            let attempts = call.world.attempts(call.repo, &head_sha)?;
            let run = json!({"id": id, "head_sha": head_sha, "run_attempt": attempts});
            Ok(Reply::ok(run))
        }
        ("POST", ["runs", id, "rerun-failed-jobs"]) => {
            need(call, Access::Write)?;
            call.world.writable(call.repo)?;
            let (_, head_sha) = suite(call, number(id)?)?;
            call.world.rerun_suite(call.repo, &head_sha)?;
            Ok(Reply::created(json!({})))
        }
        _ => Err(SimError::not_found()),
    }
}

/// Logs are not for everybody, though the repository is.
fn need(call: &Call<'_>, access: Access) -> Result<(), SimError> {
    call.caller
        .need(call.world, call.repo, (&["actions"], access))
}

fn logs(call: &Call<'_>, id: u64) -> Answer {
    need(call, Access::Read)?;
    let run = call.world.check_run(call.repo, id)?;
    if run.by != CheckedBy::Integration || run.log.is_empty() {
        return Err(SimError::not_found());
    }
    let url = format!("{}/{LOGS}/{}/{id}", call.world.origin, call.repo);
    Ok(Reply::new(302, Content::Empty).with("Location", url))
}

/// The run of a workflow is the suite of its commit.
fn suite(call: &Call<'_>, id: u64) -> Result<(u64, String), SimError> {
    let runs = &call.repository()?.check_runs;
    let mut runs = runs.iter().filter(|run| run.by == CheckedBy::Integration);
    let found = runs.find(|run| suite_id(&run.head_sha, run.by) == id);
    let run = found.ok_or_else(SimError::not_found)?;
    Ok((id, run.head_sha.clone()))
}

/// What the host of the logs answers.
pub(crate) fn kept(world: &World, repo: &str, id: &str) -> Answer {
    let run = world.check_run(number(repo)?, number(id)?)?;
    let media = "text/plain; charset=utf-8";
    let bytes = run.log.clone().into();
    Ok(Reply::new(200, Content::Raw { media, bytes }))
}
