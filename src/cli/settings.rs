//! Where the settings are, for every command. The only place that reads the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::exit::USAGE;
use crate::cli::output::Output;
use crate::config::server::ServerSettings;
use crate::config::server::load::{Need, load};

/// Which settings file to read.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// The settings file.
    #[arg(
        long,
        env = "PROVA_CONFIG",
        default_value = "prova.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
}

impl ConfigArgs {
    /// Reads the settings, or says what is wrong with them and returns the exit code for it.
    pub fn settings(&self, need: Need, output: &Output) -> Result<ServerSettings, u8> {
        let text = match std::fs::read_to_string(&self.config) {
            Ok(text) => text,
            // A container may be set up by its environment alone.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                output.error(&format!("cannot read {}: {error}", self.config.display()));
                return Err(USAGE);
            }
        };
        let missing = text.is_empty() && !self.config.exists();
        let base = self.config.parent().unwrap_or(Path::new(""));
        let file = self.config.display().to_string();
        load(&file, &text, base, (&environment(), need)).map_err(|problems| {
            output.error(&problems.to_string());
            if missing {
                output.error(&format!(
                    "there is no {file}; write one (docs/configuration.md has an example), or name another with --config"
                ));
            }
            USAGE
        })
    }
}

/// Returns our variables of the environment; others, and those that are not UTF-8, are not ours.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("PROVA_"))
        .collect()
}
