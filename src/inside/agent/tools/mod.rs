//! What the model can do.

mod edit;
mod place;
mod read;
mod search;
mod shell;

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::inside::agent::conversation::{Call, Offer};

/// What the agent says it did: the result of the `exec` contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    pub(super) summary: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notes: Option<String>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It was done, and files have changed.
    Edited,
    Failed,
    /// There is no such tool, or it does not take these arguments.
    Malformed,
    /// There is nothing more to do.
    Finished(Finish),
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) text: String,
    pub(super) outcome: Outcome,
}

/// The tools, as the loop sees them.
#[async_trait::async_trait]
pub(super) trait Tools {
    /// Returns what is offered to the model.
    fn offers(&self) -> Vec<Offer>;

    /// Returns what a call does, in a few words for people.
    fn title(&self, call: &Call) -> String;

    /// Does what the call says.
    async fn call(&self, call: &Call) -> Reply;
}

/// The real tools, in one working directory.
pub(super) struct Toolbox {
    pub(super) root: PathBuf,
}

enum Parsed {
    Shell(shell::Arguments),
    Read(read::Arguments),
    Search(search::Arguments),
    Edit(edit::Arguments),
    Finish(Finish),
}

fn parse(call: &Call) -> Result<Parsed, String> {
    match call.name.as_str() {
        "shell" => arguments(call).map(Parsed::Shell),
        "read" => arguments(call).map(Parsed::Read),
        "search" => arguments(call).map(Parsed::Search),
        "edit" => arguments(call).map(Parsed::Edit),
        "finish" => arguments(call).map(Parsed::Finish),
        other => Err(format!(
            "there is no tool {other}; there are shell, read, search, edit and finish"
        )),
    }
}

fn arguments<T: DeserializeOwned>(call: &Call) -> Result<T, String> {
    // Some servers wrap the arguments once more.
    let read = if let Value::String(text) = &call.arguments {
        serde_json::from_str(text)
    } else {
        T::deserialize(&call.arguments)
    };
    read.map_err(|error| format!("these are no arguments of {}: {error}", call.name))
}

#[async_trait::async_trait]
impl Tools for Toolbox {
    fn offers(&self) -> Vec<Offer> {
        offers()
    }

    fn title(&self, call: &Call) -> String {
        match parse(call) {
            Ok(Parsed::Shell(shell)) => shell.title(),
            Ok(Parsed::Read(read)) => read.title(),
            Ok(Parsed::Search(search)) => search.title(),
            Ok(Parsed::Edit(edit)) => edit.title(),
            Ok(Parsed::Finish(_)) => "finish".to_owned(),
            Err(_) => call.name.clone(),
        }
    }

    async fn call(&self, call: &Call) -> Reply {
        let parsed = match parse(call) {
            Ok(parsed) => parsed,
            Err(text) => {
                return Reply {
                    text,
                    outcome: Outcome::Malformed,
                };
            }
        };
        let (done, well) = match parsed {
            Parsed::Shell(shell) => (shell::run(&self.root, &shell).await, Outcome::Done),
            Parsed::Read(read) => (read::run(&self.root, &read), Outcome::Done),
            Parsed::Search(search) => (search::run(&self.root, &search), Outcome::Done),
            Parsed::Edit(edit) => (edit::run(&self.root, &edit), Outcome::Edited),
            Parsed::Finish(finish) => (Ok("finished".to_owned()), Outcome::Finished(finish)),
        };
        match done {
            Ok(text) => Reply {
                text,
                outcome: well,
            },
            Err(text) => Reply {
                text,
                outcome: Outcome::Failed,
            },
        }
    }
}

fn offers() -> Vec<Offer> {
    let text = |what: &str| json!({"type": "string", "description": what});
    let number = |what: &str| json!({"type": "integer", "description": what});
    vec![
        Offer {
            name: "shell",
            description: "Runs a line with `sh -c` in the working directory and returns what it \
                printed (long output with its middle left out) and the exit code. There is no \
                terminal and no standard input. What it leaves in the background is killed when \
                it ends.",
            schema: object(
                &json!({
                    "command": text("The line."),
                    "timeout_seconds": number("When to kill it: 120 unless given, 600 at most."),
                }),
                &["command"],
            ),
        },
        Offer {
            name: "read",
            description: "Shows a text file with line numbers. The numbers are not in the file.",
            schema: object(
                &json!({
                    "path": text("The file, below the working directory."),
                    "first_line": number("Where to begin, from 1."),
                    "lines": number("How many lines to show; 400 unless given."),
                }),
                &["path"],
            ),
        },
        Offer {
            name: "search",
            description: "Finds lines by a regular expression (Rust's syntax) in all files that \
                git does not ignore, and returns them as path:line: text.",
            schema: object(
                &json!({
                    "pattern": text("The expression; (?i) at its beginning ignores case."),
                    "path": text("A directory or file to search instead of everything."),
                    "files": text("Only files whose name matches this, such as *.rs."),
                }),
                &["pattern"],
            ),
        },
        Offer {
            name: "edit",
            description: "Replaces old_text by new_text in a file. old_text must be exactly what \
                stands there, spaces and line breaks included, and at one place only unless \
                replace_all is set. With an empty old_text a new file is written.",
            schema: object(
                &json!({
                    "path": text("The file, below the working directory."),
                    "old_text": text("What stands there, with lines around it if it needs them."),
                    "new_text": text("What shall stand there."),
                    "replace_all": {
                        "type": "boolean",
                        "description": "Whether to replace it wherever it stands.",
                    },
                }),
                &["path", "old_text", "new_text"],
            ),
        },
        Offer {
            name: "finish",
            description: "Ends the work. Call it alone, once, when what is asked is done and \
                verified, or when it cannot be done.",
            schema: object(
                &json!({
                    "title": text("A title for the pull request, at most 70 characters."),
                    "summary": text("What was changed and why, in a few sentences."),
                    "notes": text("What a reviewer must know: what is open, or was not verified."),
                }),
                &["title", "summary"],
            ),
        },
    ]
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: Value) -> Call {
        Call {
            id: "1".to_owned(),
            name: name.to_owned(),
            arguments,
        }
    }

    #[tokio::test]
    async fn every_tool_answers_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let tools = Toolbox {
            root: dir.path().to_owned(),
        };
        let finish = Finish {
            summary: "s".to_owned(),
            ..Finish::default()
        };
        let edit = json!({"path": "a", "old_text": "", "new_text": "x\n"});
        for (name, arguments, outcome, text, title) in [
            ("edit", edit.clone(), Outcome::Edited, "wrote a", "edit a"),
            ("edit", edit, Outcome::Failed, "exists", "edit a"),
            (
                "read",
                json!({"path": "a"}),
                Outcome::Done,
                "1: x\n",
                "read a",
            ),
            (
                "search",
                json!({"pattern": "x"}),
                Outcome::Done,
                "a:1: x",
                "search x",
            ),
            (
                "shell",
                json!({"command": "cat a"}),
                Outcome::Done,
                "x\n[exit",
                "cat a",
            ),
            (
                "shell",
                json!({"command": "false"}),
                Outcome::Failed,
                "code 1",
                "false",
            ),
            (
                "shell",
                json!("{\"command\": \"true\"}"),
                Outcome::Done,
                "0]",
                "true",
            ),
            (
                "finish",
                json!({"summary": "s"}),
                Outcome::Finished(finish),
                "",
                "finish",
            ),
            (
                "shell",
                json!({"line": "x"}),
                Outcome::Malformed,
                "`command`",
                "shell",
            ),
            (
                "shell",
                json!("{"),
                Outcome::Malformed,
                "no arguments",
                "shell",
            ),
            (
                "browse",
                json!({}),
                Outcome::Malformed,
                "there is no tool",
                "browse",
            ),
        ] {
            let call = call(name, arguments);
            assert_eq!(tools.title(&call), title);
            let reply = tools.call(&call).await;
            assert_eq!(reply.outcome, outcome, "{call:?}: {reply:?}");
            assert!(reply.text.contains(text), "{call:?}: {reply:?}");
        }
    }

    #[test]
    fn what_is_required_is_described() {
        for offer in offers() {
            let properties = offer.schema["properties"].as_object().unwrap();
            for name in offer.schema["required"].as_array().unwrap() {
                assert!(properties.contains_key(name.as_str().unwrap()), "{name}");
            }
        }
    }
}
