//! What the operator is promised, held against the tests that show it.

use crate::page::{Page, root, text_of};

const PAGE: &str = "docs/operations.md";

/// Fails unless `tests/area/file::name`, or a whole file of tests, is there.
fn assert_there(code: &str) {
    match code.split_once("::") {
        Some((file, name)) => {
            let text = text_of(&format!("{file}.rs"));
            assert!(text.contains(&format!("fn {name}(")), "{PAGE}: {code}");
        }
        None => assert!(root().join(format!("{code}.rs")).exists(), "{PAGE}: {code}"),
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = Page::open(PAGE);
    let mut seen = 0;
    for row in page.rows() {
        if row.chapter != "What it promises" {
            continue;
        }
        let shown = row.cells.last().map_or("", String::as_str);
        let tests: Vec<_> = shown
            .split('`')
            .filter(|code| code.starts_with("tests/"))
            .collect();
        assert!(!tests.is_empty(), "nothing shows {:?}", row.cells[0]);
        tests.into_iter().for_each(assert_there);
        seen += 1;
    }
    assert!(seen > 10, "only {seen} promises were found");
}
