//! Connections: how many, how much memory each may take, and how they end.
//!
//! Anybody can connect, so what one connection costs is bounded before anything is known of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Connections that are served at once; further ones wait to be accepted.
const AT_ONCE: usize = 1_024;
/// What is read ahead of a connection, and the longest head of a request. hyper's own limit is 25
/// times that, which a flood of large bodies would fill for every connection.
const READ_AHEAD: usize = 16 * 1024;
/// How long the head of a request may take, and with it how long a connection may idle.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// How long to rest when none can be accepted: too many files are open, most likely.
const REST: Duration = Duration::from_millis(100);

/// Serves until `stop` fires and the requests that are under way have been answered.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let (open, places) = (TaskTracker::new(), Arc::new(Semaphore::new(AT_ONCE)));
    while let Some(stream) = next(&listener, &stop).await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let (router, stop) = (router.clone(), stop.clone());
        open.spawn(async move {
            connection(stream, router, stop).await;
            drop(place);
        });
    }
    open.close();
    open.wait().await;
}

/// Accepts a connection; `None` when it is time to stop.
async fn next(listener: &TcpListener, stop: &CancellationToken) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return None,
        };
        match accepted {
            Ok((stream, _)) => return Some(stream),
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Answers are small and written whole; none should wait for another.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    use super::*;

    /// A server whose `/slow` says that it was asked, and answers when it is told to.
    struct Bench {
        address: std::net::SocketAddr,
        asked: Arc<Notify>,
        told: Arc<Notify>,
        stop: CancellationToken,
        server: tokio::task::JoinHandle<()>,
    }

    impl Bench {
        async fn new() -> Self {
            let (asked, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (ask, tell) = (asked.clone(), told.clone());
            let slow = async move || {
                ask.notify_one();
                tell.notified().await;
                "at last"
            };
            let router = Router::new().route("/slow", get(slow));
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let stop = CancellationToken::new();
            Self {
                address: listener.local_addr().unwrap(),
                asked,
                told,
                server: tokio::spawn(serve(listener, router, stop.clone())),
                stop,
            }
        }

        async fn send(&self, request: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        }
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn what_is_under_way_is_answered_before_the_end() {
        let bench = Bench::new().await;
        // The first to connect is the first to be accepted: once the second has asked, both are.
        let idle = bench.send("").await;
        let waiting = bench.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
        bench.asked.notified().await;
        bench.stop.cancel();
        bench.told.notify_one();
        assert!(answer(waiting).await.ends_with("at last"));
        assert_eq!(answer(idle).await, "", "nothing was asked there");
        bench.server.await.unwrap();
        assert!(TcpStream::connect(bench.address).await.is_err());
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let bench = Bench::new().await;
        let endless = "x".repeat(READ_AHEAD);
        let stream = bench
            .send(&format!("GET /slow HTTP/1.1\r\nX-Endless: {endless}"))
            .await;
        assert!(answer(stream).await.starts_with("HTTP/1.1 431"));
        bench.stop.cancel();
        bench.server.await.unwrap();
    }
}
