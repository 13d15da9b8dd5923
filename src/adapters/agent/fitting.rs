//! What the texts of a preset stand for.

use std::collections::BTreeMap;

use crate::adapters::agent::launch::Launch;
use crate::config::presets::Preset;
use crate::config::server::brain::Brain;
use crate::ports::door::{Door, INSIDE_DOOR};
use crate::ports::sandbox::{INSIDE_CHECKOUT, INSIDE_HOME};

/// What an agent is told beside every brief.
const RULES: &str = "You work unattended, in a sandbox: nobody answers questions, and there is no \
    network but the model's and what the repository allows. Finish the work, or say clearly why you \
    cannot. Leave the result as files in the working directory.";

/// What an operator's settings make of a preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fitting {
    brain: Brain,
    sdk: String,
    /// Variables over the preset's own. They are the operator's text and stand as they are.
    env: BTreeMap<String, String>,
}

impl Fitting {
    pub(super) fn new(preset: &Preset, brain: Brain, env: BTreeMap<String, String>) -> Self {
        let sdk = preset.sdk.get(&brain.api).cloned().unwrap_or_default();
        Self { brain, sdk, env }
    }

    /// Returns what is filled in for a run behind `door`.
    pub(super) fn values(&self, door: Option<&dyn Door>) -> Vec<(&'static str, String)> {
        let Brain {
            endpoint,
            api,
            model,
        } = &self.brain;
        let env = door.map(Door::env).unwrap_or_default();
        let key = env.get("PROVA_MODELS_KEY").cloned().unwrap_or_default();
        vec![
            ("rules", RULES.to_owned()),
            ("model", model.clone()),
            ("api", api.as_str().to_owned()),
            ("base", format!("http://{INSIDE_DOOR}/models/{endpoint}")),
            ("key", key),
            ("home", INSIDE_HOME.to_owned()),
            ("checkout", INSIDE_CHECKOUT.to_owned()),
            ("sdk", self.sdk.clone()),
        ]
    }

    /// Returns a preset's texts with `values`, and the operator's variables over them.
    pub(super) fn fit(&self, texts: &Launch, values: &[(&str, String)]) -> Launch {
        let mut launch = texts.filled(values);
        launch.env.extend(self.env.clone());
        launch
    }
}
