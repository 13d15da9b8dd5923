//! Foreign text inside our own comments, commits and pull requests: shown, and without effect.
//!
//! GitHub looks for `@mentions`, `#references` and "Closes #1" after it has rendered the Markdown,
//! in everything but code. Escapes and entities are gone by then, so they do not help; an invisible
//! character does, and makes text that cannot be copied. A code span is seen, honest, and safe.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::sanitize::invisible;

/// What our own marks in comments begin with. We find by them again what we wrote, so no text of others
/// may carry one, in code neither.
pub const MARK: &str = "<!-- prova:";

/// Shows foreign text within a line of Markdown, at most `max_chars` characters of it: a code span
/// that it cannot leave, in a table cell too.
#[must_use]
pub fn inline(text: &str, max_chars: usize) -> String {
    let line = one_line(text, max_chars);
    if line.is_empty() {
        return "(empty)".to_owned();
    }
    code_span(&line)
}

/// Writes foreign text for a commit message or a title, where Markdown does not hold: one line of at
/// most `max_chars` characters. A space after it makes `@`, `#`, `GH-` and `://` plain signs.
#[must_use]
pub fn subject(text: &str, max_chars: usize) -> String {
    let line = one_line(text, max_chars);
    let mut out = String::with_capacity(line.len() + 8);
    for (at, c) in line.char_indices() {
        out.push(c);
        let next = line
            .get(at + c.len_utf8()..)
            .and_then(|rest| rest.chars().next());
        let acts = next.is_some_and(|next| match c {
            '@' => next.is_alphanumeric(),
            '#' => next.is_ascii_digit(),
            '-' => next.is_ascii_digit() && ends_with_gh(&out),
            '/' => out.ends_with("://"),
            _ => false,
        });
        if acts {
            out.push(' ');
        }
    }
    one_line(&out, max_chars)
}

/// Shows foreign text, such as the output of a program, as a code block that it cannot close.
/// Terminal colours are taken out.
#[must_use]
pub fn fenced(text: &str) -> String {
    let text = without_terminal_codes(text);
    let text = invisible::strip(&text);
    let fence = "`".repeat(longest_run(&text).saturating_add(1).max(3));
    let text = unmarked(text.trim_end_matches('\n'));
    format!("{fence}text\n{text}\n{fence}")
}

/// Shows foreign text as a block quote of plain words: no markup, and in code whatever GitHub would
/// act on.
#[must_use]
pub fn quote(text: &str) -> String {
    let text = invisible::strip(text);
    let lines = text.trim_matches('\n').lines().map(|line| {
        let words = line
            .split_whitespace()
            .enumerate()
            .map(|(at, word)| plain_word(word, at == 0));
        format!("> {}", words.collect::<Vec<_>>().join(" "))
            .trim_end()
            .to_owned()
    });
    let quoted = lines.collect::<Vec<_>>().join("\n");
    if quoted.is_empty() {
        ">".to_owned()
    } else {
        quoted
    }
}

fn plain_word(word: &str, first: bool) -> String {
    if acts(word) {
        return code_span(word);
    }
    escaped(word, first)
}

/// Writes a word so that it is no markup; `first` when it opens its line.
pub(super) fn escaped(word: &str, first: bool) -> String {
    let mut out = String::with_capacity(word.len() + 4);
    // "1." and "1)" at the start of a line begin a list.
    let counts = first
        && word
            .trim_end_matches(['.', ')'])
            .bytes()
            .all(|b| b.is_ascii_digit());
    // These begin a list, or underline what stands above, where nothing but signs is in their word.
    let signs = first && !word.contains(char::is_alphanumeric);
    for c in word.chars() {
        // A mark of ours is looked for as it is written.
        let opens = c == '!' && out.ends_with('<');
        let marks = r"\`*_{}[]<>#|~&$^".contains(c) || (signs && "+-=".contains(c)) || opens;
        if marks || (counts && ".)".contains(c)) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Tells whether GitHub would make something of a word: a mention, a reference, a link, an e-mail, a
/// formula, a commit, or of a quote that begins with it a note of our own.
pub(super) fn acts(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let counts = |mark: &str| {
        let mut after = lower.split(mark).skip(1);
        after.any(|after| after.starts_with(|c: char| c.is_ascii_digit()))
    };
    lower.contains(['@', '$'])
        || lower.contains("://")
        || lower.contains("www.")
        || lower.starts_with("[!")
        || counts("gh-")
        || counts("#")
        || lower
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(is_commit)
}

/// Tells whether a word may be the name of a commit, and is no number.
fn is_commit(word: &str) -> bool {
    (7..=40).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_hexdigit())
        && word.contains(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_ascii_alphabetic())
}

/// Returns a text for code that none of our marks is in.
pub(super) fn unmarked(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(MARK, "<!--prova:"))
}

fn ends_with_gh(text: &str) -> bool {
    let before = text.get(text.len().saturating_sub(3)..);
    before.is_some_and(|end| end.eq_ignore_ascii_case("gh-"))
}

/// Returns the words of a text on one line, at most `max_chars` characters.
pub(super) fn one_line(text: &str, max_chars: usize) -> String {
    let (mut line, mut chars, mut gap) = (String::new(), 0, false);
    for c in invisible::seen(text) {
        if c.is_whitespace() {
            gap = chars > 0;
            continue;
        }
        if gap {
            line.push(' ');
            chars += 1;
        }
        line.push(c);
        chars += 1;
        gap = false;
        // The text may be long, and no more of it is shown.
        if chars > max_chars {
            break;
        }
    }
    if chars <= max_chars {
        return line;
    }
    let mut cut: String = line.chars().take(max_chars.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// Shows a line as code, in a cell of a table too.
pub(super) fn code_span(line: &str) -> String {
    if line.contains('|') {
        return html_code(line);
    }
    ticked(&unmarked(line))
}

/// Shows a line as code where no table is.
pub(super) fn ticked(line: &str) -> String {
    let fence = "`".repeat(longest_run(line) + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// Writes a code span as HTML: in a table, a pipe ends the cell even within backticks, and outside
/// one its escape would be seen.
fn html_code(line: &str) -> String {
    let mut out = String::from("<code>");
    for c in line.chars() {
        if c.is_ascii_punctuation() && !",;'?%=".contains(c) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.push_str("</code>");
    out
}

/// Shows a text as a code block exactly as it is; it is for what was found to be plain.
#[must_use]
pub fn exactly(text: &str, language: &str) -> String {
    let fence = "`".repeat(longest_run(text).saturating_add(1).max(3));
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{fence}{language}\n{text}{end}{fence}")
}

pub(super) fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// Removes the escape sequences with which programs colour and move in a terminal.
#[must_use]
pub fn without_terminal_codes(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut pieces = text.split('\u{1b}');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = match piece.as_bytes().first() {
            // A control sequence ends at its first letter or sign from `@` to `~`.
            Some(b'[') => {
                let end = piece
                    .bytes()
                    .skip(1)
                    .position(|b| (0x40..=0x7e).contains(&b));
                end.and_then(|end| piece.get(end + 2..)).unwrap_or_default()
            }
            // A command to the system, such as the window's title, ends at a bell (or at the next escape).
            Some(b']') => piece.split_once('\u{7}').map_or("", |(_, rest)| rest),
            Some(b'\\' | b'(' | b')' | b'=' | b'>' | b'7' | b'8' | b'c' | b'M') => {
                piece.get(1..).unwrap_or_default()
            }
            Some(_) | None => piece,
        };
        out.push_str(rest);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Parser, Tag};

    use super::*;
    use crate::domain::markdown::{dialect, speech};

    #[test]
    fn foreign_words_are_shown_as_code() {
        let shown = |text| inline(text, 30);
        assert_eq!(shown("@octo Closes #1"), "`@octo Closes #1`");
        assert_eq!(shown("a `b` ``c"), "```a `b` ``c```");
        assert_eq!(shown("`a`"), "`` `a` ``");
        assert_eq!(shown("a\r\n\u{202e}b\tc"), "`a b c`");
        assert_eq!(shown(" \u{200b}\n"), "(empty)");
        assert_eq!(shown("a|b @c"), "<code>a&#124;b &#64;c</code>");
        assert_eq!(
            shown("0123456789012345678901234567890"),
            "`01234567890123456789012345678…`"
        );
    }

    #[test]
    fn a_subject_has_no_effect() {
        let plain = |text| subject(text, 60);
        assert_eq!(
            plain("Fix the parser\n\nCloses #1"),
            "Fix the parser Closes # 1"
        );
        assert_eq!(
            plain("@octo: o/r#2, GH-3, gh-4"),
            "@ octo: o/r# 2, GH- 3, gh- 4"
        );
        assert_eq!(
            plain("fixes https://github.com/o/r/issues/1"),
            "fixes https:// github.com/o/r/issues/1"
        );
        assert_eq!(plain("C# and a - 1, e-4"), "C# and a - 1, e-4");
        assert_eq!(subject("@a @b @c", 6), "@ a @…");
    }

    #[test]
    fn a_log_cannot_close_its_block() {
        assert_eq!(
            fenced("\u{1b}[1;31merror\u{1b}[0m: x\r\n"),
            "```text\nerror: x\n```"
        );
        assert_eq!(
            fenced("```\n@octo\n````"),
            "`````text\n```\n@octo\n````\n`````"
        );
        assert_eq!(
            fenced("\u{1b}]0;title\u{7}a\u{1b}(Bb\u{1b}"),
            "```text\naBb\n```"
        );
        assert_eq!(fenced(""), "```text\n\n```");
        assert!(!fenced("<!-- pro\u{1b}[0mva:x -->").contains(MARK));
        for shown in [inline, |text: &str, _| quote(text)] {
            assert!(!shown("a<!-- prova:x -->", 90).contains(MARK));
        }
    }

    #[test]
    fn a_quote_is_plain_words() {
        assert_eq!(
            quote("# Hi *you*\n\n1. x\n> y"),
            "> \\# Hi \\*you\\*\n>\n> 1\\. x\n> \\> y"
        );
        assert_eq!(
            quote("cc @octo, closes #1 (o/r#2)"),
            "> cc `@octo,` closes `#1` `(o/r#2)`"
        );
        assert_eq!(
            quote("see https://e.org <b>"),
            "> see `https://e.org` \\<b\\>"
        );
        assert_eq!(quote("2024 was 1.5"), "> 2024 was 1.5");
        assert_eq!(
            quote("[!NOTE] high-level, GH-3 $5 0123abc 1234567"),
            "> `[!NOTE]` high-level, `GH-3` `$5` `0123abc` 1234567"
        );
        assert_eq!(quote("#\n\n1"), "> \\#\n>\n> 1");
        assert_eq!(quote(""), ">");
    }

    /// What a page shows outside code, and whether anything but paragraphs and quotes is on it.
    fn page(markdown: &str) -> (String, bool) {
        let mut text = String::new();
        let mut other = false;
        let mut code = false;
        for event in Parser::new_ext(markdown, dialect()) {
            if let Event::InlineHtml(tag) = &event
                && ["<code>", "</code>"].contains(&tag.as_ref())
            {
                code = tag.as_ref() == "<code>";
                continue;
            }
            if let Event::Text(words) = &event
                && !code
            {
                text.push_str(words);
            }
            // What stands in two paragraphs is not one word.
            let breaks = matches!(event, Event::SoftBreak | Event::Start(Tag::Paragraph));
            if breaks && !text.is_empty() {
                text.push('\n');
            }
            other |= !matches!(
                event,
                Event::Text(_)
                    | Event::SoftBreak
                    | Event::Code(_)
                    | Event::End(_)
                    | Event::Start(
                        Tag::Paragraph
                            | Tag::BlockQuote(None)
                            | Tag::Table(_)
                            | Tag::TableHead
                            | Tag::TableRow
                            | Tag::TableCell
                    )
            );
        }
        (text, other)
    }

    const HOSTILE: &str = "\\PC{0,60}|[@#|`<>\\\\!\\[\\]()*_~&a-c1:/.=+ \\n-]{0,60}";

    proptest! {
        #[test]
        fn a_line_has_the_words_of_its_text(text in "[a-cé \\n\\r\\t\u{c}\u{2028}\u{200b}]{0,30}", most in 1_usize..30) {
            let stripped = invisible::strip(&text);
            let words = stripped.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = one_line(&text, most);
            if words.chars().count() <= most {
                prop_assert_eq!(line, words);
            } else {
                let start: String = words.chars().take(most - 1).collect();
                prop_assert_eq!(line, format!("{}…", start.trim_end()));
            }
        }

        #[test]
        fn inline_text_never_leaves_its_code(text in HOSTILE) {
            let shown = inline(&text, 40);
            let (outside, other) = page(&format!("a {shown} b"));
            prop_assert!(!other && (outside == "a  b" || shown == "(empty)"), "{} {}", shown, outside);
            let cell = format!("|a|b|\n|-|-|\n|{shown}|end|\n");
            let (outside, other) = page(&cell);
            prop_assert!(!other && (outside == "abend" || shown == "(empty)"), "{} {}", cell, outside);
        }

        #[test]
        fn quoted_text_has_no_markup_and_no_effect(text in HOSTILE) {
            let (outside, other) = page(&quote(&text));
            prop_assert!(!other && !outside.split_whitespace().any(acts), "{}", quote(&text));
        }

        #[test]
        fn fenced_text_is_never_speech(text in HOSTILE) {
            prop_assert_eq!(speech(&fenced(&text)), vec![]);
        }

        #[test]
        fn a_subject_is_one_line_that_mentions_nobody(text in HOSTILE) {
            let line = subject(&text, 50);
            prop_assert!(line.chars().count() <= 50 && !line.contains('\n'));
            let mentions = line.split('@').skip(1).any(|after| after.starts_with(char::is_alphanumeric));
            prop_assert!(!mentions && !line.contains("://a"));
        }
    }
}
