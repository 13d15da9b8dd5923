//! Webhooks on their way to a receiver: taken by a test, or sent over HTTP to a server.

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::simulator::Simulator;
use crate::simulator::error::SimError;
use crate::simulator::webhooks::Delivery;

/// What GitHub notes for a receiver that it cannot reach.
const UNREACHABLE: u16 = 502;

impl Simulator {
    /// Takes the webhooks that wait, as they arrive after all outbox faults. Each counts as
    /// answered with 200 until [`record_answer`](Self::record_answer) says otherwise.
    #[must_use]
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        self.world().outbox.drain()
    }

    /// Notes what the receiver answered, for the deliveries API.
    pub fn record_answer(&self, delivery: &Delivery, status: u16) {
        self.world().outbox.answered(delivery.id, status);
    }

    /// Sends webhooks to an address over HTTP from now on, in the background. As on the real
    /// GitHub, none is sent again by itself.
    ///
    /// # Errors
    ///
    /// [`SimError::BadRequest`] for an address that is no `http://HOST:PORT/PATH`.
    pub fn deliver_to(&self, url: &str) -> Result<(), SimError> {
        let parsed = url
            .parse::<Uri>()
            .ok()
            .filter(|uri| uri.scheme_str() == Some("http") && uri.port().is_some());
        let uri = parsed
            .ok_or_else(|| SimError::BadRequest(format!("{url}: want http://HOST:PORT/PATH")))?;
        tokio::spawn(run(self.unguarded(), uri));
        Ok(())
    }
}

/// Sends whatever comes into the outbox until the simulator ends, one after another. A delivery
/// that fails is noted and, as on the real GitHub, not tried again.
async fn run(sim: Simulator, url: Uri) {
    let wake = sim.world().outbox.wake.clone();
    loop {
        for delivery in sim.take_deliveries() {
            let sent = tokio::select! {
                () = sim.stop().cancelled() => return,
                sent = send(&url, &delivery) => sent,
            };
            sim.record_answer(&delivery, sent.unwrap_or(UNREACHABLE));
        }
        tokio::select! {
            () = sim.stop().cancelled() => return,
            () = wake.notified() => {}
        }
    }
}

async fn send(url: &Uri, delivery: &Delivery) -> Option<u16> {
    let authority = url.authority()?.as_str();
    let stream = TcpStream::connect(authority).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let driver = tokio::spawn(connection);
    let mut request = Request::post(url.path()).header("host", authority);
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::<Bytes>::new(delivery.body.clone()))
        .ok()?;
    let response = sender.send_request(request).await;
    driver.abort();
    Some(response.ok()?.status().as_u16())
}
