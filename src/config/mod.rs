//! Settings and policies: text to typed values. A bad text yields *all* of its problems, each with
//! file, line, key, what was found and what is expected.
//!
//! Rooms, lowest first: `report` (what a problem is), `reader` (TOML to values), `values` (what single
//! values must look like), and a room for each file.

pub mod report;

pub mod reader;
pub mod values;

pub mod policy;
pub mod presets;

pub mod environment;
pub mod server;
