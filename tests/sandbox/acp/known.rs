//! Presets over the protocol: what their data comes to in a run, whoever the agent is.

use std::collections::BTreeMap;

use prova::adapters::agent::acp::Acp;
use prova::config::presets::{self, Preset};
use prova::config::server::brain::Brain;
use prova::domain::evidence::Ending;
use prova::domain::model::Api;
use serde_json::{Value, json};

use super::{AGENT, follow, methods, told};
use crate::bed::Bed;

/// A preset's agent, played by the scripted one.
fn played(mut preset: Preset, part: &str) -> Acp {
    let own = preset.acp.as_mut().unwrap();
    own.command = ["python3", "-c", AGENT, part].map(str::to_owned).to_vec();
    let brain = Brain {
        endpoint: "main".parse().unwrap(),
        api: Api::Anthropic,
        model: "large".to_owned(),
    };
    // Of the operator, and not of a preset: nothing stands for anything in it.
    let env = BTreeMap::from([("COLOUR".to_owned(), "{model}".to_owned())]);
    Acp::known(&preset, brain, env).unwrap()
}

#[tokio::test]
async fn a_session_is_opened_as_the_preset_says() {
    let bed = Bed::new();
    let agent = played(presets::find("claude-code").unwrap(), "loads");
    for resume in [None, Some("s-1")] {
        let seen = follow(&bed, &agent, (resume, false)).await;
        assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    }
    let turn = ["session/set_mode", "session/prompt"];
    let first = [&["initialize", "session/new"], &turn[..]].concat();
    let second = [&["initialize", "session/load"], &turn[..]].concat();
    assert_eq!(methods(&bed), [first, second].concat());
    let told = told(&bed);
    for opened in [&told[1], &told[5]] {
        let meta = &opened["params"]["_meta"];
        let options = json!({ "settingSources": ["user"], "strictMcpConfig": true });
        assert_eq!(meta["claudeCode"]["options"], options);
        let rules = meta["systemPrompt"]["append"].as_str().unwrap();
        assert!(rules.starts_with("You work unattended"), "{rules}");
    }
    assert_eq!(told[2]["params"]["modeId"], "bypassPermissions");
}

#[tokio::test]
async fn what_the_preset_says_of_the_protocol_goes_over_the_rest() {
    let preset = "
        about = 'An agent'
        program = 'agent'
        apis = ['anthropic']
        command = ['agent', '{prompt}']
        hide = ['hidden']
        env = { MODEL = '{model} at {base}', KIND = 'exec', COLOUR = 'green' }
        files = { '.config/agent.json' = '{}' }
        sdk = { anthropic = 'the-sdk' }
        [acp]
        command = ['agent', 'acp']
        hide = ['also.json', 'missing']
        env = { KIND = 'acp in {checkout} by {sdk}' }
        files = { '.config/agent.json' = '{ \"home\": \"{home}\" }' }
    ";
    let bed = Bed::new();
    std::fs::create_dir(bed.checkout().join("hidden")).unwrap();
    for file in ["hidden/evil", "also.json"] {
        std::fs::write(bed.checkout().join(file), "evil").unwrap();
    }
    let agent = played(toml::from_str(preset).unwrap(), "shows");
    let seen = follow(&bed, &agent, (None, false)).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
    let shown = std::fs::read(bed.checkout().join("shown.json")).unwrap();
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    let env = &shown["env"];
    assert_eq!(env["MODEL"], "large at http://127.0.0.1:8790/models/main");
    assert_eq!(env["KIND"], "acp in /workspace by the-sdk");
    assert_eq!(env["COLOUR"], "{model}");
    assert_eq!(shown["config"], r#"{ "home": "/home/prova" }"#);
    assert_eq!(shown["tree"]["hidden"], json!([]));
}

#[tokio::test]
async fn an_error_that_is_told_as_an_answer_is_none() {
    let bed = Bed::new();
    let agent = played(presets::find("goose").unwrap(), "apologises");
    let seen = follow(&bed, &agent, (None, false)).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(1));
    assert_eq!(seen.trouble(), Some("Ran into this error: no credits."));
    let agent = played(presets::find("goose").unwrap(), "works");
    let seen = follow(&Bed::new(), &agent, (None, false)).await;
    assert_eq!(seen.run.outcome.ending, Ending::Exited(0));
}

#[test]
fn a_preset_without_the_protocol_is_not_driven_by_it() {
    let brain = Brain {
        endpoint: "main".parse().unwrap(),
        api: Api::OpenAi,
        model: "large".to_owned(),
    };
    let preset = presets::find("aider").unwrap();
    assert_eq!(Acp::known(&preset, brain, BTreeMap::new()), None);
}
