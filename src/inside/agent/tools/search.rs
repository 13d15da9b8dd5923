//! The tool that finds lines: a regular expression over the files that git would look at.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::inside::agent::clip;
use crate::inside::agent::tools::place;

/// Most lines that are shown.
const MATCHES: usize = 100;
/// Most characters of one line.
const LINE_CHARS: usize = 240;
/// Larger files are no sources.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Arguments {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    files: Option<String>,
}

impl Arguments {
    pub(super) fn title(&self) -> String {
        format!("search {}", self.pattern)
    }
}

/// Returns the lines as `path:number: text`, in the order of their paths.
pub(super) fn run(root: &Path, search: &Arguments) -> Result<String, String> {
    let pattern = RegexBuilder::new(&search.pattern)
        .size_limit(4 * 1024 * 1024)
        .build()
        .map_err(|error| error.to_string())?;
    let below = search.path.as_deref().unwrap_or_default();
    let top = place::below(root, below)?;
    if !top.exists() {
        return Err(format!("there is no {below}"));
    }
    let mut walk = WalkBuilder::new(&top);
    // Names with a dot are files as all others are. What people ignore on their own machine is not
    // the repository's.
    walk.hidden(false)
        .require_git(false)
        .git_global(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_path(Ord::cmp);
    if let Some(files) = &search.files {
        let mut only = OverrideBuilder::new(&top);
        only.add(files).map_err(|error| error.to_string())?;
        walk.overrides(only.build().map_err(|error| error.to_string())?);
    }
    let mut found = Found::default();
    let real = root.canonicalize().map_err(|error| error.to_string())?;
    for entry in walk.build().flatten() {
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            let name = entry.path().strip_prefix(&real).unwrap_or(entry.path());
            found.look(entry.path(), &name.display().to_string(), &pattern);
        }
    }
    Ok(found.told())
}

#[derive(Debug, Default)]
struct Found {
    lines: String,
    shown: usize,
    more: usize,
}

impl Found {
    fn look(&mut self, file: &Path, name: &str, pattern: &Regex) {
        // What cannot be read has no matches to show.
        let Some(text) = text(file) else { return };
        for (index, line) in text.lines().enumerate() {
            if !pattern.is_match(line) {
                continue;
            }
            if self.shown == MATCHES {
                self.more += 1;
                continue;
            }
            self.shown += 1;
            let line = clip::line(line, LINE_CHARS);
            let _ = writeln!(self.lines, "{name}:{}: {line}", index + 1);
        }
    }

    fn told(mut self) -> String {
        match (self.shown, self.more) {
            (0, _) => "no line matches".to_owned(),
            (_, 0) => self.lines,
            (_, more) => {
                let _ = writeln!(self.lines, "[{more} more lines match: narrow the search]");
                self.lines
            }
        }
    }
}

/// Returns what a file holds, when it is text.
fn text(file: &Path) -> Option<String> {
    let file = File::open(file).ok()?;
    if file.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let is_binary = bytes.iter().take(8_000).any(|byte| *byte == 0);
    (!is_binary).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(pattern: &str) -> Arguments {
        Arguments {
            pattern: pattern.to_owned(),
            path: None,
            files: None,
        }
    }

    #[test]
    fn what_git_ignores_is_not_searched() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write(".gitignore", "target\n");
        write("target/x", "needle\n");
        write(".git/config", "needle\n");
        write("src/b.rs", "// hay\nfn needle() {}\n");
        write("src/a.rs", "Needle\nneedle");
        write(".ci/run", "needle\n");
        write("picture", "needle\0");
        let root = dir.path();
        assert_eq!(
            run(root, &search("needle")).unwrap(),
            ".ci/run:1: needle\nsrc/a.rs:2: needle\nsrc/b.rs:2: fn needle() {}\n"
        );
        let case = run(root, &search("(?i)^needle$")).unwrap();
        assert!(case.contains("src/a.rs:1: Needle\n"), "{case}");
        let only = Arguments {
            path: Some("src".to_owned()),
            files: Some("b.*".to_owned()),
            ..search("needle")
        };
        assert_eq!(run(root, &only).unwrap(), "src/b.rs:2: fn needle() {}\n");
        assert_eq!(run(root, &search("absent")).unwrap(), "no line matches");
        assert!(run(root, &search("(")).is_err());
        let outside = Arguments {
            path: Some("../..".to_owned()),
            ..search("x")
        };
        assert!(run(root, &outside).is_err());
    }

    #[test]
    fn many_matches_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x\n".repeat(250)).unwrap();
        let text = run(dir.path(), &search("x")).unwrap();
        assert!(text.ends_with("a:100: x\n[150 more lines match: narrow the search]\n"));
    }
}
