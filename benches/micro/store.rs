//! The store on a real disk, and dispatch from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use prova::adapters::store::SqlStore;
use prova::app::dispatch::dispatch_next;
use prova::bootstrap::{House, system_clock};
use prova::config::server::load::{Need, load};
use prova::domain::ids::{DeliveryId, JobId};
use prova::domain::time::Span;
use prova::ports::store::{
    Changes, DUE_AT_ONCE, Inbox as _, JobEnd, NewDelivery, NewJob, Queue as _, Tasks as _,
};
use prova::simulator::{Options, Simulator};
use tokio::runtime::Runtime;

use crate::sample::{self, AT};

/// What waits while the measured step is done.
const WAITING: u64 = 10_000;

pub(crate) fn all(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = bench.benchmark_group("store");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(8));
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(open(dir.path()));
    for size in [1, 8, 64] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("accept {size} deliveries of 14 kB"), |b| {
            b.iter_batched(
                || deliveries(size),
                |group| runtime.block_on(store.accept(group)).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.throughput(Throughput::Elements(1));
    for lanes in [1, 100] {
        let dir = tempfile::tempdir().unwrap();
        let store = runtime.block_on(open(dir.path()));
        runtime.block_on(queue(&store, lanes));
        let name = format!("lease a job and give it back, {WAITING} queued in {lanes} lanes");
        group.bench_function(name, |b| {
            b.iter(|| runtime.block_on(lease_and_give_back(&store)));
        });
    }
    group.throughput(Throughput::Elements(DUE_AT_ONCE as u64));
    group.bench_function(
        format!("dispatch the next few of {WAITING} deliveries"),
        |b| {
            b.iter_custom(|steps| runtime.block_on(dispatch(steps)));
        },
    );
    group.finish();
}

async fn open(dir: &Path) -> SqlStore {
    SqlStore::open(&format!("sqlite://{}/prova.db", dir.display()))
        .await
        .unwrap()
}

fn deliveries(count: u64) -> Vec<NewDelivery> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    (0..count)
        .map(|_| {
            // UUIDs of version 1, as GitHub's are: the low bits of the time come first.
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            NewDelivery {
                id: DeliveryId::new(format!("{n:08x}-cc78-11f0-81ab-4c9367dc0958")),
                event: "push".to_owned(),
                body: format!("{{\"ref\":\"{}\"}}", "x".repeat(14_000))
                    .into_bytes()
                    .into(),
                received_at: AT,
            }
        })
        .collect()
}

async fn queue(store: &SqlStore, lanes: u64) {
    for n in 0..WAITING {
        let task = sample::task(n % lanes, n);
        let job = NewJob {
            id: JobId {
                task: task.id,
                ordinal: 1,
            },
            work: task.work.clone(),
            not_before: AT,
        };
        let changes = Changes {
            task: Some((task, 0)),
            job: Some(job),
            ..Changes::default()
        };
        store.commit(&changes, AT).await.unwrap();
    }
}

async fn lease_and_give_back(store: &SqlStore) {
    let until = AT.plus(Span::seconds(60));
    let leased = store.lease_job("w", AT, until).await.unwrap().unwrap();
    let changes = Changes {
        job_end: Some((leased.lease, JobEnd::Again(AT, String::new()))),
        ..Changes::default()
    };
    store.commit(&changes, AT).await.unwrap();
}

/// Does so many steps of dispatch over deliveries that mean nothing to us, with others behind them.
async fn dispatch(steps: u64) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path()).await;
    let mut left = WAITING + steps * DUE_AT_ONCE as u64;
    while left > 0 {
        let group = left.min(1_000);
        house.store.accept(deliveries(group)).await.unwrap();
        left -= group;
    }
    let ctx = house.context("prova");
    let began = Instant::now();
    for _ in 0..steps {
        assert!(dispatch_next(&ctx).await.unwrap(), "the queue is empty");
    }
    let took = began.elapsed();
    let counts = house.store.counts().await.unwrap();
    assert_eq!(counts.deliveries_pending, WAITING);
    house.store.close().await;
    took
}

async fn house(dir: &Path) -> House {
    let sim = Simulator::start(Options::new(std::sync::Arc::new(|| AT.as_millis())))
        .await
        .unwrap();
    std::fs::write(dir.join("key.pem"), sim.private_key_pem()).unwrap();
    std::fs::write(dir.join("secret"), "secret").unwrap();
    let text = "[github]\napp_id = 1\nprivate_key_file = \"key.pem\"\n\
        webhook_secret_file = \"secret\"\n[store]\nurl = \"sqlite://DIR/prova.db\"\n\
        [work]\ndir = \"DIR/work\"\n[sandbox]\nbackend = \"none\"\n"
        .replace("DIR", &dir.display().to_string());
    let environment = BTreeMap::new();
    let settings = load("prova.toml", &text, dir, (&environment, Need::Server)).unwrap();
    House::open(settings, system_clock()).await.unwrap()
}
