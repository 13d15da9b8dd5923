//! The patterns of `.gitignore`, matched in time proportional to pattern times path, so that no
//! pattern an agent writes can hold the server.

/// How much matching is still done, in states looked at. One pattern is matched fast, but an agent
/// can write many, and many names to match them against.
#[derive(Debug)]
pub(crate) struct Effort(u64);

impl Effort {
    /// Returns what a harvest may spend: a second, where large repositories need milliseconds.
    pub(crate) const fn for_a_harvest() -> Self {
        Self(100_000_000)
    }

    /// Returns whether nothing is left.
    pub(crate) const fn is_spent(&self) -> bool {
        self.0 == 0
    }

    fn spend(&mut self, states: usize) {
        self.0 = self
            .0
            .saturating_sub(u64::try_from(states).unwrap_or(u64::MAX));
    }
}

/// One pattern, ready to match.
#[derive(Debug)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// `?` or a class: one byte of a set, never `/`.
    OneOf(Box<Set>),
    /// `*`: any bytes but `/`.
    Star,
    /// `**/`: any number of whole directories.
    Directories,
    /// `**` at the end: anything.
    Rest,
}

#[derive(Debug, PartialEq, Eq)]
struct Set([bool; 256]);

impl Set {
    fn has(&self, byte: u8) -> bool {
        byte != b'/' && self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }

    fn add(&mut self, from: u8, to: u8) {
        for byte in from..=to {
            if let Some(member) = self.0.get_mut(usize::from(byte)) {
                *member = true;
            }
        }
    }
}

impl Pattern {
    /// Reads a pattern; `None` for one that git never matches (an open class, a lone backslash).
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text;
        let mut at_start_of_name = true;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            let token = match byte {
                b'*' => {
                    let stars = after.iter().take_while(|&&byte| byte == b'*').count();
                    rest = after.get(stars..).unwrap_or(&[]);
                    let whole_name = stars >= 1 && at_start_of_name;
                    match rest.split_first() {
                        None if whole_name => Token::Rest,
                        Some((b'/', after)) if whole_name => {
                            rest = after;
                            Token::Directories
                        }
                        _ => Token::Star,
                    }
                }
                b'?' => Token::OneOf(Box::new(Set([true; 256]))),
                b'[' => {
                    let (set, after) = class(after)?;
                    rest = after;
                    Token::OneOf(set)
                }
                b'\\' => {
                    let (&escaped, after) = after.split_first()?;
                    rest = after;
                    Token::Byte(escaped)
                }
                plain => Token::Byte(plain),
            };
            at_start_of_name = matches!(token, Token::Byte(b'/') | Token::Directories);
            tokens.push(token);
        }
        Some(Self(tokens))
    }

    /// Returns whether the pattern matches the whole of `path`.
    pub(crate) fn matches(&self, path: &[u8], effort: &mut Effort) -> bool {
        effort.spend(1);
        if let (Some(Token::Byte(first)), Some(byte)) = (self.0.first(), path.first())
            && first != byte
        {
            return false;
        }
        let mut here = States::new(self.0.len());
        let mut next = States::new(self.0.len());
        here.enter(&self.0, 0);
        for &byte in path {
            effort.spend(here.active.len());
            if here.active.is_empty() || effort.is_spent() {
                return false;
            }
            next.clear();
            for &at in &here.active {
                match self.0.get(at) {
                    Some(Token::Byte(expected)) if *expected == byte => next.enter(&self.0, at + 1),
                    Some(Token::OneOf(set)) if set.has(byte) => next.enter(&self.0, at + 1),
                    Some(Token::Star) if byte != b'/' => next.enter(&self.0, at),
                    Some(Token::Rest) => next.enter(&self.0, at),
                    Some(Token::Directories) => {
                        next.stay(at);
                        if byte == b'/' {
                            next.enter(&self.0, at + 1);
                        }
                    }
                    Some(Token::Byte(_) | Token::OneOf(_) | Token::Star) | None => {}
                }
            }
            std::mem::swap(&mut here, &mut next);
        }
        here.known.last().copied().unwrap_or(false)
    }
}

/// The positions in a pattern that the path read so far can have led to; the last one is its end.
struct States {
    active: Vec<usize>,
    known: Vec<bool>,
}

impl States {
    fn new(tokens: usize) -> Self {
        Self {
            active: Vec::new(),
            known: vec![false; tokens + 1],
        }
    }

    fn clear(&mut self) {
        for position in self.active.drain(..) {
            if let Some(known) = self.known.get_mut(position) {
                *known = false;
            }
        }
    }

    fn stay(&mut self, position: usize) {
        if let Some(known) = self.known.get_mut(position)
            && !std::mem::replace(known, true)
        {
            self.active.push(position);
        }
    }

    /// Arrives at a position, and at those that follow without reading anything.
    fn enter(&mut self, tokens: &[Token], mut position: usize) {
        loop {
            self.stay(position);
            match tokens.get(position) {
                Some(Token::Star | Token::Rest | Token::Directories) => position += 1,
                Some(Token::Byte(_) | Token::OneOf(_)) | None => return,
            }
        }
    }
}

/// Reads a class after its `[`.
fn class(text: &[u8]) -> Option<(Box<Set>, &[u8])> {
    let mut set = Box::new(Set([false; 256]));
    let (negated, mut rest) = match text.split_first()? {
        (b'!' | b'^', after) => (true, after),
        _ => (false, text),
    };
    let mut first = true;
    loop {
        let (&byte, after) = rest.split_first()?;
        if byte == b']' && !first {
            rest = after;
            break;
        }
        first = false;
        if byte == b'['
            && let Some(named) = after.strip_prefix(b":")
        {
            let end = named.windows(2).position(|pair| pair == b":]")?;
            let (name, after) = named.split_at_checked(end)?;
            add_named(&mut set, name)?;
            rest = after.get(2..)?;
            continue;
        }
        let (from, after) = literal(rest)?;
        rest = after;
        let to = match rest {
            [b'-', end, ..] if *end != b']' => {
                let (to, after) = literal(rest.get(1..)?)?;
                rest = after;
                to
            }
            _ => from,
        };
        set.add(from, to);
    }
    if negated {
        for member in &mut set.0 {
            *member = !*member;
        }
    }
    Some((set, rest))
}

fn literal(text: &[u8]) -> Option<(u8, &[u8])> {
    match text.split_first()? {
        (b'\\', after) => after.split_first().map(|(&byte, after)| (byte, after)),
        (&byte, after) => Some((byte, after)),
    }
}

fn add_named(set: &mut Set, name: &[u8]) -> Option<()> {
    let belongs: fn(&u8) -> bool = match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| b" \t".contains(byte),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| byte.is_ascii_graphic() || *byte == b' ',
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    };
    for byte in (0..=u8::MAX).filter(belongs) {
        set.add(byte, byte);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_git_matches_them() {
        for (pattern, path, expected) in [
            ("foo", "foo", true),
            ("foo", "foo/bar", false),
            ("*.o", "a.o", true),
            ("*.o", "d/a.o", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]]*", "7up", true),
            ("[!a]b", "/b", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("**/foo", "foo", true),
            ("**/foo", "a/b/foo", true),
            ("**/foo", "a/xfoo", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "axb", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a**b", "axxb", true),
            ("a**b", "a/b", false),
            ("foo.{js,ts}", "foo.js", false),
            ("foo.{js,ts}", "foo.{js,ts}", true),
            ("***/x", "d/x", true),
        ] {
            let parsed = Pattern::parse(pattern.as_bytes()).unwrap();
            assert_eq!(
                parsed.matches(path.as_bytes(), &mut Effort::for_a_harvest()),
                expected,
                "{pattern} on {path}"
            );
        }
        for never in ["[a", "a\\", "[[:nope:]]", "[!"] {
            assert!(Pattern::parse(never.as_bytes()).is_none(), "{never}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::parse("*a".repeat(500).as_bytes()).unwrap();
        let path = "a".repeat(2_000) + "b";
        let mut effort = Effort::for_a_harvest();
        assert!(!pattern.matches(path.as_bytes(), &mut effort));
        assert!(!effort.is_spent());
        let mut little = Effort(10);
        pattern.matches(path.as_bytes(), &mut little);
        assert!(little.is_spent());
    }
}
