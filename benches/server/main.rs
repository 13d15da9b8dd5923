//! The server as a process, measured from outside.
//!
//! These are no timed tests: they print what they see. `docs/performance.md` says how they are run
//! and what was seen.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement prints, and ends where it cannot go on"
)]

mod agent;
mod bases;
mod child;
#[path = "../../tests/store/cluster.rs"]
#[expect(dead_code, reason = "shared with the tests of the store")]
mod cluster;
mod figures;
mod footprint;
mod gateway;
mod github;
mod intake;
mod job;
mod load;
mod queue;
mod sandbox;
mod trees;
mod watch;
mod workers;
#[path = "../../tests/store/world.rs"]
#[expect(dead_code, reason = "shared with the tests of the store")]
mod world;

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
    /// First byte, throughput and memory of model calls.
    Gateway(Gateway),
    /// The process that the one above looks at.
    #[command(hide = true)]
    GatewayAlone {
        /// The port of the endpoint.
        endpoint: u16,
    },
    /// Checkouts and harvests by the size of the repository.
    Trees(Trees),
    /// Branches compared with a base that moved.
    Bases(Bases),
    /// Start of a sandbox.
    Sandbox(Sandbox),
    /// Time and memory of following an agent.
    Agent(Agent),
    /// Claims, dispatch and start while much waits, on SQLite and PostgreSQL.
    Queue(Queue),
    /// Jobs a second with one worker and with four, on PostgreSQL.
    Workers(Workers),
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
struct Gateway {
    /// Calls whose first byte is waited for.
    #[arg(long, default_value_t = 2_000)]
    calls: usize,
    /// Megabytes that one answer has.
    #[arg(long, default_value_t = 1_000)]
    megabytes: usize,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Streams that are open at once.
    #[arg(long, default_value_t = 200)]
    streams: usize,
}

#[derive(clap::Args)]
struct Trees {
    /// Files of the repository; several sizes one after another.
    #[arg(long, value_delimiter = ',', default_values_t = [3_000, 50_000])]
    files: Vec<usize>,
    #[arg(long, default_value_t = 11)]
    rounds: usize,
}

#[derive(clap::Args)]
struct Bases {
    /// Files of the repository.
    #[arg(long, default_value_t = 50_000)]
    files: usize,
    /// Branches with an open pull request.
    #[arg(long, default_value_t = 200)]
    branches: usize,
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

#[derive(clap::Args)]
struct Sandbox {
    #[arg(long, default_value_t = 100)]
    rounds: usize,
}

#[derive(clap::Args)]
struct Queue {
    /// Jobs, and deliveries, that wait.
    #[arg(long, default_value_t = 100_000)]
    waiting: u64,
}

#[derive(clap::Args)]
struct Workers {
    #[arg(long, default_value_t = 64)]
    jobs: usize,
    /// How long the agent of each waits, in seconds.
    #[arg(long, default_value_t = 10)]
    wait: u64,
    /// Jobs at once on each worker.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(clap::Args)]
struct Agent {
    /// How many things it says; by the hundred.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
}

/// A short run of each.
async fn everything() {
    job::run(&Job { jobs: 10 }).await;
    trees::run(&Trees {
        files: vec![3_000],
        rounds: 5,
    })
    .await;
    sandbox::run(&Sandbox { rounds: 30 }).await;
    agent::run(&Agent { events: 200_000 }).await;
    gateway::run(&Gateway {
        calls: 500,
        megabytes: 200,
        rounds: 3,
        streams: 200,
    })
    .await;
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
        Some(What::Gateway(args)) => gateway::run(&args).await,
        Some(What::GatewayAlone { endpoint }) => gateway::alone(endpoint).await,
        Some(What::Trees(args)) => trees::run(&args).await,
        Some(What::Bases(args)) => bases::run(&args).await,
        Some(What::Sandbox(args)) => sandbox::run(&args).await,
        Some(What::Agent(args)) => agent::run(&args).await,
        Some(What::Queue(args)) => {
            // The cluster dies with the thread that starts it, and this one stays.
            let cluster = cluster::Cluster::start();
            queue::run(&args, &cluster).await;
        }
        Some(What::Workers(args)) => {
            let cluster = cluster::Cluster::start();
            workers::run(&args, &cluster).await;
        }
        None => everything().await,
    }
}
