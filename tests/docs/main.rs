//! The documents, held against the code: what they name exists, what they show works, and the tables
//! say what the parsers know.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod agent;
mod configuration;
mod conformance;
#[cfg(feature = "kubernetes")]
mod deploy;
mod names;
mod page;
mod promises;
mod threats;
