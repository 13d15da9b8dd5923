//! `[agents.NAME]` with `preset`: an agent that is known.

use crate::config::presets::{self, Contract};
use crate::config::reader::Table;
use crate::config::server::Agent;
use crate::config::server::layer::{MAX_ENDPOINTS, MAX_LIST, any};
use crate::domain::name::Name;

/// Reads the table of an agent with a preset.
pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Agent> {
    let known: Vec<(&str, &str)> = presets::names().map(|name| (name, name)).collect();
    let preset = table.choice("preset", &known);
    let contracts = [("exec", Contract::Exec), ("acp", Contract::Acp)];
    let contract = table.choice("driver", &contracts).unwrap_or_default();
    let models = table.texts("models", MAX_ENDPOINTS, str::parse::<Name>);
    let model = table.text("model", any);
    let env = table.map("env", MAX_LIST, any).unwrap_or_default();
    let preset = preset?;
    if presets::find(preset)?.program(contract).is_none() {
        let why = format!(
            "this preset does not speak it; expected exec, or {} in its place",
            speakers()
        );
        table.refuse("driver", why);
    }
    Some(Agent::Preset {
        preset: preset.to_owned(),
        contract,
        models,
        model,
        env,
    })
}

/// Returns the presets that speak the Agent Client Protocol, in words.
fn speakers() -> String {
    let speaks = |name: &&str| {
        let preset = presets::find(name);
        preset.is_some_and(|preset| preset.acp.is_some())
    };
    let names: Vec<&str> = presets::names().filter(speaks).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::report::Problems;
    use crate::config::server::ServerSettings;
    use crate::config::server::load::{Need, load};
    use std::collections::BTreeMap;
    use std::path::Path;

    fn settings(text: &str) -> Result<ServerSettings, Problems> {
        let variables = BTreeMap::new();
        load("prova.toml", text, Path::new(""), (&variables, Need::Local))
    }

    fn read(agent: &str) -> Result<ServerSettings, Problems> {
        settings(&format!(
            "[agents.known]\n{agent}\n[models.main]\napi = \"openai\"\n\
             prices.m = {{ input = 1, output = 1 }}\n"
        ))
    }

    #[test]
    fn the_driver_is_one_that_the_preset_has() {
        for (text, expected) in [
            ("preset = \"goose\"", Contract::Exec),
            ("preset = \"goose\"\ndriver = \"exec\"", Contract::Exec),
            ("preset = \"goose\"\ndriver = \"acp\"", Contract::Acp),
        ] {
            let first = read(text).unwrap();
            let Some(Agent::Preset { contract, .. }) = first.agents.values().next() else {
                panic!("{text} is no preset");
            };
            assert_eq!(*contract, expected, "{text}");
            // What is shown is read again.
            let shown = first.shown();
            let shown = shown.split_once("[store]").unwrap().1;
            let again = settings(&format!("[github]\napp_id = 1\n[store]\n{shown}")).unwrap();
            assert_eq!(again.agents, first.agents);
        }
        for (text, told) in [
            (
                "preset = \"goose\"\ndriver = \"builtin\"",
                "expected one of exec, acp",
            ),
            (
                "preset = \"aider\"\ndriver = \"acp\"",
                "expected exec, or claude-code, codex, gemini-cli, goose, opencode in its place",
            ),
            (
                "preset = \"goose\"\nmode = \"auto\"",
                "agents.known.mode: unknown key",
            ),
        ] {
            let problems = read(text).unwrap_err().to_string();
            assert!(problems.contains(told), "{text}: {problems}");
        }
    }
}
