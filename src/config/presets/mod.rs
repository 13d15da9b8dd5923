//! How agents that many people use are started and understood: one file of data each.
//!
//! A preset says what an operator would otherwise have to find out: the command line, where the model
//! and its address go, what to switch off, how the output is read, and how a session goes on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::model::Api;
use crate::domain::stream::Rule;

/// The files, by the name that settings use.
const FILES: [(&str, &str); 9] = [
    ("aider", include_str!("aider.toml")),
    ("claude-code", include_str!("claude-code.toml")),
    ("codex", include_str!("codex.toml")),
    ("copilot-cli", include_str!("copilot-cli.toml")),
    ("gemini-cli", include_str!("gemini-cli.toml")),
    ("goose", include_str!("goose.toml")),
    ("mini-swe-agent", include_str!("mini-swe-agent.toml")),
    ("opencode", include_str!("opencode.toml")),
    ("qwen-code", include_str!("qwen-code.toml")),
];

/// A preset.
///
/// In words of commands, in variables and in files these stand for something: `{prompt}` (the brief),
/// `{rules}` (standing instructions), `{session}`, `{model}`, `{api}`, `{base}` (the endpoint's address
/// inside, without a path of the API), `{key}` (the run's key), `{home}`, `{checkout}`, `{sdk}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What people call it.
    pub about: String,
    /// The program that must be there.
    pub program: String,
    /// The languages that it reaches models by, best first.
    pub apis: Vec<Api>,
    /// What every run is started with.
    pub command: Vec<String>,
    /// What a run without a session has behind that.
    #[serde(default)]
    pub fresh: Vec<String>,
    /// What a run that goes on with a session has in its place; none: it keeps no sessions.
    #[serde(default)]
    pub resume: Vec<String>,
    /// The name of its sessions, where it does not name them itself.
    #[serde(default)]
    pub session: Option<String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files of its home, by their path there.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Names at the root of a checkout that it would obey whatever it is told, and is not to see.
    #[serde(default)]
    pub hide: Vec<String>,
    /// How it is driven over the Agent Client Protocol; none: not at all.
    #[serde(default)]
    pub acp: Option<Acp>,
    /// What `{sdk}` stands for, by the API.
    #[serde(default)]
    pub sdk: BTreeMap<Api, String>,
    /// What exit codes mean that say more than that it failed.
    #[serde(default)]
    pub exits: BTreeMap<String, String>,
    /// How its standard output is read; none: it prints prose.
    #[serde(default)]
    pub stream: Vec<Rule>,
}

/// What is different when an agent is driven over the Agent Client Protocol.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acp {
    /// What it is started with, in place of the preset's command line.
    pub command: Vec<String>,
    /// Environment over the preset's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files of its home over the preset's.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Names that it is not to see, beside the preset's.
    #[serde(default)]
    pub hide: Vec<String>,
    /// The mode in which it asks nobody; none: it does so from the start.
    #[serde(default)]
    pub mode: Option<String>,
    /// What its sessions are opened with, as `_meta`.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// How its last message begins when it is an error of its own that it takes for an answer.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What stands in the `_meta` of what it tells of its session, by JSON pointer, when a turn has
    /// failed that it ends in good order.
    #[serde(default)]
    pub failed: BTreeMap<String, Value>,
}

/// How a program is given its brief and watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contract {
    /// It is run once, with the brief on its command line.
    #[default]
    Exec,
    /// It speaks the Agent Client Protocol.
    Acp,
}

impl Contract {
    /// Returns the word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Acp => "acp",
        }
    }
}

impl Preset {
    /// Returns the program that must be there; `None` when it does not keep the contract.
    #[must_use]
    pub fn program(&self, contract: Contract) -> Option<&str> {
        let command = match contract {
            Contract::Exec => &self.command,
            Contract::Acp => &self.acp.as_ref()?.command,
        };
        command.first().map(String::as_str)
    }
}

/// Returns a preset; `None` when there is none of that name.
#[must_use]
pub fn find(name: &str) -> Option<Preset> {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name)?;
    // Tests read every file, so one that is there can be read.
    toml::from_str(text).ok()
}

/// Returns the names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::progress::Heard;
    use crate::domain::stream::updates;
    use crate::domain::time::Timestamp;

    /// What may stand between braces.
    const PLACES: [&str; 10] = [
        "prompt", "rules", "session", "model", "api", "base", "key", "home", "checkout", "sdk",
    ];

    #[test]
    fn every_file_is_a_preset() {
        for (name, text) in FILES {
            let preset: Preset =
                toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(preset.command.first(), Some(&preset.program), "{name}");
            assert!(!preset.apis.is_empty(), "{name}");
            let all = format!("{:?}", (&preset.command, &preset.fresh));
            assert!(all.contains("{prompt}"), "{name} is told nothing");
            for code in preset.exits.keys() {
                code.parse::<i32>().unwrap();
            }
            let also = preset.acp.iter().flat_map(|acp| &acp.hide);
            for hidden in preset.hide.iter().chain(also) {
                assert!(
                    !hidden.contains('/') && hidden != ".git",
                    "{name}: {hidden}"
                );
            }
        }
        assert!(FILES.is_sorted());
        assert_eq!(find("amp"), None);
    }

    #[test]
    fn each_way_of_driving_has_its_program() {
        for (name, exec, acp) in [
            ("aider", "aider", None),
            ("claude-code", "claude", Some("claude-agent-acp")),
            ("goose", "goose", Some("goose")),
        ] {
            let preset = find(name).unwrap();
            assert_eq!(preset.program(Contract::Exec), Some(exec));
            assert_eq!(preset.program(Contract::Acp), acp);
        }
    }

    #[test]
    fn nothing_else_stands_between_braces() {
        for name in names() {
            let preset = find(name).unwrap();
            let words = preset
                .command
                .iter()
                .chain(&preset.fresh)
                .chain(&preset.resume);
            let texts = words.chain(preset.env.values());
            let own = preset.acp.iter().flat_map(|acp| {
                // A prompt and a session are words of the protocol.
                let words = acp.command.iter().chain(acp.env.values());
                words.inspect(|text| assert!(!text.contains("{prompt}"), "{name}: {text}"))
            });
            for text in texts.chain(own) {
                for part in text.split('{').skip(1) {
                    let place = part.split('}').next().unwrap();
                    assert!(PLACES.contains(&place), "{name}: {text}");
                }
            }
        }
    }

    /// What is heard of a recorded run of the real agent.
    fn heard(preset: &str, recording: &str) -> Heard {
        let rules = find(preset).unwrap().stream;
        let at = format!("{}/fixtures/agents/{recording}", env!("CARGO_MANIFEST_DIR"));
        let mut heard = Heard::default();
        for line in std::fs::read(at).unwrap().split(|&byte| byte == b'\n') {
            for update in updates(&rules, line) {
                heard.take(update, Timestamp::from_millis(0));
            }
        }
        heard
    }

    #[test]
    fn what_real_agents_print_is_understood() {
        for (preset, agent) in [
            ("claude-code", "claude-code"),
            ("codex", "codex"),
            ("gemini-cli", "gemini"),
            ("goose", "goose"),
            ("opencode", "opencode"),
        ] {
            let run = heard(preset, &format!("{agent}/run.jsonl"));
            assert_eq!(run.message, "I wrote one.", "{preset}");
            let action = run.action.unwrap_or_default();
            assert!(
                action.contains("echo one >> made.txt"),
                "{preset}: {action}"
            );
            assert!(run.finished && run.trouble.is_none(), "{preset}");
            assert!(run.tokens.output > 0, "{preset}");
            let names_its_session = find(preset).unwrap().session.is_none();
            assert_eq!(run.session.is_some(), names_its_session, "{preset}");
        }
        for (preset, recording) in [
            ("claude-code", "claude-code/key.jsonl"),
            ("claude-code", "claude-code/limit.jsonl"),
            ("codex", "codex/key.jsonl"),
            ("codex", "codex/broken.jsonl"),
            ("goose", "goose/key.jsonl"),
            ("opencode", "opencode/key.jsonl"),
        ] {
            assert!(heard(preset, recording).trouble.is_some(), "{recording}");
        }
    }
}
