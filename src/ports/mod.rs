//! What the use cases need from outside: narrow traits, plain data, typed faults.
//!
//! Every port is object safe, so the use cases compile once and tests put a fault or a counter in
//! front of any of them. No port holds a database transaction or a lock across a call.

pub mod fault;

pub mod agent;
pub mod checkouts;
pub mod clock;
pub mod door;
pub mod gateway;
pub mod github;
pub mod held_up;
pub mod live;
pub mod logs;
pub mod room;
pub mod sandbox;
pub mod store;
pub mod tree;
pub mod wake;
