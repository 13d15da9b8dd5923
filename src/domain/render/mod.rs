//! Every text that Prova writes on GitHub.
//!
//! A text says what happened, what was not done, and what a person can do next. What people and
//! agents wrote goes in only through `domain::sanitize`, so it cannot mention, link or close.

pub mod assessment;
pub mod budget;
pub mod buttons;
pub mod commit;
pub mod fit;
pub mod footing;
pub mod help;
pub mod integration;
pub mod live;
pub mod offered;
pub mod parts;
pub mod pull;
pub mod refusal;
pub mod reply;
pub mod spend;
pub mod status;
pub mod trail;
pub mod words;
