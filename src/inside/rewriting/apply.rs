//! Applies a rule to one text.

use std::path::Path;

use ast_grep_config::CombinedScan;
use ast_grep_language::LanguageExt as _;

use crate::inside::rewriting::rule::Rule;

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) text: String,
    /// How many matches were replaced.
    pub(super) replaced: usize,
    /// How many were left, since they stand inside of one that was replaced.
    pub(super) inner: usize,
}

/// Replaces what the rule matches in the text of the file at `path`. Comments `ast-grep-ignore` are
/// honoured.
pub(super) fn apply(rule: &Rule, path: &Path, text: &str) -> Applied {
    let parsed = rule.language().ast_grep(text);
    let scan = CombinedScan::new(rule.of(path));
    let found = scan.scan(&parsed, true);
    let edits = found.diffs.iter().filter_map(|(rule, node)| {
        let fixer = rule.fixer.first()?;
        Some(node.make_edit(&rule.matcher, fixer))
    });
    let mut edits: Vec<_> = edits.collect();
    // Stable: of two that begin at the same place, the outer one was found first.
    edits.sort_by_key(|edit| edit.position);
    let (mut better, mut done) = (Vec::with_capacity(text.len()), 0);
    let (mut replaced, mut inner) = (0, 0);
    for edit in edits {
        let Some(before) = text.as_bytes().get(done..edit.position) else {
            inner += 1;
            continue;
        };
        better.extend_from_slice(before);
        better.extend_from_slice(&edit.inserted_text);
        done = edit.position + edit.deleted_length;
        replaced += 1;
    }
    better.extend_from_slice(text.as_bytes().get(done..).unwrap_or_default());
    match String::from_utf8(better) {
        Ok(text) => Applied {
            text,
            replaced,
            inner,
        },
        // Nodes begin and end between characters, so this is a text that cannot be.
        Err(_) => Applied {
            text: text.to_owned(),
            replaced: 0,
            inner: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(language: &str, file: &str, rest: &str, text: &str) -> String {
        let rule = Rule::read(&format!("id: r\nlanguage: {language}\n{rest}")).unwrap();
        apply(&rule, Path::new(file), text).text
    }

    #[test]
    fn each_language_is_rewritten() {
        for (language, file, rest, text, expected) in [
            (
                "rust",
                "a.rs",
                "rule: {pattern: '$A.unwrap_or(String::new())'}\nfix: $A.unwrap_or_default()",
                "fn f() { g(x.unwrap_or(String::new()), \"ü\") }\n",
                "fn f() { g(x.unwrap_or_default(), \"ü\") }\n",
            ),
            (
                "python",
                "a.py",
                "rule: {pattern: 'assertEquals($$$A)'}\nfix: assertEqual($$$A)",
                "assertEquals(1,\r\n  2)\r\n",
                "assertEqual(1,\r\n  2)\r\n",
            ),
            (
                "ts",
                "a.ts",
                "rule: {pattern: 'var $A = $B'}\nfix: let $A = $B;",
                "var a: number = 1;\nvar b = 2;\n",
                "var a: number = 1;\nlet b = 2;\n",
            ),
            (
                "tsx",
                "a.tsx",
                "rule: {pattern: '<b>$A</b>'}\nfix: <strong>$A</strong>",
                "const x = <b>{y}</b>;\n",
                "const x = <strong>{y}</strong>;\n",
            ),
            (
                "js",
                "a.mjs",
                "rule: {pattern: '$A == $B'}\nfix: $A === $B",
                "if (a == b) c();\n",
                "if (a === b) c();\n",
            ),
            (
                "go",
                "a.go",
                "rule: {kind: type_identifier, regex: '^Old$'}\nfix: New",
                "package a\n\nvar x Old\n",
                "package a\n\nvar x New\n",
            ),
        ] {
            assert_eq!(applied(language, file, rest, text), expected, "{language}");
        }
    }

    #[test]
    fn what_asks_to_be_ignored_is() {
        let rest = "rule: {pattern: 'f($A)'}\nfix: g($A)";
        let text = "f(1)\n# ast-grep-ignore\nf(2)\nf(3)\n";
        let expected = "g(1)\n# ast-grep-ignore\nf(2)\ng(3)\n";
        assert_eq!(applied("python", "a.py", rest, text), expected);
    }
}
