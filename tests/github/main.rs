//! The client against a small server that answers as it is told, and the webhooks against real
//! payloads.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod checks;
mod commits;
mod contract;
mod fake;
mod faults;
mod graphql;
mod key;
mod limits;
mod line_comments;
mod manifest;
mod missed;
mod reads;
mod stage;
mod tokens;
mod traps;
mod webhooks;
mod writes;
