//! Fenced blocks of code in what people write: data that they hand over, never speech.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::domain::markdown::dialect;

/// A fenced block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first word behind the fence, in lower case; empty when there is none.
    pub language: String,
    /// What stands between the fences, every line ended.
    pub text: String,
    /// Where the block is, in bytes of the whole text.
    pub range: Range<usize>,
}

/// Finds the fenced blocks of a text, in order, but for those that quote somebody.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open, mut quoted) = (Vec::new(), None, 0_usize);
    for (event, range) in Parser::new_ext(text, dialect()).into_offset_iter() {
        match event {
            Event::Start(Tag::BlockQuote(_)) => quoted += 1,
            Event::End(TagEnd::BlockQuote(_)) => quoted = quoted.saturating_sub(1),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if quoted == 0 => {
                let language = info.split_whitespace().next().unwrap_or_default();
                open = Some(Block {
                    language: language.to_ascii_lowercase(),
                    text: String::new(),
                    range,
                });
            }
            Event::Text(line) => {
                if let Some(block) = &mut open {
                    block.text.push_str(&line);
                }
            }
            Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
            Event::Start(_)
            | Event::End(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    found
}

/// Returns the block that a text begins with, blank lines aside.
#[must_use]
pub fn leading(text: &str) -> Option<String> {
    let first = blocks(text).into_iter().next()?;
    let before = text.get(..first.range.start)?;
    before.trim().is_empty().then_some(first.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_language() {
        for (text, expected) in [
            ("```yaml\nid: a\n```\n", vec![("yaml", "id: a\n")]),
            ("~~~~ YML x\na\n~~~\n~~~~", vec![("yml", "a\n~~~\n")]),
            ("- see\n  ```\n  a\n    b\n  ```", vec![("", "a\n  b\n")]),
            ("```a\r\nx\r\ny\r\n```\r\n", vec![("a", "x\ny\n")]),
            ("```a\nx\n```\n```b\ny", vec![("a", "x\n"), ("b", "y")]),
            ("```\n```", vec![("", "")]),
            ("> ```a\n> x\n> ```\n", vec![]),
            ("<!--\n```a\nx\n```\n-->", vec![]),
            ("    code by indentation\n\n`code`", vec![]),
        ] {
            let found = blocks(text);
            let found: Vec<_> = found
                .iter()
                .map(|block| (block.language.as_str(), block.text.as_str()))
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn only_what_stands_first_leads() {
        for (text, expected) in [
            ("\n\n```a\nx\n```\nmore", Some("x\n")),
            ("  ```a\n  x\n  ```", Some("x\n")),
            ("words\n```a\nx\n```", None),
            ("> ```a\n> x\n> ```\n```b\ny\n```", None),
            ("", None),
        ] {
            assert_eq!(leading(text).as_deref(), expected, "{text:?}");
        }
    }
}
