//! The server before a script.

use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::sample::sample;
use super::script::{Failure, Reply, Script, Toolless, Turn};
use super::tools::called;
use super::wire::{Asks, Said, Wire};

/// What an agent may send at most.
const LARGEST: usize = 64 << 20;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// `null` where there is no JSON.
    pub(crate) body: Value,
    /// The API by which an answer was asked for.
    pub(crate) wire: Option<Wire>,
    /// The names of the tools that it offers.
    pub(crate) tools: Vec<String>,
    pub(crate) kind: Kind,
}

/// What a request was taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It took the turn with this number.
    Work(usize),
    /// Something beside the work.
    Aside,
    /// It was answered with 404.
    Unknown,
}

/// A model, and whoever asks it.
pub(crate) struct Model {
    shared: Arc<Shared>,
    servers: Vec<JoinHandle<()>>,
}

struct Shared {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    turns: AtomicUsize,
    answers: AtomicUsize,
    begun: Notify,
}

impl Model {
    pub(crate) fn new(script: Script) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            asked: Mutex::default(),
            turns: AtomicUsize::default(),
            answers: AtomicUsize::default(),
            begun: Notify::new(),
        });
        Self {
            shared,
            servers: Vec::new(),
        }
    }

    fn router(&self) -> Router {
        Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&self.shared))
    }

    /// Serves on loopback, and returns `http://HOST:PORT`.
    pub(crate) async fn on_loopback(&mut self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = axum::serve(listener, self.router()).into_future();
        self.servers
            .push(tokio::spawn(async { serving.await.unwrap() }));
        format!("http://{address}")
    }

    /// Serves on a socket file, which whoever is to ask is shown.
    pub(crate) fn on_socket(&mut self, path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        let serving = axum::serve(listener, self.router()).into_future();
        self.servers
            .push(tokio::spawn(async { serving.await.unwrap() }));
    }

    /// Goes on with another script, from its first turn.
    pub(crate) fn goes_on(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
        self.shared.turns.store(0, Ordering::Relaxed);
    }

    /// Waits until it is asked for the work.
    pub(crate) async fn begun(&self) {
        self.shared.begun.notified().await;
    }

    /// Returns what was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let asks = Asks::of(head.method.as_str(), &path);
    let kind = shared.kind(asks, &body);
    let wire = match asks {
        Asks::Answer(wire) => Some(wire),
        Asks::Count(_) | Asks::Models | Asks::Unknown => None,
    };
    let tools = wire.map_or_else(Vec::new, |wire| wire.offered(&body));
    shared.asked.lock().unwrap().push(Asked {
        method: head.method.to_string(),
        path: path.clone(),
        headers: head.headers,
        body: body.clone(),
        wire,
        tools: tools.into_iter().map(|tool| tool.name).collect(),
        kind,
    });
    match (asks, kind) {
        (Asks::Answer(wire), Kind::Work(number)) => {
            let turn = shared.script.lock().unwrap().turn(number);
            shared.answer(wire, turn, &path, &body).await
        }
        (Asks::Answer(wire), Kind::Aside | Kind::Unknown) => {
            let text = wire
                .schema(&body)
                .map_or_else(|| "A title".to_owned(), |schema| sample(schema).to_string());
            shared.answer(wire, Turn::say(&text), &path, &body).await
        }
        (Asks::Count(wire), _) => reply(200, &wire.count()),
        (Asks::Models, _) => reply(200, &models(&path)),
        (Asks::Unknown, _) => reply(404, &json!({ "error": { "message": "not found" } })),
    }
}

impl Shared {
    fn kind(&self, asks: Asks, body: &Value) -> Kind {
        match asks {
            Asks::Unknown => Kind::Unknown,
            Asks::Count(_) | Asks::Models => Kind::Aside,
            Asks::Answer(wire) => {
                let toolless = self.script.lock().unwrap().toolless;
                if wire.offered(body).is_empty() && toolless == Toolless::Aside {
                    Kind::Aside
                } else {
                    self.begun.notify_one();
                    Kind::Work(self.turns.fetch_add(1, Ordering::Relaxed))
                }
            }
        }
    }

    async fn answer(&self, wire: Wire, turn: Turn, path: &str, body: &Value) -> Response {
        let said = |reply: Reply| self.said(wire, reply, path, body);
        let stream = wire.streams(path, body);
        match turn {
            Turn::Reply(reply) => write(wire, &said(reply), stream, Flow::Whole),
            Turn::Slow(reply, pause) => write(wire, &said(reply), stream, Flow::Slow(pause)),
            Turn::Held(reply, let_go) => {
                let_go.notified().await;
                write(wire, &said(reply), stream, Flow::Whole)
            }
            Turn::Cut(reply) => write(wire, &said(reply), stream, Flow::Cut),
            Turn::Fail(failure) => refuse(wire, failure),
            Turn::Hang => pending().await,
        }
    }

    /// A call for which there is no tool is said instead, so that a test's failure shows why.
    fn said(&self, wire: Wire, reply: Reply, path: &str, body: &Value) -> Said {
        let offered = wire.offered(body);
        let mut said = Said {
            number: self.answers.fetch_add(1, Ordering::Relaxed),
            model: wire.model(path, body),
            text: reply.text,
            calls: Vec::new(),
            usage: reply.usage,
        };
        for call in &reply.calls {
            match called(call, &offered) {
                Ok(call) => said.calls.push(call),
                Err(why) => said.text.push_str(&why),
            }
        }
        said
    }
}

/// How the bytes of an answer go out.
#[derive(Clone, Copy)]
enum Flow {
    Whole,
    Slow(Duration),
    Cut,
}

fn write(wire: Wire, said: &Said, stream: bool, flow: Flow) -> Response {
    let (kind, mut pieces) = if stream {
        let mut pieces: Vec<String> = wire.events(said).into_iter().map(line).collect();
        pieces.push(wire.end().to_owned());
        ("text/event-stream", pieces)
    } else {
        let text = wire.whole(said).to_string();
        (
            "application/json",
            super::wire::halves(&text).map(str::to_owned).to_vec(),
        )
    };
    let (pause, last) = match flow {
        Flow::Whole => (None, None),
        Flow::Slow(pause) => (Some(pause), None),
        Flow::Cut => {
            pieces.truncate(pieces.len() / 2);
            (None, Some(Err(std::io::Error::other("cut"))))
        }
    };
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok(Bytes::from(piece)))
        .chain(last);
    let body = stream::unfold(pieces, move |mut pieces| async move {
        let piece = pieces.next()?;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        // Lets what was written go out, so that a cut is seen after it and not instead of it.
        tokio::task::yield_now().await;
        Some((piece, pieces))
    });
    let head = [("content-type", kind)];
    (head, Body::from_stream(body)).into_response()
}

fn line((name, data): super::wire::Event) -> String {
    let name = name.map_or_else(String::new, |name| format!("event: {name}\n"));
    format!("{name}data: {data}\n\n")
}

fn refuse(wire: Wire, failure: Failure) -> Response {
    let mut response = reply(failure.status, &wire.error(failure.status));
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

fn reply(status: u16, body: &Value) -> Response {
    let status = http::StatusCode::from_u16(status).unwrap();
    let head = [("content-type", "application/json")];
    (status, head, body.to_string()).into_response()
}

/// A list with one model, or the model that the path names, as far as the APIs agree.
fn models(path: &str) -> Value {
    let one = |id: &str| json!({ "id": id, "type": "model", "object": "model", "name": id });
    match path.rsplit_once("/models/") {
        Some((_, id)) => one(id),
        None => json!({ "object": "list", "data": [one("scripted")], "has_more": false }),
    }
}
