//! A unified diff as git prints it, and the lines of its newer side on which GitHub takes a comment.

use std::collections::BTreeMap;

use crate::domain::ids::CommitSha;

/// What a commit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// The commit that it is compared with: where it parted from its base.
    pub since: CommitSha,
    /// What git prints, as much of it as may be.
    pub text: String,
    /// Whether that is all of it.
    pub whole: bool,
}

/// A change as git prints it for `git apply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What git prints, as much of it as may be.
    pub text: String,
    /// Whether that is all of it, and text.
    pub whole: bool,
}

/// The lines of the newer side that a diff shows: those that were added, and those around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<String, Vec<(u64, u64)>>);

impl Shown {
    /// Returns whether a comment on that line, counted from 1, is one on the change.
    #[must_use]
    pub fn has(&self, path: &str, line: u64) -> bool {
        let parts = self.0.get(path).map(Vec::as_slice).unwrap_or_default();
        parts.iter().any(|(from, to)| (*from..=*to).contains(&line))
    }

    fn note(&mut self, path: &str, line: u64) {
        let parts = match self.0.get_mut(path) {
            Some(parts) => parts,
            None => self.0.entry(path.to_owned()).or_default(),
        };
        match parts.last_mut() {
            Some((_, to)) if to.checked_add(1) == Some(line) => *to = line,
            Some(_) | None => parts.push((line, line)),
        }
    }
}

/// What is left of a hunk, by the numbers in its header.
#[derive(Clone, Copy, Debug, Default)]
struct Hunk {
    /// Lines of the older side.
    old: u64,
    /// Lines of the newer side.
    new: u64,
    /// The number of the next line of the newer side.
    next: u64,
}

/// Reads which lines a diff shows. One that was cut shows what is left of it.
#[must_use]
pub fn shown(diff: &str) -> Shown {
    let mut shown = Shown::default();
    let mut path: Option<String> = None;
    let mut hunk = Hunk::default();
    for line in diff.split_terminator('\n') {
        if hunk.old == 0 && hunk.new == 0 {
            if line.starts_with("diff --git ") {
                path = None;
            } else if let Some(name) = line.strip_prefix("+++ ") {
                path = newer(name);
            } else if let Some(ranges) = line.strip_prefix("@@ ") {
                hunk = begin(ranges).unwrap_or_default();
            }
            continue;
        }
        let (older, newer) = match line.as_bytes().first() {
            Some(b'+') => (0, 1),
            Some(b'-') => (1, 0),
            Some(b' ') | None => (1, 1),
            // "\ No newline at end of file"
            Some(b'\\') => (0, 0),
            Some(_) => {
                hunk = Hunk::default();
                continue;
            }
        };
        hunk.old = hunk.old.saturating_sub(older);
        hunk.new = hunk.new.saturating_sub(newer);
        if newer > 0 {
            if let Some(path) = &path {
                shown.note(path, hunk.next);
            }
            hunk.next = hunk.next.saturating_add(1);
        }
    }
    shown
}

/// Splits a diff into the parts for each file, each with its header.
#[must_use]
pub fn files(diff: &str) -> Vec<&str> {
    const HEADER: &str = "diff --git ";
    // What stands in a file has a sign before it, so this is a header wherever a line begins with it.
    let inner = diff.match_indices("\ndiff --git ").map(|(at, _)| at + 1);
    let first = diff.starts_with(HEADER).then_some(0);
    let starts: Vec<usize> = first.into_iter().chain(inner).collect();
    let ends = starts.iter().skip(1).copied().chain([diff.len()]);
    let parts = starts.iter().zip(ends);
    parts.filter_map(|(from, to)| diff.get(*from..to)).collect()
}

/// Returns what the part for a file calls it: its newer path, or the line that it begins with.
#[must_use]
pub fn name(part: &str) -> String {
    let header = part.split("\n@@ ").next().unwrap_or_default();
    let mut lines = header.lines();
    let first = lines.next().unwrap_or_default();
    let named = lines.find_map(|line| newer(line.strip_prefix("+++ ")?));
    named.unwrap_or_else(|| {
        let both = first.strip_prefix("diff --git ").unwrap_or(first);
        both.to_owned()
    })
}

/// Reads `-OLD,COUNT +NEW,COUNT @@ …`; a count that is left out is 1.
fn begin(ranges: &str) -> Option<Hunk> {
    let mut parts = ranges.split(' ');
    let (_, old) = range(parts.next()?.strip_prefix('-')?)?;
    let (next, new) = range(parts.next()?.strip_prefix('+')?)?;
    Some(Hunk { old, new, next })
}

/// Reads where a hunk begins on the older side, and how many lines of it there are, from the header that
/// follows its `@@ `.
#[must_use]
pub fn hunk_of(ranges: &str) -> Option<(u64, u64)> {
    range(ranges.split(' ').next()?.strip_prefix('-')?)
}

fn range(text: &str) -> Option<(u64, u64)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

/// Reads the name behind `+++ `: `b/PATH`, in quotes where it has odd characters; `None` for a file that
/// is gone, or whose name is not text.
fn newer(name: &str) -> Option<String> {
    // A tab ends a name with a space in it.
    let name = name.strip_suffix('\t').unwrap_or(name);
    let name = match name.strip_prefix('"') {
        Some(quoted) => unquoted(quoted.strip_suffix('"')?)?,
        None => name.to_owned(),
    };
    name.strip_prefix("b/").map(str::to_owned)
}

/// Undoes the escapes of C that git writes names with.
fn unquoted(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'a' => 0x07,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'r' => b'\r',
            first @ b'0'..=b'3' => {
                let octal = [first, bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&octal).ok()?, 8).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIFF: &str = "diff --git a/README.md b/README.md\n\
        index 1..2 100644\n\
        --- a/README.md\n\
        +++ b/README.md\n\
        @@ -1,4 +1,5 @@ # Hello\n\
        \x20one\n\
        -two\n\
        +++ two\n\
        +three\n\
        \x20four\n\
        \x20five\n\
        @@ -20 +21,0 @@\n\
        -gone\n\
        @@ -30,0 +31,2 @@\n\
        +diff --git a/x b/x\n\
        +end\n\
        \\ No newline at end of file\n\
        diff --git a/old.rs b/old.rs\n\
        deleted file mode 100644\n\
        --- a/old.rs\n\
        +++ /dev/null\n\
        @@ -1 +0,0 @@\n\
        -x\n\
        diff --git a/logo.png b/logo.png\n\
        Binary files a/logo.png and b/logo.png differ\n\
        diff --git \"a/\\303\\244 \\\"b\\\".txt\" \"b/\\303\\244 \\\"b\\\".txt\"\n\
        --- /dev/null\n\
        +++ \"b/\\303\\244 \\\"b\\\".txt\"\n\
        @@ -0,0 +1 @@\n\
        +x\n\
        diff --git a/a b.txt b/a b.txt\n\
        --- a/a b.txt\t\n\
        +++ b/a b.txt\t\n\
        @@ -7,2 +7,2 @@\n\
        -x\n\
        +y\n\
        \x20z\n";

    #[test]
    fn a_comment_may_stand_on_what_was_added_and_around_it() {
        let shown = shown(DIFF);
        for (path, lines, others) in [
            (
                "README.md",
                &[1, 2, 3, 4, 5, 31, 32][..],
                &[0, 6, 20, 21, 22, 30, 33][..],
            ),
            ("old.rs", &[], &[0, 1]),
            ("logo.png", &[], &[1]),
            ("ä \"b\".txt", &[1], &[2]),
            ("a b.txt", &[7, 8], &[6, 9]),
            ("x", &[], &[1]),
            ("/dev/null", &[], &[1]),
        ] {
            for line in lines {
                assert!(shown.has(path, *line), "{path}:{line}");
            }
            for line in others {
                assert!(!shown.has(path, *line), "{path}:{line}");
            }
        }
    }

    #[test]
    fn each_file_is_a_part_with_a_name() {
        let names: Vec<_> = files(DIFF).into_iter().map(name).collect();
        assert_eq!(
            names,
            [
                "README.md",
                "a/old.rs b/old.rs",
                "a/logo.png b/logo.png",
                "ä \"b\".txt",
                "a b.txt"
            ]
        );
        assert_eq!(files(DIFF).concat(), DIFF);
    }

    #[test]
    fn what_was_cut_shows_what_is_left() {
        let cut = DIFF.find("+three").unwrap();
        let shown = shown(&DIFF[..cut]);
        assert!(shown.has("README.md", 2) && !shown.has("README.md", 3));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(text in "(?s).{0,200}", from in 0..DIFF.len(), to in 0..DIFF.len()) {
            let (from, to) = (from.min(to), from.max(to));
            let piece = DIFF.get(from..to).unwrap_or_default();
            for text in [&text, piece, &format!("+++ b/{text}\n@@ -1 +{from},{to} @@\n+{text}\n")] {
                let _shown = shown(text);
                let names: Vec<_> = files(text).into_iter().map(name).collect();
                prop_assert!(names.len() <= text.lines().count() + 1);
            }
        }

        #[test]
        fn what_it_says_of_a_hunk_is_what_stands_there(start in 1_u64..1_000, signs in prop::collection::vec(0..3_u8, 1..40)) {
            let (mut old, mut new, mut body, mut lines) = (0, 0, String::new(), Vec::new());
            for sign in &signs {
                let (sign, older, newer) = [(' ', 1, 1), ('+', 0, 1), ('-', 1, 0)][usize::from(*sign)];
                if newer > 0 {
                    lines.push(start + new);
                }
                (old, new) = (old + older, new + newer);
                body.push(sign);
                body.push_str("@@ -1 +1 @@\n");
            }
            let text = format!("diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -{start},{old} +{start},{new} @@\n{body}");
            let shown = shown(&text);
            for line in 0..start + 50 {
                prop_assert_eq!(shown.has("f", line), lines.contains(&line));
            }
        }
    }
}
