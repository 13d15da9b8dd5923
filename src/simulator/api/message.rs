//! Requests as they come in, and answers as they go out.

use bytes::Bytes;
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::simulator::api::graphql;
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;

/// One request, split up.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    /// `/api/v3` when the caller speaks to us as to GitHub Enterprise Server, else nothing.
    pub(crate) prefix: &'static str,
    /// As sent, without the prefix.
    pub(crate) path: String,
    /// The path, percent-decoded after it was split.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// `Null` when there is no body.
    pub(crate) json: Value,
    /// A body that is no JSON.
    pub(crate) is_malformed: bool,
}

impl Incoming {
    pub(crate) fn new(request: &http::Request<Bytes>) -> Self {
        let path = request.uri().path();
        let (prefix, path) = match path.strip_prefix("/api/v3") {
            Some(rest) if rest.starts_with('/') => ("/api/v3", rest),
            // It has one version, and stands beside the other API's.
            None if path == "/api/graphql" => ("/api/v3", graphql::PATH),
            Some(_) | None => ("", path),
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let query = request.uri().query().unwrap_or_default();
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (
                    decode(&name.replace('+', " ")),
                    decode(&value.replace('+', " ")),
                )
            });
        let parsed = serde_json::from_slice(request.body());
        let is_empty = request.body().is_empty();
        Self {
            method: request.method().as_str().to_owned(),
            prefix,
            path: path.to_owned(),
            segments: path
                .split('/')
                .filter(|part| !part.is_empty())
                .map(decode)
                .collect(),
            query: pairs.collect(),
            headers: request.headers().clone(),
            is_malformed: !is_empty && parsed.is_err(),
            json: parsed.unwrap_or(Value::Null),
        }
    }

    /// A header, when it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A text of the body.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.json.field(key).as_str()
    }

    /// A text of the body that must be there: 422 in the words of GitHub's own schema otherwise.
    pub(crate) fn required(&self, key: &str) -> Result<&str, SimError> {
        self.text(key).ok_or_else(|| {
            SimError::unprocessable(format!("Invalid request.\n\n\"{key}\" wasn't supplied."))
        })
    }

    /// The texts in a list of the body.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        texts(self.json.field(key))
    }
}

/// The texts in a JSON list.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// What an answer carries.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    Raw { media: &'static str, bytes: Bytes },
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
}

/// An answer, or the refusal that becomes one.
pub(crate) type Answer = Result<Reply, SimError>;

impl Reply {
    pub(crate) fn new(status: u16, content: Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content,
        }
    }

    /// 200 with JSON.
    pub(crate) fn ok(value: Value) -> Self {
        Self::new(200, Content::Json(value))
    }

    /// 201 with JSON.
    pub(crate) fn created(value: Value) -> Self {
        Self::new(201, Content::Json(value))
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::new(204, Content::Empty)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl From<SimError> for Reply {
    fn from(error: SimError) -> Self {
        let reply = Self::new(error.status(), Content::Json(error.body()));
        match error {
            SimError::Moved(url) => reply.with("Location", url),
            SimError::RateLimited { reset, .. } => reply
                .with("X-RateLimit-Remaining", "0")
                .with("X-RateLimit-Reset", reset.to_string()),
            SimError::NotFound(_)
            | SimError::Unauthorized(_)
            | SimError::Forbidden(_)
            | SimError::Gone(_)
            | SimError::Conflict(_)
            | SimError::Invalid { .. }
            | SimError::BadRequest(_)
            | SimError::Internal(_) => reply,
        }
    }
}

/// One page of a list with a `Link` header, by `page` and `per_page` (30, at most 100).
pub(crate) fn page(origin: &str, incoming: &Incoming, items: Vec<Value>) -> Reply {
    let (slice, link) = paginate(origin, incoming, items);
    let reply = Reply::ok(Value::Array(slice));
    match link {
        Some(link) => reply.with("Link", link),
        None => reply,
    }
}

/// The same inside an object with a count, as some lists are.
pub(crate) fn counted_page(
    origin: &str,
    incoming: &Incoming,
    key: &str,
    items: Vec<Value>,
) -> Reply {
    let total = items.len();
    let (slice, link) = paginate(origin, incoming, items);
    let reply = Reply::ok(json!({"total_count": total, key: slice}));
    match link {
        Some(link) => reply.with("Link", link),
        None => reply,
    }
}

fn paginate(origin: &str, incoming: &Incoming, items: Vec<Value>) -> (Vec<Value>, Option<String>) {
    let query = |name: &str, default: usize| {
        incoming
            .query(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let size = query("per_page", 30).clamp(1, 100);
    let page = query("page", 1).max(1);
    let last = items.len().div_ceil(size).max(1);
    let slice: Vec<Value> = items
        .into_iter()
        .skip((page - 1) * size)
        .take(size)
        .collect();
    let url = |target: usize| {
        let mut url = format!("{origin}{}{}?", incoming.prefix, incoming.path);
        for (name, value) in incoming.query.iter().filter(|(name, _)| name != "page") {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            url.push_str(name);
            url.push('=');
            url.extend(value);
            url.push('&');
        }
        format!("{url}page={target}")
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(format!("<{}>; rel=\"prev\"", url(page - 1)));
        links.push(format!("<{}>; rel=\"first\"", url(1)));
    }
    if page < last {
        links.push(format!("<{}>; rel=\"next\"", url(page + 1)));
        links.push(format!("<{}>; rel=\"last\"", url(last)));
    }
    let link = (!links.is_empty()).then(|| links.join(", "));
    (slice, link)
}
