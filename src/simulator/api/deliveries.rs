//! `/app/hook/deliveries`: what was sent, and sending it again.

use serde_json::{Value, json};

use crate::simulator::api::auth::Caller;
use crate::simulator::api::message::{Answer, Content, Incoming, Reply};
use crate::simulator::api::number;
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::webhooks::Attempt;
use crate::simulator::world::World;
use crate::simulator::world::render;

/// Routes `/app/hook/...`.
pub(crate) fn route(
    world: &mut World,
    incoming: &Incoming,
    caller: &Caller,
    rest: &[&str],
) -> Answer {
    caller.need_app()?;
    match (incoming.method.as_str(), rest) {
        ("GET", ["deliveries"]) => Ok(list(world, incoming)),
        ("GET", ["deliveries", id]) => {
            let attempt = world.outbox.attempt(number(id)?)?;
            Ok(Reply::ok(detail(attempt)))
        }
        ("POST", ["deliveries", id, "attempts"]) => {
            let (new_id, now) = (world.next_id(), world.now());
            world.outbox.redeliver(number(id)?, new_id, now)?;
            Ok(Reply::new(202, Content::Json(json!({}))))
        }
        _ => Err(SimError::not_found()),
    }
}

/// Newest first. Pages go by cursor, not by number: the id after which to go on.
fn list(world: &World, incoming: &Incoming) -> Reply {
    let size = incoming
        .query("per_page")
        .and_then(|text| text.parse().ok())
        .unwrap_or(30);
    let size: usize = size;
    let cursor = incoming
        .query("cursor")
        .and_then(|text| text.parse::<u64>().ok());
    let wanted: Vec<&Attempt> = world
        .outbox
        .made()
        .filter(|attempt| cursor.is_none_or(|cursor| attempt.delivery.id < cursor))
        .filter(|attempt| match incoming.query("status") {
            Some("failure") => !attempt.arrived(),
            Some("success") => attempt.arrived(),
            Some(_) | None => true,
        })
        .collect();
    let shown: Vec<&Attempt> = wanted.iter().take(size.clamp(1, 100)).copied().collect();
    let reply = Reply::ok(shown.iter().map(|attempt| summary(attempt)).collect());
    match shown.last() {
        Some(last) if shown.len() < wanted.len() => {
            let base = format!("{}{}{}", world.origin, incoming.prefix, incoming.path);
            let next = format!(
                "<{base}?per_page={size}&cursor={}>; rel=\"next\"",
                last.delivery.id
            );
            reply.with("Link", next)
        }
        Some(_) | None => reply,
    }
}

fn summary(attempt: &Attempt) -> Value {
    let status = attempt.status.unwrap_or(0);
    let words = match status {
        200..=299 => "OK",
        502 => "failed to connect to host",
        504 => "timed out",
        _ => "Invalid HTTP Response",
    };
    json!({
        "id": attempt.delivery.id,
        "guid": attempt.delivery.guid,
        "delivered_at": render::time(attempt.at),
        "redelivery": attempt.redelivery,
        "duration": 0.01,
        "status": words,
        "status_code": status,
        "event": attempt.delivery.event,
        "action": attempt.action,
        "installation_id": attempt.installation,
        "repository_id": attempt.repo,
        "throttled_at": null,
    })
}

fn detail(attempt: &Attempt) -> Value {
    let mut value = summary(attempt);
    let headers: Value = attempt
        .delivery
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let payload: Value = serde_json::from_slice(&attempt.delivery.body).unwrap_or(Value::Null);
    value.set("url", json!(""));
    value.set("request", json!({"headers": headers, "payload": payload}));
    value.set("response", json!({"headers": null, "payload": null}));
    value
}
