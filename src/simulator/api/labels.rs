//! The labels that a repository has.

use crate::simulator::api::Call;
use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::error::SimError;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Permissions of which one is enough for what issues and pull requests share.
pub(crate) const THREADS: [&str; 2] = ["issues", "pull_requests"];

/// Routes `labels/...`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", []) => {
            call.need(&THREADS, Access::Read)?;
            let labels = call.repository()?.labels.values();
            let items = labels
                .map(|label| render::label(call.world, call.repo, &label.name))
                .collect();
            Ok(call.page(items))
        }
        ("GET", [name]) => {
            call.need(&THREADS, Access::Read)?;
            if !call.repository()?.labels.contains_key(&name.to_lowercase()) {
                return Err(SimError::not_found());
            }
            Ok(Reply::ok(render::label(call.world, call.repo, name)))
        }
        ("POST", []) => {
            call.need_write(&THREADS)?;
            let name = call.incoming.required("name")?;
            if call.repository()?.labels.contains_key(&name.to_lowercase()) {
                return Err(SimError::field("Label", "name", "already_exists"));
            }
            call.world.label(call.repo, name)?;
            Ok(Reply::created(render::label(call.world, call.repo, name)))
        }
        _ => Err(SimError::not_found()),
    }
}
