//! Mirrors, checkouts and harvest on real git and real files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod attacks;
mod corpus;
mod exact;
mod hidden;
mod layers;
mod mirrors;
mod names;
mod property;
mod restore;
mod setups;
mod stories;
mod support;
