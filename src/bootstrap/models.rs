//! Model endpoints, and the gateway to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::adapters::gateway::{self, HttpGateway};
use crate::app::ledger::StoreLedger;
use crate::bootstrap::error::StartError;
use crate::bootstrap::secrets::read_model_key;
use crate::config::server::models::brain_of;
use crate::config::server::{Agent, Endpoint, ServerSettings};
use crate::domain::name::Name;
use crate::ports::gateway::Gateway;

/// Reads the model endpoints of the settings, with their keys.
pub(super) fn endpoints(
    settings: &ServerSettings,
) -> Result<BTreeMap<Name, gateway::Endpoint>, StartError> {
    let endpoint = |(name, endpoint): (&Name, &Endpoint)| {
        let key = endpoint.key.as_ref();
        let read = gateway::Endpoint {
            api: endpoint.api,
            url: endpoint.url.clone(),
            key: key.map(|key| read_model_key(name, key)).transpose()?,
            models: endpoint.models.clone(),
        };
        Ok((name.clone(), read))
    };
    settings.models.iter().map(endpoint).collect()
}

pub(super) fn open_gateway(
    endpoints: BTreeMap<Name, gateway::Endpoint>,
    ledger: StoreLedger,
) -> Result<Arc<dyn Gateway>, StartError> {
    let settings = gateway::Settings {
        endpoints,
        ..gateway::Settings::default()
    };
    Ok(Arc::new(HttpGateway::new(settings, Arc::new(ledger))?))
}

/// Which endpoints each agent may call: those that it names, else all. A recipe gets none.
pub(super) fn models_of_agents(settings: &ServerSettings) -> BTreeMap<Name, Vec<Name>> {
    let models = |agent: &Agent| match agent {
        Agent::Exec { models, .. } | Agent::Acp { models, .. } => {
            let all = || settings.models.keys().cloned().collect();
            models.clone().unwrap_or_else(all)
        }
        // The usual variables of an API are those of the first endpoint that has it.
        Agent::Preset { .. } => {
            let brain = brain_of(agent, &settings.models).and_then(Result::ok);
            brain.map(|brain| brain.endpoint).into_iter().collect()
        }
        Agent::Builtin(builtin) => vec![builtin.endpoint.clone()],
        Agent::Recipe { .. } => Vec::new(),
    };
    let agents = settings.agents.iter();
    agents
        .map(|(name, agent)| (name.clone(), models(agent)))
        .collect()
}
