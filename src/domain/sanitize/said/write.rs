//! Blocks and words, written as Markdown that any reader takes for the same.
//!
//! Fences are longer than what they hold, every sign that could be markup is escaped, and emphasis
//! begins and ends beside spaces, where all agree on what it is.

use pulldown_cmark::Alignment;

use crate::domain::sanitize::neutral;
use crate::domain::sanitize::said::{Block, Gap, Piece, Style, Word};

/// Writes blocks as a block quote.
pub(super) fn quote(blocks: &[Block]) -> String {
    let lines = quoted(lines(blocks));
    if lines.is_empty() {
        return ">".to_owned();
    }
    lines.join("\n")
}

fn quoted(lines: Vec<String>) -> Vec<String> {
    let prefixed = lines.into_iter().map(|line| match line.as_str() {
        "" => ">".to_owned(),
        line => format!("> {line}"),
    });
    prefixed.collect()
}

fn lines(blocks: &[Block]) -> Vec<String> {
    let mut out = Vec::new();
    let mut before = None;
    // Two lists after each other are one if their signs are the same.
    let mut other = false;
    for block in blocks {
        if before.is_some_and(|before| !stand_close(before, block)) {
            out.push(String::new());
        }
        other = !other && before.is_some_and(|before| are_lists(before, block));
        out.extend(match block {
            Block::Paragraph(words) => paragraph(words),
            Block::Heading(level, words) => {
                let marks = "#".repeat(*level);
                vec![format!("{marks} {}", text(words, Place::Text))]
            }
            Block::Code { language, text } => code(language, text),
            Block::Quote(blocks) => quoted(lines(blocks)),
            Block::List(first, items) => list(*first, items, other),
            Block::Table { columns, rows } => table(columns, rows),
            // With hyphens it would be a part of the item that it opens.
            Block::Rule => vec!["***".to_owned()],
        });
        before = Some(block);
    }
    out
}

/// Tells whether a list may follow a paragraph without a blank line, which would set all items apart.
fn stand_close(before: &Block, block: &Block) -> bool {
    let Block::List(None | Some(1), items) = block else {
        return false;
    };
    let opening = items.first().and_then(|item| item.first());
    matches!(before, Block::Paragraph(_)) && matches!(opening, Some(Block::Paragraph(_)))
}

fn are_lists(before: &Block, block: &Block) -> bool {
    match (before, block) {
        (Block::List(before, _), Block::List(first, _)) => before.is_some() == first.is_some(),
        _ => false,
    }
}

fn paragraph(words: &[Word]) -> Vec<String> {
    let text = text(words, Place::Text);
    text.lines().map(str::to_owned).collect()
}

fn code(language: &str, text: &str) -> Vec<String> {
    let fence = "`".repeat(neutral::longest_run(text).saturating_add(1).max(3));
    let mut out = vec![format!("{fence}{language}")];
    out.extend(text.split('\n').map(str::to_owned));
    out.push(fence);
    out
}

fn list(first: Option<u64>, items: &[Vec<Block>], other: bool) -> Vec<String> {
    let mut out = Vec::new();
    let mut number = first;
    for item in items {
        let mark = match (&mut number, other) {
            (None, false) => "- ".to_owned(),
            (None, true) => "+ ".to_owned(),
            (Some(number), other) => {
                let mark = format!("{number}{} ", if other { ')' } else { '.' });
                *number += 1;
                mark
            }
        };
        let indent = " ".repeat(mark.len());
        for (at, line) in lines(item).into_iter().enumerate() {
            out.push(match (at, line.as_str()) {
                (0, line) => format!("{mark}{line}"),
                (_, "") => line,
                (_, line) => format!("{indent}{line}"),
            });
        }
    }
    out
}

fn table(columns: &[Alignment], rows: &[Vec<Vec<Word>>]) -> Vec<String> {
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut out: Vec<String> = rows
        .iter()
        .map(|cells| row(cells.iter().map(|cell| text(cell, Place::Cell)).collect()))
        .collect();
    let rules = columns.iter().map(|column| match column {
        Alignment::None => "---".to_owned(),
        Alignment::Left => ":--".to_owned(),
        Alignment::Center => ":-:".to_owned(),
        Alignment::Right => "--:".to_owned(),
    });
    out.insert(1.min(out.len()), row(rules.collect()));
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Cell,
}

fn text(words: &[Word], place: Place) -> String {
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let marks = marks(word.style);
        // What was opened last is closed first.
        while open.iter().any(|mark| !marks.contains(mark)) {
            out.push_str(open.pop().unwrap_or_default());
        }
        let opens_line = at == 0 || word.gap == Gap::Line;
        match word.gap {
            _ if at == 0 => {}
            Gap::Line => out.push('\n'),
            Gap::Space => out.push(' '),
        }
        for mark in marks {
            if !open.contains(&mark) {
                out.push_str(mark);
                open.push(mark);
            }
        }
        for piece in &word.pieces {
            out.push_str(&match (piece, place) {
                (Piece::Plain(text), _) => neutral::escaped(text, opens_line),
                (Piece::Code(text), Place::Cell) => neutral::code_span(text),
                (Piece::Code(text), Place::Text) => neutral::ticked(text),
            });
        }
    }
    out.extend(open.into_iter().rev());
    out
}

fn marks(style: Style) -> Vec<&'static str> {
    let marks = [
        (style.struck, "~~"),
        (style.strong, "**"),
        (style.emphasis, "_"),
    ];
    let marks = marks.into_iter().filter(|(has, _)| *has);
    marks.map(|(_, mark)| mark).collect()
}
