//! Sandboxes and agent drivers against the real kernel and the real bubblewrap. A test that cannot
//! have them fails.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, also in what its functions share"
)]

mod acp;
mod agents;
mod bed;
mod calls;
mod container;
mod door;
mod endings;
mod hiding;
mod isolation;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod layers;
mod limits;
mod none;
mod presets;
mod probe;
mod talk;
mod users;
