//! Agent drivers: how a program is given a brief and its work taken back.
//!
//! A driver knows nothing of isolation; it hands a command to the sandbox it is given. What it reads
//! back was written by an agent and is believed in nothing.

pub mod acp;
pub mod built_in;
pub mod builtin;
mod claim;
pub mod exec;
mod fill;
mod fitting;
mod handover;
mod home;
pub mod launch;
mod leftover;
mod listen;
pub mod preset;
pub mod recipe;
#[doc(hidden)]
pub mod untrusted;
