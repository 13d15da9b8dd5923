//! The ports, implemented. Rooms on this floor never import each other.

pub mod git;
pub mod store;
