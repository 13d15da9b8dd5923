//! The agents of the settings, each with its driver.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::adapters::agent::acp::{Acp, Manners};
use crate::adapters::agent::built_in::BuiltInRecipe;
use crate::adapters::agent::builtin::Builtin;
use crate::adapters::agent::exec::Exec;
use crate::adapters::agent::launch::Launch;
use crate::adapters::agent::preset::Known;
use crate::adapters::agent::recipe::Recipe;
use crate::bootstrap::error::StartError;
use crate::config::presets::{self, Contract};
use crate::config::server::models::brain_of;
use crate::config::server::{self, Agent, ServerSettings};
use crate::domain::built_in::BuiltIn;
use crate::domain::builtin::{CONTEXT_TOKENS, Told, Wire, output_tokens};
use crate::domain::name::Name;
use crate::domain::policy;
use crate::domain::policy::protected::Protected;
use crate::ports::agent::{Agent as AgentPort, Roster};

/// The one that the settings name, or the only one there is.
pub(super) fn default_agent(settings: &ServerSettings) -> Option<Name> {
    let mut names = settings.agents.keys();
    match (&settings.work.agent, names.next(), names.next()) {
        (Some(named), _, _) => Some(named.clone()),
        (None, Some(only), None) => Some(only.clone()),
        (None, _, _) => None,
    }
}

/// The agents of the settings.
pub(super) struct Crew {
    agents: BTreeMap<Name, Arc<dyn AgentPort>>,
    /// The server's own program.
    own: PathBuf,
}

impl Crew {
    pub(super) fn new(settings: &ServerSettings) -> Result<Self, StartError> {
        let mut agents = BTreeMap::new();
        for (name, agent) in &settings.agents {
            let agent: Arc<dyn AgentPort> = match agent {
                Agent::Exec { command, env, .. } => Arc::new(
                    Exec::new(command.clone(), env.clone())
                        .map_err(|bad| StartError::Agent(name.clone(), bad))?,
                ),
                Agent::Preset { .. } => {
                    // Settings with one that cannot be built were refused when they were read.
                    let Some(known) = open_known(settings, agent) else {
                        continue;
                    };
                    known
                }
                Agent::Builtin(builtin) => Arc::new(open_builtin(settings, name, builtin)?),
                Agent::Acp {
                    command,
                    env,
                    models: _,
                    permissions,
                    mode,
                    authenticate,
                } => {
                    let launch = Launch {
                        command: command.clone(),
                        env: env.clone(),
                        ..Launch::default()
                    };
                    let manners = Manners {
                        permissions: *permissions,
                        mode: mode.clone(),
                        authenticate: authenticate.clone(),
                        ..Manners::default()
                    };
                    Arc::new(
                        Acp::new(launch, manners)
                            .map_err(|bad| StartError::Agent(name.clone(), bad))?,
                    )
                }
                Agent::Recipe { run } => Arc::new(Recipe::new(run)),
            };
            agents.insert(name.clone(), agent);
        }
        // Found now, and not when it is needed: later the link may say that the file was replaced.
        let own = &settings.sandbox.stage;
        let own = std::fs::canonicalize(own).unwrap_or_else(|_| own.clone());
        Ok(Self { agents, own })
    }
}

impl Roster for Crew {
    fn agent(&self, name: &Name) -> Option<Arc<dyn AgentPort>> {
        self.agents.get(name).cloned()
    }

    fn recipe(&self, recipe: &policy::Recipe) -> Arc<dyn AgentPort> {
        Arc::new(Recipe::new(&recipe.run))
    }

    fn built_in(&self, built_in: BuiltIn, protected: &Protected) -> Arc<dyn AgentPort> {
        Arc::new(BuiltInRecipe::new(self.own.clone(), built_in, protected))
    }
}

/// Builds the driver of our own agent, for the model that its settings come to.
fn open_builtin(
    settings: &ServerSettings,
    name: &Name,
    builtin: &server::Builtin,
) -> Result<Builtin, StartError> {
    let endpoint = settings.models.get(&builtin.endpoint);
    let found = endpoint.and_then(|endpoint| {
        let (model, known) = endpoint.model(builtin.model.as_deref())?;
        Some((endpoint, model, known))
    });
    let Some((endpoint, model, known)) = found else {
        return Err(StartError::NoModel(name.clone()));
    };
    let context = builtin.context_tokens.or(known.context_tokens);
    let told = Told {
        endpoint: builtin.endpoint.to_string(),
        model: model.to_owned(),
        wire: Wire::of(endpoint.api, &endpoint.url, builtin.wire),
        max_steps: builtin.max_steps,
        context_tokens: context.unwrap_or(CONTEXT_TOKENS),
        output_tokens: output_tokens(known.max_output_tokens),
    };
    // By its real path: the one of the settings means another program in another process.
    let program = settings.sandbox.stage.canonicalize();
    let program = program.map_err(|error| StartError::OwnProgram {
        path: settings.sandbox.stage.clone(),
        error,
    })?;
    Ok(Builtin::new(program, told))
}

/// Builds the driver of an agent by its preset; `None` for any other.
fn open_known(settings: &ServerSettings, agent: &Agent) -> Option<Arc<dyn AgentPort>> {
    let Agent::Preset {
        preset,
        contract,
        env,
        ..
    } = agent
    else {
        return None;
    };
    let preset = presets::find(preset)?;
    let brain = brain_of(agent, &settings.models)?.ok()?;
    Some(match contract {
        Contract::Exec => Arc::new(Known::new(preset, brain, env.clone())),
        Contract::Acp => Arc::new(Acp::known(&preset, brain, env.clone())?),
    })
}
