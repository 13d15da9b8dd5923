//! What the agent tells while it works: progress on standard output, and a transcript in a file.
//!
//! **Progress** is one JSON object a line, for whoever shows what an agent does:
//!
//! | `type` | members |
//! | --- | --- |
//! | `session` | `model`, `endpoint`, `wire` |
//! | `message` | `text`, what the model said, at most 4,000 characters |
//! | `tool` | `id` (number of the call), `name`, `title`, `status`: `started`, then `done` or `failed` |
//! | `usage` | tokens of one call of the model: `input`, of these `cached`, and `output` |
//! | `error` | `message`; work may go on |
//! | `done` | `steps`, the answers that were asked of the model |
//!
//! **The transcript** is JSON lines, too: the task, every answer as it came, every reply and word of
//! ours as the model read it, whole.

use std::io::Write;

use serde_json::{Value, json};

use crate::domain::builtin::Told;
use crate::inside::agent::clip::line;
use crate::inside::agent::conversation::{Answer, Call, Usage};

/// Most characters of a message that is shown.
const MESSAGE_CHARS: usize = 4_000;
/// Most characters of a title.
const TITLE_CHARS: usize = 200;
/// Most bytes of a transcript; what comes after is left out and said so.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Started,
    Done,
    Failed,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Where both go. Nobody who reads them can hold the work up or end it, so what cannot be written is
/// lost.
pub(super) struct Report<'a> {
    progress: &'a mut (dyn Write + Send),
    transcript: &'a mut (dyn Write + Send),
    room: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        progress: &'a mut (dyn Write + Send),
        transcript: &'a mut (dyn Write + Send),
    ) -> Self {
        Self {
            progress,
            transcript,
            room: MAX_BYTES,
        }
    }

    pub(super) fn session(&mut self, told: &Told, system: &str, task: &str) {
        let (model, endpoint, wire) = (&told.model, &told.endpoint, told.wire.as_str());
        self.show(&json!({"type": "session", "model": model, "endpoint": endpoint, "wire": wire}));
        self.keep(&json!({"type": "session", "told": told, "system": system, "task": task}));
    }

    pub(super) fn answer(&mut self, answer: &Answer) {
        let Usage {
            input,
            cached,
            output,
        } = answer.usage;
        self.keep(&json!({"type": "answer", "answer": answer}));
        self.show(&json!({"type": "usage", "input": input, "cached": cached, "output": output}));
        if !answer.text.trim().is_empty() {
            let text = line(answer.text.trim(), MESSAGE_CHARS);
            self.show(&json!({"type": "message", "text": text}));
        }
    }

    pub(super) fn tool(&mut self, (id, call): (u64, &Call), title: &str, status: Status) {
        let title = line(title.lines().next().unwrap_or_default(), TITLE_CHARS);
        let (name, status) = (&call.name, status.word());
        self.show(&json!({
            "type": "tool", "id": id.to_string(), "name": name, "title": title, "status": status,
        }));
    }

    pub(super) fn reply(&mut self, id: u64, call: &Call, text: &str) {
        let id = id.to_string();
        self.keep(&json!({"type": "reply", "id": id, "call": call.id, "text": text}));
    }

    /// A word of ours to the model.
    pub(super) fn note(&mut self, text: &str) {
        self.keep(&json!({"type": "note", "text": text}));
    }

    pub(super) fn error(&mut self, message: &str) {
        let both = json!({"type": "error", "message": line(message, MESSAGE_CHARS)});
        self.show(&both);
        self.keep(&both);
    }

    pub(super) fn done(&mut self, steps: u32) {
        let both = json!({"type": "done", "steps": steps});
        self.show(&both);
        self.keep(&both);
    }

    fn show(&mut self, value: &Value) {
        let _ = writeln!(self.progress, "{value}").and_then(|()| self.progress.flush());
    }

    fn keep(&mut self, value: &Value) {
        if self.room == 0 {
            return;
        }
        let mut text = value.to_string();
        if text.len() >= self.room {
            text = json!({"type": "cut"}).to_string();
            self.room = 0;
        } else {
            self.room -= text.len() + 1;
        }
        let _ = writeln!(self.transcript, "{text}").and_then(|()| self.transcript.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::agent::conversation::Ended;

    #[test]
    fn progress_is_short_and_the_transcript_whole() {
        let (mut progress, mut transcript) = (Vec::new(), Vec::new());
        let mut report = Report::new(&mut progress, &mut transcript);
        let call = Call {
            id: "c".to_owned(),
            name: "shell".to_owned(),
            arguments: json!({"command": "a\nb"}),
        };
        let usage = Usage {
            input: 3,
            cached: 2,
            output: 1,
        };
        report.answer(&Answer {
            text: "x".repeat(5_000),
            calls: vec![call.clone()],
            ended: Ended::Whole,
            usage,
            carried: Value::Null,
        });
        report.tool((7, &call), "a\nb", Status::Started);
        report.reply(7, &call, "two\nlines");
        report.error("no");
        report.done(1);
        let progress = String::from_utf8(progress).unwrap();
        let transcript = String::from_utf8(transcript).unwrap();
        let mut shown = progress.lines();
        let values = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        assert_eq!(
            values(shown.next().unwrap()),
            json!({"type": "usage", "input": 3, "cached": 2, "output": 1})
        );
        assert!(shown.next().unwrap().len() < 4_100);
        assert_eq!(
            values(shown.next().unwrap()),
            json!({"type": "tool", "id": "7", "name": "shell", "title": "a", "status": "started"})
        );
        assert!(transcript.contains(&"x".repeat(5_000)));
        assert!(
            transcript.contains(r#""text":"two\nlines""#),
            "{transcript}"
        );
        assert_eq!(transcript.lines().count(), 4);
    }

    #[test]
    fn a_transcript_has_an_end() {
        let (mut progress, mut transcript) = (Vec::new(), Vec::new());
        let mut report = Report::new(&mut progress, &mut transcript);
        let long = "x".repeat(MAX_BYTES / 3);
        for _ in 0..5 {
            report.note(&long);
        }
        assert!(transcript.len() <= MAX_BYTES);
        assert!(transcript.ends_with(b"{\"type\":\"cut\"}\n"));
    }
}
