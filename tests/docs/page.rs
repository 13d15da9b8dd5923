//! Reading a document: its tables, its blocks of code, its links.

use std::fs;
use std::path::{Path, PathBuf};

/// A document of this repository.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A row of a table, and the headings that it stands under.
pub(crate) struct Row {
    pub(crate) chapter: String,
    pub(crate) section: String,
    pub(crate) cells: Vec<String>,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every document that people read. Fixtures and snapshots are data.
pub(crate) fn pages() -> Vec<Page> {
    let dirs = ["", "docs", "migrations"].map(|dir| root().join(dir));
    let files = dirs.iter().flat_map(|dir| {
        let entries =
            fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        entries.flatten().map(|entry| entry.path())
    });
    let pages = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .map(|path| {
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Page { path, text }
        });
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() > 8, "the documents were not found");
    pages
}

impl Page {
    pub(crate) fn open(file: &str) -> Self {
        Self {
            path: root().join(file),
            text: text_of(file),
        }
    }

    /// Returns the blocks of code of that language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<String> {
        let fence = format!("```{language}\n");
        let parts = self.text.split(&fence).skip(1);
        parts
            .map(|part| {
                part.split("```")
                    .next()
                    .unwrap_or_default()
                    .replace("\n   ", "\n")
            })
            .collect()
    }

    /// Returns what stands between single backticks, outside of blocks of code.
    pub(crate) fn code(&self) -> Vec<&str> {
        let prose = self.text.split("```").step_by(2);
        prose
            .flat_map(|part| part.split('`').skip(1).step_by(2))
            .collect()
    }

    /// Returns the rows of all tables, without their heads.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let (mut chapter, mut section) = (String::new(), String::new());
        let (mut rows, mut is_body) = (Vec::new(), false);
        for line in self.text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                heading.clone_into(&mut chapter);
                section.clear();
            } else if let Some(heading) = line.strip_prefix("### ") {
                heading.trim_matches('`').clone_into(&mut section);
            }
            let Some(inner) = line
                .strip_prefix("| ")
                .and_then(|line| line.strip_suffix(" |"))
            else {
                is_body = false;
                continue;
            };
            if inner.starts_with("---") {
                is_body = true;
            } else if is_body {
                let cells = inner
                    .split(" | ")
                    .map(|cell| cell.trim().to_owned())
                    .collect();
                rows.push(Row {
                    chapter: chapter.clone(),
                    section: section.clone(),
                    cells,
                });
            }
        }
        rows
    }

    /// Returns the targets of the links.
    pub(crate) fn links(&self) -> Vec<&str> {
        let targets = self.text.split("](").skip(1);
        targets.filter_map(|rest| rest.split(')').next()).collect()
    }
}
