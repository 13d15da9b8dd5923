//! The simulator behaves as GitHub does: its own tests, apart from everything that is tested
//! against it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "a request body is written where it is sent"
)]

mod answers;
mod app;
mod checks;
mod conversation;
mod faults;
mod git;
mod harness;
mod octocrab_client;
mod openapi;
mod pulls;
mod repositories;
mod transcript;
mod webhooks;
