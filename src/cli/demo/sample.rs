//! The repository, the agent and the words of the demo.

use crate::simulator::world::repositories::File;

/// The repository.
pub(super) const REPO: &str = "acme/greeter";
/// The issue.
pub(super) const TITLE: &str = "The greeting is misspelt";
/// Its text.
pub(super) const BODY: &str = "`./greet.sh` says `Helo, world`. It should say `Hello, world`.";
/// What the reviewer wants.
pub(super) const REVIEW: &str = "@prova please end the greeting with an exclamation mark";

/// An agent that needs no model: it does what the brief says as far as it understands it.
const AGENT: &str = r#"#!/bin/sh
# A deterministic agent in the exec contract: reads the brief, edits the checkout, leaves a claim.
set -eu
sed -i 's/Helo/Hello/' greet.sh
title="Spell the greeting right"
if grep -q 'exclamation mark' "$PROVA_BRIEF"; then
  sed -i 's/world"/world!"/' greet.sh
  title="End the greeting with an exclamation mark"
fi
echo "read $(wc -l < "$PROVA_BRIEF") lines of brief, edited greet.sh"
printf '{"title": "%s", "summary": "I edited greet.sh as asked."}' "$title" > "$PROVA_RESULT"
"#;

/// Returns the repository's first commit.
pub(super) fn files() -> Vec<File> {
    vec![
        File::new("README.md", "# greeter\n\nGreets the world.\n"),
        File::executable("greet.sh", "#!/bin/sh\necho \"Helo, world\"\n"),
        File::executable(
            "test.sh",
            "#!/bin/sh\n# The greeting starts as it should.\n./greet.sh | tee /dev/stderr | grep -q '^Hello, world'\n",
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
