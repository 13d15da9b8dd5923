//! JSON read as it comes in, in pieces of any size and in little memory: the values whose place is
//! worth knowing, and nothing kept of the rest.
//!
//! Arrays are looked through: what is in one has the place of the array. That is all the meter
//! needs, and it reads a stream of answers in one array like one answer.

/// Deeper places are not told apart.
const DEEPEST: usize = 6;
/// Longer keys, numbers and texts are not told at all.
const LONGEST: usize = 64;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A whole number, never negative; those beyond are the largest.
    Number(u64),
    /// What is neither a whole number nor in quotes: `null`, `1.5`.
    Word(&'a [u8]),
    /// A text, as it is written between its quotes.
    Text(&'a [u8]),
}

/// The keys that lead to a value, outermost first.
pub(super) type Place<'a> = &'a [Kept];

/// A key or a value, as far as it is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

impl Kept {
    /// Returns it, or nothing when it is too long to be of interest.
    pub(super) fn get(&self) -> &[u8] {
        if self.cut { b"" } else { &self.bytes }
    }

    fn push(&mut self, more: &[u8]) {
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.cut |= more.len() > room;
        self.bytes.extend(more.iter().take(room));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between values.
    #[default]
    Between,
    /// In a number or a word.
    Bare,
    /// In quotes.
    Quoted,
    /// In quotes, after a backslash.
    Escaped,
    /// After a text, which is a key when a colon follows.
    Closed,
}

/// Reads one document after another.
#[derive(Debug, Default)]
pub(super) struct Scan {
    state: State,
    depth: usize,
    keys: Vec<Kept>,
    text: Kept,
}

impl Scan {
    /// Begins a new document.
    pub(super) fn restart(&mut self) {
        self.state = State::Between;
        self.depth = 0;
        self.text.clear();
    }

    /// Reads on, and tells `found` of every value with its place.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Place<'_>, Value<'_>)) {
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::Quoted => self.quoted(bytes),
                State::Escaped => {
                    self.text.push(&[first]);
                    self.state = State::Quoted;
                    rest
                }
                State::Between | State::Bare | State::Closed => {
                    self.plain(first, found);
                    rest
                }
            };
        }
    }

    /// Reads text up to its end, an escape, or the end of what there is.
    fn quoted<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let special = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\');
        let (text, rest) = bytes.split_at(special.unwrap_or(bytes.len()));
        self.text.push(text);
        let Some((&special, after)) = rest.split_first() else {
            return rest;
        };
        if special == b'"' {
            self.state = State::Closed;
        } else {
            self.text.push(b"\\");
            self.state = State::Escaped;
        }
        after
    }

    fn plain(&mut self, byte: u8, found: &mut impl FnMut(Place<'_>, Value<'_>)) {
        match byte {
            b'"' => {
                self.end_value(found);
                self.state = State::Quoted;
            }
            b':' => {
                if self.state == State::Closed {
                    self.key();
                }
                self.state = State::Between;
                self.text.clear();
            }
            b'{' => {
                self.end_value(found);
                self.depth += 1;
                if let Some(key) = self.keys.get_mut(self.depth - 1) {
                    key.clear();
                }
            }
            b'}' => {
                self.end_value(found);
                self.depth = self.depth.saturating_sub(1);
            }
            b',' | b'[' | b']' => self.end_value(found),
            b' ' | b'\n' | b'\r' | b'\t' => {
                if self.state == State::Bare {
                    self.end_value(found);
                }
            }
            _ => {
                if self.state == State::Closed {
                    self.end_value(found);
                }
                self.state = State::Bare;
                self.text.push(&[byte]);
            }
        }
    }

    /// What was read is the key of what comes.
    fn key(&mut self) {
        if self.depth == 0 || self.depth > DEEPEST {
            return;
        }
        if self.keys.len() < self.depth {
            self.keys.resize_with(self.depth, Kept::default);
        }
        if let Some(key) = self.keys.get_mut(self.depth - 1) {
            std::mem::swap(key, &mut self.text);
        }
    }

    fn end_value(&mut self, found: &mut impl FnMut(Place<'_>, Value<'_>)) {
        if self.depth <= self.keys.len() {
            let place = self.keys.get(..self.depth).unwrap_or_default();
            match self.state {
                State::Bare => found(place, bare(self.text.get())),
                State::Closed => found(place, Value::Text(self.text.get())),
                State::Between | State::Quoted | State::Escaped => {}
            }
        }
        self.state = State::Between;
        self.text.clear();
    }
}

fn bare(text: &[u8]) -> Value<'_> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Value::Word(text);
    }
    Value::Number(text.iter().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `place = value` of everything that is told.
    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut told = Vec::new();
        let mut scan = Scan::default();
        let mut found = |place: Place<'_>, value: Value<'_>| {
            let keys: Vec<_> = place
                .iter()
                .map(|key| String::from_utf8_lossy(key.get()))
                .collect();
            let value = match value {
                Value::Number(number) => number.to_string(),
                Value::Word(word) => format!("<{}>", String::from_utf8_lossy(word)),
                Value::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            };
            told.push(format!("{} = {value}", keys.join(".")));
        };
        for piece in pieces {
            scan.feed(piece, &mut found);
        }
        // Only the end of a document ends a number that stands alone.
        scan.feed(b"\n", &mut found);
        told
    }

    #[test]
    fn values_are_told_with_their_place() {
        let text = br#" {"a": 1, "b" : {"c":[{"d":2},{"d":"x"}],"e":null}, "f":"}\"{", "g":-1.5} "#;
        assert_eq!(
            read(&[text]),
            [
                "a = 1",
                "b.c.d = 2",
                "b.c.d = \"x\"",
                "b.e = <null>",
                r#"f = "}\\\"{""#,
                "g = <-1.5>"
            ]
        );
        assert_eq!(read(&[b"[DONE]"]), [" = <DONE>"]);
        assert_eq!(read(&[b"7"]), [" = 7"]);
    }

    #[test]
    fn what_a_model_writes_is_text_and_nothing_else() {
        let text = br#"{"content":"\"usage\":{\"output_tokens\":0}","usage":{"output_tokens":5}}"#;
        assert_eq!(read(&[text]).last().unwrap(), "usage.output_tokens = 5");
        assert_eq!(read(&[text]).len(), 2);
    }

    #[test]
    fn numbers_saturate_and_long_texts_are_dropped() {
        let long = "9".repeat(60);
        assert_eq!(
            read(&[format!("[{long}]").as_bytes()]),
            [format!(" = {}", u64::MAX)]
        );
        let longer = "x".repeat(65);
        assert_eq!(read(&[format!(r#"{{"{longer}":1}}"#).as_bytes()]), [" = 1"]);
        let deep = format!("{}1{}", r#"{"a":"#.repeat(9), "}".repeat(9));
        assert_eq!(read(&[deep.as_bytes()]), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_pieces_end(
            bytes in "[\\{\\}\\[\\]:,\"\\\\ a-c0-9\n]{0,200}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let bytes = bytes.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes]));
        }

        #[test]
        fn no_bytes_make_it_fail(bytes: Vec<u8>) {
            read(&[&bytes]);
        }
    }
}
