//! What is known of each agent, from `fixtures/agents/NAME/agent.toml`: how it is started and what
//! it needs. The same files are what the presets were written after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cage::{BASE, Cage, HOME, WORKSPACE};

/// An agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// Its package in `scripts/agents/package.json`.
    pub(crate) package: String,
    pub(crate) version: String,
    /// The API by which it asks its model.
    pub(crate) wire: String,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Files by path, written before it is started.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
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
    /// How it wants to be authenticated before a session, where it does.
    pub(crate) authenticate: Option<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
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
    pub(crate) fn settle(&self, cage: &Cage) {
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
