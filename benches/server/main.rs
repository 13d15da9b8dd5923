//! The server as a process, measured from outside.
//!
//! These are no timed tests: they print what they see. `docs/performance.md` says how they are run
//! and what was seen.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement prints, and ends where it cannot go on"
)]

mod child;
mod figures;
mod footprint;
mod github;
mod intake;
mod job;
mod load;
mod sandbox;
mod watch;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// CPU and latency of accepted deliveries.
    Intake(Intake),
    /// Memory, log and start.
    Footprint(Footprint),
    /// From a delivery to a pull request.
    Job(Job),
    /// Start of a sandbox.
    Sandbox(Sandbox),
}

#[derive(clap::Args)]
struct Intake {
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a round.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Deliveries a second over all connections; none: as many as it takes.
    #[arg(long)]
    rate: Option<u32>,
    /// The command of another server to measure in turn with this one. It gets `PORT`,
    /// `WEBHOOK_SECRET` and `PRIVATE_KEY_PATH`, and answers POST /webhook.
    #[arg(long)]
    beside: Option<String>,
}

#[derive(clap::Args)]
struct Footprint {
    /// Length of a flood.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[arg(long, default_value_t = 11)]
    starts: usize,
}

#[derive(clap::Args)]
struct Job {
    /// How many after the first.
    #[arg(long, default_value_t = 20)]
    jobs: usize,
}

#[derive(clap::Args)]
struct Sandbox {
    #[arg(long, default_value_t = 100)]
    rounds: usize,
}

/// A short run of each.
async fn everything() {
    job::run(&Job { jobs: 10 }).await;
    sandbox::run(&Sandbox { rounds: 30 }).await;
    footprint::run(&Footprint {
        seconds: 10,
        starts: 5,
    })
    .await;
    intake::run(&Intake {
        rounds: 3,
        seconds: 5,
        connections: 64,
        rate: None,
        beside: None,
    })
    .await;
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    match args.what {
        Some(What::Intake(args)) => intake::run(&args).await,
        Some(What::Footprint(args)) => footprint::run(&args).await,
        Some(What::Job(args)) => job::run(&args).await,
        Some(What::Sandbox(args)) => sandbox::run(&args).await,
        None => everything().await,
    }
}
