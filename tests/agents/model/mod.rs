//! A model that says what a test wrote, over the four APIs that agents speak, and remembers what it
//! was asked.
//!
//! Requests that offer tools take the turns of its script, one each. Agents ask for more beside
//! their work: titles, routes, how many tokens a text has, what models there are. Those are answered
//! without a turn, in the shape that they ask for.

mod anthropic;
mod chat;
mod gemini;
mod responses;
mod sample;
mod script;
mod server;
mod tools;
mod wire;

pub(crate) use script::{Call, Failure, Reply, Script, Toolless, Turn, Usage};
pub(crate) use server::{Asked, Kind, Model};
pub(crate) use wire::Wire;
