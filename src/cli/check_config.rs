//! `prova check-config`: the settings as they are in force.

use clap::Args;

use crate::cli::exit::DONE;
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::config::server::load::Need;

/// What to check.
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Shows the settings; secrets are named by where they come from.
#[must_use]
pub fn run(args: &CheckConfigArgs, output: &Output) -> u8 {
    match args.config.settings(Need::Server, output) {
        Ok(settings) => {
            output.text(&settings.shown());
            DONE
        }
        Err(code) => code,
    }
}
