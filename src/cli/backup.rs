//! `prova backup`: a copy of the store while the server runs.

use std::path::PathBuf;

use clap::Args;

use crate::bootstrap::open_store;
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::config::server::load::Need;
use crate::domain::store_url;

/// Where to.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file to write; it must not be there yet.
    file: PathBuf,
}

/// Writes the copy.
pub async fn run(args: &BackupArgs, output: &Output) -> u8 {
    let settings = match args.config.settings(Need::Local, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let store = match open_store(&settings).await {
        Ok(store) => store,
        Err(error) => {
            output.error(&error.to_string());
            return USAGE;
        }
    };
    let done = store.backup(&args.file).await;
    store.close().await;
    match done {
        Ok(()) => {
            let file = args.file.display();
            output.line(&format!(
                "{} is in {file}, and sound",
                store_url::shown(&settings.store.url)
            ));
            DONE
        }
        Err(fault) => {
            output.error(&fault.to_string());
            FAILED
        }
    }
}
