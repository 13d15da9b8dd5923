//! Waking loops that wait for work.

/// What a loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Deliveries to be dispatched.
    Deliveries,
    /// Jobs to be run.
    Jobs,
    /// Effects to be sent.
    Effects,
    /// Branches to be compared with their bases.
    Bases,
}

/// Tells loops that there is work, in this process and perhaps in others on the same store.
///
/// Only a hint: who waits looks again after a second anyway, so a word that is lost costs that, and
/// one too many costs a look.
#[async_trait::async_trait]
pub trait Wake: Send + Sync {
    /// Says that there is work. With nobody waiting here it is kept for the next one who does.
    fn tell(&self, of: Waiting);

    /// Waits until there is.
    async fn told(&self, of: Waiting);
}
