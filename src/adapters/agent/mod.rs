//! Agent drivers: how a program is given a brief and its work taken back.
//!
//! A driver knows nothing of isolation; it hands a command to the sandbox it is given. What it reads
//! back was written by an agent and is believed in nothing.

pub mod acp;
mod claim;
pub mod exec;
mod handover;
mod home;
pub mod recipe;
