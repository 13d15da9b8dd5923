//! The tool that shows a file, or a part of it, with line numbers.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;

use crate::inside::agent::clip;
use crate::inside::agent::tools::place;

/// Lines that are shown when no number is asked for.
const LINES: usize = 400;
/// Most bytes that are shown at once.
const BYTES: usize = 20_000;
/// Most characters of one line.
const LINE_CHARS: usize = 500;
/// How much of a file is looked through for its lines.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Arguments {
    path: String,
    #[serde(default)]
    first_line: Option<usize>,
    #[serde(default)]
    lines: Option<usize>,
}

impl Arguments {
    pub(super) fn title(&self) -> String {
        format!("read {}", self.path)
    }
}

/// Returns the lines as `number: text`, and what comes after them.
pub(super) fn run(root: &Path, read: &Arguments) -> Result<String, String> {
    let file = place::below(root, &read.path)?;
    let told = |error: std::io::Error| format!("{}: {error}", read.path);
    if !file.metadata().map_err(told)?.is_file() {
        return Err(format!("{} is no regular file", read.path));
    }
    let mut lines = BufReader::new(File::open(&file).map_err(told)?.take(MAX_BYTES));
    let first = read.first_line.unwrap_or(1).max(1);
    let most = read.lines.unwrap_or(LINES).max(1);
    let mut shown = String::new();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(told)? == 0 {
            break;
        }
        if line.contains(&0) {
            return Err(format!("{} is not text", read.path));
        }
        number += 1;
        if number < first {
            continue;
        }
        if number - first == most || shown.len() > BYTES {
            let _ = writeln!(shown, "[there is more: go on with first_line {number}]");
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = clip::line(text.trim_end_matches(['\n', '\r']), LINE_CHARS);
        let _ = writeln!(shown, "{number}: {text}");
    }
    if shown.is_empty() {
        return Ok(format!("[{} has {number} lines]\n", read.path));
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let lines: Vec<_> = (1..=1_000).map(|n| format!("line {n}\r\n")).collect();
        std::fs::write(dir.path().join("a"), lines.concat()).unwrap();
        std::fs::write(dir.path().join("binary"), b"a\0b").unwrap();
        std::fs::write(dir.path().join("wide"), "x".repeat(90_000)).unwrap();
        let read = |path: &str, first_line, lines| {
            let path = path.to_owned();
            let arguments = Arguments {
                path,
                first_line,
                lines,
            };
            run(dir.path(), &arguments)
        };
        assert_eq!(
            read("a", Some(999), None).unwrap(),
            "999: line 999\n1000: line 1000\n"
        );
        assert_eq!(
            read("a", Some(2), Some(1)).unwrap(),
            "2: line 2\n[there is more: go on with first_line 3]\n"
        );
        let all = read("a", None, None).unwrap();
        assert!(all.ends_with("400: line 400\n[there is more: go on with first_line 401]\n"));
        assert_eq!(
            read("a", Some(2_000), None).unwrap(),
            "[a has 1000 lines]\n"
        );
        assert!(read("wide", None, None).unwrap().len() < 600);
        assert!(read("binary", None, None).unwrap_err().contains("not text"));
        assert!(
            read(".", None, None)
                .unwrap_err()
                .contains("no regular file")
        );
        assert!(read("../x", None, None).is_err());
    }
}
