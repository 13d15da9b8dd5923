//! What an ACP agent says, in the vocabulary of all agents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{
    ContentBlock, ContentChunk, MessageId, Plan, PlanEntryStatus, SessionInfoUpdate, SessionUpdate,
    StopReason, ToolCall, ToolCallContent, ToolCallLocation, ToolCallStatus, ToolCallUpdate, Usage,
};
use serde_json::Value;

use crate::domain::progress::{Action, PlanStep, StepState, Update};
use crate::domain::traffic::Tokens;

/// How much of the last message is kept, in bytes.
const WORDS_BYTES: usize = 32 * 1024;
/// How much of an error is shown, in characters.
const ERROR_CHARS: usize = 1_000;

/// Follows a session.
#[derive(Debug)]
pub(super) struct Ear {
    checkout: PathBuf,
    /// Whether what comes is of this run. What a session that is loaded tells of its past is not.
    listens: bool,
    /// The message that is being told.
    message: Telling,
    words: String,
    /// What it tells of its session when a turn has failed, by JSON pointer.
    failed: BTreeMap<String, Value>,
    /// Whether that is the last that it told of it in this turn.
    has_failed: bool,
}

/// The message that an agent is telling.
#[derive(Debug, PartialEq, Eq)]
enum Telling {
    Nothing,
    /// One with this name, if it has any.
    Message(Option<MessageId>),
}

impl Ear {
    /// Begins to follow a session whose checkout stands at `checkout`.
    pub(super) const fn new(checkout: PathBuf, failed: BTreeMap<String, Value>) -> Self {
        Self {
            checkout,
            listens: false,
            message: Telling::Nothing,
            words: String::new(),
            failed,
            has_failed: false,
        }
    }

    /// Takes what comes from now on for what this run does, in a turn of its own.
    pub(super) fn listen(&mut self) {
        self.listens = true;
        self.message = Telling::Nothing;
        self.has_failed = false;
    }

    /// Returns whether the turn has failed, by what was told beside its end.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns the last message.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// Takes what an agent says, and returns what it means.
    pub(super) fn hear(&mut self, said: SessionUpdate) -> Option<Update> {
        if !self.listens {
            return None;
        }
        match said {
            SessionUpdate::AgentMessageChunk(chunk) => self.message(chunk),
            SessionUpdate::AgentThoughtChunk(_) | SessionUpdate::UserMessageChunk(_) => {
                self.pause();
                None
            }
            SessionUpdate::ToolCall(call) => {
                self.pause();
                Some(Update::Action(self.begun(call)))
            }
            SessionUpdate::ToolCallUpdate(call) => {
                self.pause();
                Some(Update::Action(self.moved(call)))
            }
            SessionUpdate::Plan(plan) => Some(Update::Plan(steps(plan))),
            // What is in its context is the nearest to what it has used that it tells meanwhile.
            SessionUpdate::UsageUpdate(usage) => Some(Update::Usage(Tokens {
                input: usage.used,
                ..Tokens::default()
            })),
            SessionUpdate::SessionInfoUpdate(info) => {
                self.of_session(info);
                None
            }
            SessionUpdate::AvailableCommandsUpdate(_)
            | SessionUpdate::CurrentModeUpdate(_)
            | SessionUpdate::ConfigOptionUpdate(_)
            | SessionUpdate::Notice(_)
            | SessionUpdate::CompactionUpdate(_)
            | SessionUpdate::CompactionSummaryChunk(_)
            | _ => None,
        }
    }

    fn of_session(&mut self, info: SessionInfoUpdate) {
        let told = info.meta.map(Value::Object).unwrap_or_default();
        for (at, when_failed) in &self.failed {
            if let Some(found) = told.pointer(at) {
                self.has_failed = found == when_failed;
            }
        }
    }

    /// A piece of text without a name begins a new message when something else came before it.
    fn pause(&mut self) {
        if self.message == Telling::Message(None) {
            self.message = Telling::Nothing;
        }
    }

    fn message(&mut self, chunk: ContentChunk) -> Option<Update> {
        let ContentBlock::Text(text) = chunk.content else {
            return None;
        };
        let message = Telling::Message(chunk.message_id);
        let continues = self.message == message;
        self.message = message;
        if !continues {
            self.words.clear();
        }
        let room = WORDS_BYTES.saturating_sub(self.words.len());
        let fits = text.text.floor_char_boundary(room);
        self.words
            .push_str(text.text.get(..fits).unwrap_or_default());
        Some(Update::Message {
            text: text.text,
            continues,
        })
    }

    fn begun(&self, call: ToolCall) -> Action {
        let title = match (call.title.trim(), call.name) {
            ("", Some(name)) => name,
            _ => call.title,
        };
        Action {
            id: call.tool_call_id.to_string(),
            title,
            state: state(call.status),
            files: self.files(&call.locations, &call.content),
        }
    }

    fn moved(&self, call: ToolCallUpdate) -> Action {
        let fields = call.fields;
        Action {
            id: call.tool_call_id.to_string(),
            title: fields.title.unwrap_or_default(),
            state: fields.status.map_or(StepState::Active, state),
            files: self.files(
                &fields.locations.unwrap_or_default(),
                &fields.content.unwrap_or_default(),
            ),
        }
    }

    /// Returns the files that an action works on, as the repository names them.
    fn files(&self, locations: &[ToolCallLocation], content: &[ToolCallContent]) -> Vec<String> {
        let changed = content.iter().filter_map(|one| match one {
            ToolCallContent::Diff(diff) => Some(diff.path.as_path()),
            ToolCallContent::Content(_) | ToolCallContent::Terminal(_) | _ => None,
        });
        let at = locations.iter().map(|location| location.path.as_path());
        let named = |path: &Path| {
            let path = path.strip_prefix(&self.checkout).unwrap_or(path);
            path.to_string_lossy().into_owned()
        };
        let mut files: Vec<String> = Vec::new();
        for file in at.chain(changed).map(named) {
            if !file.is_empty() && files.last() != Some(&file) {
                files.push(file);
            }
        }
        files
    }
}

const fn state(status: ToolCallStatus) -> StepState {
    match status {
        ToolCallStatus::Pending => StepState::Pending,
        ToolCallStatus::Completed => StepState::Done,
        ToolCallStatus::Failed => StepState::Failed,
        ToolCallStatus::InProgress | _ => StepState::Active,
    }
}

fn steps(plan: Plan) -> Vec<PlanStep> {
    let step = |entry: agent_client_protocol::v1::schema::PlanEntry| PlanStep {
        title: entry.content,
        state: match entry.status {
            PlanEntryStatus::InProgress => StepState::Active,
            PlanEntryStatus::Completed => StepState::Done,
            PlanEntryStatus::Pending | _ => StepState::Pending,
        },
    };
    plan.entries.into_iter().map(step).collect()
}

/// Returns what a turn has used.
pub(super) fn used(usage: &Usage) -> Tokens {
    Tokens {
        input: usage.input_tokens,
        cache_read: usage.cached_read_tokens.unwrap_or_default(),
        cache_write: usage.cached_write_tokens.unwrap_or_default(),
        output: usage.output_tokens,
        reasoning: usage.thought_tokens.unwrap_or_default(),
    }
}

/// Returns why a turn that ended is not finished work; none when the agent says that it is.
pub(super) fn unfinished(reason: StopReason) -> Option<&'static str> {
    match reason {
        StopReason::EndTurn => None,
        StopReason::MaxTokens => Some("it ended at the model's limit of tokens"),
        StopReason::MaxTurnRequests => Some("it ended at its own limit of steps"),
        StopReason::Refusal => Some("it refused to go on"),
        StopReason::Cancelled => Some("it says that it was stopped, and nobody has stopped it"),
        _ => Some("it ended for a reason that is not known here"),
    }
}

/// Returns an agent's error as text: its message, and what stands beside it where that says more.
pub(super) fn words(error: &Error) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let more = error.data.as_ref().and_then(|data| {
        let keys = ["details", "message", "error"];
        let inner = keys.iter().find_map(|key| text(data.get(key)?));
        text(data).or(inner)
    });
    let whole = match more {
        Some(more) if !more.is_empty() && !error.message.contains(&more) => {
            format!("{}: {more}", error.message)
        }
        Some(_) | None => error.message.clone(),
    };
    brief(&whole)
}

/// Returns as much of an error as is told.
pub(super) fn brief(error: &str) -> String {
    error.chars().take(ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::progress::Heard;
    use crate::domain::time::Timestamp;
    use serde_json::json;

    fn heard(ear: &mut Ear, said: Value) -> Option<Update> {
        ear.hear(serde_json::from_value(said).unwrap())
    }

    fn listening() -> Ear {
        let failed =
            BTreeMap::from([("/codex/threadStatus/type".to_owned(), json!("systemError"))]);
        let mut ear = Ear::new("/workspace".into(), failed);
        ear.listen();
        ear
    }

    fn chunk(text: &str, id: Option<&str>) -> Value {
        json!({
            "sessionUpdate": "agent_message_chunk",
            "content": { "type": "text", "text": text },
            "messageId": id,
        })
    }

    fn said(text: &str, continues: bool) -> Update {
        Update::Message {
            text: text.to_owned(),
            continues,
        }
    }

    fn action(title: &str, state: StepState, files: &[&str]) -> Update {
        Update::Action(Action {
            id: "c".to_owned(),
            title: title.to_owned(),
            state,
            files: files.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn pieces_belong_together_by_their_name_or_else_by_their_place() {
        let mut ear = listening();
        assert_eq!(heard(&mut ear, chunk("I ", None)), Some(said("I ", false)));
        assert_eq!(
            heard(&mut ear, chunk("will", None)),
            Some(said("will", true))
        );
        let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "ls" });
        heard(&mut ear, call.clone());
        assert_eq!(
            heard(&mut ear, chunk("Done", None)),
            Some(said("Done", false))
        );
        assert_eq!(ear.words(), "Done");
        assert_eq!(
            heard(&mut ear, chunk("A", Some("1"))),
            Some(said("A", false))
        );
        heard(&mut ear, call);
        assert_eq!(
            heard(&mut ear, chunk("b", Some("1"))),
            Some(said("b", true))
        );
        assert_eq!(
            heard(&mut ear, chunk("C", Some("2"))),
            Some(said("C", false))
        );
        let thought = json!({
            "sessionUpdate": "agent_thought_chunk",
            "content": { "type": "text", "text": "hm" },
        });
        assert_eq!(heard(&mut ear, thought), None);
        assert_eq!(ear.words(), "C");
    }

    #[test]
    fn tools_are_actions_and_their_files_are_those_of_the_repository() {
        for (said, expected) in [
            (
                json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "ls" }),
                action("ls", StepState::Pending, &[]),
            ),
            (
                json!({
                    "sessionUpdate": "tool_call", "toolCallId": "c", "title": " ", "name": "Bash",
                    "status": "in_progress",
                    "locations": [{ "path": "/workspace" }, { "path": "/workspace/a b.rs" }],
                }),
                action("Bash", StepState::Active, &["a b.rs"]),
            ),
            (
                json!({
                    "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed",
                    "content": [
                        { "type": "diff", "path": "/workspace/src/x.rs", "newText": "" },
                        { "type": "content", "content": { "type": "text", "text": "ok" } },
                        { "type": "unknown" },
                    ],
                    "locations": [{ "path": "/workspace/src/x.rs" }, 7],
                }),
                action("", StepState::Done, &["src/x.rs"]),
            ),
            (
                json!({
                    "sessionUpdate": "tool_call_update", "toolCallId": "c", "title": "make",
                    "status": "no such", "locations": [{ "path": "/etc/passwd" }],
                }),
                action("make", StepState::Active, &["/etc/passwd"]),
            ),
            (
                json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "failed" }),
                action("", StepState::Failed, &[]),
            ),
        ] {
            assert_eq!(
                heard(&mut listening(), said.clone()),
                Some(expected),
                "{said}"
            );
        }
    }

    #[test]
    fn plans_and_usage_are_told_and_what_is_past_or_aside_is_not() {
        let plan = json!({ "sessionUpdate": "plan", "entries": [
            { "content": "read", "priority": "high", "status": "completed" },
            { "content": "write", "priority": "low", "status": "in_progress" },
            { "content": "test", "priority": "low", "status": "pending" },
            { "content": "odd" },
        ]});
        let step = |title: &str, state| PlanStep {
            title: title.to_owned(),
            state,
        };
        let steps = vec![
            step("read", StepState::Done),
            step("write", StepState::Active),
            step("test", StepState::Pending),
        ];
        assert_eq!(
            heard(&mut listening(), plan.clone()),
            Some(Update::Plan(steps))
        );
        assert_eq!(
            heard(&mut Ear::new("/workspace".into(), BTreeMap::new()), plan),
            None
        );
        let usage = json!({ "sessionUpdate": "usage_update", "used": 7, "size": 9 });
        let tokens = Tokens {
            input: 7,
            ..Tokens::default()
        };
        assert_eq!(heard(&mut listening(), usage), Some(Update::Usage(tokens)));
        let mode = json!({ "sessionUpdate": "current_mode_update", "currentModeId": "plan" });
        assert_eq!(heard(&mut listening(), mode), None);
    }

    // As Codex does over its adapter 2.6.0, which ends a turn without a model in good order.
    #[test]
    fn a_turn_that_ends_in_good_order_has_failed_by_what_is_told_of_the_session() {
        let mut ear = listening();
        let told = |ear: &mut Ear, status: &str| {
            let meta = json!({ "codex": { "threadStatus": { "type": status } } });
            heard(
                ear,
                json!({ "sessionUpdate": "session_info_update", "_meta": meta }),
            );
            let titled = json!({ "sessionUpdate": "session_info_update", "title": "Do it" });
            heard(ear, titled);
            ear.has_failed()
        };
        assert!(!told(&mut ear, "active"));
        assert!(told(&mut ear, "systemError"));
        assert!(!told(&mut ear, "active"));
        assert!(told(&mut ear, "systemError"));
        ear.listen();
        assert!(!ear.has_failed(), "the turn before had");
    }

    // As recorded of Claude Code 2.1.329, OpenCode 1.18.33, Goose 1.52.0 and Gemini CLI 0.61.0, cut to
    // what is read.
    #[test]
    fn one_command_of_a_real_agent_is_one_action() {
        let call = |more: Value| {
            let mut call = json!({ "sessionUpdate": "tool_call", "toolCallId": "call_1_0" });
            call.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            call
        };
        let moved = |more: Value| {
            let mut moved = call(more);
            moved["sessionUpdate"] = json!("tool_call_update");
            moved
        };
        let line = "echo one >> made.txt";
        let claude = vec![
            call(
                json!({ "title": "Terminal", "name": "Bash", "status": "pending", "rawInput": {} }),
            ),
            moved(json!({ "title": line, "rawInput": { "command": line } })),
            moved(json!({ "_meta": { "claudeCode": { "toolName": "Bash" } } })),
            moved(json!({ "status": "completed", "rawOutput": "(Bash completed)" })),
        ];
        let opencode = vec![
            call(
                json!({ "title": "bash", "status": "pending", "locations": [{ "path": "/workspace" }] }),
            ),
            moved(json!({ "title": line, "status": "in_progress" })),
            moved(json!({ "title": line, "status": "in_progress" })),
            moved(json!({ "title": line, "status": "completed" })),
        ];
        let goose = vec![
            call(json!({ "title": line, "rawInput": { "command": line } })),
            moved(json!({ "status": "completed", "content": [] })),
        ];
        let gemini = vec![
            call(json!({ "title": line, "status": "in_progress", "locations": [] })),
            moved(json!({ "title": line, "status": "completed", "locations": [] })),
        ];
        for (agent, said) in [
            ("claude", claude),
            ("opencode", opencode),
            ("goose", goose),
            ("gemini", gemini),
        ] {
            let (mut ear, mut known) = (listening(), Heard::default());
            let pieces = ["I will run", " a command."].map(|text| chunk(text, None));
            let last = ["I wrot", "e one."].map(|text| chunk(text, None));
            for one in pieces.into_iter().chain(said).chain(last) {
                known.take(heard(&mut ear, one).unwrap(), Timestamp::from_millis(0));
            }
            assert_eq!((known.actions, known.repeated()), (1, 1), "{agent}");
            assert_eq!(known.action.as_deref(), Some(line), "{agent}");
            assert_eq!(known.message, "I wrote one.", "{agent}");
            assert!(known.files.is_empty(), "{agent}");
        }
    }

    #[test]
    fn the_last_message_is_bounded() {
        let mut ear = listening();
        for _ in 0..100 {
            heard(&mut ear, chunk(&"ä".repeat(1001), None));
        }
        assert!(ear.words().len() <= WORDS_BYTES && ear.words().len() > WORDS_BYTES - 2);
    }

    #[test]
    fn an_error_is_told_with_what_it_says_beside_its_message() {
        for (data, expected) in [
            (None, "Internal error"),
            (Some(json!("quota")), "Internal error: quota"),
            (Some(json!({ "details": "401" })), "Internal error: 401"),
            (
                Some(json!({ "message": "Internal error" })),
                "Internal error",
            ),
            (Some(json!({ "code": 1 })), "Internal error"),
        ] {
            let mut error = Error::internal_error();
            error.data.clone_from(&data);
            assert_eq!(words(&error), expected, "{data:?}");
        }
    }
}
