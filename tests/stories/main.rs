//! Stories: a whole Prova on a simulated GitHub, told from what people do and see.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod assessments;
mod bases;
mod bots;
mod changes;
mod check_run;
mod clearing;
mod commands;
mod context;
mod conversation;
mod crashes;
mod deliveries;
mod disk_full;
mod drift;
mod endings;
mod fallbacks;
mod faults;
mod follow_ups;
mod frozen;
mod gateway;
mod handing;
mod harness;
mod intake;
mod integration;
mod knife;
mod lifecycle;
mod limits;
mod machine;
mod missed;
mod names;
mod others_bases;
mod others_pulls;
mod outages;
mod own_agent;
mod races;
mod reaching;
mod recipes;
mod refusals;
mod replay;
mod reviews;
mod secrets;
mod setups;
mod spending;
mod spine;
mod steering;
mod suites;
mod sweep;
mod text;
mod triggers;
mod turns;
mod undo;
mod waiting;
mod withdrawals;
mod words;
mod world;
