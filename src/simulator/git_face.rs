//! Git over HTTP: who may fetch and push, and what a push changes.

use bytes::Bytes;

use crate::simulator::Simulator;
use crate::simulator::api::auth::Caller;
use crate::simulator::api::message::{Content, Reply};
use crate::simulator::error::SimError;
use crate::simulator::git::smart_http::{self, BackendReply, BackendRequest};
use crate::simulator::world::World;
use crate::simulator::world::installations::Access;

/// A git request: whose repository, what for, and the rest of the path.
#[derive(Debug)]
struct GitRequest<'a> {
    full_name: String,
    rest: &'a str,
    is_push: bool,
}

impl<'a> GitRequest<'a> {
    /// `/{owner}/{name}[.git]/{info/refs, git-upload-pack, git-receive-pack}`.
    fn parse(request: &'a http::Request<Bytes>) -> Option<Self> {
        let path = request.uri().path().trim_start_matches('/');
        let rest = ["info/refs", "git-upload-pack", "git-receive-pack"]
            .into_iter()
            .find(|rest| path.ends_with(&format!("/{rest}")))?;
        let name = path.strip_suffix(rest)?.trim_end_matches('/');
        let (owner, name) = name.split_once('/')?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        let query = request.uri().query().unwrap_or_default();
        let is_push = rest == "git-receive-pack" || query.contains("service=git-receive-pack");
        let is_git = rest != "info/refs" || query.contains("service=git-");
        (is_git && !name.contains('/')).then(|| Self {
            full_name: format!("{owner}/{name}"),
            rest,
            is_push,
        })
    }
}

/// Answers a git request; `None` when it is none.
pub(crate) fn answer(sim: &Simulator, request: &http::Request<Bytes>) -> Option<Reply> {
    let git = GitRequest::parse(request)?;
    let mut world = sim.world();
    let (repo, caller) = match admit(&world, request, &git) {
        Ok(admitted) => admitted,
        Err(refused) => return Some(refuse(&refused)),
    };
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    let call = BackendRequest {
        method: request.method().as_str(),
        path: format!("/{repo}.git/{}", git.rest),
        query: request.uri().query().unwrap_or_default(),
        content_type: header("content-type"),
        content_encoding: header("content-encoding"),
        protocol: header("git-protocol"),
        body: request.body(),
        may_change_workflows: caller
            .need(&world, repo, (&["workflows"], Access::Write))
            .is_ok(),
    };
    let root = world.git_root.clone();
    let reply = if git.rest == "git-receive-pack" {
        // Under the lock, so that no API request sees refs on disk that the state does not have.
        let bot = world.app.bot_login();
        smart_http::run(&root, &call)
            .map_err(SimError::from)
            .and_then(|reply| {
                world.refresh_refs(repo, &bot)?;
                Ok(reply)
            })
    } else {
        drop(world);
        smart_http::run(&root, &call).map_err(SimError::from)
    };
    Some(match reply {
        Ok(reply) => forward(reply),
        Err(error) => refuse(&error),
    })
}

/// The repository and the caller, if the caller may do that there.
fn admit(
    world: &World,
    request: &http::Request<Bytes>,
    git: &GitRequest<'_>,
) -> Result<(u64, Caller), SimError> {
    let header = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let caller = Caller::identify(world, header)?;
    let missing = || match caller {
        // Git asks without credentials first; only 401 makes it offer them.
        Caller::Anonymous => SimError::Unauthorized("Authentication required.".to_owned()),
        Caller::App | Caller::Installation { .. } => {
            SimError::NotFound("Repository not found.".to_owned())
        }
    };
    let former = || {
        world
            .former_names
            .get(&git.full_name.to_lowercase())
            .copied()
    };
    let repo = world
        .find_repository(&git.full_name)
        .ok()
        .or_else(former)
        .ok_or_else(missing)?;
    if !caller.sees(world, repo) {
        return Err(missing());
    }
    let is_public = !world.repository(repo)?.private;
    if git.is_push {
        caller.need(world, repo, (&["contents"], Access::Write))?;
        world.writable(repo)?;
    } else if !is_public {
        caller.need(world, repo, (&["contents"], Access::Read))?;
    }
    Ok((repo, caller))
}

fn refuse(error: &SimError) -> Reply {
    let status = error.status();
    let text = error.to_string();
    let content = Content::Raw {
        media: "text/plain; charset=utf-8",
        bytes: text.into(),
    };
    let reply = Reply::new(status, content);
    if status == 401 {
        reply.with("WWW-Authenticate", "Basic realm=\"GitHub\"")
    } else {
        reply
    }
}

fn forward(reply: BackendReply) -> Reply {
    let content = Content::Raw {
        media: "application/octet-stream",
        bytes: reply.body,
    };
    Reply {
        status: reply.status,
        headers: reply.headers,
        content,
    }
}
