//! A GitHub with state, to test against and for `prova demo`.
//!
//! [`Simulator::start`] serves the REST API, git over smart HTTP and, as text, the pages of threads
//! on one loopback port. A test builds a world ([`Simulator::create_repository`],
//! [`Simulator::install_app`]), lets people act ([`Simulator::as_person`]) and takes the webhooks
//! that follow ([`Simulator::take_deliveries`], or [`Simulator::deliver_to`] for a running server).
//! State comes first: no webhook is written by hand, and what the App does through the API comes
//! back to it as webhooks too.
//!
//! Every API request is judged by GitHub's own description ([`Options::descriptions`]);
//! [`Simulator::violations`] has what was wrong with them. [`Simulator::arm`] breaks requests,
//! [`Simulator::arm_outbox`] webhooks.

mod answer;
mod api;
mod deliver;
pub mod error;
mod git;
mod git_face;
mod instance;
mod json;
mod key;
pub mod openapi;
pub mod people;
mod server;
mod transcript;
pub mod webhooks;
pub mod world;

pub use crate::simulator::instance::{Options, Request, Simulator, faults, limits};
