//! The pure floor: words, rules and decisions. No IO, no clock, no randomness, no async.
//!
//! Rooms, lowest first; each imports only from those above it in this list.

pub mod ids;
pub mod money;
pub mod name;
pub mod store_url;
pub mod suggest;
pub mod suggested;
pub mod time;
pub mod unanswered;

pub mod budget;
pub mod spend;
pub mod traffic;

pub mod egress;
pub mod reach;

pub mod model;

pub mod builtin;

pub mod metering;
pub mod redact;

pub mod annotation;
pub mod blocks;
pub mod branch;
pub mod change;
pub mod diff;
pub mod evidence;
pub mod excerpt;
pub mod governor;
pub mod home;
pub mod markdown;
pub mod missed;
pub mod offered;
pub mod outage;
pub mod progress;
pub mod repo;
pub mod retry;
pub mod review;
pub mod sanitize;
pub mod stall;
pub mod steering;
pub mod stream;

pub mod assessment;
pub mod command;

pub mod button;

pub mod event;
pub mod policy;
pub mod process;
pub mod secrets;

pub mod effect;
pub mod footing;
pub mod surroundings;

pub mod integration;

pub mod job;
pub mod report;
pub mod schedule;
pub mod task;
pub mod verify;

pub mod built_in;
pub mod fallback;
pub mod race;

pub mod prompt;
pub mod reference;
pub mod render;
pub mod trigger;

pub mod marks;
pub mod overlooked;
pub mod undo;

pub mod clear;

pub mod decide;
pub mod rebase;

pub mod spoken;

pub mod conclude;
pub mod drift;
pub mod mend;
pub mod settle;

pub mod bots;
