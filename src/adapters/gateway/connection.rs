//! Connections from inside: how many, what one may cost, and who answers it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;

use crate::adapters::gateway::body::AnyBody;
use crate::adapters::gateway::passage::Pass;
use crate::adapters::gateway::{forward, plain, tunnel};

/// What is read ahead of a connection, and the longest head of a request.
const READ_AHEAD: usize = 64 * 1024;
/// How long to rest when none can be accepted: too many files are open, most likely.
const REST: Duration = Duration::from_millis(100);

/// Serves until the door is closed.
pub(super) async fn serve(listener: TcpListener, pass: Arc<Pass>) {
    loop {
        let place = pass.places.clone().acquire_owned();
        let next = async { (place.await, listener.accept().await) };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = pass.stop.cancelled() => return,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                // An answer's first byte waits for nothing.
                let _ = stream.set_nodelay(true);
                begin(stream, place, &pass);
            }
            (Err(_), _) => return,
            (_, Err(error)) => {
                tracing::debug!(job = %pass.job, %error, "could not accept a connection from inside");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Serves one connection beside the others, as long as the door is open.
pub(super) fn begin<S>(stream: S, place: OwnedSemaphorePermit, pass: &Arc<Pass>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = connection(stream, pass.clone());
    let stop = pass.stop.clone();
    pass.tasks.spawn(async move {
        stop.run_until_cancelled(connection).await;
        drop(place);
    });
}

async fn connection<S>(stream: S, pass: Arc<Pass>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let head = pass.house.settings.bounds.head;
    let job = pass.job;
    let service = service_fn(move |request| answer(request, pass.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%job, %error, "a connection from inside broke off");
    }
}

/// The form of the request's target tells whom it is for: `host:port` asks for a tunnel, a whole
/// URL for another host's page, a path for a model.
async fn answer(
    request: Request<Incoming>,
    pass: Arc<Pass>,
) -> Result<Response<AnyBody>, Infallible> {
    Ok(if request.method() == Method::CONNECT {
        tunnel::open(request, &pass).await
    } else if request.uri().authority().is_some() {
        plain::fetch(request, &pass).await
    } else {
        forward::call(request, &pass).await
    })
}
