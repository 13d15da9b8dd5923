//! Single parts, measured in this process: what every delivery and every job goes through.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement ends where it cannot go on"
)]

mod domain;
mod harvest;
mod sample;
mod store;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, domain::all, store::all, harvest::all);
criterion_main!(benches);
