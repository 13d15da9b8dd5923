//! The binary as an operator runs it: `prova serve` as a process of its own, reached over loopback,
//! with nothing but its settings file. GitHub is the simulator, or a program in Python that was
//! written from GitHub's documentation and shares no line with this project.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod budgets;
#[path = "../store/cluster.rs"]
mod cluster;
mod commands;
mod doctor;
mod fleet;
mod home;
mod independent;
mod octocat;
mod pages;
mod simulated;
mod sweep;
mod versions;
