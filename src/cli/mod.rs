//! The command line.

pub mod exit;
pub mod output;
pub mod progress;
pub mod settings;
pub mod telemetry;

pub mod backup;
pub mod check_config;
pub mod demo;
pub mod doctor;
pub mod health;
pub mod inspect;
pub mod log;
pub mod missed;
pub mod processes;
pub mod run;
pub mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bootstrap;
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::domain::process::Role;

/// A self-hosted GitHub App that runs coding agents in sandboxes and hands back pull requests that
/// carry proof.
#[derive(Debug, Parser)]
#[command(name = "prova", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive webhooks and do the work.
    Serve(ConfigArgs),
    /// Only do the work, for a server on the same store; any number of them, each in a work directory
    /// of its own.
    Worker(ConfigArgs),
    /// Show the whole way from an issue to a follow-up commit, without account or key.
    Demo(demo::DemoArgs),
    /// Try an agent or a policy on a local repository.
    Run(run::RunArgs),
    /// Look at webhook deliveries, and replay them.
    #[command(subcommand)]
    Deliveries(inspect::DeliveriesCommand),
    /// Look at tasks.
    #[command(subcommand)]
    Tasks(inspect::TasksCommand),
    /// Look at the processes that share the store.
    #[command(subcommand)]
    Processes(processes::ProcessesCommand),
    /// Show who made what happen.
    Audit(inspect::AuditArgs),
    /// Check the settings, the App, the sandbox, the store and the disk.
    Doctor(doctor::DoctorArgs),
    /// Write a copy of the store to a new file, while the server runs.
    Backup(backup::BackupArgs),
    /// Show the settings as they are in force, secrets left out.
    CheckConfig(check_config::CheckConfigArgs),
    /// Ask the running server whether it is alive; for container health checks.
    Health(health::HealthArgs),
}

/// Parses the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else: it must find a process of one thread, and be quick.
    if let Some(code) = bootstrap::sandbox_program(std::env::args_os()) {
        return code;
    }
    if let Some(code) = bootstrap::inside_program(std::env::args_os()) {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows which stream: help goes to standard output.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { DONE });
        }
    };
    let output = Output::new();
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => ExitCode::from(runtime.block_on(run(cli.command, &output))),
        Err(error) => {
            output.error(&format!("cannot start the runtime: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command, output: &Output) -> u8 {
    match command {
        Command::Serve(args) => serve::run(Role::Serve, &args, output).await,
        Command::Worker(args) => serve::run(Role::Worker, &args, output).await,
        Command::Demo(args) => demo::run(&args, output).await,
        Command::Run(args) => run::run(args, output).await,
        Command::Deliveries(command) => inspect::deliveries(&command, output).await,
        Command::Tasks(command) => inspect::tasks(&command, output).await,
        Command::Processes(command) => processes::run(&command, output).await,
        Command::Audit(args) => inspect::audit(&args, output).await,
        Command::Doctor(args) => doctor::run(&args, output).await,
        Command::Backup(args) => backup::run(&args, output).await,
        Command::CheckConfig(args) => check_config::run(&args, output),
        Command::Health(args) => health::run(&args, output).await,
    }
}
