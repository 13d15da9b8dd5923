//! What one process at a time does, of all that share a store.

use std::sync::{Mutex, PoisonError};

use crate::app::context::Context;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::Fault;
use crate::ports::store::Duty;

/// How long a duty is kept without a word. Its holder renews it when half of that is over, so when
/// the holder dies another has it within that time; when it starts again, it has it at once.
const fn kept(duty: Duty) -> Span {
    match duty {
        // A person waits for the answer.
        Duty::Dispatch => Span::seconds(10),
        // Longer than the pause between two looks.
        Duty::Reconcile => Span::minutes(12),
    }
}

/// A duty, and until when it is known to be ours.
#[derive(Debug)]
pub struct Turn {
    duty: Duty,
    renew: Mutex<Timestamp>,
}

impl Turn {
    /// Nobody's so far, as far as is known here.
    #[must_use]
    pub const fn new(duty: Duty) -> Self {
        Self {
            duty,
            renew: Mutex::new(Timestamp::EPOCH),
        }
    }

    /// Returns whether the duty is ours now.
    pub async fn is_ours(&self, ctx: &Context) -> Result<bool, Fault> {
        let (now, kept) = (ctx.now(), kept(self.duty));
        let renew = *self.renew.lock().unwrap_or_else(PoisonError::into_inner);
        if now < renew {
            return Ok(true);
        }
        let holder = &ctx.settings.worker;
        let until = now.plus(kept);
        let ours = ctx.store.take_duty(self.duty, holder, (now, until)).await?;
        let half = Span::millis(kept.as_millis() / 2);
        let renew = if ours {
            now.plus(half)
        } else {
            Timestamp::EPOCH
        };
        *self.renew.lock().unwrap_or_else(PoisonError::into_inner) = renew;
        Ok(ours)
    }
}
