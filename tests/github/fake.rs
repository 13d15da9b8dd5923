//! A server that answers as it is told and remembers what it was asked.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method};
use prova::adapters::github::{Client, Settings};
use prova::domain::branch::BranchName;
use prova::domain::ids::{CommentId, InstallationId, RepoId, ThreadNumber};
use prova::domain::repo::Repo;
use prova::domain::time::{Span, Timestamp};
use prova::ports::clock::Clock;
use prova::ports::fault::Fault;
use prova::ports::github::{ThreadNow, Threads as _};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::key::key;

pub(crate) const APP_ID: u64 = 4711;
/// Sat, 21 Nov 2026 01:13:06 GMT
pub(crate) const START: Timestamp = Timestamp::from_millis(1_795_223_586_000);

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct StandingClock(AtomicI64);

impl StandingClock {
    pub(crate) fn advance(&self, by: Span) {
        self.0
            .fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// `null` when there was no body.
    pub(crate) body: Value,
}

impl Seen {
    /// `POST /repos/o/r/issues`, for matching.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn mints(&self) -> bool {
        self.path.ends_with("/access_tokens")
    }
}

/// What is answered.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    delay: std::time::Duration,
}

pub(crate) fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        delay: std::time::Duration::ZERO,
    }
}

pub(crate) fn refusal(status: u16, message: &str) -> Reply {
    reply(
        status,
        &json!({ "message": message, "documentation_url": "https://docs.example" }),
    )
}

impl Reply {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn after(mut self, delay: std::time::Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Script = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Script>,
    clock: Arc<StandingClock>,
}

/// A running server, the client that talks to it, and the clock of both.
pub(crate) struct Fake {
    pub(crate) client: Arc<Client>,
    pub(crate) clock: Arc<StandingClock>,
    /// Scheme, host and port.
    pub(crate) origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Starts a server that answers by `script`. Where that has no answer, tokens are minted
    /// (`ghs_1`, `ghs_2`, …, good for an hour) and everything else is a 500.
    pub(crate) async fn start(
        script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start_below("", |_| (), script).await
    }

    /// The same below a base path, with other settings.
    pub(crate) async fn start_below(
        base: &str,
        adjust: impl FnOnce(&mut Settings),
        script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let clock = Arc::new(StandingClock(AtomicI64::new(START.as_millis())));
        let shared = Shared {
            seen: Arc::default(),
            script: Arc::new(script),
            clock: Arc::clone(&clock),
        };
        let seen = Arc::clone(&shared.seen);
        let router = axum::Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });

        let key = SecretString::from(key().private_pem.clone());
        let mut settings = Settings::new(format!("{origin}{base}"), APP_ID, key);
        adjust(&mut settings);
        let client = Client::new(&settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self {
            client: Arc::new(client),
            clock,
            origin,
            seen,
        }
    }

    /// Has the client write a comment.
    pub(crate) async fn comment(&self) -> Result<CommentId, Fault> {
        self.client.comment(&repo(), ThreadNumber(1), "hi").await
    }

    /// Has the client read a thread.
    pub(crate) async fn thread(&self) -> Result<ThreadNow, Fault> {
        self.client.thread(&repo(), ThreadNumber(1)).await
    }

    /// Everything that was asked, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was asked besides tokens, as `METHOD path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen()
            .iter()
            .filter(|seen| !seen.mints())
            .map(Seen::line)
            .collect()
    }

    pub(crate) fn mints(&self) -> usize {
        self.seen().iter().filter(|seen| seen.mints()).count()
    }

    /// The body of the only request whose line starts so.
    pub(crate) fn body_of(&self, line: &str) -> Value {
        let seen = self.seen();
        let mut matching = seen.iter().filter(|seen| seen.line().starts_with(line));
        let found = matching
            .next()
            .unwrap_or_else(|| panic!("no {line} in {seen:?}"));
        assert!(matching.next().is_none(), "more than one {line}");
        found.body.clone()
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let seen = Seen {
        method: head.method,
        path: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body: if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap()
        },
    };
    let minted = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.iter().filter(|seen| seen.mints()).count()
    };
    let reply = (shared.script)(&seen).unwrap_or_else(|| {
        if seen.mints() {
            let expires = shared.clock.now().plus(Span::minutes(60));
            let expires = jiff::Timestamp::from_millisecond(expires.as_millis()).unwrap();
            let token =
                json!({ "token": format!("ghs_{minted}"), "expires_at": expires.to_string() });
            reply(201, &token)
        } else {
            refusal(
                500,
                &format!("nobody told me what to answer to {}", seen.line()),
            )
        }
    });
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

pub(crate) fn repo() -> Repo {
    Repo {
        id: RepoId(77),
        name: "octo/hello".parse().unwrap(),
        installation: InstallationId(9),
        default_branch: "main".to_owned(),
        archived: false,
    }
}

pub(crate) fn branch(name: &str) -> BranchName {
    name.parse().unwrap()
}
