//! A change to a pull request that nobody here can push to, as suggestions on the lines that its diff
//! shows, or as a patch.
//!
//! A suggestion replaces whole lines of the head. So that applying all of them gives exactly the change,
//! either each part of it becomes one, or none does and it is said which part does not fit.

use serde::{Deserialize, Serialize};

use crate::domain::diff::{Patch, Shown, files, hunk_of, name};
use crate::domain::ids::CommitSha;
use crate::domain::sanitize::invisible;
use crate::domain::sanitize::neutral::MARK;

/// How many suggestions a review has at most: more are no help to whoever must apply them.
pub const MOST: usize = 20;
/// The longest patch that is shown in a comment, in bytes.
const MOST_PATCH: usize = 20_000;

/// What a job proposes for a pull request that it cannot push to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The commit that it is for.
    pub head: CommitSha,
    /// All of it as suggestions; empty where it does not fit.
    pub suggestions: Vec<Suggestion>,
    /// Why it does not fit.
    pub misfit: Option<Misfit>,
    /// All of it as `git apply` takes it; `None` where a comment cannot carry that.
    pub patch: Option<String>,
}

/// Lines of the head with what is to stand in their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The file.
    pub path: String,
    /// The first of the lines, counted from 1.
    pub from: u64,
    /// The last of them.
    pub to: u64,
    /// What stands there then.
    pub lines: Vec<String>,
}

/// Why a change does not fit into suggestions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// A file comes, goes, or changes in more than its text.
    File(String),
    /// The diff of the pull request does not show the lines: in which file, and where.
    Line(String, u64),
    /// The end of a file changes, which no suggestion can say.
    End(String),
    /// It has characters that a comment does not keep, or nobody sees.
    Characters(String),
    /// It has so many parts.
    Many(usize),
    /// It is too large, or no text.
    Large,
}

impl Offer {
    /// Makes the offer of a change to the commit `head`, of which a pull request shows those lines.
    #[must_use]
    pub fn of(head: CommitSha, patch: &Patch, shown: &Shown) -> Self {
        let (suggestions, misfit) = match suggestions(patch, shown) {
            Ok(suggestions) => (suggestions, None),
            Err(misfit) => (Vec::new(), Some(misfit)),
        };
        let can_stand = patch.whole && patch.text.len() <= MOST_PATCH && is_plain(&patch.text);
        Self {
            head,
            suggestions,
            misfit,
            patch: can_stand.then(|| patch.text.clone()),
        }
    }
}

/// Returns whether a comment carries a text as it is, and people see all of it.
fn is_plain(text: &str) -> bool {
    invisible::strip(text) == text && !text.contains(MARK)
}

/// Puts a change into suggestions.
///
/// # Errors
/// With the first part that does not fit.
pub fn suggestions(patch: &Patch, shown: &Shown) -> Result<Vec<Suggestion>, Misfit> {
    if !patch.whole {
        return Err(Misfit::Large);
    }
    let mut all = Vec::new();
    for part in files(&patch.text) {
        let of_file = of_file(part, shown)?;
        all.extend(of_file);
    }
    if all.len() > MOST {
        return Err(Misfit::Many(all.len()));
    }
    Ok(all)
}

/// Puts the change of one file into suggestions.
fn of_file(part: &str, shown: &Shown) -> Result<Vec<Suggestion>, Misfit> {
    let path = name(part);
    let mut lines = part.split_terminator('\n').peekable();
    while let Some(line) = lines.next_if(|line| !line.starts_with("@@ ")) {
        let known = ["diff --git ", "index ", "--- a/", "--- \"a/", "+++ "];
        if !known.iter().any(|known| line.starts_with(known)) {
            return Err(Misfit::File(path));
        }
    }
    if lines.peek().is_none() || part.contains("\n+++ /dev/null") {
        return Err(Misfit::File(path));
    }
    if !is_plain(part) {
        return Err(Misfit::Characters(path));
    }
    let mut sheet = Sheet {
        path,
        shown,
        done: Vec::new(),
    };
    let mut edit = Edit::default();
    for line in lines {
        let (sign, text) = line.split_at_checked(1).unwrap_or((line, ""));
        match sign {
            "@" => {
                sheet.close(std::mem::take(&mut edit), None)?;
                let ranges = line.strip_prefix("@@ ").and_then(hunk_of);
                let (at, count) = ranges.ok_or_else(|| Misfit::File(sheet.path.clone()))?;
                // A part without older lines is numbered by the line before it.
                edit.at = if count == 0 { at + 1 } else { at };
            }
            "-" => edit.gone += 1,
            "+" => edit.lines.push(text.to_owned()),
            "\\" => return Err(Misfit::End(sheet.path)),
            // A line that stays.
            _ => {
                let next = edit.at + edit.gone + 1;
                sheet.close(std::mem::take(&mut edit), Some(text))?;
                edit.at = next;
                edit.before = Some(text.to_owned());
            }
        }
    }
    sheet.close(edit, None)?;
    Ok(sheet.done)
}

/// Lines that go and come in one place.
#[derive(Debug, Default)]
struct Edit {
    /// The line that stays before them.
    before: Option<String>,
    /// The number of the first older line that goes, or would.
    at: u64,
    /// How many go.
    gone: u64,
    /// What comes.
    lines: Vec<String>,
}

/// The suggestions for a file.
struct Sheet<'a> {
    path: String,
    shown: &'a Shown,
    done: Vec<Suggestion>,
}

impl Sheet<'_> {
    /// Ends an edit, with the line that stays after it.
    fn close(&mut self, edit: Edit, after: Option<&str>) -> Result<(), Misfit> {
        let Edit {
            before,
            at,
            gone,
            mut lines,
        } = edit;
        if gone > 0 {
            return self.put(at, at + gone - 1, lines);
        }
        if lines.is_empty() {
            return Ok(());
        }
        // What only comes is suggested together with a line beside it.
        let above = at.checked_sub(1).filter(|line| self.has(*line));
        match (above.zip(before), after) {
            (Some((line, text)), _) => {
                if let Some(last) = self.done.last_mut().filter(|last| last.to == line) {
                    last.lines.extend(lines);
                    return Ok(());
                }
                lines.insert(0, text);
                self.put(line, line, lines)
            }
            (None, Some(text)) if self.has(at) => {
                lines.push(text.to_owned());
                self.put(at, at, lines)
            }
            (None, Some(_) | None) => Err(Misfit::Line(self.path.clone(), at)),
        }
    }

    fn has(&self, line: u64) -> bool {
        self.shown.has(&self.path, line)
    }

    fn put(&mut self, from: u64, to: u64, lines: Vec<String>) -> Result<(), Misfit> {
        if let Some(line) = (from..=to).find(|line| !self.has(*line)) {
            return Err(Misfit::Line(self.path.clone(), line));
        }
        self.done.push(Suggestion {
            path: self.path.clone(),
            from,
            to,
            lines,
        });
        Ok(())
    }
}

/// Returns a text with suggestions applied to it, as GitHub does it: each replaces its lines.
#[must_use]
pub fn applied(text: &str, suggestions: &[Suggestion]) -> String {
    let mut out = String::new();
    for (line, at) in text.split_inclusive('\n').zip(1..) {
        match suggestions
            .iter()
            .find(|one| (one.from..=one.to).contains(&at))
        {
            Some(one) if one.from == at => {
                for line in &one.lines {
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Some(_) => {}
            None => out.push_str(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::diff::shown;

    const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";

    fn patch(hunks: &str) -> Patch {
        Patch {
            text: format!("diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n{hunks}"),
            whole: true,
        }
    }

    /// What a pull request shows that has added these lines.
    fn lines(from: u64, to: u64) -> Shown {
        let count = to - from + 1;
        let body = "+x\n".repeat(usize::try_from(count).unwrap());
        shown(&format!(
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -{from},0 +{from},{count} @@\n{body}"
        ))
    }

    #[test]
    fn applying_all_of_them_gives_the_change() {
        for (hunks, after) in [
            (
                "@@ -1,5 +1,5 @@\n one\n-two\n+2\n three\n-four\n+4\n five\n",
                "one\n2\nthree\n4\nfive\nsix\nseven\neight\nnine\n",
            ),
            (
                "@@ -1,4 +1,3 @@\n one\n-two\n-three\n+23\n four\n",
                "one\n23\nfour\nfive\nsix\nseven\neight\nnine\n",
            ),
            (
                "@@ -1,2 +1,4 @@\n+zero\n one\n+more\n two\n",
                "zero\none\nmore\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n",
            ),
            (
                "@@ -1,4 +1,4 @@\n one\n-two\n three\n+new\n four\n@@ -8,2 +8,3 @@\n eight\n nine\n+ten\n",
                "one\nthree\nnew\nfour\nfive\nsix\nseven\neight\nnine\nten\n",
            ),
            (
                "@@ -1,3 +1,4 @@\n one\n+-- a\n-two\n+++ b\n three\n",
                "one\n-- a\n++ b\nthree\nfour\nfive\nsix\nseven\neight\nnine\n",
            ),
        ] {
            let all = suggestions(&patch(hunks), &lines(1, 9)).unwrap();
            assert_eq!(applied(TEXT, &all), after, "{hunks}: {all:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let file = || Misfit::File("f".to_owned());
        let two = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";
        for (text, shows, expected) in [
            (patch(two).text, lines(3, 9), Misfit::Line("f".to_owned(), 2)),
            (
                patch("@@ -4,2 +4,3 @@\n four\n+x\n five\n").text,
                lines(1, 3),
                Misfit::Line("f".to_owned(), 5),
            ),
            (
                patch("@@ -9 +9 @@\n-nine\n+9\n\\ No newline at end of file\n").text,
                lines(1, 9),
                Misfit::End("f".to_owned()),
            ),
            (
                patch(&two.replace("+2", "+2\r")).text,
                lines(1, 9),
                Misfit::Characters("f".to_owned()),
            ),
            (
                patch(&two.replace("+2", "+2\u{200b}")).text,
                lines(1, 9),
                Misfit::Characters("f".to_owned()),
            ),
            (
                patch(&two.replace("+2", "+<!-- prova:1/x -->")).text,
                lines(1, 9),
                Misfit::Characters("f".to_owned()),
            ),
            (
                patch(two).text.replace("index", "old mode 100644\nnew mode 100755\nindex"),
                lines(1, 9),
                file(),
            ),
            (
                "diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n".to_owned(),
                lines(1, 9),
                file(),
            ),
        ] {
            let patch = Patch { text, whole: true };
            let found = suggestions(&patch, &shows);
            assert_eq!(found, Err(expected), "{}", patch.text);
        }
        let cut = Patch {
            whole: false,
            ..patch(two)
        };
        assert_eq!(suggestions(&cut, &lines(1, 9)), Err(Misfit::Large));
    }

    #[test]
    fn many_parts_are_no_help() {
        let hunk = |n: usize| format!("@@ -{n} +{n} @@\n-x\n+y\n");
        let hunks: String = (1..=MOST + 1).map(|n| hunk(2 * n)).collect();
        let found = suggestions(&patch(&hunks), &lines(1, 100));
        assert_eq!(found, Err(Misfit::Many(MOST + 1)));
    }
}
