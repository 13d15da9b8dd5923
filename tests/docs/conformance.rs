//! The table of agents in `docs/agents.md`, which `make conformance` writes: it is whole, and about the
//! agents that are installed.

#[path = "../agents/case.rs"]
mod case;

use prova::config::presets;

use crate::page::{Page, Row, text_of};
use case::Case;

/// The agents that every case must have passed with.
const WHOLE: [&str; 5] = ["claude-code", "codex", "gemini-cli", "goose", "opencode"];

/// The rows of the table.
fn rows() -> Vec<Row> {
    let page = Page::open("docs/agents.md");
    let rows = page.rows().into_iter();
    let rows: Vec<_> = rows.filter(is_conformance).collect();
    assert!(!rows.is_empty(), "there is no table");
    rows
}

fn is_conformance(row: &Row) -> bool {
    row.section == "What was run" && row.cells.len() == 3 + Case::ALL.len()
}

#[test]
fn every_case_is_a_column() {
    let cases = Case::ALL.map(Case::name).join(" | ");
    let head = format!("| preset | driver | version | {cases} |");
    let page = Page::open("docs/agents.md");
    assert!(page.text.contains(&head), "make conformance: {head}");
    for case in Case::ALL.map(Case::name) {
        let (is_told, comma) = (format!("| {case} | "), format!("{case}, "));
        assert!(
            page.text.contains(&is_told) || page.text.contains(&comma) || case == "500",
            "what is {case}?"
        );
    }
}

#[test]
fn every_preset_was_driven_and_nothing_failed() {
    let rows = rows();
    for preset in presets::names() {
        let row = rows.iter().find(|row| {
            let cells = &row.cells;
            cells[0] == format!("`{preset}`") && cells[1] == "exec"
        });
        let row = row.unwrap_or_else(|| panic!("{preset} was not driven: make conformance"));
        // What only the protocol has a way to do.
        let expected = |case| if case == Case::Steered { "–" } else { "yes" };
        let is_whole = row.cells[3..].iter().eq(Case::ALL.map(expected));
        assert!(is_whole || !WHOLE.contains(&preset), "{:?}", row.cells);
    }
    for preset in WHOLE {
        let is_whole = rows.iter().any(|row| {
            let of = row.cells[0] == format!("`{preset}`") && row.cells[1] == "acp";
            of && row.cells[3..].iter().all(|cell| cell == "yes")
        });
        assert!(is_whole, "{preset} over ACP: make conformance");
    }
    for row in rows {
        let known = |cell: &String| ["yes", "–"].contains(&cell.as_str());
        assert!(row.cells[3..].iter().all(known), "{:?}", row.cells);
    }
}

/// The version of a package by the lists of what is installed.
fn pinned(package: &str) -> Option<String> {
    let npm: serde_json::Value =
        serde_json::from_str(&text_of("scripts/agents/package.json")).unwrap_or_default();
    if let Some(version) = npm["dependencies"][package].as_str() {
        // `npm:@openai/codex@0.169.0-linux-x64`: another name for one platform's release.
        let version = version.rsplit('@').next()?;
        return Some(version.split('-').next()?.to_owned());
    }
    let pypi = text_of("scripts/agents/requirements.in");
    let mut pins = pypi.lines().filter_map(|line| line.split_once("=="));
    let (_, version) = pins.find(|(name, _)| *name == package)?;
    Some(version.to_owned())
}

#[test]
fn the_versions_are_those_that_are_installed() {
    let setup = text_of("scripts/setup");
    let checks = setup.lines().filter_map(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "check_agent");
        Some((words.nth(1)?, words.next()?))
    });
    let checks: Vec<_> = checks.collect();
    for row in rows().iter().filter(|row| row.cells[1] == "exec") {
        let preset = presets::find(row.cells[0].trim_matches('`'));
        let program = preset.map(|preset| preset.program).unwrap_or_default();
        let package = checks.iter().find(|(name, _)| *name == program);
        let version = package.and_then(|(_, package)| pinned(package));
        assert_eq!(version.as_ref(), Some(&row.cells[2]), "make conformance");
    }
}
