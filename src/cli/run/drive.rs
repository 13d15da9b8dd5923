//! The steps of a server, one after another until nothing is left to do.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::context::Context;
use crate::app::publish::publish_next;
use crate::app::worker::{lease_next, work};
use crate::ports::fault::Fault;

/// The longest nap while something is put off: a stop may end it meanwhile.
const NAP: Duration = Duration::from_millis(500);

/// Works and publishes until the store has nothing that is due now or later.
pub(crate) async fn drive(ctx: &Context) -> Result<(), Fault> {
    // Nobody takes a job over here, so it is never given back: a stop ends it with a report.
    let never = CancellationToken::new();
    loop {
        while publish_next(ctx).await? {}
        if let Some(leased) = lease_next(ctx).await? {
            work(ctx, &leased, &never).await?;
            continue;
        }
        match ctx.store.next_due(ctx.now()).await? {
            None => return Ok(()),
            Some(at) => tokio::time::sleep(at.since(ctx.now()).to_std().min(NAP)).await,
        }
    }
}

/// Ctrl-C, and the signal that asks a program to end.
pub(crate) struct Interrupts(Vec<Signal>);

impl Interrupts {
    /// Begins to listen; until then the signals end the process.
    pub(crate) fn new() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self(
            kinds
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        )
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        std::future::poll_fn(|cx| {
            let some = self
                .0
                .iter_mut()
                .any(|signal| signal.poll_recv(cx).is_ready());
            if some {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}
