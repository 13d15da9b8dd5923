//! Markdown, read into blocks and words that have no effect.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

use crate::domain::markdown::dialect;
use crate::domain::sanitize::said::{Block, Gap, Piece, Style, Word};
use crate::domain::sanitize::{invisible, neutral, pictures, visible};

/// Deeper lists and quotes are shown at this depth: each level makes every line longer.
const MAX_DEPTH: usize = 12;
/// GitHub fills up the rows of a table, so that a few characters may be many cells.
const MAX_COLUMNS: usize = 30;
/// Of an address or a tag, no more is shown.
const TARGET_CHARS: usize = 300;
/// The longest name of a language.
const LANGUAGE_CHARS: usize = 20;

/// What was read.
pub(super) struct Read {
    pub(super) blocks: Vec<Block>,
    /// What it came to: the characters, and one for each word and block.
    pub(super) taken: usize,
}

/// Reads what was said until it comes to `most`; how much is left then is said at the end.
pub(super) fn read(text: &str, most: usize) -> Read {
    let mut reader = Reader {
        most,
        taken: 0,
        lost: 0,
        top: Vec::new(),
        open: Vec::new(),
        through: 0,
        line: Line::default(),
        code: None,
        table: None,
    };
    for event in Parser::new_ext(text, dialect()) {
        reader.hear(event);
    }
    reader.end_line();
    let mut blocks = reader.top;
    if reader.lost > 0 {
        let mut note = Line::default();
        note.plain(&visible::note(reader.lost));
        blocks.push(Block::Paragraph(note.words()));
    }
    Read {
        blocks,
        taken: reader.taken,
    }
}

struct Reader {
    most: usize,
    taken: usize,
    /// Characters that were left out.
    lost: usize,
    top: Vec<Block>,
    open: Vec<Open>,
    /// How many of the enclosing lists, items and quotes are too deep to be shown.
    through: usize,
    line: Line,
    /// Language and text of a code block.
    code: Option<(String, String)>,
    table: Option<Table>,
}

/// A block that holds others.
struct Open {
    kind: Kind,
    blocks: Vec<Block>,
    items: Vec<Vec<Block>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quote,
    List(Option<u64>),
    Item,
}

struct Table {
    columns: Vec<Alignment>,
    rows: Vec<Vec<Vec<Word>>>,
    row: Vec<Vec<Word>>,
}

impl Reader {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) => self.text(&text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                let text = self.allow(&text).to_owned();
                self.line.code(&text);
            }
            Event::InlineHtml(tag) => self.tag(&tag),
            Event::FootnoteReference(label) => self.text(&format!("[^{label}]")),
            Event::SoftBreak | Event::HardBreak => self.line.leave(Gap::Line),
            Event::Rule => {
                self.end_line();
                if self.is_room() {
                    self.put(Block::Rule);
                }
            }
            // A box that can be pressed would edit our comment, and count as work that is left.
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Emphasis => self.line.emphasis += 1,
            Tag::Strong => self.line.strong += 1,
            Tag::Strikethrough => self.line.struck += 1,
            Tag::Link { dest_url, .. } => self.line.aim("", &dest_url),
            Tag::Image { dest_url, .. } => self.line.aim("image ", &dest_url),
            Tag::Paragraph | Tag::Heading { .. } => self.end_line(),
            Tag::BlockQuote(kind) => {
                self.begin(Kind::Quote);
                if let Some(kind) = kind {
                    self.line.strong += 1;
                    self.text(&format!("{kind:?}"));
                    self.end_line();
                }
            }
            Tag::CodeBlock(kind) => {
                self.end_line();
                let language = match &kind {
                    CodeBlockKind::Indented => String::new(),
                    CodeBlockKind::Fenced(info) => language(info),
                };
                self.code = Some((language, String::new()));
            }
            Tag::HtmlBlock => {
                self.end_line();
                self.code = Some(("html".to_owned(), String::new()));
            }
            Tag::List(first) => self.begin(Kind::List(first.map(|first| first.min(900_000_000)))),
            Tag::Item => self.begin(Kind::Item),
            Tag::FootnoteDefinition(label) => {
                self.end_line();
                self.text(&format!("[^{label}]:"));
                self.end_line();
            }
            Tag::Table(mut columns) => {
                self.end_line();
                columns.truncate(MAX_COLUMNS);
                self.table = Some(Table {
                    columns,
                    rows: Vec::new(),
                    row: Vec::new(),
                });
            }
            Tag::TableHead
            | Tag::TableRow
            | Tag::TableCell
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis => self.line.emphasis = self.line.emphasis.saturating_sub(1),
            TagEnd::Strong => self.line.strong = self.line.strong.saturating_sub(1),
            TagEnd::Strikethrough => self.line.struck = self.line.struck.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => self.line.hit(),
            TagEnd::Heading(level) => {
                let words = on_one_line(std::mem::take(&mut self.line).words());
                if !words.is_empty() {
                    self.put(Block::Heading(number(level), words));
                }
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock => self.end_code(),
            TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item => self.close(),
            TagEnd::TableCell => self.end_cell(),
            TagEnd::TableHead | TagEnd::TableRow => self.end_row(),
            TagEnd::Table => self.end_table(),
            TagEnd::Paragraph
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => self.end_line(),
        }
    }

    fn begin(&mut self, kind: Kind) {
        self.end_line();
        let room = match kind {
            // Its items are blocks as well.
            Kind::List(_) => self.open.len() + 2 <= MAX_DEPTH,
            Kind::Quote => self.open.len() < MAX_DEPTH,
            Kind::Item => true,
        };
        if self.through > 0 || !room {
            self.through += 1;
            return;
        }
        self.open.push(Open {
            kind,
            blocks: Vec::new(),
            items: Vec::new(),
        });
    }

    fn close(&mut self) {
        self.end_line();
        if self.through > 0 {
            self.through -= 1;
            return;
        }
        let Some(Open {
            kind,
            blocks,
            items,
        }) = self.open.pop()
        else {
            return;
        };
        match kind {
            Kind::Quote if !blocks.is_empty() => self.put(Block::Quote(blocks)),
            Kind::List(first) if !items.is_empty() => self.put(Block::List(first, items)),
            Kind::Item if !blocks.is_empty() => {
                if let Some(list) = self.open.last_mut() {
                    list.items.push(blocks);
                }
            }
            Kind::Quote | Kind::List(_) | Kind::Item => {}
        }
    }

    fn put(&mut self, block: Block) {
        let blocks = match self.open.last_mut() {
            Some(open) => &mut open.blocks,
            None => &mut self.top,
        };
        blocks.push(block);
    }

    fn end_line(&mut self) {
        let words = std::mem::take(&mut self.line).words();
        if !words.is_empty() {
            self.put(Block::Paragraph(words));
        }
    }

    fn end_code(&mut self) {
        let Some((language, text)) = self.code.take() else {
            return;
        };
        let text = text.trim_end_matches('\n');
        if !text.trim().is_empty() {
            let text = neutral::unmarked(text).into_owned();
            self.put(Block::Code { language, text });
        }
    }

    fn end_cell(&mut self) {
        let words = on_one_line(std::mem::take(&mut self.line).words());
        self.is_room();
        let Some(table) = &mut self.table else {
            return;
        };
        if table.row.len() < table.columns.len() {
            table.row.push(words);
        } else {
            self.lost += words.iter().map(Word::chars).sum::<usize>();
        }
    }

    fn end_row(&mut self) {
        if let Some(table) = &mut self.table {
            let row = std::mem::take(&mut table.row);
            if table.rows.is_empty() || row.iter().any(|cell| !cell.is_empty()) {
                table.rows.push(row);
            }
        }
    }

    fn end_table(&mut self) {
        let Some(Table { columns, rows, .. }) = self.table.take() else {
            return;
        };
        if rows.iter().flatten().any(|cell| !cell.is_empty()) {
            self.put(Block::Table { columns, rows });
        }
    }

    fn text(&mut self, text: &str) {
        let text = self.allow(text);
        let text = invisible::strip(text);
        match &mut self.code {
            Some((_, code)) => code.push_str(&text),
            None => self.line.plain(&text),
        }
        self.is_room();
    }

    /// Reads a tag in the middle of a text.
    fn tag(&mut self, tag: &str) {
        let name = tag.trim_start_matches(['<', '/']);
        let end = name.find(|c: char| !c.is_ascii_alphanumeric());
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "br" => self.line.leave(Gap::Line),
            "code" | "kbd" => self.line.in_code = !tag.starts_with("</"),
            // A comment.
            "" => {}
            _ => {
                let tag = self.allow(tag).to_owned();
                self.line.code(&neutral::one_line(&tag, TARGET_CHARS));
            }
        }
    }

    /// Returns what there is room for of a text.
    fn allow<'t>(&mut self, text: &'t str) -> &'t str {
        let total = text.chars().count();
        let room = self.most - self.taken;
        let kept = total.min(room);
        self.taken += kept;
        self.lost += total - kept;
        let end = text.char_indices().nth(kept).map(|(at, _)| at);
        text.get(..end.unwrap_or(text.len())).unwrap_or_default()
    }

    /// Takes room for something that is no text; `false` when there is none.
    fn is_room(&mut self) -> bool {
        let room = self.taken < self.most;
        self.taken += usize::from(room);
        room
    }
}

/// The words of a paragraph, a heading or a cell.
#[derive(Default)]
struct Line {
    read: Vec<Word>,
    gap: Option<Gap>,
    emphasis: usize,
    strong: usize,
    struck: usize,
    in_code: bool,
    targets: Vec<Target>,
}

/// Where a link or an image leads.
struct Target {
    what: &'static str,
    address: String,
    /// The text of the link.
    heard: String,
}

impl Line {
    fn leave(&mut self, gap: Gap) {
        if self.in_code {
            self.plain(" ");
        } else {
            self.gap = self.gap.max(Some(gap));
        }
    }

    fn plain(&mut self, text: &str) {
        self.overhear(text);
        if self.in_code {
            self.add(Piece::Code(text.to_owned()));
            return;
        }
        for (at, part) in text.split(char::is_whitespace).enumerate() {
            if at > 0 {
                self.leave(Gap::Space);
            }
            if !part.is_empty() {
                self.add(Piece::Plain(part.to_owned()));
            }
        }
    }

    fn code(&mut self, text: &str) {
        self.overhear(text);
        self.add(Piece::Code(text.to_owned()));
    }

    fn overhear(&mut self, text: &str) {
        if let Some(target) = self.targets.last_mut() {
            target.heard.push_str(text);
        }
    }

    /// Adds to the last word, unless a gap lies between.
    fn add(&mut self, piece: Piece) {
        let style = Style {
            struck: self.struck > 0,
            strong: self.strong > 0,
            emphasis: self.emphasis > 0,
        };
        let gap = self.gap.take();
        match self.read.last_mut() {
            Some(word) if gap.is_none() => {
                word.style.struck |= style.struck;
                word.style.strong |= style.strong;
                word.style.emphasis |= style.emphasis;
                word.pieces.push(piece);
            }
            Some(_) | None => self.read.push(Word {
                gap: gap.unwrap_or(Gap::Space),
                style,
                pieces: vec![piece],
            }),
        }
    }

    fn aim(&mut self, what: &'static str, address: &str) {
        self.targets.push(Target {
            what,
            address: neutral::one_line(address, TARGET_CHARS),
            heard: String::new(),
        });
    }

    /// Says after the text of a link where it leads, unless that is what the text says.
    fn hit(&mut self) {
        let Some(target) = self.targets.pop() else {
            return;
        };
        self.overhear(&target.heard);
        if target.address.is_empty() || target.address == target.heard.trim() {
            return;
        }
        self.in_code = false;
        self.leave(Gap::Space);
        self.plain(&format!("({}", target.what));
        self.code(&target.address);
        self.plain(")");
    }

    /// Returns the words, those in code of which GitHub would make something.
    fn words(self) -> Vec<Word> {
        let mut words = Vec::with_capacity(self.read.len());
        for word in self.read {
            let pieces = inert(word.pieces);
            if !pieces.is_empty() {
                words.push(Word { pieces, ..word });
            }
        }
        if let Some(first) = words.first_mut() {
            first.gap = Gap::Space;
            // Escaped or not, some take it for a box at the beginning of an item.
            if let Some(piece @ Piece::Plain(_)) = first.pieces.first_mut()
                && let Piece::Plain(text) = piece
                && ["[", "[x]", "[X]"].contains(&text.as_str())
            {
                *piece = Piece::Code(std::mem::take(text));
                first.pieces = join(std::mem::take(&mut first.pieces));
            }
        }
        words
    }
}

/// Headings and cells have one line.
fn on_one_line(mut words: Vec<Word>) -> Vec<Word> {
    for word in &mut words {
        word.gap = Gap::Space;
    }
    words
}

/// Puts into code what acts of a word. What stands in several pieces is one word on the page.
fn inert(pieces: Vec<Piece>) -> Vec<Piece> {
    let trimmed = join(pieces).into_iter().map(|piece| match piece {
        Piece::Code(text) => Piece::Code(text.trim().to_owned()),
        Piece::Plain(_) => piece,
    });
    let joined = join(trimmed.collect());
    let mut out = Vec::with_capacity(joined.len());
    for piece in joined {
        match piece {
            Piece::Plain(text) if neutral::acts(&text) => {
                let bare = text.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']);
                let after = text.get(bare.len()..).unwrap_or_default();
                let acting = bare.trim_start_matches(['(', '"', '\'']);
                let before = bare.get(..bare.len() - acting.len()).unwrap_or_default();
                out.extend([
                    Piece::Plain(before.to_owned()),
                    Piece::Code(acting.to_owned()),
                    Piece::Plain(after.to_owned()),
                ]);
            }
            Piece::Plain(_) | Piece::Code(_) => out.push(piece),
        }
    }
    // Only now is it clear what stands in one piece.
    let unmarked = join(out).into_iter().map(|piece| match piece {
        Piece::Code(text) => Piece::Code(neutral::unmarked(&text).into_owned()),
        Piece::Plain(_) => piece,
    });
    unmarked.collect()
}

/// Joins neighbours of a kind, without those that are empty.
fn join(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), piece) {
            (_, Piece::Plain(text)) if text.is_empty() => {}
            (_, Piece::Code(text)) if text.is_empty() => {}
            (Some(Piece::Plain(before)), Piece::Plain(text))
            | (Some(Piece::Code(before)), Piece::Code(text)) => before.push_str(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

/// Returns the language of a code block, unless GitHub draws it or takes it for a change to apply.
fn language(info: &str) -> String {
    let word = info.split_whitespace().next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+#.-_".contains(c);
    let acts = word.to_ascii_lowercase().starts_with("suggestion") || pictures::is_drawn(word);
    if acts || word.len() > LANGUAGE_CHARS || !word.chars().all(plain) {
        return String::new();
    }
    word.to_owned()
}

/// Returns the level of a heading, none of which may be larger than our own.
const fn number(level: HeadingLevel) -> usize {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3 | HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
