//! Repositories, their people, and accounts.

use serde_json::{Value, json};

use crate::simulator::api::Call;
use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::accounts::Role;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Routes the repository itself and `collaborators`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", []) => {
            call.need(&["metadata"], Access::Read)?;
            let mut repository = render::repository(call.world, call.repository()?);
            repository.set("network_count", 0);
            repository.set("subscribers_count", 0);
            Ok(Reply::ok(repository))
        }
        ("GET", ["collaborators", login]) => {
            call.caller
                .need(call.world, call.repo, (&["metadata"], Access::Read))?;
            let repository = call.repository()?;
            let is_owner = repository.owner.eq_ignore_ascii_case(login);
            if is_owner || repository.collaborators.contains_key(&login.to_lowercase()) {
                Ok(Reply::no_content())
            } else {
                Err(SimError::NotFound(format!("{login} is not a collaborator")))
            }
        }
        ("GET", ["collaborators", login, "permission"]) => permission(call, login),
        _ => Err(SimError::not_found()),
    }
}

fn permission(call: &Call<'_>, login: &str) -> Answer {
    call.caller
        .need(call.world, call.repo, (&["metadata"], Access::Read))?;
    if call.world.find_account(login).is_none() {
        return Err(SimError::NotFound(format!("{login} is not a user")));
    }
    let role = call.world.role(call.repo, login);
    let mut user = render::user(call.world, login);
    user.set("role_name", json!(role.name()));
    user.set(
        "permissions",
        json!({
            "admin": role >= Role::Admin,
            "maintain": role >= Role::Maintain,
            "push": role >= Role::Write,
            "triage": role >= Role::Triage,
            "pull": role >= Role::Read,
        }),
    );
    Ok(Reply::ok(json!({
        "permission": role.legacy_name(),
        "role_name": role.name(),
        "user": user,
    })))
}

/// `GET /users/{login}`.
pub(crate) fn user(world: &World, login: &str) -> Answer {
    let account = world.find_account(login).ok_or_else(SimError::not_found)?;
    let mut user = render::user(world, &account.login);
    for key in [
        "name", "company", "blog", "location", "email", "hireable", "bio",
    ] {
        user.set(key, Value::Null);
    }
    for key in ["public_repos", "public_gists", "followers", "following"] {
        user.set(key, 0);
    }
    for key in ["created_at", "updated_at"] {
        user.set(key, render::time(world.app.created_at));
    }
    Ok(Reply::ok(user))
}
