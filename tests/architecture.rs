//! Reads the sources and fails on what the house forbids: an import that goes up, a cycle, IO in the
//! pure floor, a library outside its one home, test code that ships, a file too long to read.
//!
//! A failure names the file, the line and the rule. The rules are `architecture/rules.rs`.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "architecture/cycles.rs"]
mod cycles;
#[path = "architecture/examples.rs"]
mod examples;
#[path = "architecture/packaging.rs"]
mod packaging;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/scan.rs"]
mod scan;
#[path = "architecture/source.rs"]
mod source;

use std::path::Path;

use rules::Breach;
use source::House;

/// The root of the package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn breaches(house: &House) -> Vec<Breach> {
    let by_file = house
        .sources
        .iter()
        .flat_map(|source| rules::breaches(house, source));
    by_file.chain(cycles::breaches(house)).collect()
}

#[test]
fn the_sources_keep_the_rules() {
    let house = House::read(root()).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        house.sources.len() > 10,
        "src was not found below {}",
        root().display()
    );
    let found: Vec<String> = breaches(&house).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
