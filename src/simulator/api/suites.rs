//! Check suites.

use serde_json::Value;

use crate::simulator::api::checks::{app_of, listed, no_commit};
use crate::simulator::api::message::{Answer, Reply, counted_page};
use crate::simulator::api::{Call, number};
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;
use crate::simulator::world::suites::{Suite, suite_id};

/// Routes `check-suites/...` and `commits/{ref}/check-suites`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", ["commits", name, "check-suites"]) => list(call, name),
        ("GET", ["check-suites", id]) => {
            call.need(&["checks"], Access::Read)?;
            Ok(Reply::ok(shown(call, &suite(call, number(id)?)?)?))
        }
        ("GET", ["check-suites", id, "check-runs"]) => {
            call.need(&["checks"], Access::Read)?;
            let id = suite(call, number(id)?)?.id();
            listed(call, |run| suite_id(&run.head_sha, run.by) == id)
        }
        _ => Err(SimError::not_found()),
    }
}

fn suite<'a>(call: &'a Call<'_>, id: u64) -> Result<Suite<'a>, SimError> {
    let mut suites = call.repository()?.suites().into_iter();
    let found = suites.find(|suite| suite.id() == id);
    found.ok_or_else(SimError::not_found)
}

fn shown(call: &Call<'_>, suite: &Suite<'_>) -> Result<Value, SimError> {
    let repository = call.repository()?;
    let mut value = render::checks::check_suite(call.world, repository, suite)?;
    value.set("repository", render::repository(call.world, repository));
    Ok(value)
}

fn list(call: &Call<'_>, name: &str) -> Answer {
    call.need(&["checks"], Access::Read)?;
    let repository = call.repository()?;
    let commit = repository.resolve(name)?.ok_or_else(|| no_commit(name))?;
    let app = call.incoming.query("app_id");
    let name = call.incoming.query("check_name");
    let wanted = |suite: &&Suite<'_>| {
        suite.head_sha == commit.sha
            && app.is_none_or(|id| id == app_of(call.world, suite.by).to_string())
            && name.is_none_or(|name| suite.newest.iter().any(|run| run.name == name))
    };
    let suites = repository.suites();
    let items = suites.iter().filter(wanted).map(|suite| shown(call, suite));
    let items = items.collect::<Result<_, _>>()?;
    Ok(counted_page(
        &call.world.origin,
        call.incoming,
        "check_suites",
        items,
    ))
}
