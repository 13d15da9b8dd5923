//! The gateway over loopback: scripted endpoints behind it, hostile programs before it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in what its functions share"
)]

mod accounts;
mod bed;
mod budgets;
mod builtin;
mod endings;
mod endpoint;
mod models;
mod network;
mod plain;
mod proxy;
mod streams;
