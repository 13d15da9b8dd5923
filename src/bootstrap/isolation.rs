//! The sandboxes that the settings ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::adapters::sandbox;
use crate::bootstrap::error::StartError;
use crate::config::server::{self, Backend, ServerSettings};
use crate::domain::name::Name;
use crate::ports::clock::Clock;
use crate::ports::sandbox::{Profile, Sandbox};

/// Makes the sandbox backend that the settings name.
pub fn open_sandbox(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Sandbox>, StartError> {
    let settings = sandbox::settings::Settings {
        backend: match settings.sandbox.backend {
            Backend::Auto => sandbox::settings::Backend::Auto,
            Backend::Bubblewrap => sandbox::settings::Backend::Bubblewrap,
            Backend::Container => sandbox::settings::Backend::Container,
            Backend::Kubernetes => sandbox::settings::Backend::Kubernetes,
            Backend::None => sandbox::settings::Backend::None,
        },
        mounts: settings.sandbox.mounts.clone(),
        profiles: profiles(settings).into_values().collect(),
        image: settings.sandbox.image.clone(),
        engine: settings.sandbox.engine.clone(),
        kubernetes: settings.sandbox.kubernetes.clone().into(),
        stage: settings.sandbox.stage.clone(),
        work: settings.work.dir.clone(),
        ..sandbox::settings::Settings::default()
    };
    Ok(sandbox::select(settings, clock)?)
}

pub(super) fn profiles(settings: &ServerSettings) -> BTreeMap<Name, Profile> {
    let profiles = settings.sandbox.profiles.iter();
    let profile = |profile: &server::Profile| Profile {
        mounts: profile.mounts.clone(),
        env: profile.env.clone(),
        image: profile.image.clone(),
    };
    profiles
        .map(|(name, set)| (name.clone(), profile(set)))
        .collect()
}
