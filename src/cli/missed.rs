//! `prova deliveries missed`: what GitHub could not bring, and is not here.

use clap::Args;
use serde_json::{Value, json};

use crate::app::reconcile::deliveries::missing;
use crate::bootstrap::{open_github, open_store, system_clock};
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::{Output, when};
use crate::cli::settings::ConfigArgs;
use crate::config::server::load::Need;
use crate::domain::missed::{Arrival, Attempt};

/// Attempts of GitHub that are looked through, newest first.
const ATTEMPTS: usize = 1_000;

/// How to show it.
#[derive(Debug, Args)]
pub struct MissedArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Asks GitHub, and shows what is missing.
pub async fn run(args: &MissedArgs, output: &Output) -> u8 {
    let settings = match args.config.settings(Need::Server, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let clock = system_clock();
    let opened = match open_github(&settings, clock.clone()) {
        Ok(github) => open_store(&settings).await.map(|store| (github, store)),
        Err(error) => Err(error),
    };
    let (github, store) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            output.error(&error.to_string());
            return USAGE;
        }
    };
    let found = missing((github.as_ref(), store.as_ref()), ATTEMPTS, clock.now()).await;
    match found {
        Ok(attempts) => {
            show(&attempts, args.json, output);
            DONE
        }
        Err(fault) => {
            output.error(&fault.to_string());
            FAILED
        }
    }
}

fn show(attempts: &[Attempt], as_json: bool, output: &Output) {
    if as_json {
        output.json(&attempts.iter().map(as_value).collect());
        return;
    }
    let rows: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            vec![
                attempt.delivery.to_string(),
                when(attempt.at),
                attempt.event.clone(),
                told(attempt).to_owned(),
            ]
        })
        .collect();
    output.table(&["ID", "TRIED", "EVENT", "RESULT"], &rows);
}

fn told(attempt: &Attempt) -> &str {
    match &attempt.result {
        Arrival::Accepted => "accepted",
        Arrival::Failed(words) => words,
    }
}

fn as_value(attempt: &Attempt) -> Value {
    json!({
        "id": attempt.delivery, "attempt": attempt.id, "tried_at": when(attempt.at),
        "event": attempt.event, "again": attempt.again, "result": told(attempt),
    })
}
