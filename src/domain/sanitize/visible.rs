//! Foreign text for a brief: what a reader of the thread sees, and nothing that only a model would.
//!
//! Gone are invisible characters, HTML comments (not those in code, which everybody sees), tags and
//! attributes that GitHub drops, alternative texts and titles, link definitions (`[//]: # (…)` is
//! the well-known hiding place), unused footnotes, and what follows the language of a code fence.

use std::fmt::Write as _;
use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag};

use crate::domain::markdown::dialect;
use crate::domain::sanitize::{invisible, markup};

/// Taking something out can turn the text around it into something else that must go, so the rules
/// are applied until nothing changes. Honest text needs two rounds; nested traps get this many.
const MAX_ROUNDS: usize = 8;

/// A shorter text could not even say how much was cut.
pub(super) const MIN_CHARS: usize = 64;

/// Returns what a reader sees of a text, at most `max_chars` characters (never fewer than 64), with
/// a note of how much was cut.
///
/// Cleaning what is clean changes nothing. Takes time linear in the length of the text.
#[must_use]
pub fn visible(text: &str, max_chars: usize) -> String {
    let max_chars = max_chars.max(MIN_CHARS);
    let mut text = cut(invisible::strip(text).into_owned(), max_chars);
    for _ in 0..MAX_ROUNDS {
        let cleaned = without_comments(&text).unwrap_or_else(|| markup::shown(&text));
        let cleaned = cut(cleaned, max_chars);
        if cleaned == text {
            return text;
        }
        text = cleaned;
    }
    // Whoever nests that deeply loses the markup: without these there is nothing to hide in.
    cut(text.replace(['<', '['], "("), max_chars)
}

/// Cuts a text to a number of characters and says at its end how many were cut.
#[must_use]
pub fn cut(text: String, max_chars: usize) -> String {
    let total = text.chars().count();
    if total <= max_chars {
        return text;
    }
    let note = |cut: usize| format!("\n\n{}", note(cut));
    // The note counts as well, and is longest when everything is cut.
    let kept = max_chars.saturating_sub(note(total).chars().count());
    let end = text
        .char_indices()
        .nth(kept)
        .map_or(text.len(), |(at, _)| at);
    format!(
        "{}{}",
        text.get(..end).unwrap_or_default(),
        note(total - kept)
    )
}

/// Says how many characters were cut.
#[must_use]
pub fn note(cut: usize) -> String {
    format!("[cut: {} characters more]", grouped(cut))
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Removes HTML comments outside code; `None` when there are none.
///
/// Wherever a comment opens outside code, it is taken to reach to the next `-->` or to the end, also
/// where Markdown alone would not say so: the page's HTML may.
fn without_comments(text: &str) -> Option<String> {
    if !text.contains("<!--") {
        return None;
    }
    let code = code_ranges(text);
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut changed = false;
    for (at, _) in text.match_indices("<!--") {
        let in_code = || {
            let next = code.partition_point(|range| range.end <= at);
            code.get(next).is_some_and(|range| range.start <= at)
        };
        if at < copied || is_escaped(text, at) || in_code() {
            continue;
        }
        changed = true;
        out.push_str(text.get(copied..at).unwrap_or_default());
        let inside = text.get(at + 2..).unwrap_or_default();
        copied = if let Some(end) = inside.find("-->") {
            at + 2 + end + 3
        } else {
            let lost = text.get(at..).unwrap_or_default().chars().count();
            let _ = write!(
                out,
                "[cut: an HTML comment without an end, {} characters]",
                grouped(lost)
            );
            text.len()
        };
        // What is left must not close up into another comment.
        if ["<", "<!", "<!-"]
            .iter()
            .any(|opening| out.ends_with(opening))
        {
            out.push(' ');
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    changed.then_some(out)
}

fn is_escaped(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

fn code_ranges(text: &str) -> Vec<Range<usize>> {
    Parser::new_ext(text, dialect())
        .into_offset_iter()
        .filter(|(event, _)| matches!(event, Event::Code(_) | Event::Start(Tag::CodeBlock(_))))
        .map(|(_, range)| range)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(visible(text, 10_000), expect, "{text}");
    }

    #[test]
    fn comments_go_and_code_stays() {
        check("a <!-- obey --> b", "a  b");
        check("a\n<!--\nobey\n\nobey\n-->\nb", "a\n\nb");
        check(
            "```html\n<!-- seen -->\n```\n`<!-- seen -->`",
            "```html\n<!-- seen -->\n```\n`<!-- seen -->`",
        );
        check("\\<!-- seen -->", "\\<!-- seen -->");
        check(
            "a <!-- obey",
            "a [cut: an HTML comment without an end, 9 characters]",
        );
        check("<div><!--\n\nobey\n\n--></div>", "<div></div>");
        check("<<!-- a -->!-- seen -->", "< !-- seen -->");
        check("<!--> seen", " seen");
        check("    <!-- in code -->", "    <!-- in code -->");
        check(
            "a\n    ```\n<!-- obey -->\n    ```",
            "a\n    ```\n\n    ```",
        );
    }

    /// Each hostile text in `fixtures/hostile` has beside it what a brief gets of it.
    #[test]
    fn the_hostile_corpus_is_cleaned_as_expected() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hostile");
        let mut read = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "md") && !path.ends_with("README.md") {
                let shown = visible(&std::fs::read_to_string(&path).unwrap(), 2_000);
                let expected = std::fs::read_to_string(path.with_extension("visible")).unwrap();
                assert_eq!(shown, expected, "{}", path.display());
                assert!(!shown.to_lowercase().contains("obey"), "{}", path.display());
                read += 1;
            }
        }
        assert!(read >= 6, "only {read} texts found");
    }

    #[test]
    fn alternative_texts_titles_and_definitions_go() {
        check("![obey](x.png \"obey\") a", "![](x.png) a");
        check("[a *b*](x \"obey\")", "[a *b*](x)");
        check("[a](x) <https://e.org>", "[a](x) <https://e.org>");
        check("[//]: # (obey)\n\na", "\n\na");
        check(
            "[a][obey] [b]\n\n[obey]: http://e.org/x(y) \"obey\"\n[b]: <c d>\n",
            "[a](http://e.org/x%28y%29) [b](c%20d)\n\n\n\n",
        );
        check(
            "a[^1]\n\n[^1]: seen\n\n[^x]: obey",
            "a[^1]\n\n[^1]: seen\n\n",
        );
        check("[![obey](i)](l \"obey\")", "[![](i)](l)");
        check(
            "<img alt=obey src=x> <b obey>c</b>",
            "<img src=\"x\"> <b>c</b>",
        );
        check("```rust obey me\ncode\n```", "```rust\ncode\n```");
        check(
            "<details><summary>s</summary>\n\ntext\n\n</details>",
            "<details><summary>s</summary>\n\ntext\n\n</details>",
        );
        check(
            "- [x] done\n\n| a | b |\n|---|---|\n| c | d |",
            "- [x] done\n\n| a | b |\n|---|---|\n| c | d |",
        );
    }

    #[test]
    fn a_long_text_says_how_much_was_cut() {
        let long = "a".repeat(20_000);
        let shown = visible(&long, 1_000);
        assert_eq!(shown.chars().count(), 1_000);
        assert!(
            shown.ends_with("a\n\n[cut: 19,031 characters more]"),
            "{}",
            &shown[900..]
        );
        assert_eq!(visible(&shown, 1_000), shown);
        assert_eq!(visible(&long, 0).chars().count(), 64);
    }

    #[test]
    fn one_definition_used_often_does_not_grow() {
        let text = format!("{}\n\n[x]: {}", "[x] ".repeat(10_000), "u".repeat(8_000));
        assert!(visible(&text, 200_000).len() < 100_000);
    }

    #[test]
    fn traps_of_any_depth_end() {
        for trap in [
            "<<!-- x -->!-- ",
            "[a]: b\n",
            "![",
            "[![a](b)",
            "<!--",
            "`<!-- ",
            "<a <!-- -->",
            "[^a]: b\n\n",
        ] {
            let text = trap.repeat(65_536 / trap.len());
            let once = visible(&text, 65_536);
            assert_eq!(visible(&once, 65_536), once, "{trap}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(text in "\\PC{0,120}|[<>!\\-`\\[\\]():\"a-c \\n&#\\\\*_~^|]{0,160}") {
            let once = visible(&text, 200);
            prop_assert!(once.chars().count() <= 200);
            prop_assert_eq!(visible(&once, 200), once);
        }

        #[test]
        fn a_hidden_text_never_arrives(
            before in "([a-z.]{1,6}[ \n]){0,6}",
            hide in prop::sample::select(vec![
                "<!-- @ -->", "<!--\n@", "![@](x)", "[a](x \"@\")", "\n\n[//]: # (@)\n\n", "<b title=\"@\">", "<@x>", "<?@?>",
                "\n\n[^q]: @\n\n", "\n\n~~~sh x @\n~~~\n",
            ]),
        ) {
            let text = format!("{before}{}", hide.replace('@', "obeyme"));
            let shown = visible(&text, 1_000);
            prop_assert!(!shown.contains("obeyme"), "{}", shown);
        }
    }
}
