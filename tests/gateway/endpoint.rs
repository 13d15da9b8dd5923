//! A model endpoint that answers what a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What a test sends as the pieces of an answer; an error breaks it off.
pub(crate) type Pieces = mpsc::UnboundedSender<Result<Bytes, std::io::Error>>;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Script,
}

impl Answer {
    pub(crate) fn json(body: &str) -> Self {
        Self::error(200, body)
    }

    pub(crate) fn error(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json")],
            body: Script::of(&[body]),
        }
    }

    pub(crate) fn stream(pieces: &[&str]) -> Self {
        Self::live(Script::of(pieces))
    }

    pub(crate) fn live(body: Script) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "text/event-stream; charset=utf-8")],
            body,
        }
    }
}

/// The body of an answer, piece by piece.
pub(crate) struct Script(mpsc::UnboundedReceiver<Result<Bytes, std::io::Error>>);

impl Script {
    /// Returns a body that a test goes on to write.
    pub(crate) fn live() -> (Pieces, Self) {
        let (send, receive) = mpsc::unbounded_channel();
        (send, Self(receive))
    }

    fn of(pieces: &[&str]) -> Self {
        let (send, script) = Self::live();
        for piece in pieces {
            send.send(Ok(Bytes::copy_from_slice(piece.as_bytes())))
                .unwrap();
        }
        script
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| Some(piece?.map(Frame::data)))
    }
}

type Scripted = dyn Fn(&Request<Bytes>) -> Answer + Send + Sync;

/// A server that lives as long as its test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request<Bytes>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(
        script: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
        let (seen, script): (_, Arc<Scripted>) = (asked.clone(), Arc::new(script));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (seen, script) = (seen.clone(), script.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (seen, script) = (seen.clone(), script.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map(|body| body.to_bytes());
                        let request = Request::from_parts(head, body.unwrap_or_default());
                        let answer = script(&request);
                        seen.lock().unwrap().push(request);
                        let mut response = Response::builder().status(answer.status);
                        for (name, value) in answer.headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, std::convert::Infallible>(response.body(answer.body).unwrap())
                    }
                });
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    let _ = serving.await;
                });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    /// Returns what was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
