//! The store when much waits in it: how fast it is worked off, and what it costs to find the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prova::adapters::store::SqlStore;
use prova::domain::ids::DeliveryId;
use prova::domain::time::Timestamp;
use prova::ports::store::{Inbox as _, JobLimits, NewDelivery, Queue as _, Tasks as _};
use prova::simulator::Simulator;

use crate::Queue;
use crate::child::{GitHub, Home, Server, get};
use crate::cluster::Cluster;
use crate::figures::{megabytes, millis, percentile};
use crate::github;
use crate::world::{at, job_over, queued, thread};

/// What GitHub sends most: deliveries that ask for nothing, and so are decided without asking it.
const COMMON: [(&str, &str); 4] = [
    (
        "issue_comment",
        include_str!("../../fixtures/webhooks/issue_comment__created__ee0cd56f.json"),
    ),
    (
        "push",
        include_str!("../../fixtures/webhooks/push__none__a1e7e123.json"),
    ),
    (
        "pull_request",
        include_str!("../../fixtures/webhooks/pull_request__synchronize__3b7e69a2.json"),
    ),
    (
        "workflow_run",
        include_str!("../../fixtures/webhooks/workflow_run__completed__2b4fe694.json"),
    ),
];

/// Repositories that the jobs belong to.
const LANES: u64 = 100;

/// Jobs that are leased and ended while the clock runs.
const LEASES: usize = 2_000;

/// Measures, and prints.
pub(crate) async fn run(args: &Queue, cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", dir.path().join("claims.db").display());
    for (name, url) in [
        ("SQLite", file),
        ("PostgreSQL", cluster.database("claims", "template0")),
    ] {
        claims(name, &url, args.waiting).await;
    }
    for (name, url) in [
        ("SQLite", None),
        (
            "PostgreSQL",
            Some(cluster.database("deliveries", "template0")),
        ),
    ] {
        dispatch(name, url, args.waiting).await;
    }
    for (name, url) in [
        ("SQLite", None),
        (
            "PostgreSQL",
            Some(cluster.database("recovery", "template0")),
        ),
    ] {
        recovery(name, url).await;
    }
}

/// Fills a store with jobs, and takes some of them.
async fn claims(name: &str, url: &str, waiting: u64) {
    let store = Arc::new(SqlStore::open(url).await.unwrap());
    let limits = JobLimits::of_repositories(4);
    store.limit_jobs(limits).await.unwrap();
    fill(&store, waiting).await;
    let mut took = Vec::new();
    for _ in 0..LEASES {
        let began = Instant::now();
        let job = store.lease_job("bench", at(1), at(60_000)).await.unwrap();
        took.push(micros(began.elapsed()));
        store.commit(&job_over(&job.unwrap()), at(2)).await.unwrap();
    }
    took.sort_unstable();
    println!(
        "claim on {name}, {waiting} jobs of {LANES} repositories queued: p50 {:.2} ms, p99 {:.2} ms",
        percentile(&took, 50.0) / 1e3,
        percentile(&took, 99.0) / 1e3
    );
    store.close().await;
}

async fn fill(store: &SqlStore, jobs: u64) {
    for n in 0..jobs {
        let here = thread(n % LANES, n / LANES + 1);
        store.commit(&queued(here, at(0)), at(0)).await.unwrap();
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// A home on that store, or on a file.
fn home(sim: &Simulator, url: Option<&str>) -> (Home, String) {
    let home = Home::new(&GitHub {
        url: sim.api_url(),
        key: sim.private_key_pem(),
    });
    let file = format!("sqlite://{}", home.path().join("prova.db").display());
    let Some(url) = url else {
        return (home, file);
    };
    let settings = home.path().join("prova.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace(&file, url)).unwrap();
    (home, url.to_owned())
}

/// Starts a server on a store with deliveries that wait.
async fn dispatch(name: &str, url: Option<String>, waiting: u64) {
    let sim = github::start().await;
    let (home, url) = home(&sim, url.as_deref());
    let store = SqlStore::open(&url).await.unwrap();
    for from in (0..waiting).step_by(500) {
        let some = (from..waiting.min(from + 500)).zip(COMMON.iter().cycle());
        let some = some.map(|(n, (event, body))| NewDelivery {
            id: DeliveryId::new(format!("d{n}")),
            event: (*event).to_owned(),
            body: body.as_bytes().to_vec().into(),
            received_at: Timestamp::EPOCH,
        });
        store.accept(some.collect()).await.unwrap();
    }
    store.close().await;
    let server = home.serve().await;
    let (before, began) = (pending(&server).await, Instant::now());
    let mut left = before;
    while left > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = pending(&server).await;
    }
    let took = began.elapsed();
    let usage = server.usage();
    #[expect(clippy::cast_precision_loss, reason = "shown as a whole number")]
    let rate = before as f64 / took.as_secs_f64();
    println!(
        "dispatch on {name}, {before} deliveries of {} kB: {rate:.0} a second, {:.1} MB resident at most",
        COMMON.iter().map(|(_, body)| body.len()).sum::<usize>() / COMMON.len() / 1_000,
        megabytes(usage.peak)
    );
}

async fn pending(server: &Server) -> u64 {
    value(server, "prova_deliveries_pending ").await
}

/// Returns a number of the server's metrics.
pub(crate) async fn value(server: &Server, name: &str) -> u64 {
    let (_, metrics) = get(server.port, "/metrics").await.unwrap_or_default();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
}

/// Starts a server on a store with a thousand open tasks, whose jobs wait.
async fn recovery(name: &str, url: Option<String>) {
    let sim = github::start().await;
    let (home, url) = home(&sim, url.as_deref());
    let store = SqlStore::open(&url).await.unwrap();
    fill(&store, 1_000).await;
    store.close().await;
    let began = Instant::now();
    let server = home.serve().await;
    while value(&server, "prova_jobs_running ").await == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!(
        "start on {name} with 1000 open tasks: a job runs after {:.0} ms",
        millis(began.elapsed())
    );
}
