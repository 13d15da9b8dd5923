//! Prova, a self-hosted GitHub App.
//!
//! A person gives it an issue; it runs a coding agent in a sandboxed, ephemeral checkout and hands
//! back a branch and a pull request that carries what the *server* observed.
//!
//! The modules are floors, lowest first. A module imports only from floors below its own, or from a
//! lower room on its own floor; `tests/architecture.rs` reads the sources and fails on anything else.

pub mod domain;

pub mod config;
pub mod ports;

pub mod app;

pub mod adapters;
pub mod inside;

pub mod http;
pub mod simulator;

pub mod bootstrap;
pub mod cli;
