//! The parts of Markdown that a page does not show, taken out of its source.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Parser, Tag, TagEnd};

use crate::domain::markdown::dialect;
use crate::domain::sanitize::{html, pictures};

/// Targets of reference links are written where they are used. One long definition that is used a
/// thousand times must not become a thousand long texts.
const MAX_TARGETS: usize = 16 * 1024;

/// No language of a code block has a longer name.
const MAX_LANGUAGE: usize = 20;

/// Rewrites a text to what its page shows: no alternative texts and titles, no definitions and unused
/// footnotes, no code fence's words after the language, and of HTML what `html::shown` leaves.
///
/// Removing can make what is left read differently; `visible` repeats it until nothing changes.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut events = Parser::new_ext(text, dialect()).into_offset_iter();
    let read: Vec<(Event<'_>, Range<usize>)> = events.by_ref().collect();
    let mut rewrite = Rewrite {
        text,
        edits: Vec::new(),
        targets: 0,
    };
    for (_, definition) in events.reference_definitions().iter() {
        rewrite.edit(definition.span.clone(), String::new());
    }
    let mut used: HashSet<&str> = HashSet::new();
    for (event, _) in &read {
        if let Event::FootnoteReference(label) = event {
            used.insert(label);
        }
    }
    for (at, (event, range)) in read.iter().enumerate() {
        let range = range.clone();
        match event {
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                ..
            }) => {
                let inside = read.get(at + 1..).unwrap_or_default();
                let inside = inside
                    .iter()
                    .take_while(|(event, _)| *event != Event::End(TagEnd::Link));
                let text_end = inside
                    .map(|(_, inner)| inner.end)
                    .max()
                    .unwrap_or(range.start + 1);
                if is_reference(*link_type) || (*link_type == LinkType::Inline && !title.is_empty())
                {
                    rewrite.link(range, text_end, dest_url);
                }
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let target = rewrite.target(dest_url).unwrap_or_default();
                rewrite.edit(range, format!("![]({target})"));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if !info.is_empty() => {
                rewrite.fence(&range);
                let block = text.get(range.clone()).unwrap_or_default();
                for (hidden, shown) in pictures::hidden(info, block) {
                    rewrite.edit(range.start + hidden.start..range.start + hidden.end, shown);
                }
            }
            Event::Start(Tag::FootnoteDefinition(label)) if !used.contains(label.as_ref()) => {
                rewrite.edit(range, String::new());
            }
            Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => {
                let html = html::shown(text.get(range.clone()).unwrap_or_default());
                rewrite.edit(range, html);
            }
            Event::Start(_)
            | Event::End(_)
            | Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    rewrite.apply()
}

/// Tells whether a link's target stands elsewhere than in the link.
fn is_reference(link: LinkType) -> bool {
    matches!(
        link,
        LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut
    )
}

struct Rewrite<'t> {
    text: &'t str,
    edits: Vec<(Range<usize>, String)>,
    /// Bytes of targets written so far.
    targets: usize,
}

impl Rewrite<'_> {
    fn edit(&mut self, range: Range<usize>, shown: String) {
        self.edits.push((range, shown));
    }

    /// Writes a link as its text and target alone; as its text when the targets have grown too long.
    fn link(&mut self, range: Range<usize>, text_end: usize, target: &str) {
        let text_start = (range.start + 1).min(text_end);
        if let Some(target) = self.target(target) {
            self.edit(text_end..range.end, format!("]({target})"));
        } else {
            self.edit(range.start..text_start, String::new());
            self.edit(text_end..range.end, String::new());
        }
    }

    /// Writes a target so that it cannot end early; `None` when there is no room for it.
    fn target(&mut self, target: &str) -> Option<String> {
        let mut written = String::with_capacity(target.len());
        for c in target.chars() {
            if c.is_whitespace() || "()<>[]\\`\"".contains(c) {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(written, "%{byte:02X}");
                }
            } else {
                written.push(c);
            }
        }
        self.targets += written.len();
        (self.targets <= MAX_TARGETS).then_some(written)
    }

    /// Leaves of a code fence's first line the fence and the language.
    fn fence(&mut self, block: &Range<usize>) {
        let line = self
            .text
            .get(block.clone())
            .and_then(|b| b.lines().next())
            .unwrap_or_default();
        let info = line.trim_start().trim_start_matches(['`', '~']);
        let language: String = info
            .trim_start()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "+-#._".contains(*c))
            .take(MAX_LANGUAGE)
            .collect();
        let info_start = block.start + line.len() - info.len();
        self.edit(info_start..block.start + line.len(), language);
    }

    /// Makes the edits; of two that overlap, the one that begins first or reaches further.
    fn apply(mut self) -> String {
        self.edits
            .sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut out = String::with_capacity(self.text.len());
        let mut copied = 0;
        for (range, shown) in &self.edits {
            if range.start < copied {
                continue;
            }
            out.push_str(self.text.get(copied..range.start).unwrap_or_default());
            out.push_str(shown);
            copied = range.end;
        }
        out.push_str(self.text.get(copied..).unwrap_or_default());
        out
    }
}
