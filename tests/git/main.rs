//! Mirrors, checkouts and harvest on real git and real files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attacks;
mod corpus;
mod mirrors;
mod names;
mod property;
mod restore;
mod stories;
mod support;
