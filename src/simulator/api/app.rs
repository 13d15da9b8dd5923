//! `/app`, `/installation` and `/rate_limit`: what the App may ask about itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::simulator::api::auth::Caller;
use crate::simulator::api::message::{Answer, Incoming, Reply, counted_page, page};
use crate::simulator::api::number;
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::installations::{Access, Installation, Permissions, Token};
use crate::simulator::world::render;

/// Routes `/app/...`.
pub(crate) fn route(
    world: &mut World,
    incoming: &Incoming,
    caller: &Caller,
    rest: &[&str],
) -> Answer {
    caller.need_app()?;
    match (incoming.method.as_str(), rest) {
        ("GET", []) => {
            let mut app = render::app(world);
            app.set("installations_count", json!(world.installations.len()));
            Ok(Reply::ok(app))
        }
        ("GET", ["installations"]) => {
            let all = world.installations.values();
            let items = all
                .map(|installation| render::installation(world, installation))
                .collect();
            Ok(page(&world.origin, incoming, items))
        }
        ("GET", ["installations", id]) => {
            let installation = world.installation(number(id)?)?;
            Ok(Reply::ok(render::installation(world, installation)))
        }
        ("POST", ["installations", id, "access_tokens"]) => mint(world, incoming, number(id)?),
        _ => Err(SimError::not_found()),
    }
}

/// `GET /apps/{slug}`.
pub(crate) fn by_slug(world: &World, slug: &str) -> Answer {
    if slug == world.app.slug {
        Ok(Reply::ok(render::app(world)))
    } else {
        Err(SimError::not_found())
    }
}

/// `GET /repos/{owner}/{repo}/installation`.
pub(crate) fn installation_of(world: &World, caller: &Caller, repo: u64) -> Answer {
    caller.need_app()?;
    let installation = world
        .installation_of(repo)
        .ok_or_else(SimError::not_found)?;
    Ok(Reply::ok(render::installation(world, installation)))
}

fn mint(world: &mut World, incoming: &Incoming, id: u64) -> Answer {
    let installation = world.installation(id)?.clone();
    if installation.is_suspended() {
        return Err(SimError::Forbidden(
            "This installation has been suspended".to_owned(),
        ));
    }
    let permissions = narrowed_permissions(&installation, incoming.json.field("permissions"))?;
    let repositories = narrowed_repositories(world, &installation, &incoming.json)?;
    let token = Token {
        installation: id,
        repositories: repositories.clone(),
        permissions: permissions.clone(),
        expires_at: 0,
    };
    let text = world.mint(token);
    let expires_at = world.tokens.get(&text).map_or(0, |token| token.expires_at);
    let is_narrow = repositories.is_some() || installation.selected.is_some();
    let mut body = json!({
        "token": text,
        "expires_at": render::time(expires_at),
        "permissions": render::permissions(&permissions),
        "repository_selection": if is_narrow { "selected" } else { "all" },
    });
    if let Some(repositories) = repositories {
        let listed = repositories
            .iter()
            .filter_map(|id| world.repositories.get(id));
        body.set(
            "repositories",
            listed
                .map(|found| render::repository(world, found))
                .collect::<Value>(),
        );
    }
    Ok(Reply::created(body))
}

fn narrowed_permissions(
    installation: &Installation,
    asked: &Value,
) -> Result<Permissions, SimError> {
    let Some(asked) = asked.as_object() else {
        return Ok(installation.permissions.clone());
    };
    let mut permissions = Permissions::new();
    for (name, access) in asked {
        let access = access.as_str().and_then(Access::parse);
        let granted = installation.permissions.get(name);
        match (access, granted) {
            (Some(access), Some(granted)) if access <= *granted => {
                permissions.insert(name.clone(), access);
            }
            (Some(_) | None, Some(_) | None) => {
                return Err(SimError::unprocessable(
                    "The permissions requested are not granted to this installation.",
                ));
            }
        }
    }
    // Every token can read metadata.
    permissions
        .entry("metadata".to_owned())
        .or_insert(Access::Read);
    Ok(permissions)
}

fn narrowed_repositories(
    world: &World,
    installation: &Installation,
    body: &Value,
) -> Result<Option<BTreeSet<u64>>, SimError> {
    let list = |key: &str| body[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let (ids, names) = (list("repository_ids"), list("repositories"));
    if ids.is_empty() && names.is_empty() {
        return Ok(None);
    }
    let covered = world.covered(installation);
    let by_name = |name: &Value| {
        let wanted = name.as_str().unwrap_or_default();
        let mut repositories = covered.iter().filter_map(|id| world.repositories.get(id));
        repositories
            .find(|found| found.name.eq_ignore_ascii_case(wanted))
            .map(|found| found.id)
    };
    let by_id = |id: &Value| id.as_u64().filter(|id| covered.contains(id));
    let found: Option<BTreeSet<u64>> = ids
        .iter()
        .map(by_id)
        .chain(names.iter().map(by_name))
        .collect();
    found.map(Some).ok_or_else(|| {
        SimError::unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    })
}

/// Routes `/installation/...`.
pub(crate) fn installation(
    world: &mut World,
    incoming: &Incoming,
    caller: &Caller,
    rest: &[&str],
) -> Answer {
    let id = caller.installation().ok_or_else(SimError::no_permission)?;
    match (incoming.method.as_str(), rest) {
        ("GET", ["repositories"]) => {
            let covered = world.covered(world.installation(id)?);
            let reached = covered.iter().filter(|repo| caller.reaches(world, **repo));
            let items = reached
                .filter_map(|repo| world.repositories.get(repo))
                .map(|repository| render::repository(world, repository))
                .collect();
            Ok(counted_page(&world.origin, incoming, "repositories", items))
        }
        ("DELETE", ["token"]) => {
            let header = incoming.header("authorization").unwrap_or_default();
            let token = header.split_once(' ').map_or("", |(_, token)| token);
            world.tokens.remove(token);
            Ok(Reply::no_content())
        }
        _ => Err(SimError::not_found()),
    }
}

/// `GET /rate_limit`, which itself costs nothing.
pub(crate) fn rate_limit(world: &World, caller: &Caller) -> Answer {
    let (limit, budget) = match caller.installation() {
        Some(id) => (world.hourly_limit, world.installation(id)?.budget),
        None => (
            60,
            crate::simulator::world::installations::Budget::default(),
        ),
    };
    let core = json!({
        "limit": limit,
        "used": budget.used,
        "remaining": limit.saturating_sub(budget.used),
        "reset": budget.reset,
        "resource": "core",
    });
    Ok(Reply::ok(
        json!({"resources": {"core": core, "search": core, "graphql": core}, "rate": core}),
    ))
}
