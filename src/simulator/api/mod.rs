//! The REST API: from a request to a transition of the world, and back to GitHub's JSON.

pub(crate) mod actions;
pub(crate) mod app;
pub(crate) mod auth;
pub(crate) mod checks;
pub(crate) mod comments;
pub(crate) mod commits;
pub(crate) mod contents;
pub(crate) mod deliveries;
pub(crate) mod diffs;
pub(crate) mod git_data;
pub(crate) mod graphql;
pub(crate) mod issues;
pub(crate) mod labels;
pub(crate) mod message;
pub(crate) mod pulls;
pub(crate) mod reactions;
pub(crate) mod repositories;
pub(crate) mod reviews;
pub(crate) mod suites;
pub(crate) mod trees;

use serde_json::Value;

use crate::simulator::api::auth::Caller;
use crate::simulator::api::message::{Answer, Incoming, Reply};
use crate::simulator::error::SimError;
use crate::simulator::world::World;
use crate::simulator::world::installations::Access;
use crate::simulator::world::repositories::Repository;

/// Answers one request of an authenticated caller.
pub(crate) fn answer(world: &mut World, incoming: &Incoming, caller: &Caller) -> Answer {
    let segments: Vec<&str> = incoming.segments.iter().map(String::as_str).collect();
    match (incoming.method.as_str(), segments.as_slice()) {
        (_, ["app", "hook", rest @ ..]) => deliveries::route(world, incoming, caller, rest),
        (_, ["app", rest @ ..]) => app::route(world, incoming, caller, rest),
        ("GET", ["apps", slug]) => app::by_slug(world, slug),
        (_, ["installation", rest @ ..]) => app::installation(world, incoming, caller, rest),
        ("POST", ["graphql"]) => graphql::answer(world, incoming, caller),
        ("GET", ["rate_limit"]) => app::rate_limit(world, caller),
        ("GET", ["users", login]) => repositories::user(world, login),
        (_, ["repositories", id, rest @ ..]) => {
            let id = number(id)?;
            world.repository(id)?;
            in_repository(world, incoming, caller, id, rest)
        }
        (_, ["repos", owner, name, rest @ ..]) => {
            let id = named(world, incoming, caller, (owner, name), rest)?;
            in_repository(world, incoming, caller, id, rest)
        }
        _ => Err(SimError::not_found()),
    }
}

/// The repository of a name; the name it had before redirects to its id.
fn named(
    world: &World,
    incoming: &Incoming,
    caller: &Caller,
    (owner, name): (&str, &str),
    rest: &[&str],
) -> Result<u64, SimError> {
    let full_name = format!("{owner}/{name}");
    if let Ok(id) = world.find_repository(&full_name) {
        return Ok(id);
    }
    match world.former_names.get(&full_name.to_lowercase()) {
        Some(id) if caller.sees(world, *id) => {
            let mut url = format!("{}{}/repositories/{id}", world.origin, incoming.prefix);
            for segment in rest {
                url.push('/');
                url.push_str(segment);
            }
            Err(SimError::Moved(url))
        }
        Some(_) | None => Err(SimError::not_found()),
    }
}

fn in_repository(
    world: &mut World,
    incoming: &Incoming,
    caller: &Caller,
    repo: u64,
    rest: &[&str],
) -> Answer {
    // The App asks with its own token where it is installed, before it has one for there.
    if let ("GET", ["installation"]) = (incoming.method.as_str(), rest) {
        return app::installation_of(world, caller, repo);
    }
    if !caller.sees(world, repo) {
        return Err(SimError::not_found());
    }
    let mut call = Call {
        world,
        incoming,
        caller,
        repo,
    };
    match rest {
        [] | ["collaborators", ..] => repositories::route(&mut call, rest),
        ["contents", path @ ..] => contents::show(&call, path),
        ["labels", rest @ ..] => labels::route(&mut call, rest),
        ["issues", rest @ ..] => issues::route(&mut call, rest),
        ["git", "trees", rest @ ..] => trees::route(&mut call, rest),
        ["git", rest @ ..] => git_data::route(&mut call, rest),
        ["actions", rest @ ..] => actions::route(&mut call, rest),
        ["commits", _, "check-runs"] | ["check-runs", ..] => checks::route(&mut call, rest),
        ["commits", _, "check-suites"] | ["check-suites", ..] => suites::route(&mut call, rest),
        ["commits" | "compare" | "branches", ..] => commits::route(&call, rest),
        ["pulls", rest @ ..] => pulls::route(&mut call, rest),
        _ => Err(SimError::not_found()),
    }
}

/// One request about one repository that its caller may see.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) incoming: &'a Incoming,
    pub(crate) caller: &'a Caller,
    pub(crate) repo: u64,
}

impl Call<'_> {
    pub(crate) fn method(&self) -> &str {
        &self.incoming.method
    }

    pub(crate) fn repository(&self) -> Result<&Repository, SimError> {
        self.world.repository(self.repo)
    }

    /// Refuses a caller that has none of these permissions. What is public may be read by all.
    pub(crate) fn need(&self, permissions: &[&str], access: Access) -> Result<(), SimError> {
        if access == Access::Read && !self.repository()?.private {
            return Ok(());
        }
        self.caller
            .need(self.world, self.repo, (permissions, access))
    }

    /// The same for a write, which also needs a repository that is not archived.
    pub(crate) fn need_write(&self, permissions: &[&str]) -> Result<(), SimError> {
        self.need(permissions, Access::Write)?;
        self.world.writable(self.repo)
    }

    /// Who acts: the App's own user.
    pub(crate) fn bot(&self) -> String {
        self.world.app.bot_login()
    }

    /// 409 while there is no commit at all.
    pub(crate) fn not_empty(&self) -> Result<(), SimError> {
        if self.repository()?.refs.is_empty() {
            return Err(SimError::Conflict("Git Repository is empty.".to_owned()));
        }
        Ok(())
    }

    /// One page of a list, with the links to the others.
    pub(crate) fn page(&self, items: Vec<Value>) -> Reply {
        message::page(&self.world.origin, self.incoming, items)
    }
}

/// Reads a number from a path; what is none, names nothing.
pub(crate) fn number(text: &str) -> Result<u64, SimError> {
    text.parse().map_err(|_| SimError::not_found())
}
