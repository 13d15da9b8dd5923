//! The pure floor: words, rules and decisions. No IO, no clock, no randomness, no async.
//!
//! Rooms, lowest first; each imports only from those above it in this list.

pub mod ids;
pub mod money;
pub mod name;
pub mod suggest;
pub mod time;

pub mod budget;
pub mod spend;
pub mod traffic;

pub mod egress;
pub mod reach;

pub mod model;

pub mod builtin;

pub mod metering;
pub mod redact;

pub mod branch;
pub mod change;
pub mod evidence;
pub mod excerpt;
pub mod markdown;
pub mod repo;
pub mod retry;
pub mod sanitize;
pub mod steering;

pub mod command;
pub mod event;
pub mod policy;
pub mod secrets;

pub mod effect;
pub mod job;
pub mod report;
pub mod task;
pub mod verify;

pub mod prompt;
pub mod render;
pub mod trigger;

pub mod decide;

pub mod conclude;
pub mod settle;
