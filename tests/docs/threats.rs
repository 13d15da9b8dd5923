//! The threat model, held against the tests that it names.

use std::collections::BTreeSet;

use crate::page::{Page, root, text_of};

const PAGE: &str = "docs/threat-model.md";

/// `tests/area/file::name`, `tests/area/main::name` or `src/room/file::name`.
fn test_of(code: &str) -> Option<(String, &str)> {
    let (file, name) = code.split_once("::")?;
    file.contains('/').then(|| (format!("{file}.rs"), name))
}

#[test]
fn every_test_that_is_named_exists() {
    let page = Page::open(PAGE);
    let mut seen = 0;
    for (file, name) in page.code().into_iter().filter_map(test_of) {
        // A macro makes the tests of the fuzz targets out of their names.
        let made = text_of(&file).contains(&format!("    {name}: "));
        let written = text_of(&file).contains(&format!("fn {name}("));
        assert!(made || written, "{PAGE}: {file} has no test {name}");
        seen += 1;
    }
    assert!(seen > 50, "only {seen} tests were found");
}

#[test]
fn every_attack_has_a_test() {
    for row in Page::open(PAGE).rows() {
        let shown = row.cells.get(2).filter(|_| row.chapter != "Actors");
        if let Some(shown) = shown {
            let tests = shown.split('`').filter_map(test_of).count();
            assert!(tests > 0, "{PAGE}: nothing shows {:?}", row.cells[0]);
        }
    }
}

#[test]
fn the_corpus_is_named_whole() {
    let page = Page::open(PAGE);
    let rows = page.rows();
    let named: BTreeSet<String> = rows
        .iter()
        .filter(|row| row.chapter == "Through the checkout" && row.cells.len() == 2)
        .flat_map(|row| row.cells[1].split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    let files = std::fs::read_dir(root().join("fixtures/attacks"));
    let there: BTreeSet<String> = files
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    assert_eq!(named, there);
}
