//! The disks that the server writes to.

/// Tells how much room is left.
pub trait Room: Send + Sync {
    /// Returns the bytes that are free where there is least; `None` when that cannot be told.
    fn free(&self) -> Option<u64>;
}
