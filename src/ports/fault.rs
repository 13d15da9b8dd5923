//! How a call to the outside can fail, in the classes that decide what happens next.

use crate::domain::time::Timestamp;

/// What kind of failure it was; `domain::retry` turns it into retry, fail or park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may work when tried again: 5xx, timeout, connection lost, disk full, database busy.
    /// A write that ends so may or may not have been applied.
    Transient,
    /// Refused until then; trying earlier makes it worse (GitHub bans clients that go on).
    RateLimited(Timestamp),
    /// The App lost its access: uninstalled, suspended, key revoked, permission missing.
    AuthLost,
    /// The world is not as the call assumed: the branch moved, the row was changed, the lease was
    /// taken over. Read again, then decide again.
    Conflict,
    /// What the call is about does not exist (any more).
    NotFound,
    /// It fails however often it is tried.
    Permanent,
}

/// A failed call: its class, what was being done, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct Fault {
    /// What kind of failure it was.
    pub class: Class,
    /// What was being done, in words that fit before a colon: `create a comment on octo/x#4`.
    pub doing: String,
    /// What went wrong, without secrets or bodies.
    pub cause: String,
}

impl Fault {
    /// Builds a fault.
    pub fn new(class: Class, doing: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self {
            class,
            doing: doing.into(),
            cause: cause.to_string(),
        }
    }

    /// Builds a fault that may pass.
    pub fn transient(doing: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::new(Class::Transient, doing, cause)
    }

    /// Builds a fault that will not pass.
    pub fn permanent(doing: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::new(Class::Permanent, doing, cause)
    }

    /// Builds the fault of a failed file or process operation: a full disk, too many open files
    /// and the like pass, everything else does not.
    pub fn io(doing: impl Into<String>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let passes = matches!(
            error.kind(),
            Kind::StorageFull
                | Kind::QuotaExceeded
                | Kind::OutOfMemory
                | Kind::Interrupted
                | Kind::TimedOut
                | Kind::WouldBlock
                | Kind::ResourceBusy
        ) || matches!(error.raw_os_error(), Some(11 | 23 | 24)); // EAGAIN, ENFILE, EMFILE
        Self::new(
            if passes {
                Class::Transient
            } else {
                Class::Permanent
            },
            doing,
            error,
        )
    }
}
