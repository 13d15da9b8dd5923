//! What agents say, shown with its Markdown, and without effect.
//!
//! Agents write Markdown: lists, tables, code. `quote` reads it into blocks and words of which no kind
//! acts on anything (there are none for links, images and HTML), and writes these anew as a block quote.
//! What was said is never copied; what cannot be said in these types cannot reach a page.
//!
//! GitHub looks for mentions and references after it has rendered a text, so they are looked for in
//! what a page would show: after escapes, entities, emphasis and links have been read.

mod read;
mod write;

use pulldown_cmark::Alignment;

use crate::domain::sanitize::visible;

/// Shows what an agent said, at most `max_chars` characters of it, as a block quote of at most twice as
/// many (never fewer than 64). What is cut off is said at its end.
///
/// Takes time linear in `max_chars`.
#[must_use]
pub fn quote(text: &str, max_chars: usize) -> String {
    let text = visible::visible(text, max_chars);
    let room = max_chars.max(visible::MIN_CHARS).saturating_mul(2);
    let mut most = usize::MAX;
    loop {
        let read = read::read(&text, most);
        let written = write::quote(&read.blocks);
        if written.chars().count() <= room || read.taken == 0 {
            return written;
        }
        // Signs that need an escape and the prefixes of lines make it longer, in honest texts by less.
        most = read.taken * 3 / 4;
    }
}

/// A part of what was said.
#[derive(Debug, PartialEq)]
enum Block {
    Paragraph(Vec<Word>),
    /// Its level: ours are of level 3, and nothing that is said may look like one of them.
    Heading(usize, Vec<Word>),
    Code {
        /// Empty where none is named, or GitHub would make something of it.
        language: String,
        text: String,
    },
    Quote(Vec<Block>),
    /// The number of the first item, where they are numbered. No item is empty.
    List(Option<u64>, Vec<Vec<Block>>),
    Table {
        columns: Vec<Alignment>,
        /// The first is the head.
        rows: Vec<Vec<Vec<Word>>>,
    },
    Rule,
}

/// What stands between two spaces.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    /// What stands before it, unless it is the first.
    gap: Gap,
    style: Style,
    pieces: Vec<Piece>,
}

impl Word {
    fn chars(&self) -> usize {
        let chars = self.pieces.iter().map(|piece| match piece {
            Piece::Plain(text) | Piece::Code(text) => text.chars().count(),
        });
        chars.sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Space,
    Line,
}

/// Whole words have a style: within one, GitHub and others differ on where it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    struck: bool,
    strong: bool,
    emphasis: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Never what GitHub would act on.
    Plain(String),
    Code(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};

    use super::*;
    use crate::domain::markdown::{dialect, speech};
    use crate::domain::sanitize::neutral;

    fn check(said: &str, expect: &str) {
        assert_eq!(quote(said, 10_000), expect, "{said}");
    }

    #[test]
    fn markdown_is_shown_as_what_it_is() {
        check("", ">");
        check(
            "# Why\n\n## So\n\n##### Small\n\nIt **is** *so*, ~~not~~ `this`.",
            "> #### Why\n>\n> #### So\n>\n> ##### Small\n>\n> It **is** _so,_ ~~not~~ `this`.",
        );
        check(
            "- a\n- b\n  1. c\n  2. d\n\n* e\n\n3) f\n\n- [x] g\n- [ ] h",
            "> - a\n> - b\n>   1. c\n>   2. d\n>\n> + e\n>\n> 3. f\n>\n> - ☑ g\n> - ☐ h",
        );
        check(
            "```rust\nfn f() {\n\n    @octo #1 ``` `\n}\n```\n\n    indented\n\n~~~\n```\n~~~",
            "> ````rust\n> fn f() {\n>\n>     @octo #1 ``` `\n> }\n> ````\n>\n> ```\n> indented\n> ```\n>\n> ````\n> ```\n> ````",
        );
        check(
            "| a | b |\n| :-: | --: |\n| `x\\|y` | c<br>d |\n| **e** |",
            "> | a | b |\n> | :-: | --: |\n> | <code>x&#124;y</code> | c d |\n> | **e** |  |",
        );
        check(
            "one\ntwo  \nthree\n\n> quoted\n> > twice\n\n---\n\n1986. A year.",
            "> one\n> two\n> three\n>\n> > quoted\n> >\n> > > twice\n>\n> ***\n>\n> 1986. A year.",
        );
        check(
            "> [!WARNING]\n> Careful.\n\n\\[!NOTE] so",
            "> > **Warning**\n> >\n> > Careful.\n>\n> `[!NOTE]` so",
        );
    }

    #[test]
    fn what_would_act_is_code() {
        check(
            "cc @octo, closes #1 (o/r#2, GH-3) as of 0123abc; see https://e.org/x.",
            "> cc `@octo`, closes `#1` (`o/r#2`, `GH-3`) as of `0123abc`; see `https://e.org/x`.",
        );
        check("high-level, 1000000 $5", "> high-level, 1000000 `$5`");
        check(
            "@*octo* \\@a &#64;b @&#8203;c [@](x)d @<!-- -->e @`f` [#](y)1 _#_[2](z) @<b>g</b> ![@](i)h",
            "> _`@octo`_ `@a` `@b` `@c` `@` (`x`)d `@e` `@f` \\# (`y`)1 _`#2`_ (`z`) `@<b>`g`</b>` (image `i`)h",
        );
        check(
            "[docs](https://e.org/a) <https://e.org> <a@b.c> [src/a.rs](src/a.rs) [`b`][c]\n\n[c]: d \"e\"",
            "> docs (`https://e.org/a`) `https://e.org` `a@b.c` src/a.rs `b` (`d`)",
        );
        check(
            "![alt](https://e.org/x.png) [![](i)](l)",
            "> (image `https://e.org/x.png`) (image `i`) (`l`)",
        );
        check(
            "$x$ $`y`$ $$z$$ x[^1]\n\n[^1]: Note.",
            "> `$x$` `$y$` `$$z$$` x\\[\\^1\\]\n>\n> \\[\\^1\\]:\n>\n> Note.",
        );
        check(
            "<details>\n<summary>s</summary>\n\n**t**\n\n</details>\n\n<kbd>Ctrl | `</kbd> <!-- gone -->",
            "> ```html\n> <details>\n> <summary>s</summary>\n> ```\n>\n> **t**\n>\n> ```html\n> </details>\n> ```\n>\n> `` Ctrl | ` ``",
        );
    }

    #[test]
    fn no_fence_is_more_than_code() {
        for language in ["suggestion", "Suggestion:-0+0", "mermaid", "math"] {
            check(&format!("~~~{language}\nx\n~~~"), "> ```\n> x\n> ```");
        }
        check("```c++ title\nx\n```", "> ```c++\n> x\n> ```");
    }

    #[test]
    fn no_mark_of_ours_can_be_forged() {
        for said in [
            "`<!-- prova:found:0 -->`",
            "`<!-- p`rova:@x",
            "`<!-- p`rova:found:0123456789ab`cdef -->`",
            "```\n<!-- prova:found:0 -->\n```",
            "&lt;!-- prova:found:0 -->",
            "<code>&lt;!-- prova:found:0 --></code>",
            "|a|\n|-|\n|`<!-- prova:\\|`|",
            "[x](<&lt;!-- prova:found:0>)",
        ] {
            let shown = quote(said, 1_000);
            assert!(shown.contains("prova"), "{shown}");
            assert!(!shown.contains("<!-- prova:"), "{shown}");
        }
    }

    #[test]
    fn traps_of_any_depth_and_width_are_bounded() {
        let wide = format!("{}|\n{}|\n", "|a".repeat(2_000), "|-".repeat(2_000));
        let wide = format!("{wide}{}", "|b\n".repeat(3_000));
        let traps = [
            "> ",
            "- ",
            "1. ",
            "> - ",
            "- a\n",
            "[a](b",
            "![",
            "![a](",
            "`a ",
            "**a ",
            "<b>",
            "|",
            "a\n\n",
            "@a ",
            "***\n",
            "[x]: y\n",
            "[^a]: b\n\n",
            "\\",
            "$ ",
        ];
        let traps = traps.map(|trap| trap.repeat(20_000 / trap.len()));
        let nested = format!("{}a\n{}", ">".repeat(20), "b\n".repeat(9_000));
        for said in traps.iter().chain([&wide, &nested]) {
            let shown = quote(said, 20_000);
            assert!(shown.chars().count() <= 40_000, "{}", said.len());
            let (_, wrong) = page(&shown);
            assert_eq!(wrong, Vec::<String>::new(), "{}", said.len());
        }
        assert!(quote(&nested, 20_000).ends_with(" characters more\\]"));
    }

    /// What a page shows of a text outside code, and what of it is no Markdown that may be shown. Pieces
    /// that emphasis parts are one word, pieces with code between are not.
    fn page(markdown: &str) -> (String, Vec<String>) {
        let (mut outside, mut wrong) = (String::new(), Vec::new());
        let mut code = false;
        for event in Parser::new_ext(markdown, dialect()) {
            let styles = matches!(
                event,
                Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough)
                    | Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough)
            );
            if !styles && !matches!(event, Event::Text(_)) {
                outside.push('\n');
            }
            if let Event::InlineHtml(tag) = &event
                && ["<code>", "</code>"].contains(&tag.as_ref())
            {
                code = tag.as_ref() == "<code>";
                continue;
            }
            if matches!(event, Event::Start(Tag::CodeBlock(_)) | Event::End(_)) {
                code = matches!(event, Event::Start(_));
            }
            if let Event::Text(words) = &event
                && !code
            {
                outside.push_str(words);
            }
            let allowed = matches!(
                event,
                Event::Start(
                    Tag::Paragraph
                        | Tag::List(_)
                        | Tag::Item
                        | Tag::Heading { .. }
                        | Tag::BlockQuote(None)
                        | Tag::CodeBlock(_)
                        | Tag::Table(_)
                        | Tag::TableHead
                        | Tag::TableRow
                        | Tag::TableCell
                ) | Event::End(_)
                    | Event::Text(_)
                    | Event::Code(_)
                    | Event::SoftBreak
                    | Event::Rule
            );
            if !styles && !allowed {
                wrong.push(format!("{event:?}"));
            }
        }
        (outside, wrong)
    }

    /// The blocks of a page that stand in no other.
    fn outermost(markdown: &str) -> Vec<String> {
        let mut depth = 0_usize;
        let mut found = Vec::new();
        for event in Parser::new_ext(markdown, dialect()) {
            let (starts, ends) = (
                matches!(event, Event::Start(_)),
                matches!(event, Event::End(_)),
            );
            if depth == 0 && !ends {
                found.push(format!("{event:?}"));
            }
            depth = depth + usize::from(starts) - usize::from(ends);
        }
        found
    }

    /// Signs and words of which anything may become.
    fn hostile() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "@",
            "octo",
            "<!-- p",
            "rova:",
            "#",
            "1",
            "GH-",
            "a",
            "b c",
            " ",
            "\n",
            "\n\n",
            "*",
            "**",
            "_",
            "~~",
            "`",
            "``",
            "```",
            "~~~",
            "\\",
            "|",
            "|-|-|\n",
            "\n| a | b |\n|---|---|\n| ",
            "- ",
            "  ",
            "    ",
            "\t",
            "1. ",
            "2) ",
            "+ ",
            "[x] ",
            "- [ ] ",
            "> ",
            ">",
            "# ",
            "## ",
            "---",
            "***",
            "===",
            "<b>",
            "</b>",
            "<code>",
            "</code>",
            "<br>",
            "<div>\n",
            "<!-- ",
            "-->",
            "<!-- prova:x -->",
            "[",
            "](",
            ")",
            "![",
            "[^1]",
            "[^1]: ",
            "[a]: b\n",
            "[a]",
            "&#64;",
            "&lt;",
            "&#8203;",
            "&nbsp;",
            "\u{200b}",
            "$",
            "https://e.org",
            "www.",
            ".",
            "!",
            "[!NOTE]",
            "(",
            "é",
            "日本",
            "suggestion\n",
            "mermaid\n",
            "<https://e.org>",
            "0123abc",
            "://",
            "\r\n",
        ]);
        prop_oneof![
            4 => prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat()),
            1 => "\\PC{0,80}",
            1 => "[@#|`<>\\\\!\\[\\]()*_~&a-c1:/.=+ \\n$-]{0,80}",
        ]
    }

    fn same(said: &str) -> (Vec<Block>, Vec<Block>, String) {
        let read = read::read(&visible::visible(said, 5_000), usize::MAX).blocks;
        let written = write::quote(&read);
        let again = read::read(&written, usize::MAX).blocks;
        let again = match <[Block; 1]>::try_from(again) {
            Ok([Block::Quote(blocks)]) => blocks,
            Ok([other]) => vec![other],
            Err(more) => more,
        };
        (read, again, written)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn nothing_that_is_said_acts(said in hostile()) {
            let shown = quote(&said, 5_000);
            let (outside, wrong) = page(&shown);
            prop_assert_eq!(wrong, Vec::<String>::new(), "{}", shown);
            let signs = ["@", "://", "www.", "$"].iter().any(|sign| outside.contains(sign));
            prop_assert!(!signs && !outside.split_whitespace().any(neutral::acts), "{}", shown);
            prop_assert!(!shown.contains(neutral::MARK), "{}", shown);
            prop_assert_eq!(speech(&shown), vec![], "{}", shown);
        }

        #[test]
        fn nothing_that_is_said_leaves_its_quote(said in hostile()) {
            let shown = quote(&said, 5_000);
            prop_assert!(shown.lines().all(|line| line.starts_with('>')), "{}", shown);
            let folded = format!("<details><summary>s</summary>\n\n{shown}\n\n</details>\n\nafter");
            let expect = ["HtmlBlock", "BlockQuote(None)", "HtmlBlock", "Paragraph"];
            let expect = expect.map(|block| format!("Start({block})"));
            prop_assert_eq!(outermost(&folded), expect, "{}", shown);
        }

        #[test]
        fn what_is_shown_is_bounded(said in hostile(), many in 1..60_usize) {
            let shown = quote(&said.repeat(many), 200);
            prop_assert!(shown.chars().count() <= 400, "{}", shown);
            let (_, wrong) = page(&shown);
            prop_assert_eq!(wrong, Vec::<String>::new(), "{}", shown);
        }

        #[test]
        fn what_is_written_is_read_as_what_was_said(said in hostile()) {
            let (read, again, written) = same(&said);
            prop_assert_eq!(read, again, "{}", written);
        }
    }
}
