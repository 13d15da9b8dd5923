//! Which parts of a comment are its author's own speech, and so may carry commands.
//!
//! Never speech: code in any form, block quotes, links and images and bare URLs, HTML and what
//! quoting or code tags enclose, struck-out text, tables and footnotes. All of them show or cite
//! words; they do not say them.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A stretch of speech in a comment, never over the end of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// Where it is, in bytes of the comment.
    pub range: Range<usize>,
    /// Whether nothing but the markers of lists, headings and emphasis stands before it on its line.
    pub opens_line: bool,
}

/// Returns the Markdown that GitHub renders in comments, as options of the parser.
///
/// One place decides: text read with other options than it is shown with hides things.
#[must_use]
pub fn dialect() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM
}

/// Finds the speech in a comment, in order. Takes time linear in the comment's length.
#[must_use]
pub fn speech(comment: &str) -> Vec<Speech> {
    let mut listener = Listener {
        comment,
        heard: Vec::new(),
        muted: 0,
        tags: OpenTags::default(),
        fresh: true,
    };
    for (event, range) in Parser::new_ext(comment, dialect()).into_offset_iter() {
        listener.hear(&event, range);
    }
    listener.heard
}

struct Listener<'c> {
    comment: &'c str,
    heard: Vec<Speech>,
    /// How many enclosing elements are not speech.
    muted: usize,
    tags: OpenTags,
    fresh: bool,
}

impl Listener<'_> {
    fn hear(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => {
                self.muted += usize::from(mutes(tag.to_end()));
                self.fresh = if is_inline(tag.to_end()) {
                    self.fresh && matches!(tag, Tag::Emphasis | Tag::Strong)
                } else {
                    true
                };
            }
            Event::End(tag) => {
                self.muted = self.muted.saturating_sub(usize::from(mutes(*tag)));
                if !is_inline(*tag) {
                    self.fresh = true;
                    self.tags.end_of_block();
                }
            }
            Event::SoftBreak | Event::HardBreak => self.fresh = true,
            Event::Text(text) => {
                // An entity such as `&#64;` reads differently from how it is written. It stays out:
                // whoever writes an `@` that way wants it to be inert.
                let as_written = self.comment.get(range.clone()) == Some(text);
                if as_written && self.muted == 0 && self.tags.none_open() {
                    self.say(range);
                }
                self.fresh = false;
            }
            Event::Html(html) => self.tags.read(html, Scope::Rest),
            Event::InlineHtml(html) => {
                self.tags.read(html, Scope::Block);
                self.fresh = false;
            }
            Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_) => {
                self.fresh = false;
            }
            Event::Rule | Event::TaskListMarker(_) => {}
        }
    }

    fn say(&mut self, range: Range<usize>) {
        // The parser cuts text at brackets and underscores; `@prova[bot]` arrives in pieces.
        if let Some(last) = self.heard.last_mut()
            && last.range.end == range.start
            && !self.fresh
        {
            last.range.end = range.end;
        } else {
            self.heard.push(Speech {
                range,
                opens_line: self.fresh,
            });
        }
    }
}

/// Tells whether what is inside an element is shown or cited rather than said.
fn mutes(tag: TagEnd) -> bool {
    match tag {
        TagEnd::BlockQuote(_)
        | TagEnd::CodeBlock
        | TagEnd::HtmlBlock
        | TagEnd::FootnoteDefinition
        | TagEnd::Table
        | TagEnd::TableHead
        | TagEnd::TableRow
        | TagEnd::TableCell
        | TagEnd::Strikethrough
        | TagEnd::Link
        | TagEnd::Image
        | TagEnd::MetadataBlock(_) => true,
        TagEnd::Paragraph
        | TagEnd::Heading(_)
        | TagEnd::List(_)
        | TagEnd::Item
        | TagEnd::DefinitionList
        | TagEnd::DefinitionListTitle
        | TagEnd::DefinitionListDefinition
        | TagEnd::Emphasis
        | TagEnd::Strong
        | TagEnd::Superscript
        | TagEnd::Subscript => false,
    }
}

fn is_inline(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image
    )
}

/// How far an unclosed tag reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// To the end of its paragraph: it was written within one.
    Block,
    /// To the end of the comment, as a browser reads it.
    Rest,
}

/// The HTML elements open around the text that say, as Markdown would, that it is not speech.
#[derive(Default)]
struct OpenTags {
    of_block: usize,
    of_rest: usize,
}

impl OpenTags {
    const MUTING: [&'static str; 13] = [
        "a",
        "blockquote",
        "code",
        "del",
        "kbd",
        "pre",
        "q",
        "s",
        "samp",
        "strike",
        "table",
        "tt",
        "var",
    ];

    fn none_open(&self) -> bool {
        self.of_block == 0 && self.of_rest == 0
    }

    fn end_of_block(&mut self) {
        self.of_block = 0;
    }

    fn read(&mut self, html: &str, scope: Scope) {
        for tag in html.split('<').skip(1) {
            let (closing, tag) = tag
                .strip_prefix('/')
                .map_or((false, tag), |rest| (true, rest));
            let end = tag
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(tag.len());
            let name = tag.get(..end).unwrap_or_default().to_ascii_lowercase();
            if !Self::MUTING.contains(&name.as_str()) {
                continue;
            }
            match (closing, scope) {
                (false, Scope::Block) => self.of_block += 1,
                (false, Scope::Rest) => self.of_rest += 1,
                (true, _) if self.of_block > 0 => self.of_block -= 1,
                (true, _) => self.of_rest = self.of_rest.saturating_sub(1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Shows the speech of a comment, `^` before what opens its line.
    fn check(comment: &str) -> String {
        let shown = speech(comment).into_iter().map(|s| {
            let mark = if s.opens_line { "^" } else { "" };
            format!("{mark}{}", &comment[s.range])
        });
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn speech_is_paragraphs_items_and_headings() {
        assert_eq!(check("one\ntwo  \nthree"), "^one|^two|^three");
        assert_eq!(check("# a\n- b\n  1. c\n- [x] d"), "^a|^b|^c|^d");
        assert_eq!(check("**a** b _c_"), "^a| b |c");
        assert_eq!(check("@prova[bot] a_b [c"), "^@prova[bot] a_b [c");
    }

    #[test]
    fn code_quotes_links_and_html_are_not_speech() {
        assert_eq!(check("a `b` c ``d ` e``"), "^a | c ");
        assert_eq!(check("```\na\n```\n~~~\nb"), "");
        assert_eq!(check("a\n\n    code\n\nb"), "^a|^b");
        assert_eq!(check("> a\nlazy\n\nb"), "^b");
        assert_eq!(check("> [!NOTE]\n> a"), "");
        assert_eq!(check("[a](b) ![c](d) <e@f.g> [h][]\n\n[h]: i"), " | | ");
        assert_eq!(
            check("a <!-- b --> c\n\n<!--\nd\n-->\n\n<div>e</div>"),
            "^a | c"
        );
        assert_eq!(check("<code>a</code> b <kbd>c"), " b ");
        assert_eq!(check("<blockquote>\n\na\n\n</blockquote>\n\nb"), "^b");
        assert_eq!(
            check("<details><summary>a</summary>\n\nb\n\n</details>"),
            "^b"
        );
        assert_eq!(check("~~a~~ b"), " b");
        assert_eq!(check("|a|\n|-|\n|b|\n\nc[^1]\n\n[^1]: d"), "^c");
        assert_eq!(check("&#64;a \\@b"), "a |@b");
    }

    #[test]
    fn a_comment_of_the_largest_size_is_read_quickly() {
        for unit in [
            "@prova ",
            "@prova\n\n",
            "[",
            "`",
            "*a_",
            "<!--",
            "<a",
            "> - ",
            "![a](",
            "|a",
            "&#64;",
        ] {
            let comment: String = unit.repeat(65_536 / unit.len());
            assert!(speech(&comment).len() <= comment.len());
        }
    }

    proptest! {
        #[test]
        fn speech_is_ordered_and_stays_in_its_line(comment in "[ab@`*_~<>\\[\\]()!|#\\-\\n &;:\\\\é]{0,200}") {
            let mut end = 0;
            for s in speech(&comment) {
                prop_assert!(s.range.start >= end && s.range.end > s.range.start);
                prop_assert!(!comment[s.range.clone()].contains('\n'));
                end = s.range.end;
            }
        }

        #[test]
        fn what_is_fenced_or_quoted_is_never_heard(text in "[a-z@ .*_-]{1,60}") {
            let comment = format!("```\n{text}\n```\n\n> {text}\n");
            prop_assert_eq!(speech(&comment), vec![]);
        }
    }
}
