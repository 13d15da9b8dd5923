//! What the model is shown of the work so far, kept within a budget.

use crate::inside::agent::clip::line;
use crate::inside::agent::conversation::{Call, Offer, Shown, Turn};

/// The last turns, whose replies are left whole as long as there is anything else to leave out.
const SPARED: usize = 3;
/// Replies up to this many bytes are never left out: what says so would be as long.
const SHORT: usize = 300;
/// Most steps that are named of those that were dropped.
const NAMED: usize = 60;
/// Most characters of a call's name and arguments there.
const NAME_CHARS: usize = 100;

/// The task, and every turn that is still shown.
pub(super) struct History {
    brief: String,
    task: String,
    turns: Vec<Turn>,
    dropped: Vec<String>,
}

impl History {
    pub(super) fn new(brief: String) -> Self {
        Self {
            task: brief.clone(),
            brief,
            turns: Vec::new(),
            dropped: Vec::new(),
        }
    }

    pub(super) fn shown<'a>(&'a self, system: &'a str, tools: &'a [Offer]) -> Shown<'a> {
        Shown {
            system,
            tools,
            task: &self.task,
            turns: &self.turns,
        }
    }

    pub(super) fn push(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// Adds a word of ours to what the model reads last.
    pub(super) fn tell(&mut self, text: &str) {
        let last = match self.turns.last_mut() {
            Some(turn) if turn.replies.is_empty() => turn.note.get_or_insert_default(),
            Some(turn) => match turn.replies.last_mut() {
                Some(reply) => reply,
                None => &mut self.task,
            },
            None => &mut self.task,
        };
        if !last.is_empty() {
            last.push_str("\n\n");
        }
        last.push_str(text);
    }

    /// Leaves out what does not fit into `room` tokens: first the output of old calls, then whole
    /// turns, the oldest first, and output of the last calls only when nothing else is left. More
    /// than needed is left out at once, since a provider's cache is good only up to the first change.
    /// Returns whether anything was.
    pub(super) fn fit(&mut self, room: u64) -> bool {
        let mut size = self.size();
        if size <= room {
            return false;
        }
        let goal = room / 10 * 6;
        let old = self.turns.len().saturating_sub(SPARED);
        shorten(&mut self.turns, old, &mut size, goal);
        if size > room {
            while size > goal && self.turns.len() > 1 {
                let turn = self.turns.remove(0);
                size = size.saturating_sub(tokens(weight(&turn)));
                self.dropped.extend(turn.answer.calls.iter().map(named));
            }
            self.task = with_dropped(&self.brief, &self.dropped);
        }
        let all = self.turns.len();
        shorten(&mut self.turns, all, &mut size, room);
        true
    }

    /// Returns about how many tokens all of it is.
    pub(super) fn size(&self) -> u64 {
        tokens(self.task.len() + self.turns.iter().map(weight).sum::<usize>())
    }
}

/// Leaves out output of the first `count` turns until `size` is at most `goal`.
fn shorten(turns: &mut [Turn], count: usize, size: &mut u64, goal: u64) {
    let replies = turns
        .iter_mut()
        .take(count)
        .flat_map(|turn| &mut turn.replies);
    for reply in replies.filter(|reply| reply.len() > SHORT) {
        if *size <= goal {
            return;
        }
        let short = format!(
            "[{} bytes of output were left out here to save room; call again what you still need]",
            reply.len()
        );
        *size = size.saturating_sub(tokens(reply.len() - short.len()));
        *reply = short;
    }
}

/// Tokens of a text, never too few for what agents read: a token is three to four bytes of English
/// or of code.
pub(super) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(3) as u64
}

/// Bytes of a turn, those around it roughly.
fn weight(turn: &Turn) -> usize {
    let answer = &turn.answer;
    let said = if answer.carried.is_null() {
        let calls = answer
            .calls
            .iter()
            .map(|call| call.arguments.to_string().len());
        answer.text.len() + calls.sum::<usize>()
    } else {
        answer.carried.to_string().len()
    };
    let replies: usize = turn.replies.iter().map(|reply| reply.len() + 100).sum();
    100 + said + replies + turn.note.as_ref().map_or(0, String::len)
}

fn named(call: &Call) -> String {
    line(&format!("{} {}", call.name, call.arguments), NAME_CHARS)
}

fn with_dropped(brief: &str, dropped: &[String]) -> String {
    let from = dropped.len().saturating_sub(NAMED);
    let lines = dropped.get(from..).unwrap_or_default().join("\n- ");
    format!(
        "{brief}\n\n[To save room, your first {} calls are not shown any more. What they changed is \
         in the files. The last of them were:\n- {lines}]",
        dropped.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::agent::conversation::{Answer, Ended, Usage};
    use serde_json::{Value, json};

    fn turn(number: usize, replies: &[usize]) -> Turn {
        let call = |_| Call {
            id: number.to_string(),
            name: "shell".to_owned(),
            arguments: json!({"command": format!("line {number}")}),
        };
        Turn {
            answer: Answer {
                text: String::new(),
                calls: replies.iter().map(call).collect(),
                ended: Ended::Whole,
                usage: Usage::default(),
                carried: Value::Null,
            },
            replies: replies.iter().map(|size| "x".repeat(*size)).collect(),
            note: None,
        }
    }

    fn history(turns: usize, size: usize) -> History {
        let mut history = History::new("do it".to_owned());
        for number in 0..turns {
            history.push(turn(number, &[size]));
        }
        history
    }

    fn lengths(history: &History) -> Vec<usize> {
        let replies = history.turns.iter().flat_map(|turn| &turn.replies);
        replies.map(String::len).collect()
    }

    fn is_paired(history: &History) -> bool {
        let mut turns = history.turns.iter();
        turns.all(|turn| turn.answer.calls.len() == turn.replies.len())
    }

    #[test]
    fn what_fits_is_left_alone() {
        let mut history = history(5, 3_000);
        assert!(!history.fit(10_000));
        assert_eq!(lengths(&history), [3_000; 5]);
        assert_eq!(history.task, "do it");
    }

    #[test]
    fn old_output_goes_first_and_more_than_just_enough() {
        let mut history = history(10, 3_000);
        assert!(history.fit(9_000));
        let lengths = lengths(&history);
        assert!(
            lengths[..4].iter().all(|length| *length < SHORT),
            "{lengths:?}"
        );
        assert_eq!(lengths[7..], [3_000; 3]);
        assert!(history.size() <= 9_000 * 7 / 10, "{lengths:?}");
        assert!(history.dropped.is_empty() && is_paired(&history));
        assert!(!history.fit(9_000), "there is room again");
    }

    #[test]
    fn then_turns_are_dropped_and_named() {
        let mut history = history(200, 250);
        assert!(history.fit(9_000));
        assert!(history.turns.len() < 150 && history.turns.len() > 20);
        let dropped = 200 - history.turns.len();
        let told = format!("your first {dropped} calls");
        assert!(history.task.starts_with("do it\n\n[") && history.task.contains(&told));
        let last = format!("- shell {{\"command\":\"line {}\"}}]", dropped - 1);
        assert!(history.task.ends_with(&last), "{}", history.task);
        assert!(history.size() <= 9_000 && is_paired(&history));
        for number in 200..400 {
            history.push(turn(number, &[250]));
        }
        assert!(history.fit(9_000));
        assert!(history.size() <= 9_000, "what is named is bounded");
    }

    #[test]
    fn one_turn_too_many_by_itself_is_shortened() {
        let mut history = history(0, 0);
        history.push(turn(1, &[20_000, 20_000, 20_000]));
        assert!(history.fit(15_000));
        let lengths = lengths(&history);
        assert!(lengths[0] < SHORT && lengths[2] == 20_000, "{lengths:?}");
    }

    #[test]
    fn a_word_of_ours_stands_last() {
        let mut history = history(0, 0);
        history.tell("first");
        assert_eq!(history.task, "do it\n\nfirst");
        history.push(turn(1, &[1, 1]));
        history.tell("second");
        assert_eq!(history.turns[0].replies, ["x", "x\n\nsecond"]);
        history.push(turn(2, &[]));
        history.tell("third");
        assert_eq!(history.turns[1].note.as_deref(), Some("third"));
    }
}
