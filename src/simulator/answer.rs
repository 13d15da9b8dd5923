//! From a request to its answer: armed faults, what GitHub checks before it looks at the path, and
//! what it says beside every answer.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::simulator::api;
use crate::simulator::api::auth::Caller;
use crate::simulator::api::graphql;
use crate::simulator::api::message::{Answer, Content, Incoming, Reply};
use crate::simulator::error::{Cut, SimError};
use crate::simulator::faults::{FaultKind, Loss};
use crate::simulator::world::World;
use crate::simulator::world::render;
use crate::simulator::{Request, Simulator, git_face, transcript};

impl Simulator {
    /// Answers one request without a socket, for clients that take a service instead of an address.
    ///
    /// # Errors
    ///
    /// [`Cut`] when a fault ends the connection without an answer.
    pub async fn handle(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Cut> {
        let method = request.method().as_str().to_owned();
        let path = request.uri().path();
        let path = match path.strip_prefix("/api/v3") {
            Some(path) => path,
            None if path == "/api/graphql" => graphql::PATH,
            None => path,
        };
        let path = path.to_owned();
        let struck = self.strike(&method, &path);
        let struck = struck.or_else(|| self.too_much(&method, &path));
        // GitHub's own time is on every answer: a client learns from it that its clock is off.
        let respond = |reply: Reply| {
            let reply = match path.as_str() {
                graphql::PATH => graphql::refusal(reply),
                _ => reply,
            };
            respond(reply.with("Date", render::http_date(self.now())))
        };
        let record = |status: u16| self.record(Request::new(&method, &path, status));
        if let Some(reply) = struck.as_ref().and_then(refusal) {
            record(reply.status);
            return Ok(respond(reply));
        }
        match &struck {
            Some(FaultKind::Cut) => {
                record(0);
                return Err(Cut);
            }
            Some(FaultKind::Slow(time)) => tokio::time::sleep(*time).await,
            Some(FaultKind::ExpireTokens) => self.expire_tokens(),
            Some(FaultKind::Meanwhile(action)) => action(self),
            Some(
                FaultKind::FailWith(_)
                | FaultKind::AppliedButLost(_)
                | FaultKind::SecondaryLimit { .. }
                | FaultKind::PrimaryLimit { .. }
                | FaultKind::Forbidden,
            )
            | None => {}
        }
        let worker = self.clone();
        // The world is behind a lock and may run git: not for the threads that drive connections.
        let reply = tokio::task::spawn_blocking(move || answer(&worker, &request))
            .await
            .map_err(|_| Cut)?;
        match struck {
            Some(FaultKind::AppliedButLost(Loss::Connection)) => {
                record(0);
                Err(Cut)
            }
            Some(FaultKind::AppliedButLost(Loss::BadGateway)) => {
                record(502);
                Ok(respond(failure(502)))
            }
            Some(
                FaultKind::Cut
                | FaultKind::FailWith(_)
                | FaultKind::SecondaryLimit { .. }
                | FaultKind::PrimaryLimit { .. }
                | FaultKind::Forbidden
                | FaultKind::ExpireTokens
                | FaultKind::Slow(_)
                | FaultKind::Meanwhile(_),
            )
            | None => {
                record(reply.status);
                Ok(respond(reply))
            }
        }
    }
}

/// The answer of a fault that does nothing else.
fn refusal(kind: &FaultKind) -> Option<Reply> {
    match kind {
        FaultKind::FailWith(status) => Some(failure(*status)),
        FaultKind::SecondaryLimit {
            status,
            retry_after,
        } => {
            let body = json!({
                "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                "documentation_url": "https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
            });
            let reply = Reply::new(*status, Content::Json(body));
            Some(match retry_after {
                Some(seconds) => reply.with("Retry-After", seconds.to_string()),
                None => reply,
            })
        }
        FaultKind::PrimaryLimit { reset } => Some(
            SimError::RateLimited {
                installation: 0,
                reset: *reset,
            }
            .into(),
        ),
        FaultKind::Forbidden => Some(SimError::no_permission().into()),
        FaultKind::Cut
        | FaultKind::AppliedButLost(_)
        | FaultKind::ExpireTokens
        | FaultKind::Slow(_)
        | FaultKind::Meanwhile(_) => None,
    }
}

/// A failure of GitHub itself: an HTML page when a proxy answers, JSON when the application does.
fn failure(status: u16) -> Reply {
    if status == 502 || status == 503 {
        let page = "<!DOCTYPE html>\n<html><title>Unicorn! &middot; GitHub</title></html>\n";
        let media = "text/html; charset=utf-8";
        return Reply::new(
            status,
            Content::Raw {
                media,
                bytes: Bytes::from_static(page.as_bytes()),
            },
        );
    }
    Reply::new(status, Content::Json(json!({"message": "Server Error"})))
}

fn answer(sim: &Simulator, request: &http::Request<Bytes>) -> Reply {
    if let Some(reply) = git_face::answer(sim, request) {
        return reply;
    }
    let incoming = Incoming::new(request);
    if let Some(reply) = page_for_people(sim, &incoming) {
        return reply;
    }
    if let Some(reply) = kept_log(sim, &incoming) {
        return reply;
    }
    // What a document may say is judged where it is carried out.
    if incoming.path != graphql::PATH {
        sim.judge(&incoming);
    }
    let mut world = sim.world();
    let (answer, counted) = match admit(&mut world, &incoming) {
        Ok((caller, counted)) => (api::answer(&mut world, &incoming, &caller), counted),
        Err(refused) => (Err(refused), None),
    };
    let reply = finish(&incoming, answer);
    let resource = match incoming.path.as_str() {
        graphql::PATH => graphql::RESOURCE,
        _ => "core",
    };
    match counted {
        Some(installation) => with_limits(&mut world, (installation, resource), reply),
        None => reply,
    }
}

/// What GitHub checks before it looks at the path: who calls, and whose limit pays.
fn admit(world: &mut World, incoming: &Incoming) -> Result<(Caller, Option<u64>), SimError> {
    if incoming.header("user-agent").is_none_or(str::is_empty) {
        return Err(SimError::Forbidden(
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). Check https://developer.github.com for other possible causes.".to_owned(),
        ));
    }
    match incoming.header("x-github-api-version") {
        None | Some("2022-11-28" | "2026-03-10") => {}
        Some(other) => {
            return Err(SimError::BadRequest(format!(
                "{other} is not a supported version."
            )));
        }
    }
    let caller = Caller::identify(world, incoming.header("authorization"))?;
    // Asking for the limit does not count against it.
    let counted = caller
        .installation()
        .filter(|_| incoming.segments != ["rate_limit"]);
    if let Some(installation) = counted {
        world.charge(installation)?;
    }
    if incoming.is_malformed {
        return Err(SimError::BadRequest("Problems parsing JSON".to_owned()));
    }
    Ok((caller, counted))
}

/// Turns an answer into what goes over the wire: version and `ETag`.
fn finish(incoming: &Incoming, answer: Answer) -> Reply {
    let mut reply = answer.unwrap_or_else(Reply::from);
    if incoming.header("x-github-api-version") == Some("2026-03-10")
        && let Content::Json(value) = &mut reply.content
    {
        remove_retired(value);
    }
    reply = reply.with("X-GitHub-Media-Type", "github.v3; format=json");
    if incoming.method != "GET" || reply.status != 200 {
        return reply;
    }
    let hash = digest(&SHA256, &bytes_of(&reply.content).1);
    let etag = format!("W/\"{}\"", hex::encode(hash.as_ref()));
    if incoming.header("if-none-match") == Some(etag.as_str()) {
        (reply.status, reply.content) = (304, Content::Empty);
    }
    reply.with("ETag", etag)
}

/// Says how much of the hour is used; an unchanged answer costs nothing.
fn with_limits(
    world: &mut World,
    (installation, resource): (u64, &'static str),
    reply: Reply,
) -> Reply {
    let limit = world.hourly_limit;
    let Some(installation) = world.installations.get_mut(&installation) else {
        return reply;
    };
    let budget = &mut installation.budget;
    if reply.status == 304 {
        budget.used = budget.used.saturating_sub(1);
    }
    reply
        .with("X-RateLimit-Limit", limit.to_string())
        .with(
            "X-RateLimit-Remaining",
            limit.saturating_sub(budget.used).to_string(),
        )
        .with("X-RateLimit-Used", budget.used.to_string())
        .with("X-RateLimit-Reset", budget.reset.to_string())
        .with("X-RateLimit-Resource", resource)
}

/// What API version 2026-03-10 has taken away: `assignee` and `merge_commit_sha` of issues and pull
/// requests, and `rate` beside `resources`.
fn remove_retired(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("merge_commit_sha");
            if map.contains_key("assignees") {
                map.remove("assignee");
            }
            if map.contains_key("resources") {
                map.remove("rate");
            }
            map.values_mut().for_each(remove_retired);
        }
        Value::Array(list) => list.iter_mut().for_each(remove_retired),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A thread as text, for whoever opens its `html_url` in a browser.
/// A log, as the host that keeps them answers.
fn kept_log(sim: &Simulator, incoming: &Incoming) -> Option<Reply> {
    let segments: Vec<&str> = incoming.segments.iter().map(String::as_str).collect();
    let [api::actions::LOGS, repo, id] = segments.as_slice() else {
        return None;
    };
    if incoming.header("authorization").is_some() {
        // It would be shown to whoever keeps the logs.
        return Some(SimError::BadRequest("a token was sent along".to_owned()).into());
    }
    Some(api::actions::kept(&sim.world(), repo, id).unwrap_or_else(Reply::from))
}

fn page_for_people(sim: &Simulator, incoming: &Incoming) -> Option<Reply> {
    let segments: Vec<&str> = incoming.segments.iter().map(String::as_str).collect();
    let [owner, name, "issues" | "pull", number] = segments.as_slice() else {
        return None;
    };
    // Nobody can be called that: it is where the API of a renamed repository lives.
    if *owner == "repositories" {
        return None;
    }
    let world = sim.world();
    let text = world
        .find_repository(&format!("{owner}/{name}"))
        .and_then(|repo| transcript::thread(&world, repo, api::number(number)?));
    Some(match text {
        Ok(text) => {
            let media = "text/plain; charset=utf-8";
            Reply::new(
                200,
                Content::Raw {
                    media,
                    bytes: text.into(),
                },
            )
        }
        Err(error) => error.into(),
    })
}

fn bytes_of(content: &Content) -> (Option<&'static str>, Bytes) {
    match content {
        Content::Empty => (None, Bytes::new()),
        Content::Json(value) => (
            Some("application/json; charset=utf-8"),
            Bytes::from(value.to_string()),
        ),
        Content::Raw { media, bytes } => (Some(media), bytes.clone()),
    }
}

fn respond(reply: Reply) -> Response<Bytes> {
    let (media, body) = bytes_of(&reply.content);
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("server", HeaderValue::from_static("github.com"));
    if let Some(media) = media {
        headers.insert("content-type", HeaderValue::from_static(media));
    }
    for (name, value) in reply.headers {
        let pair = (
            http::HeaderName::try_from(name),
            HeaderValue::try_from(value),
        );
        if let (Ok(name), Ok(value)) = pair {
            headers.insert(name, value);
        }
    }
    response
}
