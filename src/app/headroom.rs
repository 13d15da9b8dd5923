//! Room on the disk that is kept for what must not fail: deliveries, journals, the end of jobs that
//! run. No job begins on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::room::Room;

/// Below this no job begins. A run is killed when half of it is left.
pub const RESERVE: u64 = 1024 * 1024 * 1024;

/// Decides whether there is room for another job.
pub struct Headroom {
    room: Arc<dyn Room>,
    low: AtomicBool,
}

impl std::fmt::Debug for Headroom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Headroom")
            .field("low", &self.low)
            .finish_non_exhaustive()
    }
}

impl Headroom {
    /// Watches those disks.
    #[must_use]
    pub fn new(room: Arc<dyn Room>) -> Self {
        Self {
            room,
            low: AtomicBool::new(false),
        }
    }

    /// Returns whether a job may begin; says when that changes.
    pub fn allows_jobs(&self) -> bool {
        // A disk that cannot be asked is no reason to stop.
        let free = self.room.free().unwrap_or(u64::MAX);
        let low = free < RESERVE;
        let was_low = self.low.swap(low, Ordering::Relaxed);
        match (was_low, low) {
            (false, true) => {
                tracing::error!(
                    free,
                    RESERVE,
                    "the disk is nearly full: no job begins; deliveries are still taken"
                );
            }
            (true, false) => tracing::info!(free, "there is room again; jobs begin"),
            (true, true) | (false, false) => {}
        }
        !low
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    struct Left(AtomicU64);

    impl Room for Left {
        fn free(&self) -> Option<u64> {
            Some(self.0.load(Ordering::Relaxed)).filter(|free| *free > 0)
        }
    }

    #[test]
    fn jobs_begin_while_more_than_the_reserve_is_free() {
        let left = Arc::new(Left(AtomicU64::new(0)));
        let headroom = Headroom::new(left.clone());
        for (free, allowed) in [
            (RESERVE, true),
            (RESERVE - 1, false),
            (RESERVE, true),
            (0, true),
        ] {
            left.0.store(free, Ordering::Relaxed);
            assert_eq!(headroom.allows_jobs(), allowed, "{free}");
        }
    }
}
