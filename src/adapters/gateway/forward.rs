//! Model calls: understood, admitted, given their key, passed on, and metered on the way back.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::adapters::gateway::body::{AnyBody, Watch, watched, whole};
use crate::adapters::gateway::endpoint::Upstream;
use crate::adapters::gateway::headers;
use crate::adapters::gateway::hold;
use crate::adapters::gateway::meter::Meter;
use crate::adapters::gateway::passage::Pass;
use crate::adapters::gateway::random;
use crate::adapters::gateway::ticket::{Metered, Ticket};
use crate::adapters::gateway::wire::refusal::Refusal;
use crate::adapters::gateway::wire::request::{Asked, apply};
use crate::adapters::gateway::wire::{self, route};
use crate::domain::metering::{End, Most};
use crate::domain::model::Api;
use crate::domain::traffic::{BlockReason, Traffic};
use crate::domain::unanswered::CallFailure;
use crate::ports::gateway::Hold;

/// The longest error of an endpoint that is passed on.
const LONGEST_ERROR: usize = 64 * 1024;

/// Answers a request whose target is a path.
pub(super) async fn call(request: Request<Incoming>, pass: &Arc<Pass>) -> Response<AnyBody> {
    let path = request.uri().path().to_owned();
    let named = path.strip_prefix("/models/").map(|rest| {
        let end = rest.find('/').unwrap_or(rest.len());
        rest.split_at(end)
    });
    let upstream = named.and_then(|(name, below)| {
        let mut known = pass.upstreams.iter();
        Some((
            known.find(|upstream| upstream.name.as_str() == name)?,
            below,
        ))
    });
    let Some((upstream, below)) = upstream else {
        return refuse(Api::OpenAi, &Refusal::Path(shown(&path)));
    };
    match passed(request, below, pass, upstream).await {
        Ok(response) => response,
        Err(refusal) => refuse(upstream.api, &refusal),
    }
}

async fn passed(
    request: Request<Incoming>,
    below: &str,
    pass: &Arc<Pass>,
    upstream: &Arc<Upstream>,
) -> Result<Response<AnyBody>, Refusal> {
    let (head, body) = request.into_parts();
    if !knows_key(&head.headers, head.uri.query(), &pass.key) {
        return Err(Refusal::Key);
    }
    let path = || Refusal::Path(shown(below));
    let call = route::call(upstream.api, &head.method, below).ok_or_else(path)?;
    // Until its answer begins.
    let (json, _room) = collect(body, pass).await?;
    let asked = wire::read(&call, &json).inspect_err(|refusal| {
        if let Refusal::Outside(what) = refusal {
            pass.block(
                &format!("{}/{what}", upstream.name),
                BlockReason::NotAllowed,
            );
        }
    })?;
    let (json, ticket) = match asked {
        Some(asked) => {
            let ticket = admit(&asked, call.is_priced(), pass, upstream).await?;
            (apply(json, &asked.edits), ticket)
        }
        None => (Bytes::new(), None),
    };
    let mut sent = Request::new(Full::new(json));
    *sent.method_mut() = head.method;
    *sent.uri_mut() = upstream.uri(below, head.uri.query()).map_err(|_| path())?;
    *sent.headers_mut() = headers::asked(&head.headers);
    upstream.sign(sent.headers_mut());
    send(sent, ticket, pass, upstream).await
}

/// Reads the body of a call, within bounds: its own, and that of all bodies of the pass.
async fn collect(body: Incoming, pass: &Pass) -> Result<(Bytes, SemaphorePermit<'_>), Refusal> {
    let bounds = &pass.house.settings.bounds;
    let long = || Refusal::Long(bounds.body_bytes);
    let broken = |what: &str| Refusal::Malformed(what.to_owned());
    let most = match body.size_hint().upper() {
        Some(length) => u32::try_from(length).map_err(|_| long())?,
        None => bounds.body_bytes,
    };
    if most > bounds.body_bytes {
        return Err(long());
    }
    let read = async {
        let room = pass.room.acquire_many(most).await;
        let room = room.map_err(|_| broken("the door is closed"))?;
        match Limited::new(body, most as usize).collect().await {
            Ok(body) => Ok((body.to_bytes(), room)),
            Err(error) if error.is::<LengthLimitError>() => Err(long()),
            Err(_) => Err(broken("its body broke off")),
        }
    };
    timeout(bounds.silence, read)
        .await
        .unwrap_or_else(|_| Err(broken("its body did not come in time")))
}

/// Admits a call, and sets aside what it can cost when it costs something.
async fn admit(
    asked: &Asked,
    priced: bool,
    pass: &Arc<Pass>,
    upstream: &Arc<Upstream>,
) -> Result<Option<Ticket>, Refusal> {
    let place = |what: &str| format!("{}/{what}", upstream.name);
    let Some(model) = upstream.model(&asked.model) else {
        pass.block(&place(&asked.model), BlockReason::Model);
        return Err(Refusal::Model {
            asked: shown(&asked.model),
            allowed: upstream.allowed(),
        });
    };
    for tool in &asked.withheld {
        pass.block(&place(tool), BlockReason::NotAllowed);
    }
    if !priced {
        return Ok(None);
    }
    let most = Most::of(&asked.size, model);
    let hold = Hold {
        id: random::id(),
        job: pass.job,
        endpoint: upstream.name.clone(),
        model: asked.model.clone(),
        most: most.cost(&model.prices),
    };
    let held = hold::admit(pass, hold).await.inspect_err(|refusal| {
        if let Refusal::Budget(exceeded) = refusal {
            pass.exhaust(exceeded);
        }
    })?;
    Ok(Some(Ticket::new(pass, (most, model.prices), held)))
}

/// Sends a call once, and passes its answer on.
async fn send(
    request: Request<Full<Bytes>>,
    ticket: Option<Ticket>,
    pass: &Pass,
    upstream: &Upstream,
) -> Result<Response<AnyBody>, Refusal> {
    let silence = pass.house.settings.bounds.silence;
    let answer = match timeout(silence, pass.house.client.request(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::warn!(endpoint = %upstream.name, error = %innermost(&error), "a model call failed");
            unanswered(pass, upstream, CallFailure::Unreachable);
            match ticket {
                Some(ticket) if error.is_connect() => ticket.free(),
                Some(mut ticket) => ticket.end(End::Broken),
                None => {}
            }
            return Err(Refusal::Unreachable(upstream.name.clone()));
        }
        // Dropped, the ticket is charged like a call that was abandoned: the model may go on.
        Err(_) => {
            unanswered(pass, upstream, CallFailure::Unreachable);
            return Err(Refusal::Silent(upstream.name.clone()));
        }
    };
    let (head, body) = answer.into_parts();
    if !head.status.is_success() {
        if let Some(ticket) = ticket {
            ticket.free();
        }
        return failed(head, body, (pass, upstream)).await;
    }
    if ticket.is_some() {
        pass.note(Traffic::answer);
    }
    let mut response = Response::new(match ticket {
        Some(ticket) => {
            let meter = Meter::new(upstream.api, is_stream(&head.headers));
            watched(body, Metered { meter, ticket }, silence)
        }
        None => watched(body, Unpriced, silence),
    });
    *response.status_mut() = head.status;
    *response.headers_mut() = headers::answered(&head.headers);
    Ok(response)
}

/// Passes an endpoint's error on, without what it says of the key.
async fn failed(
    head: http::response::Parts,
    body: Incoming,
    (pass, upstream): (&Pass, &Upstream),
) -> Result<Response<AnyBody>, Refusal> {
    let status = head.status.as_u16();
    tracing::debug!(endpoint = %upstream.name, status = %head.status, "an endpoint answered with an error");
    if head.status == StatusCode::UNAUTHORIZED {
        // Such answers quote the key in part, and agents would take it for their own.
        tracing::warn!(endpoint = %upstream.name, "the endpoint refused the server's key");
        unanswered(pass, upstream, CallFailure::of(status, ""));
        return Err(Refusal::ServersKey(upstream.name.clone()));
    }
    let read = Limited::new(body, LONGEST_ERROR).collect().await;
    let text = read.map(|body| {
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        upstream.redactor.redact(&text).into_owned()
    });
    let said = text.as_deref().unwrap_or_default();
    unanswered(pass, upstream, CallFailure::of(status, said));
    let text = text.map_err(|_| Refusal::Unreachable(upstream.name.clone()))?;
    let mut response = Response::new(whole(text));
    *response.status_mut() = head.status;
    *response.headers_mut() = headers::answered(&head.headers);
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    Ok(response)
}

/// Writes down that a call got no answer.
fn unanswered(pass: &Pass, upstream: &Upstream, failure: CallFailure) {
    pass.note(|traffic| traffic.fail(upstream.name.as_str(), failure));
}

/// Model lists and token counts.
struct Unpriced;

impl Watch for Unpriced {
    fn pass(&mut self, _: &[u8]) -> bool {
        true
    }

    fn end(&mut self, _: End) {}
}

/// Returns whether a request has the key of its pass, wherever its API puts it.
fn knows_key(headers: &HeaderMap, query: Option<&str>, key: &str) -> bool {
    let bearer = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let bearer = bearer.and_then(|value| value.strip_prefix(b"Bearer "));
    let named =
        ["x-api-key", "x-goog-api-key"].map(|name| headers.get(name).map(HeaderValue::as_bytes));
    let pairs = query.unwrap_or_default().split('&');
    let asked = pairs
        .filter_map(|pair| pair.strip_prefix("key="))
        .map(str::as_bytes);
    named
        .into_iter()
        .flatten()
        .chain(bearer)
        .chain(asked)
        .any(|given| {
            aws_lc_rs::constant_time::verify_slices_are_equal(given, key.as_bytes()).is_ok()
        })
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| {
            kind.trim_start()
                .to_ascii_lowercase()
                .starts_with("text/event-stream")
        })
}

/// Answers in the place of a model.
fn refuse(api: Api, refusal: &Refusal) -> Response<AnyBody> {
    let mut response = Response::new(whole(refusal.body(api).to_string()));
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if refusal.status().is_client_error() {
        // What the vendors' own clients go by.
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// Returns a text of a request as it may be quoted.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// The outer errors only say that sending failed.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
