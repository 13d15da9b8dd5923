//! What one process at a time does, of all that share a store.

use std::sync::{Mutex, PoisonError};

use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::Fault;
use crate::ports::store::{Duty, Processes};

/// How long a duty is kept without a word. Its holder renews it when half of that is over, so when
/// the holder dies another has it within that time; when it starts again, it has it at once.
const fn kept(duty: Duty) -> Span {
    match duty {
        // A person waits for the answer.
        Duty::Dispatch => Span::seconds(10),
        // One comparison, with a fetch.
        Duty::Bases => Span::minutes(2),
        // Longer than the pause between two looks.
        Duty::Reconcile => Span::minutes(12),
    }
}

/// How long the word of the store counts that another has it.
const ANOTHERS: Span = Span::seconds(1);

/// A duty, and whose it is as far as that is known here.
#[derive(Debug)]
pub struct Turn {
    duty: Duty,
    known: Mutex<Known>,
}

/// Whether the duty is ours, and until when that need not be asked again.
#[derive(Clone, Copy, Debug)]
struct Known {
    ours: bool,
    until: Timestamp,
}

impl Turn {
    /// Nothing is known so far.
    #[must_use]
    pub const fn new(duty: Duty) -> Self {
        let known = Known {
            ours: false,
            until: Timestamp::EPOCH,
        };
        Self {
            duty,
            known: Mutex::new(known),
        }
    }

    /// Returns whether the duty is now that of the worker `holder`.
    pub async fn is_ours(
        &self,
        store: &dyn Processes,
        holder: &str,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now < known.until {
            return Ok(known.ours);
        }
        let kept = kept(self.duty);
        let ours = store
            .take_duty(self.duty, holder, (now, now.plus(kept)))
            .await?;
        let fresh = if ours {
            Span::millis(kept.as_millis() / 2)
        } else {
            ANOTHERS
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known {
            ours,
            until: now.plus(fresh),
        };
        Ok(ours)
    }
}
