//! Counts and logs what was refused. A flood of refusals must not become a flood of log lines.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::time::{Span, Timestamp};

/// At most one line is logged in this time.
const ONE_LINE_PER: Span = Span::seconds(1);

/// Counts and logs refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    total: AtomicU64,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: Option<Timestamp>,
    unsaid: u64,
}

impl Refusals {
    /// Notes a refusal; logs it unless another was logged a moment ago, whose successor then says
    /// how many were left out.
    pub fn note(&self, why: &'static str, from: &str, now: Timestamp) {
        self.total.fetch_add(1, Ordering::Relaxed);
        // A poisoned lock only means that a log line was lost.
        let Ok(mut log) = self.log.lock() else { return };
        if log.last.is_some_and(|last| now.since(last) < ONE_LINE_PER) {
            log.unsaid += 1;
            return;
        }
        let unsaid = std::mem::take(&mut log.unsaid);
        log.last = Some(now);
        drop(log);
        let from: String = from.chars().filter(|c| !c.is_control()).take(64).collect();
        tracing::warn!(why, delivery.id = %from, unsaid, "refused a delivery");
    }

    /// Returns how many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
