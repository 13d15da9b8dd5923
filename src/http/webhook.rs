//! `POST /webhook`: limit, signature, disk, 202. Nothing is parsed here.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::ingest::NotStored;
use crate::domain::ids::DeliveryId;
use crate::http::body::{MAX_BYTES, NotTaken};
use crate::http::face::Face;
use crate::ports::store::{Acceptance, NewDelivery};

/// Longest event name and delivery id; GitHub's are shorter.
const HEADER_CHARS: usize = 100;

/// Receives one delivery.
pub async fn receive(State(face): State<Face>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let now = face.clock.now();
    let name = parts
        .headers
        .get("x-github-delivery")
        .and_then(|v| v.to_str().ok());
    match accept(&face, &parts.headers, body).await {
        Ok(Acceptance::Stored) => (StatusCode::ACCEPTED, "stored\n").into_response(),
        Ok(Acceptance::Duplicate) => (StatusCode::ACCEPTED, "known already\n").into_response(),
        Err((status, why)) => {
            face.refusals.note(why, name.unwrap_or("-"), now);
            let text = format!("{why}\n");
            if status == StatusCode::SERVICE_UNAVAILABLE {
                return (status, [(header::RETRY_AFTER, "5")], text).into_response();
            }
            // The rest of a refused body is not read, so the connection cannot be used again.
            (status, [(header::CONNECTION, "close")], text).into_response()
        }
    }
}

type Refused = (StatusCode, &'static str);

async fn accept(face: &Face, headers: &HeaderMap, body: Body) -> Result<Acceptance, Refused> {
    let verifier = {
        let signature = headers.get("x-hub-signature-256").ok_or((
            StatusCode::UNAUTHORIZED,
            "X-Hub-Signature-256 is missing: set a secret on the webhook",
        ))?;
        face.secrets.verifier(signature.as_bytes()).ok_or((
            StatusCode::UNAUTHORIZED,
            "X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits",
        ))?
    };
    let event = text(headers, "x-github-event").ok_or((
        StatusCode::BAD_REQUEST,
        "X-GitHub-Event is missing or malformed",
    ))?;
    let id = text(headers, "x-github-delivery").ok_or((
        StatusCode::BAD_REQUEST,
        "X-GitHub-Delivery is missing or malformed",
    ))?;
    if !is_json(headers) {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/json: set it on the webhook",
        ));
    }
    if declared(headers).is_some_and(|bytes| bytes > MAX_BYTES) {
        return Err(TOO_LARGE);
    }
    let body = face
        .desk
        .take(body, verifier)
        .await
        .map_err(|why| match why {
            NotTaken::TooLarge => TOO_LARGE,
            NotTaken::BadSignature => (StatusCode::UNAUTHORIZED, "the signature is not right"),
            NotTaken::Incomplete => (StatusCode::REQUEST_TIMEOUT, "the body did not come whole"),
            NotTaken::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy with other large deliveries",
            ),
        })?;
    let delivery = NewDelivery {
        id: DeliveryId::new(id),
        event: event.to_owned(),
        body,
        received_at: face.clock.now(),
    };
    face.ingest.accept(delivery).await.map_err(|why| match why {
        NotStored::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many deliveries at once",
        ),
        NotStored::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "it could not be stored"),
    })
}

const TOO_LARGE: Refused = (
    StatusCode::PAYLOAD_TOO_LARGE,
    "the body is over 25 MB, more than GitHub sends",
);

/// Returns a header that is short printable text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    let fits = !text.is_empty()
        && text.len() <= HEADER_CHARS
        && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(text)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
    else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
