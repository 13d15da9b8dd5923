//! The ports, implemented. Rooms on this floor never import each other.

pub mod agent;
pub mod gateway;
pub mod git;
pub mod github;
pub mod logs;
pub mod sandbox;
pub mod store;
pub mod system;
pub mod wake;
pub mod work_dir;
