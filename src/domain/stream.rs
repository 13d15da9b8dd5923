//! Reading an agent's stream of JSON lines by rules, which are data: one preset, one list of rules.
//!
//! A rule looks at one line and says what it means in our vocabulary. A line that no rule knows means
//! nothing, and neither does one that is no JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::progress::{Action, StepState, TEXT_CHARS, Update};
use crate::domain::traffic::Tokens;

/// One place in a line, or several of which the first that is there counts, divided by `|`. Each is
/// a JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Place(Vec<String>);

impl From<String> for Place {
    fn from(text: String) -> Self {
        Self(text.split('|').map(str::to_owned).collect())
    }
}

impl Place {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        let mut there = self.0.iter().filter_map(|pointer| value.pointer(pointer));
        there.find(|value| !value.is_null())
    }

    /// Returns the text there, and other things than text as JSON.
    fn text(&self, value: &Value) -> Option<String> {
        let there = self.find(value)?;
        let text = there
            .as_str()
            .map_or_else(|| Cow::Owned(there.to_string()), Cow::Borrowed);
        Some(text.chars().take(TEXT_CHARS).collect())
    }

    fn number(&self, value: &Value) -> u64 {
        self.find(value).and_then(Value::as_u64).unwrap_or(0)
    }
}

/// What must hold at places: that something stands there exactly, or, for `"*"`, anything.
pub type Conditions = BTreeMap<String, Value>;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What holds of the lines that it is about.
    #[serde(default)]
    pub when: Conditions,
    /// A list in the line, each item of which is looked at by itself.
    #[serde(default)]
    pub each: Option<Place>,
    /// What holds of the items that it is about.
    #[serde(default)]
    pub of: Conditions,
    /// What it means.
    pub means: Means,
}

/// What a line or an item means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// It names the session.
    Session(Place),
    /// It is text for people.
    Message(Place),
    /// It is a piece of the text before it.
    Piece(Place),
    /// An action begins.
    Begins(Acting),
    /// An action has ended.
    Ends(Acting),
    /// An action has failed.
    Fails(Acting),
    /// It says what was used. Of places that are not named, nothing.
    Usage(Used),
    /// Something went wrong: what.
    Trouble(Place),
    /// The agent waits for an answer: to what.
    Waiting(Place),
    /// The agent says that it has finished, when something is there.
    Finished(Place),
}

/// An action, in the places where a line has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acting {
    /// What names it.
    pub id: Option<Place>,
    /// What is done: the parts of a title.
    pub title: Vec<Place>,
    /// Files that it touches.
    pub files: Vec<Place>,
}

/// Numbers of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Used {
    /// See [`Tokens::input`].
    pub input: Option<Place>,
    /// See [`Tokens::cache_read`].
    pub cache_read: Option<Place>,
    /// See [`Tokens::cache_write`].
    pub cache_write: Option<Place>,
    /// See [`Tokens::output`].
    pub output: Option<Place>,
    /// See [`Tokens::reasoning`].
    pub reasoning: Option<Place>,
}

/// Reads rules from the tables `stream` of a TOML text.
///
/// # Errors
/// When they are none.
pub fn rules(text: &str) -> Result<Vec<Rule>, toml::de::Error> {
    #[derive(Deserialize)]
    struct Rules {
        stream: Vec<Rule>,
    }
    toml::from_str::<Rules>(text).map(|rules| rules.stream)
}

/// Returns what a line means by `rules`, in their order.
#[must_use]
pub fn updates(rules: &[Rule], line: &[u8]) -> Vec<Update> {
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return Vec::new();
    };
    let mut updates = Vec::new();
    for rule in rules.iter().filter(|rule| hold(&rule.when, &value)) {
        match &rule.each {
            None => updates.extend(meaning(&rule.means, &value)),
            Some(place) => {
                let items = place.find(&value).and_then(Value::as_array);
                let items = items
                    .into_iter()
                    .flatten()
                    .filter(|item| hold(&rule.of, item));
                updates.extend(items.filter_map(|item| meaning(&rule.means, item)));
            }
        }
    }
    updates
}

fn hold(conditions: &Conditions, value: &Value) -> bool {
    conditions.iter().all(|(pointer, expected)| {
        let there = value.pointer(pointer).filter(|there| !there.is_null());
        if expected == "*" {
            there.is_some()
        } else {
            there == Some(expected)
        }
    })
}

fn meaning(means: &Means, value: &Value) -> Option<Update> {
    let message = |place: &Place, continues| {
        let text = place.text(value).filter(|text| !text.is_empty())?;
        Some(Update::Message { text, continues })
    };
    Some(match means {
        Means::Session(place) => Update::Session(place.text(value)?),
        Means::Message(place) => message(place, false)?,
        Means::Piece(place) => message(place, true)?,
        Means::Begins(acting) => acting.action(value, StepState::Active),
        Means::Ends(acting) => acting.action(value, StepState::Done),
        Means::Fails(acting) => acting.action(value, StepState::Failed),
        Means::Usage(used) => Update::Usage(used.tokens(value)),
        Means::Trouble(place) => Update::Trouble(place.text(value)?),
        Means::Waiting(place) => Update::Waiting(place.text(value)?),
        Means::Finished(place) => place.find(value).map(|_| Update::Finished)?,
    })
}

impl Acting {
    fn action(&self, value: &Value, state: StepState) -> Update {
        let texts = |places: &[Place]| -> Vec<String> {
            places
                .iter()
                .filter_map(|place| place.text(value))
                .collect()
        };
        Update::Action(Action {
            id: self
                .id
                .as_ref()
                .and_then(|id| id.text(value))
                .unwrap_or_default(),
            title: texts(&self.title).join(" "),
            state,
            files: texts(&self.files),
        })
    }
}

impl Used {
    fn tokens(&self, value: &Value) -> Tokens {
        let count = |place: &Option<Place>| place.as_ref().map_or(0, |place| place.number(value));
        Tokens {
            input: count(&self.input),
            cache_read: count(&self.cache_read),
            cache_write: count(&self.cache_write),
            output: count(&self.output),
            reasoning: count(&self.reasoning),
        }
    }
}

/// Cuts a stream of bytes into lines. What it keeps is bounded: a line that is longer than the cap
/// is left out whole.
#[derive(Debug)]
pub struct Lines {
    cap: usize,
    begun: Vec<u8>,
    overlong: bool,
    /// Lines that were left out.
    pub left_out: u64,
}

impl Lines {
    /// Begins with lines of at most `cap` bytes.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self {
            cap,
            begun: Vec::new(),
            overlong: false,
            left_out: 0,
        }
    }

    /// Takes bytes and hands every line that they end to `each`.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.begun.is_empty() && !self.overlong && line.len() <= self.cap {
                each(line);
                continue;
            }
            self.begin(line);
            self.end(&mut each);
        }
        self.begin(rest);
    }

    /// Ends the stream: what stands behind the last line end is a line, too.
    pub fn finish(mut self, mut each: impl FnMut(&[u8])) -> u64 {
        if self.overlong || !self.begun.is_empty() {
            self.end(&mut each);
        }
        self.left_out
    }

    fn begin(&mut self, bytes: &[u8]) {
        if self.overlong || self.begun.len() + bytes.len() > self.cap {
            self.overlong |= !bytes.is_empty();
            // Its room is given back: most agents write a large line once.
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(&[u8])) {
        if self.overlong {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            each(&self.begun);
        }
        self.begun.clear();
        self.overlong = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: &str = r#"
        [[stream]]
        when = { "/type" = "init" }
        means = { session = "/id" }

        [[stream]]
        when = { "/type" = "assistant" }
        each = "/content"
        of = { "/type" = "text" }
        means = { message = "/text" }

        [[stream]]
        when = { "/type" = "assistant" }
        each = "/content"
        of = { "/type" = "tool" }

        [stream.means.begins]
        id = "/id"
        title = ["/name", "/input/command|/input/path"]
        files = ["/input/path"]

        [[stream]]
        when = { "/type" = "result", "/is_error" = true }
        means = { trouble = "/message|/error/message" }

        [[stream]]
        when = { "/type" = "result", "/usage" = "*" }
        means = { usage = { input = "/usage/in", output = "/usage/out" } }
    "#;

    fn read(line: &str) -> Vec<Update> {
        updates(&rules(RULES).unwrap(), line.as_bytes())
    }

    #[test]
    fn lines_mean_what_the_rules_say() {
        assert_eq!(
            read(r#"{"type":"init","id":"s1"}"#),
            [Update::Session("s1".to_owned())]
        );
        let action = |title: &str, files: &[&str]| {
            Update::Action(Action {
                id: "7".to_owned(),
                title: title.to_owned(),
                state: StepState::Active,
                files: files.iter().map(ToString::to_string).collect(),
            })
        };
        let message = Update::Message {
            text: "hi".to_owned(),
            continues: false,
        };
        assert_eq!(
            read(
                r#"{"type":"assistant","content":[{"type":"text","text":"hi"},
                {"type":"tool","id":7,"name":"Edit","input":{"path":"a.rs"}},
                {"type":"tool","id":"7","name":"Bash","input":{"command":"ls"}}]}"#
            ),
            [
                message,
                action("Edit a.rs", &["a.rs"]),
                action("Bash ls", &[])
            ]
        );
        let usage = Update::Usage(Tokens {
            input: 3,
            output: 4,
            ..Tokens::default()
        });
        assert_eq!(
            read(
                r#"{"type":"result","is_error":true,"error":{"message":"no"},"usage":{"in":3,"out":4}}"#
            ),
            [Update::Trouble("no".to_owned()), usage]
        );
    }

    #[test]
    fn what_no_rule_knows_means_nothing() {
        for line in [
            "",
            "plain",
            "{",
            "[]",
            "null",
            "\u{1b}[31m{}",
            r#"{"type":"assistant","content":"x"}"#,
            r#"{"type":"assistant","content":[{"type":"text"}]}"#,
            r#"{"type":"result","usage":null}"#,
            r#"{"type":"init","id":null}"#,
        ] {
            assert_eq!(read(line), [], "{line}");
        }
        assert_eq!(
            updates(
                &rules(RULES).unwrap(),
                b"{\"type\":\"init\",\"id\":\"\xff\"}"
            ),
            []
        );
        let deep = "[".repeat(100_000);
        assert_eq!(read(&deep), []);
    }

    fn cut(cap: usize, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
        let (mut lines, mut all) = (Lines::new(cap), Vec::new());
        for piece in pieces {
            lines.take(piece, |line| all.push(line.to_vec()));
        }
        let left_out = lines.finish(|line| all.push(line.to_vec()));
        (all, left_out)
    }

    #[test]
    fn overlong_lines_are_left_out_whole() {
        let (lines, left_out) = cut(4, &[b"abcd\nabcde\nab", b"cde\nx", b"\nlast"]);
        assert_eq!(lines, [&b"abcd"[..], b"x", b"last"]);
        assert_eq!(left_out, 2);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_stream_is_cut(
            bytes in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..200),
            sizes in prop::collection::vec(1_usize..20, 1..40),
        ) {
            let mut pieces = Vec::new();
            let (mut rest, mut sizes) = (&bytes[..], sizes.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let whole = cut(10, &[&bytes]);
            prop_assert_eq!(cut(10, &pieces), whole.clone());
            let mut expected: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let short = expected.iter().filter(|line| line.len() <= 10).count();
            prop_assert_eq!(whole.0.len(), short);
            prop_assert_eq!(whole.1, (expected.len() - short) as u64);
        }
    }
}
