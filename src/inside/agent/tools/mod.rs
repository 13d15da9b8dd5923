//! What the model can do.

mod edit;
mod handed;
mod place;
mod read;
mod search;
mod shell;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::inside::agent::conversation::{Call, Offer};
use crate::inside::agent::settings::Wants;
pub(super) use crate::inside::agent::tools::handed::{BYTES as HANDED_BYTES, Handed};

/// What the agent says it did: the words of the result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Finish {
    #[serde(default)]
    pub(super) title: Option<String>,
    pub(super) summary: String,
    #[serde(default)]
    pub(super) notes: Option<String>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It was done, and files have changed.
    Edited,
    /// A part of the result was taken.
    Handed,
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

    /// Returns what of the result is missing, for the model.
    fn owed(&self) -> Option<String>;
}

/// The real tools, in one working directory.
pub(super) struct Toolbox {
    root: PathBuf,
    wants: Wants,
    handed: Mutex<Handed>,
}

impl Toolbox {
    pub(super) fn new(root: PathBuf, wants: Wants) -> Self {
        let handed = Handed::new(wants, &root.to_string_lossy());
        Self {
            root,
            wants,
            handed: Mutex::new(handed),
        }
    }

    /// Returns what was handed in.
    pub(super) fn handed(&self) -> MutexGuard<'_, Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Parsed {
    Shell(shell::Arguments),
    Read(read::Arguments),
    Search(search::Arguments),
    Edit(edit::Arguments),
    Reply(handed::ToComment),
    Finding(handed::Found),
    Finish(Finish),
}

fn parse(call: &Call, wants: Wants) -> Result<Parsed, String> {
    match call.name.as_str() {
        "shell" => arguments(call).map(Parsed::Shell),
        "read" => arguments(call).map(Parsed::Read),
        "search" => arguments(call).map(Parsed::Search),
        "edit" => arguments(call).map(Parsed::Edit),
        "reply" if wants.comments > 0 => arguments(call).map(Parsed::Reply),
        "finding" if wants.findings => arguments(call).map(Parsed::Finding),
        "finish" => arguments(call).map(Parsed::Finish),
        other => {
            let names: Vec<_> = offers(wants).iter().map(|offer| offer.name).collect();
            Err(format!(
                "there is no tool {other}; there are {}",
                names.join(", ")
            ))
        }
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
        offers(self.wants)
    }

    fn title(&self, call: &Call) -> String {
        match parse(call, self.wants) {
            Ok(Parsed::Shell(shell)) => shell.title(),
            Ok(Parsed::Read(read)) => read.title(),
            Ok(Parsed::Search(search)) => search.title(),
            Ok(Parsed::Edit(edit)) => edit.title(),
            Ok(Parsed::Reply(reply)) => reply.title(),
            Ok(Parsed::Finding(finding)) => finding.title(),
            Ok(Parsed::Finish(_)) => "finish".to_owned(),
            Err(_) => call.name.clone(),
        }
    }

    async fn call(&self, call: &Call) -> Reply {
        let parsed = match parse(call, self.wants) {
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
            Parsed::Reply(reply) => (self.handed().reply(reply), Outcome::Handed),
            Parsed::Finding(finding) => (self.handed().finding(&finding), Outcome::Handed),
            Parsed::Finish(finish) => (Ok("noted".to_owned()), Outcome::Finished(finish)),
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

    fn owed(&self) -> Option<String> {
        self.handed().owed()
    }
}

/// Returns what is offered: what is worked with, what parts of the result the job wants, and the end.
fn offers(wants: Wants) -> Vec<Offer> {
    let mut offers = for_work();
    if wants.comments > 0 {
        offers.push(reply());
    }
    if wants.findings {
        offers.push(finding());
    }
    offers.push(finish());
    offers
}

fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

fn number(what: &str) -> Value {
    json!({"type": "integer", "description": what})
}

fn for_work() -> Vec<Offer> {
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
    ]
}

fn reply() -> Offer {
    Offer {
        name: "reply",
        description: "Says to one comment of the review what was done about it; it goes into the \
            conversation of that comment. Call it for each comment of the review, when you have done \
            what you do about it. A second reply to the same comment takes the place of the first.",
        schema: object(
            &json!({
                "comment": number("The number of the comment in the task."),
                "text": text("What was done about it or why not, 2,000 characters at most."),
                "done": {
                    "type": "boolean",
                    "description": "false where nothing was done about it.",
                },
            }),
            &["comment", "text", "done"],
        ),
    }
}

fn finding() -> Offer {
    Offer {
        name: "finding",
        description: "Hands in one thing that the review has found. Call it for each, when you are \
            sure of it: it cannot be taken back.",
        schema: object(
            &json!({
                "path": text("The file, from the root of the repository."),
                "line": number("The line in the file as it is now; 0 where it is about no line."),
                "severity": {
                    "type": "string",
                    "enum": ["high", "medium", "low"],
                    "description": "How bad it is.",
                },
                "body": text("What is wrong, why, and how to mend it; 4,000 characters at most."),
            }),
            &["path", "line", "severity", "body"],
        ),
    }
}

fn finish() -> Offer {
    Offer {
        name: "finish",
        description: "Ends the work. Call it alone, once, when what is asked is done and verified, or \
            when it cannot be done.",
        schema: object(
            &json!({
                "title": text("A title for the pull request, at most 70 characters."),
                "summary": text("What was changed and why, in a few sentences."),
                "notes": text("What a reviewer must know: what is open, or was not verified."),
            }),
            &["title", "summary"],
        ),
    }
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
        let tools = Toolbox::new(dir.path().to_owned(), Wants::default());
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

    #[tokio::test]
    async fn parts_of_the_result_are_handed_in() {
        let wants = Wants {
            comments: 2,
            findings: true,
        };
        let tools = Toolbox::new(PathBuf::from("/workspace"), wants);
        let found = |path: &str| json!({"path": path, "line": 1, "severity": "high", "body": "x"});
        for (name, arguments, outcome, text, title) in [
            (
                "reply",
                json!({"comment": 2, "text": "Done."}),
                Outcome::Handed,
                "taken",
                "reply to comment 2",
            ),
            (
                "reply",
                json!({"comment": 3, "text": "Done."}),
                Outcome::Failed,
                "from 1 to 2",
                "reply to comment 3",
            ),
            (
                "reply",
                json!({"comment": "second", "text": "Done."}),
                Outcome::Malformed,
                "no arguments of reply",
                "reply",
            ),
            (
                "finding",
                found("a"),
                Outcome::Handed,
                "taken",
                "finding a:1",
            ),
            (
                "finding",
                json!({"path": "a"}),
                Outcome::Malformed,
                "`severity`",
                "finding",
            ),
        ] {
            let call = call(name, arguments);
            assert_eq!(tools.title(&call), title);
            let reply = tools.call(&call).await;
            assert_eq!(reply.outcome, outcome, "{call:?}: {reply:?}");
            assert!(reply.text.contains(text), "{call:?}: {reply:?}");
        }
        let again = tools.call(&call("finding", found("/workspace/a"))).await;
        assert!(
            again.text.contains("before"),
            "it is the same file: {again:?}"
        );
        let members = Value::Object(tools.handed().members());
        let reply = json!({"2": {"text": "Done.", "done": true}});
        assert_eq!(members["replies"], reply);
        assert!(tools.owed().unwrap().contains(": 1."));
    }

    #[tokio::test]
    async fn only_what_the_job_wants_can_be_handed_in() {
        let names = |comments, findings| {
            let offers = offers(Wants { comments, findings });
            let names: Vec<_> = offers.iter().map(|offer| offer.name).collect();
            names.join(" ")
        };
        assert_eq!(names(0, false), "shell read search edit finish");
        assert_eq!(names(2, false), "shell read search edit reply finish");
        assert_eq!(names(0, true), "shell read search edit finding finish");
        let tools = Toolbox::new(PathBuf::from("/"), Wants::default());
        let reply = call("reply", json!({"comment": 1, "text": "x", "done": true}));
        let found = json!({"path": "a", "line": 1, "severity": "low", "body": "x"});
        for call in [reply, call("finding", found)] {
            assert_eq!(tools.call(&call).await.outcome, Outcome::Malformed);
        }
        assert!(tools.handed().members().is_empty());
        assert_eq!(tools.owed(), None);
    }

    #[test]
    fn what_is_required_is_described() {
        let wants = Wants {
            comments: 1,
            findings: true,
        };
        for offer in offers(wants) {
            let properties = offer.schema["properties"].as_object().unwrap();
            for name in offer.schema["required"].as_array().unwrap() {
                assert!(properties.contains_key(name.as_str().unwrap()), "{name}");
            }
        }
    }
}
