//! The tokens of one file, walked once: which paths it names and where its tests begin.
//!
//! Tokens and not a syntax tree, because a path looks the same in a `use`, an expression, a type, an
//! attribute and the arguments of a macro; a tree stops at the macro.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// How a path came to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// In an expression, a type, an attribute or a macro.
    Inline,
    /// In a `use` that only this module sees.
    Use,
    /// In a `use` with a visibility: others can reach the item through this module.
    ReExport,
}

/// A path that a file names. Use-trees are unfolded: `a::{b, c}` is two of them.
#[derive(Debug, Clone)]
pub(crate) struct Mention {
    /// The segments, `crate`, `super` and a closing `*` among them.
    pub(crate) segments: Vec<String>,
    /// What it is called here: its alias, else its last segment.
    pub(crate) name: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// How it is written.
    pub(crate) written: Written,
    /// Whether it stands in a test module.
    pub(crate) in_tests: bool,
}

impl Mention {
    /// The path as it would be written.
    pub(crate) fn path(&self) -> String {
        self.segments.join("::")
    }

    /// The segments, borrowed, to match on.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Whether it leads somewhere, and is not a mere identifier such as a local variable's.
    pub(crate) fn is_qualified(&self) -> bool {
        self.segments.len() > 1 || self.written != Written::Inline
    }

    /// Whether two neighbouring segments are these.
    pub(crate) fn has_pair(&self, pair: [&str; 2]) -> bool {
        self.parts().windows(2).any(|neighbours| neighbours == pair)
    }
}

/// What one walk over a file finds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The paths named, in the order of the text.
    pub(crate) mentions: Vec<Mention>,
    /// The line of `#[cfg(test)]` above the first `mod tests`.
    pub(crate) tests_at: Option<usize>,
    /// The lines that look at `cfg(test)` for anything but `mod tests`.
    pub(crate) stray_test_cfg: Vec<usize>,
    /// The lines of a `mod tests` that is built into the product.
    pub(crate) bare_tests: Vec<usize>,
}

impl Scan {
    /// Walks a file's tokens; `in_tests` when the whole file is a test module.
    pub(crate) fn of(tokens: TokenStream, in_tests: bool) -> Self {
        let mut scan = Self::default();
        scan.level(&trees(tokens), in_tests);
        scan
    }

    /// Reads the tokens between one pair of delimiters.
    fn level(&mut self, tokens: &[TokenTree], in_tests: bool) {
        let mut at = 0;
        // The line of a `#[cfg(test)]` whose item has not come yet.
        let mut cfg: Option<usize> = None;
        let mut visible = false;
        while let Some(tree) = tokens.get(at) {
            if let Some((attribute, next)) = attribute(tokens, at) {
                if is_cfg_test(attribute) {
                    cfg = Some(line(tree));
                } else {
                    self.level(&trees(attribute.stream()), in_tests);
                }
                at = next;
                continue;
            }
            if let Some(next) = visibility(tokens, at) {
                visible = true;
                at = next;
                continue;
            }
            let opens_tests = is_word(Some(tree), "mod") && is_word(tokens.get(at + 1), "tests");
            match (opens_tests, cfg.take()) {
                (true, Some(cfg_line)) => {
                    self.tests_at.get_or_insert(cfg_line);
                }
                (true, None) if !in_tests => self.bare_tests.push(line(tree)),
                (false, Some(cfg_line)) => self.stray_test_cfg.push(cfg_line),
                (true | false, None) => {}
            }
            at = if opens_tests {
                if let Some(body) = group(tokens.get(at + 2), Delimiter::Brace) {
                    self.level(&trees(body.stream()), true);
                }
                at + 3
            } else {
                self.item(tokens, at, visible, in_tests)
            };
            visible = false;
        }
    }

    /// Reads what stands at one place, and says where the next thing begins.
    fn item(&mut self, tokens: &[TokenTree], at: usize, visible: bool, in_tests: bool) -> usize {
        match tokens.get(at) {
            Some(TokenTree::Group(inner)) => {
                self.level(&trees(inner.stream()), in_tests);
                at + 1
            }
            // `+ use<'a>` captures a lifetime and imports nothing.
            Some(TokenTree::Ident(ident))
                if ident == "use" && !is_punct(tokens.get(at + 1), '<') =>
            {
                let written = if visible {
                    Written::ReExport
                } else {
                    Written::Use
                };
                self.use_tree(
                    tokens,
                    at + 1,
                    &Stem {
                        segments: Vec::new(),
                        written,
                        in_tests,
                    },
                )
            }
            Some(TokenTree::Ident(ident)) => {
                let condition = at + 1 + usize::from(is_punct(tokens.get(at + 1), '!'));
                if (ident == "cfg" || ident == "cfg_attr")
                    && group(tokens.get(condition), Delimiter::Parenthesis)
                        .is_some_and(|inner| names_test(inner.stream()))
                {
                    self.stray_test_cfg.push(ident.span().start().line);
                }
                let (segments, next) = path(tokens, at);
                self.mention(
                    segments,
                    ident.span().start().line,
                    Written::Inline,
                    in_tests,
                );
                next
            }
            Some(TokenTree::Punct(_) | TokenTree::Literal(_)) | None => at + 1,
        }
    }

    /// Reads one use-tree below `stem`, and says where what follows it begins.
    fn use_tree(&mut self, tokens: &[TokenTree], at: usize, stem: &Stem) -> usize {
        let start = if is_joint(tokens, at) { at + 2 } else { at };
        let from = tokens.get(start).map_or(0, line);
        let (segments, mut next) = path(tokens, start);
        let mut full = stem.segments.clone();
        // `a::{self}` is `a`.
        full.extend(
            segments
                .into_iter()
                .filter(|s| stem.segments.is_empty() || s != "self"),
        );
        if is_joint(tokens, next) {
            next += 2;
        }
        if let Some(branches) = group(tokens.get(next), Delimiter::Brace) {
            let branches = trees(branches.stream());
            let below = Stem {
                segments: full,
                ..stem.clone()
            };
            for branch in branches.split(|tree| is_punct(Some(tree), ',')) {
                if !branch.is_empty() {
                    self.use_tree(branch, 0, &below);
                }
            }
            return next + 1;
        }
        if is_punct(tokens.get(next), '*') {
            full.push("*".to_owned());
            next += 1;
        }
        self.mention(full, from, stem.written, stem.in_tests);
        if is_word(tokens.get(next), "as") {
            if let (Some(alias), Some(last)) =
                (word(tokens.get(next + 1)), self.mentions.last_mut())
            {
                last.name = alias;
            }
            next += 2;
        }
        next
    }

    fn mention(&mut self, segments: Vec<String>, line: usize, written: Written, in_tests: bool) {
        let name = segments.last().cloned().unwrap_or_default();
        self.mentions.push(Mention {
            segments,
            name,
            line,
            written,
            in_tests,
        });
    }
}

/// What a branch of a use-tree inherits.
#[derive(Clone)]
struct Stem {
    segments: Vec<String>,
    written: Written,
    in_tests: bool,
}

fn trees(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

fn line(tree: &TokenTree) -> usize {
    tree.span().start().line
}

fn word(tree: Option<&TokenTree>) -> Option<String> {
    match tree {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => None,
    }
}

fn is_word(tree: Option<&TokenTree>, expected: &str) -> bool {
    matches!(tree, Some(TokenTree::Ident(ident)) if ident == expected)
}

fn is_punct(tree: Option<&TokenTree>, expected: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

/// Whether `::` stands here.
fn is_joint(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn group(tree: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match tree {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        Some(_) | None => None,
    }
}

/// Reads `a::b::c`, and says where what follows it begins.
fn path(tokens: &[TokenTree], start: usize) -> (Vec<String>, usize) {
    let mut segments: Vec<String> = word(tokens.get(start)).into_iter().collect();
    let mut at = start + segments.len();
    while is_joint(tokens, at) {
        let Some(segment) = word(tokens.get(at + 2)) else {
            break;
        };
        segments.push(segment);
        at += 3;
    }
    (segments, at)
}

/// The brackets of an attribute that begins here, and where what follows it begins.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(&Group, usize)> {
    if !is_punct(tokens.get(at), '#') {
        return None;
    }
    let brackets = at + 1 + usize::from(is_punct(tokens.get(at + 1), '!'));
    group(tokens.get(brackets), Delimiter::Bracket).map(|found| (found, brackets + 1))
}

/// Where what follows a visibility begins: `pub`, `pub(crate)`, `pub(in path)`.
fn visibility(tokens: &[TokenTree], at: usize) -> Option<usize> {
    if !is_word(tokens.get(at), "pub") {
        return None;
    }
    let scope = group(tokens.get(at + 1), Delimiter::Parenthesis).map(|g| trees(g.stream()));
    let is_scope = scope.is_some_and(|inner| {
        let first = word(inner.first());
        // `pub (crate::a::B)` in a tuple struct is a type, and is read as one.
        first.as_deref() == Some("in") || (inner.len() == 1 && is_scope_word(first.as_deref()))
    });
    Some(at + 1 + usize::from(is_scope))
}

fn is_scope_word(word: Option<&str>) -> bool {
    matches!(word, Some("crate" | "super" | "self"))
}

fn is_cfg_test(attribute: &Group) -> bool {
    let tokens = trees(attribute.stream());
    let condition = group(tokens.get(1), Delimiter::Parenthesis).map(|g| trees(g.stream()));
    is_word(tokens.first(), "cfg")
        && tokens.len() == 2
        && condition.is_some_and(|inner| inner.len() == 1 && is_word(inner.first(), "test"))
}

fn names_test(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Group(group) => names_test(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
