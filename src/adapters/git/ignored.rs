//! Which untracked files are left alone: what the repository's `.gitignore` files say.

use crate::adapters::git::paths::last;
use crate::adapters::git::pattern::{Effort, Pattern};

/// The largest `.gitignore` that is read; the longest in common use have about 10 KiB.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// More rules than this in one file are not read, so that a file of one-letter lines cannot make
/// every untracked name expensive.
const MAX_RULES: usize = 5_000;

/// The rules of one `.gitignore`.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// Whether it says that the path is ignored, or, after `!`, that it is not.
    ignores: bool,
    directories_only: bool,
    /// Whether it is matched against the path below the file's directory, or the last part alone.
    whole_path: bool,
}

impl Rules {
    /// Reads a `.gitignore`. Lines that git never matches are left out.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self(
            text.split(|&byte| byte == b'\n')
                .filter_map(Rule::parse)
                .take(MAX_RULES)
                .collect(),
        )
    }

    /// Returns what the last matching rule says of `path`, which is relative to the directory of
    /// the `.gitignore`; `None` when no rule matches.
    pub(crate) fn verdict(
        &self,
        path: &[u8],
        is_directory: bool,
        effort: &mut Effort,
    ) -> Option<bool> {
        let name = last(path);
        self.0
            .iter()
            .rev()
            .filter(|rule| is_directory || !rule.directories_only)
            .find(|rule| {
                let subject = if rule.whole_path { path } else { name };
                rule.pattern.matches(subject, effort)
            })
            .map(|rule| rule.ignores)
    }
}

impl Rule {
    fn parse(line: &[u8]) -> Option<Self> {
        if line.starts_with(b"#") {
            return None;
        }
        let line = without_trailing_spaces(line.strip_suffix(b"\r").unwrap_or(line));
        let (ignores, line) = match line.strip_prefix(b"!") {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let (directories_only, line) = match line.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let whole_path = line.contains(&b'/');
        let line = line.strip_prefix(b"/").unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        Some(Self {
            pattern: Pattern::parse(line)?,
            ignores,
            directories_only,
            whole_path,
        })
    }
}

/// Takes spaces off the end, except one that a backslash keeps.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        // A backslash keeps whatever follows it.
        at += if byte == b'\\' { 2 } else { 1 };
        if byte != b' ' {
            end = at.min(line.len());
        }
    }
    line.get(..end).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_matching_rule_decides() {
        let rules = Rules::parse(
            b"# comment\n*.log\r\n!keep.log\n/only-here\nbuild/\na/*.x\n\\#hash\n\\!bang\n\
              spaced  \nkept\\ \n\n/\n!\n",
        );
        for (path, directory, verdict) in [
            ("x.log", false, Some(true)),
            ("d/x.log", false, Some(true)),
            ("d/keep.log", false, Some(false)),
            ("only-here", false, Some(true)),
            ("d/only-here", false, None),
            ("build", true, Some(true)),
            ("d/build", true, Some(true)),
            ("build", false, None),
            ("a/b.x", false, Some(true)),
            ("d/a/b.x", false, None),
            ("#hash", false, Some(true)),
            ("!bang", false, Some(true)),
            ("spaced", false, Some(true)),
            ("kept ", false, Some(true)),
            ("# comment", false, None),
        ] {
            let mut effort = Effort::for_a_harvest();
            let said = rules.verdict(path.as_bytes(), directory, &mut effort);
            assert_eq!(said, verdict, "{path}");
        }
    }
}
