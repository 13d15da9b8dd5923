//! Stories of the command line, told with the real program, real git and the real sandbox.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;
mod forge;
mod refusals;
mod repositories;
mod run;
