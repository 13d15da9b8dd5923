//! `prova processes`: who shares the store.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::bootstrap::system_clock;
use crate::cli::exit::DONE;
use crate::cli::inspect::with_store;
use crate::cli::output::{Output, when};
use crate::cli::settings::ConfigArgs;
use crate::domain::process::Process;
use crate::domain::time::Timestamp;

/// `prova processes`.
#[derive(Debug, Subcommand)]
pub enum ProcessesCommand {
    /// List the processes that run on the store, and those that ended without a word today.
    Ls(LsArgs),
}

/// How to list them.
#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `prova processes`.
pub async fn run(command: &ProcessesCommand, output: &Output) -> u8 {
    let ProcessesCommand::Ls(args) = command;
    with_store(&args.config, output, async |store| {
        let processes = store.processes().await?;
        let now = system_clock().now();
        if args.json {
            output.json(&processes.iter().map(|one| in_json(one, now)).collect());
        } else {
            let rows: Vec<_> = processes.iter().map(|one| row(one, now)).collect();
            let header = [
                "ID", "ROLE", "HOST", "VERSION", "SCHEMA", "STARTED", "STATE",
            ];
            output.table(&header, &rows);
        }
        Ok(DONE)
    })
    .await
}

fn state(process: &Process, now: Timestamp) -> &'static str {
    if process.runs(now) { "running" } else { "gone" }
}

fn row(process: &Process, now: Timestamp) -> Vec<String> {
    vec![
        process.id.clone(),
        process.role.word().to_owned(),
        process.host.name.clone(),
        process.version.clone(),
        process.schema.to_string(),
        when(process.started_at),
        state(process, now).to_owned(),
    ]
}

fn in_json(process: &Process, now: Timestamp) -> Value {
    json!({
        "id": process.id, "role": process.role.word(), "host": process.host.name,
        "version": process.version, "schema": process.schema,
        "started_at": when(process.started_at), "seen_at": when(process.seen_at),
        "state": state(process, now),
    })
}
