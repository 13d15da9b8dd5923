//! Mirrors, checkouts and harvest on real git and real files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attacks;
mod layers;
mod mirrors;
mod names;
mod property;
mod setups;
mod stories;
mod support;
