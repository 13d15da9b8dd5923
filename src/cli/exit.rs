//! Exit codes.

/// Exit code of a command that did what it was asked to.
pub const DONE: u8 = 0;
/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code for wrong usage or settings.
pub const USAGE: u8 = 2;
