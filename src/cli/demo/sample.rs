//! The repository, the agent and the words of the demo.

use crate::simulator::world::repositories::File;

/// The repository.
pub(super) const REPO: &str = "acme/greeter";
/// The issue.
pub(super) const TITLE: &str = "The greeting is misspelt";
/// Its text.
pub(super) const BODY: &str = "`./greet.sh` says `recieve`, and that may not be the only one.";
/// The label that has the words corrected, by the recipe `typos`.
pub(super) const LABEL: &str = "prova:typos";
/// What the reviewer wants.
pub(super) const REVIEW: &str = "@prova please end the greeting with an exclamation mark";

/// An agent that needs no model: it does what the brief says as far as it understands it.
const AGENT: &str = r#"#!/bin/sh
# A deterministic agent in the exec contract: reads the brief, edits the checkout, leaves a claim.
set -eu
if grep -q 'exclamation mark' "$PROVA_BRIEF"; then
  sed -i 's/letter"/letter!"/' greet.sh
  title="End the greeting with an exclamation mark"
else
  echo "the brief asks for nothing that I understand" >&2
  exit 1
fi
echo "read $(wc -l < "$PROVA_BRIEF") lines of brief, edited greet.sh"
printf '{"title": "%s", "summary": "I edited greet.sh as asked."}' "$title" > "$PROVA_RESULT"
"#;

/// Returns the repository's first commit.
pub(super) fn files() -> Vec<File> {
    vec![
        File::new(
            "README.md",
            "# greeter\n\nGreets teh world by its adress.\n",
        ),
        File::executable(
            "greet.sh",
            "#!/bin/sh\necho \"Hello, world, you will recieve a letter\"\n",
        ),
        File::executable(
            "test.sh",
            "#!/bin/sh\n# The greeting says what it should.\n./greet.sh | tee /dev/stderr | grep -q 'receive a letter'\n",
        ),
        File::new(
            ".github/prova.toml",
            "agent = \"scripted\"\nchecks = [\"sh -n greet.sh\", \"./test.sh\"]\n",
        ),
    ]
}

/// Returns the server's settings.
pub(super) fn settings(listen: &str, github: &str) -> String {
    let script = toml::Value::String(AGENT.to_owned());
    format!(
        r#"[server]
listen = "{listen}"
public_url = "http://{listen}"
dashboard = true
[github]
api_url = "{github}"
web_url = "{github}"
app_id = 12345
private_key_file = "prova.pem"
webhook_secret_file = "webhook.secret"
[agents.scripted]
driver = "exec"
command = ["sh", "-c", {script}]
[limits]
timeout_minutes = 2
"#
    )
}
