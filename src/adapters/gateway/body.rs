//! Answers on their way in, watched and not held back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::domain::metering::End;

/// Why a body broke off.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of any answer.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BodyError>;

/// Returns a body that is all there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Sees what passes.
pub(crate) trait Watch: Send + Unpin {
    /// Sees the next bytes; `false` ends the body.
    fn pass(&mut self, bytes: &[u8]) -> bool;

    /// Is told the end, but for a body that is dropped before.
    fn end(&mut self, end: End);
}

/// A body that is watched.
pub(crate) struct Watched<W> {
    inner: Incoming,
    watch: W,
    silence: Duration,
    patience: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<W: Watch + 'static> Watched<W> {
    /// Watches `inner`, which may be silent for so long.
    pub(crate) fn new(inner: Incoming, watch: W, silence: Duration) -> AnyBody {
        let mut watched = Self {
            inner,
            watch,
            silence,
            patience: Box::pin(tokio::time::sleep(silence)),
            waiting: false,
        };
        if watched.inner.is_end_stream() {
            watched.watch.end(End::Whole);
        }
        watched.boxed_unsync()
    }
}

impl<W: Watch> Body for Watched<W> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) else {
            if !std::mem::replace(&mut this.waiting, true) {
                this.patience.as_mut().reset(later(this.silence));
            }
            ready!(this.patience.as_mut().poll(context));
            this.watch.end(End::Broken);
            return Poll::Ready(Some(Err("silent for too long".into())));
        };
        Poll::Ready(match frame {
            None => {
                this.watch.end(End::Whole);
                None
            }
            Some(Err(error)) => {
                this.watch.end(End::Broken);
                Some(Err(error.into()))
            }
            Some(Ok(frame)) => {
                this.waiting = false;
                let goes_on = frame
                    .data_ref()
                    .is_none_or(|data| this.watch.pass(data.chunk()));
                if !goes_on {
                    this.watch.end(End::Broken);
                    return Poll::Ready(Some(Err("no more bytes may pass".into())));
                }
                // With a known length nobody asks again after the last byte.
                if this.inner.is_end_stream() {
                    this.watch.end(End::Whole);
                }
                Some(Ok(frame))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Returns when a timer ends that is set now.
fn later(silence: Duration) -> Instant {
    tokio::time::sleep(silence).deadline()
}
