//! How much GitHub's limits hold up, counted by whoever asks GitHub and shown to the operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests of this process that could not be sent at once.
#[derive(Debug, Default)]
pub struct HeldUp {
    waiting: AtomicU64,
    put_off: AtomicU64,
}

/// A request that waits; it does until this is dropped.
#[derive(Debug)]
pub struct Waits(Arc<HeldUp>);

impl HeldUp {
    /// Counts a request that waits for a moment.
    #[must_use]
    pub fn wait(self: &Arc<Self>) -> Waits {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(Arc::clone(self))
    }

    /// Counts a request that has to come again.
    pub fn put_off(&self) {
        self.put_off.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many wait now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Returns how many had to come again since the start.
    #[must_use]
    pub fn put_off_so_far(&self) -> u64 {
        self.put_off.load(Ordering::Relaxed)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_counts_while_it_waits_and_who_is_put_off_for_ever() {
        let held_up = Arc::new(HeldUp::default());
        let (one, another) = (held_up.wait(), held_up.wait());
        assert_eq!(held_up.waiting(), 2);
        drop(one);
        held_up.put_off();
        assert_eq!((held_up.waiting(), held_up.put_off_so_far()), (1, 1));
        drop(another);
        assert_eq!((held_up.waiting(), held_up.put_off_so_far()), (0, 1));
    }
}
