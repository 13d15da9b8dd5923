//! The one port for the API, for git and for a person with a browser.

use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::simulator::error::{Cut, SimError};
use crate::simulator::{Options, Simulator};

impl Simulator {
    /// Starts one on a free loopback port, inside the present tokio runtime.
    ///
    /// # Errors
    ///
    /// [`SimError::Internal`] when there is no port or no temporary directory to be had.
    pub async fn start(options: Options) -> Result<Self, SimError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let inner = Self::of(options, origin)?;
        tokio::spawn(serve(inner.clone(), listener));
        Ok(inner.guarded())
    }
}

/// Serves until the last handle that was given away is gone.
async fn serve(sim: Simulator, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = sim.stop().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (sim, stop) = (sim.clone(), sim.stop().clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(sim, stream) => {}
            }
        });
    }
}

async fn connection(sim: Simulator, stream: TcpStream) {
    // Answers are small and clients wait for each: without this, Nagle adds 40 ms to some.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let sim = sim.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
            let request = http::Request::from_parts(parts, body);
            sim.handle(request)
                .await
                .map(|response| response.map(Full::new))
        }
    });
    // A connection that ends early, by a fault or by its client, is no event here.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
