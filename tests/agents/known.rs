//! What is known of each agent, from `fixtures/agents/NAME/agent.toml`: how it is started and what
//! it needs. The same files are what the presets were written after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cage::{BASE, Cage, HOME, WORKSPACE};
use crate::model::Wire;

/// An agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// Its package in `scripts/agents/package.json`.
    pub(crate) package: String,
    pub(crate) version: String,
    /// The API by which it asks its model.
    pub(crate) wire: Wire,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Files by path, written before it is started.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// What it would obey in a repository whatever it is told, and must not see.
    #[serde(default)]
    pub(crate) hide: Vec<String>,
    pub(crate) exec: Option<Exec>,
    pub(crate) acp: Option<Acp>,
}

/// One run for one prompt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    pub(crate) command: Vec<String>,
    /// The same, as the next prompt of a session.
    pub(crate) resume: Vec<String>,
    /// JSON pointer to the session's id, in the first line that has it.
    pub(crate) session: Option<String>,
}

/// The Agent Client Protocol on stdin and stdout.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acp {
    pub(crate) command: Vec<String>,
    /// The mode in which nobody is asked.
    pub(crate) mode: Option<String>,
    /// What goes with a session that is opened or loaded, as `_meta`.
    meta: Option<Value>,
    /// Whether another process can load the session. `None`: one cannot tell before.
    pub(crate) load: Option<bool>,
    /// Variables with which it asks before it runs a command, without that mode.
    pub(crate) asks: Option<BTreeMap<String, String>>,
}

/// Text that reaches an agent as standing instructions.
pub(crate) const RULES: &str = "Standing instruction: keep lines short.";

/// The model that agents are told to ask for.
const MODEL: &str = "scripted";

pub(crate) fn fixtures(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/agents").join(name)
}

impl Known {
    pub(crate) fn read(name: &str) -> Self {
        let file = fixtures(name).join("agent.toml");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes its files.
    pub(crate) fn settle(&self, cage: &mut Cage) {
        cage.hidden.clone_from(&self.hide);
        for (path, text) in &self.files {
            cage.write(&filled(path, "", ""), &filled(text, "", ""));
        }
    }

    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let all = self.env.iter();
        all.map(|(name, value)| (name.clone(), filled(value, "", "")))
            .collect()
    }
}

impl Acp {
    /// What goes with a session.
    pub(crate) fn meta(&self) -> Value {
        let text = json!(self.meta).to_string();
        serde_json::from_str(&filled(&text, "", "")).unwrap()
    }
}

/// A command with its words filled in.
pub(crate) fn words(command: &[String], prompt: &str, session: &str) -> Vec<String> {
    let words = command.iter();
    words.map(|word| filled(word, prompt, session)).collect()
}

fn filled(text: &str, prompt: &str, session: &str) -> String {
    text.replace("{base}", BASE)
        .replace("{home}", HOME)
        .replace("{workspace}", WORKSPACE)
        .replace("{rules}", RULES)
        .replace("{model}", MODEL)
        .replace("{session}", session)
        .replace("{prompt}", prompt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The agents of the fixtures.
    const ALL: &[&str] = &["claude-code", "codex", "gemini", "goose", "opencode"];

    #[test]
    fn the_versions_are_those_that_are_installed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let list = fs::read_to_string(root.join("scripts/agents/package.json")).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let about = fs::read_to_string(fixtures("README.md")).unwrap();
        for name in ALL {
            let known = Known::read(name);
            let pinned = list["dependencies"][&known.package].as_str().unwrap();
            assert!(
                pinned.contains(&known.version),
                "{name} is {pinned}; record it anew"
            );
            let row = about
                .lines()
                .find(|line| {
                    line.starts_with(&format!("| `{name}` | `@"))
                        || line.starts_with(&format!("| `{name}` | `{name}"))
                })
                .unwrap_or_else(|| panic!("the README has no {name}"));
            assert!(row.contains(&known.version), "{row}");
        }
    }
}
