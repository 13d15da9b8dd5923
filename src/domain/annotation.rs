//! Places in files that the output of a check names, so that the check run can show them there.
//!
//! All of it is text of programs that ran on an agent's work. What is read here is only a proposal:
//! whoever uses it keeps the places of files that are there.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::domain::sanitize::invisible;

/// Most annotations of a check run: whoever reads has enough of it then, and it is four requests.
pub const MOST: usize = 200;
/// GitHub takes 64 KB; nobody reads more than a few lines.
const MESSAGE_CHARS: usize = 500;
/// GitHub keeps lines as 32-bit numbers, and refuses all annotations for a larger one.
const LAST_LINE: u32 = 9_999_999;
/// No repository that people read has longer ones.
const PATH_BYTES: usize = 1_000;
/// How many lines after a frame of a stack the word on it may stand.
const FAR: usize = 8;

/// A place in a file, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// How bad it is.
    pub level: Level,
    /// What is said: one line, never empty.
    pub message: String,
}

/// How bad something is, by GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something to know.
    Notice,
    /// Something to look at.
    Warning,
    /// Something that is wrong.
    Failure,
}

impl Level {
    /// Returns GitHub's word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }

    /// Reads it from how a message begins. What a program says before it fails is about the failure,
    /// unless it says otherwise.
    fn of(message: &str) -> Self {
        let begins = |words: &[&str]| {
            let message = message.trim_start().to_ascii_lowercase();
            words.iter().any(|word| message.starts_with(word))
        };
        if begins(&["warning", "warn:"]) {
            Self::Warning
        } else if begins(&["note", "info", "help", "hint"]) {
            Self::Notice
        } else {
            Self::Failure
        }
    }
}

/// An annotation of a check run of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Where, and what is said.
    #[serde(flatten)]
    pub place: Place,
    /// Which check says it, or that Prova does.
    pub title: String,
}

/// `path:line[:column]` and what is said, as compilers, linters and test runners write it.
static COLONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^\s*([^\s:()'"<>,]+):(\d{1,7})(?::(\d{1,7}))?(?:\s*:|\s+-)\s*(.+)$"#).ok()
});
/// `path(line,column): words`: tsc, `MSBuild`.
static BRACKETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^\s*([^\s:()'"<>,]+)\((\d{1,7})(?:[,:](\d{1,7}))?\)\s*:\s*(.+)$"#).ok()
});
/// `--> path:line:column`, below what rustc says.
static ARROW: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*--> ([^\s:]+):(\d{1,7})(?::(\d{1,7}))?$").ok());
/// What rustc says, above an arrow.
static RUSTC: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:error|warning|note|help)(?:\[[\w:]+\])?: .+$").ok());
/// `panicked at path:line:column:`, above what a panic says.
static PANIC: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"panicked at ([^\s:']+):(\d{1,7}):(\d{1,7}):$").ok());
/// A frame of a stack of Python, above what was raised.
static FRAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^\s*File "([^"]+)", line (\d{1,7})()"#).ok());
/// `line:column  level  words`, below a line with the path: `ESLint`.
static BELOW: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s+(\d{1,7}):(\d{1,7})\s+((?:error|warning)\s+.+)$").ok());

fn captures<'t>(pattern: &LazyLock<Option<Regex>>, line: &'t str) -> Option<Captures<'t>> {
    pattern.as_ref()?.captures(line)
}

/// Returns the places that the output of a check names, at most [`MOST`], each once and in the order of
/// the output. `root` is where the checkout stood when it ran.
#[must_use]
pub fn places(output: &str, root: &str) -> Vec<Place> {
    let mut reader = Reader {
        root,
        seen: BTreeSet::new(),
        places: Vec::new(),
        said: None,
        file: None,
        frame: None,
        raised: None,
    };
    for line in output.lines() {
        reader.read(line);
        if reader.places.len() >= MOST {
            break;
        }
    }
    reader.places
}

/// A place without words, and how many lines ago it was named.
struct Frame {
    path: String,
    line: u32,
    column: Option<u32>,
    ago: usize,
}

/// What was read so far.
struct Reader<'a> {
    root: &'a str,
    seen: BTreeSet<(String, u32, String)>,
    places: Vec<Place>,
    /// What rustc said last, until its place has come.
    said: Option<String>,
    /// The file that a linter names above what it says of it.
    file: Option<String>,
    /// A place that waits for what is said of it.
    frame: Option<Frame>,
    /// What pytest says was raised, until its place has come.
    raised: Option<String>,
}

impl Reader<'_> {
    fn read(&mut self, line: &str) {
        if line.trim().is_empty() {
            (self.said, self.file) = (None, None);
            return;
        }
        if let Some(found) = captures(&FRAME, line).or_else(|| captures(&PANIC, line)) {
            // Only the innermost one of the repository is kept.
            if let Some(frame) = self.frame_of(&found) {
                self.frame = Some(frame);
            }
            return;
        }
        if self.ends_a_frame(line) {
            return;
        }
        if let Some(raised) = line.strip_prefix("E  ") {
            self.raised.get_or_insert_with(|| raised.trim().to_owned());
        } else if captures(&RUSTC, line).is_some() {
            self.said = Some(line.trim().to_owned());
        } else if let Some(found) = captures(&ARROW, line) {
            // Further places of the same word only explain the first.
            if let Some(said) = self.said.take() {
                self.put(&found, &said);
            }
        } else if let Some(found) = captures(&COLONS, line).or_else(|| captures(&BRACKETS, line)) {
            let message = found.get(4).map_or("", |words| words.as_str());
            let message = match self.raised.take() {
                Some(raised) if raised.starts_with(message) => raised,
                Some(raised) => format!("{message}: {raised}"),
                None => message.to_owned(),
            };
            self.put(&found, &message);
        } else if let Some(found) = captures(&BELOW, line) {
            self.put_below(&found);
        } else {
            self.file = self.path(line.trim());
        }
    }

    /// Takes a line as what is said of the place that waits, if it is that.
    fn ends_a_frame(&mut self, line: &str) -> bool {
        let Some(mut frame) = self.frame.take() else {
            return false;
        };
        frame.ago += 1;
        // Between a frame and what was raised stands code, which is indented.
        let is_said = !line.starts_with([' ', '\t', '^']);
        if is_said {
            self.keep((frame.path, frame.line, frame.column), line);
        } else if frame.ago < FAR {
            self.frame = Some(frame);
        }
        is_said
    }

    fn frame_of(&self, found: &Captures<'_>) -> Option<Frame> {
        let (path, line, column) = self.spot(found)?;
        Some(Frame {
            path,
            line,
            column,
            ago: 0,
        })
    }

    fn put(&mut self, found: &Captures<'_>, message: &str) {
        if let Some(spot) = self.spot(found) {
            self.keep(spot, message);
        }
    }

    fn put_below(&mut self, found: &Captures<'_>) {
        let (Some(path), Some(at)) = (self.file.clone(), number(found, 1)) else {
            return;
        };
        let message = found.get(3).map_or("", |words| words.as_str());
        self.keep((path, at, number(found, 2)), message);
    }

    /// Reads path, line and column, which every pattern has first.
    fn spot(&self, found: &Captures<'_>) -> Option<(String, u32, Option<u32>)> {
        let path = self.path(found.get(1)?.as_str())?;
        Some((path, number(found, 2)?, number(found, 3)))
    }

    /// Returns a path from the root of the repository; `None` for one that leads elsewhere.
    fn path(&self, named: &str) -> Option<String> {
        let named = named.strip_prefix("file://").unwrap_or(named);
        let inside = named.strip_prefix(self.root);
        let named = inside
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(named);
        let named = named.strip_prefix("./").unwrap_or(named);
        let strange = |part: &str| part.is_empty() || part == "." || part == "..";
        let odd = |c: char| c == ':' || c.is_whitespace() || invisible::is_invisible(c);
        (named.len() <= PATH_BYTES && !named.split('/').any(strange) && !named.contains(odd))
            .then(|| named.to_owned())
    }

    fn keep(&mut self, (path, line, column): (String, u32, Option<u32>), message: &str) {
        let message = invisible::strip(message);
        let words: Vec<_> = message.split_whitespace().collect();
        let message = words.join(" ");
        let level = Level::of(&message);
        let message: String = without_level(&message)
            .chars()
            .take(MESSAGE_CHARS)
            .collect();
        let known = (path.clone(), line, message.clone());
        if message.is_empty() || !self.seen.insert(known) {
            return;
        }
        self.places.push(Place {
            path,
            line,
            column,
            level,
            message,
        });
    }
}

/// Takes the word for the level off, which GitHub shows beside it.
fn without_level(message: &str) -> &str {
    let words = ["error: ", "warning: ", "note: "];
    let mut rests = words.iter().filter_map(|word| message.strip_prefix(word));
    rests.next().unwrap_or(message)
}

/// Reads a number that GitHub takes as a line or a column.
fn number(found: &Captures<'_>, group: usize) -> Option<u32> {
    let number = found.get(group)?.as_str().parse().ok()?;
    (1..=LAST_LINE).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Places as `path:line[:column] level: message`.
    fn read(output: &str) -> Vec<String> {
        let places = places(output, "/workspace");
        let shown = places.iter().map(|place| {
            let Place {
                path,
                line,
                column,
                level,
                message,
            } = place;
            let column = column.map_or_else(String::new, |column| format!(":{column}"));
            format!("{path}:{line}{column} {}: {message}", level.word())
        });
        shown.collect()
    }

    #[test]
    fn what_programs_say_of_places() {
        for (output, places) in [
            (
                "src/a.c:3:7: error: expected ';'\nsrc/a.c:9: warning: unused",
                vec![
                    "src/a.c:3:7 failure: expected ';'",
                    "src/a.c:9 warning: unused",
                ],
            ),
            (
                "./lib/x.py:1:80: E501 line too long",
                vec!["lib/x.py:1:80 failure: E501 line too long"],
            ),
            (
                "src/app.ts(12,5): error TS2322: no\nsrc/app.ts:13:5 - error TS1: neither",
                vec![
                    "src/app.ts:12:5 failure: error TS2322: no",
                    "src/app.ts:13:5 failure: error TS1: neither",
                ],
            ),
            (
                "error[E0308]: mismatched types\n  --> src/lib.rs:4:5\n   |\n4  |     1\n\n\
                 warning: unused variable: `x`\n --> src/main.rs:2:9\n",
                vec![
                    "src/lib.rs:4:5 failure: error[E0308]: mismatched types",
                    "src/main.rs:2:9 warning: unused variable: `x`",
                ],
            ),
            (
                "thread 'it_works' panicked at src/lib.rs:7:9:\nassertion failed: false\nnote: run",
                vec!["src/lib.rs:7:9 failure: assertion failed: false"],
            ),
            (
                "Traceback (most recent call last):\n  File \"/workspace/t.py\", line 2, in <module>\n    \
                 f()\n    ~^^\n  File \"/workspace/src/m.py\", line 9, in f\n    raise KeyError\n  \
                 File \"/usr/lib/python3/json.py\", line 3, in g\n    h()\nKeyError: 'x'\n",
                vec!["src/m.py:9 failure: KeyError: 'x'"],
            ),
            (
                "/workspace/src/a.js\n  1:7   error    'x' is assigned  no-unused-vars\n  \
                 2:1  warning  Unexpected console  no-console\n\n✖ 2 problems",
                vec![
                    "src/a.js:1:7 failure: error 'x' is assigned no-unused-vars",
                    "src/a.js:2:1 warning: warning Unexpected console no-console",
                ],
            ),
            (
                "tests/test_a.py:5: AssertionError\ntests/test_a.py:5: AssertionError",
                vec!["tests/test_a.py:5 failure: AssertionError"],
            ),
            (
                ">       assert f() == 2\nE       assert 1 == 2\nE        +  where 1 = f()\n\n\
                 tests/test_a.py:5: AssertionError",
                vec!["tests/test_a.py:5 failure: AssertionError: assert 1 == 2"],
            ),
            (
                "    a_test.go:12: got 1\nMakefile:3: *** missing separator.  Stop.",
                vec![
                    "a_test.go:12 failure: got 1",
                    "Makefile:3 failure: *** missing separator. Stop.",
                ],
            ),
        ] {
            assert_eq!(read(output), places, "{output}");
        }
    }

    #[test]
    fn what_is_no_place_in_the_repository() {
        for output in [
            "http://127.0.0.1:80/: refused",
            "/etc/passwd:1: root",
            "../secret:1: x",
            "a//b:1: x",
            "src/a.c:0: nothing",
            "src/a.c:99999999: far",
            "src/a.c:3:",
            "  --> src/lib.rs:4:5",
            "  4:5  error  of nothing",
        ] {
            assert_eq!(read(output), Vec::<String>::new(), "{output}");
        }
    }

    #[test]
    fn there_are_no_more_than_anybody_reads() {
        let line = |n: usize| format!("a.c:{n}: {}", "x".repeat(2_000));
        let output: Vec<_> = (1..1_000).map(line).collect();
        let places = places(&output.join("\n"), "/workspace");
        assert_eq!(places.len(), MOST);
        assert_eq!(places[0].message.chars().count(), MESSAGE_CHARS);
    }

    proptest! {
        #[test]
        fn whatever_is_printed_github_takes_it(output in "([a-z/.]{0,4}[:( ]?[0-9]{0,9}[:,) -]{0,3}\\PC{0,9}\n?){0,20}") {
            for place in places(&output, "/workspace") {
                prop_assert!(place.line >= 1 && place.column.is_none_or(|column| column >= 1));
                prop_assert!(!place.message.trim().is_empty() && !place.path.is_empty());
                prop_assert!(place.path.split('/').all(|part| !["", ".", ".."].contains(&part)), "{place:?}");
            }
        }
    }
}
