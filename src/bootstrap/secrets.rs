//! Secrets, read where the settings say that they are.

use std::path::Path;

use secrecy::SecretString;

use crate::bootstrap::error::StartError;
use crate::config::server::{Secret, ServerSettings};
use crate::domain::name::Name;

/// Reads what deliveries are signed with, and were before.
pub(super) fn signing_secrets(settings: &ServerSettings) -> Result<Vec<SecretString>, StartError> {
    let github = &settings.github;
    let webhook = read_secret("github.webhook_secret_file", &github.webhook_secret)?;
    let previous = github.previous_webhook_secret.as_ref();
    let previous = previous
        .map(|secret| read_secret("github.previous_webhook_secret_file", secret))
        .transpose()?;
    Ok(std::iter::once(webhook).chain(previous).collect())
}

pub(super) fn read_model_key(name: &Name, key: &Secret) -> Result<SecretString, StartError> {
    let text = match key {
        Secret::Value(text) => text.clone(),
        Secret::File(path) => {
            std::fs::read_to_string(path).map_err(|error| StartError::ModelKey {
                name: name.clone(),
                path: path.clone(),
                error,
            })?
        }
    };
    match text.trim() {
        "" => Err(StartError::EmptyModelKey(name.clone())),
        key => Ok(SecretString::from(key)),
    }
}

pub(super) fn read_secret(key: &'static str, secret: &Secret) -> Result<SecretString, StartError> {
    let text = match secret {
        Secret::Value(text) => text.clone(),
        Secret::File(path) => read_file(key, path)?,
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(StartError::EmptySecret { key });
    }
    Ok(SecretString::from(text))
}

fn read_file(key: &'static str, path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path).map_err(|error| StartError::Secret {
        key,
        path: path.to_owned(),
        error,
    })
}
