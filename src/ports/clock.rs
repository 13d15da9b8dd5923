//! The one source of time.

use crate::domain::time::Timestamp;

/// Tells the time. Everything below the command line takes time from here, so a test decides it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}
