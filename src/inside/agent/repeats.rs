//! Whether the agent goes round in circles.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::inside::agent::conversation::Call;
use crate::inside::agent::tools::{Outcome, Reply};

/// Calls that are looked back on.
const WINDOW: usize = 12;
/// This many times the same is a circle.
const TIMES: usize = 3;

/// What to do about a call, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Fine,
    /// The model should be told.
    Warn,
    /// It was told before.
    Stop,
}

/// The last calls with what came of them.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    last: VecDeque<u64>,
    warned: bool,
}

impl Repeats {
    /// Takes a call. The same one with the same reply several times is a circle, unless files were
    /// edited between: a test that still fails is worth another look.
    pub(super) fn saw(&mut self, call: &Call, reply: &Reply) -> Verdict {
        if reply.outcome == Outcome::Edited {
            self.last.clear();
            return Verdict::Fine;
        }
        let mut hasher = DefaultHasher::new();
        (&call.name, call.arguments.to_string(), &reply.text).hash(&mut hasher);
        let key = hasher.finish();
        self.last.push_back(key);
        if self.last.len() > WINDOW {
            self.last.pop_front();
        }
        if self.last.iter().filter(|last| **last == key).count() < TIMES {
            return Verdict::Fine;
        }
        self.last.clear();
        if self.warned {
            return Verdict::Stop;
        }
        self.warned = true;
        Verdict::Warn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdicts(steps: &str) -> String {
        let mut repeats = Repeats::default();
        let verdict = |step: char| {
            let call = Call {
                id: String::new(),
                name: "shell".to_owned(),
                arguments: json!({"command": step.to_ascii_lowercase().to_string()}),
            };
            let edits = step == 'e';
            let reply = Reply {
                // The reply to a capital letter is another one.
                text: step.is_uppercase().to_string(),
                outcome: if edits {
                    Outcome::Edited
                } else {
                    Outcome::Done
                },
            };
            match repeats.saw(&call, &reply) {
                Verdict::Fine => '.',
                Verdict::Warn => 'w',
                Verdict::Stop => 's',
            }
        };
        steps.chars().map(verdict).collect()
    }

    #[test]
    fn the_same_with_the_same_reply_is_a_circle() {
        for (steps, expected) in [
            ("aaa", "..w"),
            ("aaaaaa", "..w..s"),
            ("ababab", "....w."),
            ("aaAaA", "...w."),
            ("aaeaaea", "......."),
            ("eeee", "...."),
            ("aabcdefghijklmna", "................"),
            ("aaabbb", "..w..s"),
        ] {
            assert_eq!(verdicts(steps), expected, "{steps}");
        }
    }
}
