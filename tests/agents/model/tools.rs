//! Which tool of an agent runs a shell command, and how it wants the command said.

use serde_json::{Map, Value, json};

use super::sample::sample;
use super::script::Call;

/// A tool that a request offers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offered {
    pub(crate) name: String,
    pub(crate) form: Form,
    /// JSON Schema of its arguments.
    pub(crate) schema: Value,
}

/// How a call of a tool is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Arguments are a JSON object.
    Function,
    /// OpenAI's free-form tool: its input is a text.
    Custom,
    /// OpenAI's built-in shell, which has no name.
    LocalShell,
}

/// A call, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Called {
    pub(crate) name: String,
    pub(crate) form: Form,
    pub(crate) input: Value,
}

/// Names under which agents offer a shell, the more exact before the vague.
const SHELLS: &[&str] = &[
    "Bash",
    "bash",
    "run_shell_command",
    "developer__shell",
    "exec_command",
    "shell_command",
    "local_shell",
    "shell",
    "execute_command",
    "terminal",
];

/// Writes a call for the tools that are offered. The error is what a model would say.
pub(crate) fn called(call: &Call, offered: &[Offered]) -> Result<Called, String> {
    match call {
        Call::Shell(command) => shell(command, offered),
        Call::Tool { name, input } => Ok(Called {
            name: name.clone(),
            form: offered
                .iter()
                .find(|tool| tool.name == *name)
                .map_or(Form::Function, |tool| tool.form),
            input: input.clone(),
        }),
    }
}

fn shell(command: &str, offered: &[Offered]) -> Result<Called, String> {
    let tool = SHELLS
        .iter()
        .find_map(|name| offered.iter().find(|tool| tool.name == **name));
    let Some(tool) = tool else {
        let names: Vec<&str> = offered.iter().map(|tool| tool.name.as_str()).collect();
        return Err(format!("No shell among the tools {names:?}."));
    };
    let input = match tool.form {
        Form::Function => arguments(command, &tool.schema),
        Form::Custom => json!(command),
        Form::LocalShell => json!({ "type": "exec", "command": ["sh", "-c", command], "env": {} }),
    };
    Ok(Called {
        name: tool.name.clone(),
        form: tool.form,
        input,
    })
}

/// The arguments that a schema asks for, with the command where it belongs.
fn arguments(command: &str, schema: &Value) -> Value {
    let property = |name: &str| schema.pointer(&format!("/properties/{name}"));
    let mut given = Map::new();
    for required in schema["required"].as_array().into_iter().flatten() {
        if let Some(name) = required.as_str() {
            let of = property(name).unwrap_or(&Value::Null);
            given.insert(name.to_owned(), sample(of));
        }
    }
    let named = ["command", "cmd", "script"]
        .into_iter()
        .find(|name| property(name).is_some());
    let list = named.and_then(property).is_some_and(|of| {
        of["type"]
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("array"))
    });
    let said = if list {
        json!(["sh", "-c", command])
    } else {
        json!(command)
    };
    given.insert(named.unwrap_or("command").to_owned(), said);
    if property("description").is_some() {
        given.insert("description".to_owned(), json!("Run a command"));
    }
    Value::Object(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, form: Form, schema: Value) -> Offered {
        Offered {
            name: name.to_owned(),
            form,
            schema,
        }
    }

    #[test]
    fn a_command_is_said_as_each_agent_wants_it() {
        let text = json!({ "type": "string" });
        let cases = [
            (
                tool(
                    "Bash",
                    Form::Function,
                    json!({
                        "properties": { "command": text, "description": text, "timeout": { "type": "number" } },
                        "required": ["command"],
                    }),
                ),
                json!({ "command": "make", "description": "Run a command" }),
            ),
            (
                tool(
                    "exec_command",
                    Form::Function,
                    json!({ "properties": { "cmd": text }, "required": ["cmd"] }),
                ),
                json!({ "cmd": "make" }),
            ),
            (
                tool(
                    "shell",
                    Form::Function,
                    json!({ "properties": { "command": { "type": "array", "items": text } } }),
                ),
                json!({ "command": ["sh", "-c", "make"] }),
            ),
            (
                tool(
                    "run_shell_command",
                    Form::Function,
                    json!({
                        "properties": { "command": { "type": "STRING" }, "is_background": { "type": "BOOLEAN" } },
                        "required": ["command", "is_background"],
                    }),
                ),
                json!({ "command": "make", "is_background": false }),
            ),
            (
                tool("local_shell", Form::LocalShell, Value::Null),
                json!({ "type": "exec", "command": ["sh", "-c", "make"], "env": {} }),
            ),
        ];
        let other = tool("Read", Form::Function, Value::Null);
        for (tool, input) in cases {
            let offered = [other.clone(), tool.clone()];
            let call = called(&Call::Shell("make".to_owned()), &offered).unwrap();
            assert_eq!(
                (call.name, call.form, call.input),
                (tool.name, tool.form, input)
            );
        }
    }

    #[test]
    fn where_there_is_no_shell_the_tools_are_named() {
        let offered = [tool("Read", Form::Function, Value::Null)];
        let said = called(&Call::Shell("make".to_owned()), &offered).unwrap_err();
        assert_eq!(said, r#"No shell among the tools ["Read"]."#);
    }
}
