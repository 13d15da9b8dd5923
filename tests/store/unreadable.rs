//! What a later version has written in a way that this one cannot read: nobody waits for it.

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use prova::adapters::store::SqlStore;
use prova::ports::store::{Changes, EffectEnd, LeasedEffect, Queue as _, Tasks as _};

use crate::cluster::Cluster;
use crate::world::{
    at, comment, effect_ends, effects, entry, job_over, journalled, new_effect, queued,
    take_effect, take_job, task_id, thread,
};

/// Does to the database what this version would not.
async fn run(url: &str, sql: &'static str) {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let run = sqlx::raw_sql(sql).execute(&mut connection).await;
        run.map(drop).unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let run = sqlx::raw_sql(sql).execute(&mut connection).await;
        run.map(drop).unwrap();
        connection.close().await.unwrap();
    }
}

async fn jobs(store: &SqlStore, url: &str) {
    let (strange, beside, other) = (thread(1, 1), thread(1, 2), thread(2, 1));
    for here in [strange, beside, other] {
        let changes = queued(here, at(0));
        store.commit(&changes, at(0)).await.unwrap();
    }
    run(
        url,
        "CREATE TABLE kept AS SELECT id, work FROM job; \
         UPDATE job SET work = '{\"later\":1}' WHERE id = '1-1-1.1'",
    )
    .await;
    // Neither its lane nor another waits.
    let mut taken = Vec::new();
    for _ in 0..2 {
        let job = take_job(store, 0).await.unwrap();
        taken.push(job.lease.job.task.thread);
        store.commit(&job_over(&job), at(0)).await.unwrap();
    }
    taken.sort();
    assert_eq!(taken, [beside, other]);
    // It is looked at once a minute, which is no attempt.
    assert_eq!(store.next_due(at(0)).await.unwrap(), Some(at(60_000)));
    assert_eq!(take_job(store, 59_999).await, None);
    assert_eq!(take_job(store, 60_000).await, None);
    let line = &store.jobs(task_id(strange, 1)).await.unwrap()[0];
    assert_eq!((line.state.as_str(), line.attempts), ("queued", 0));
    assert!(line.note.contains("cannot be read"), "{}", line.note);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.jobs_queued, counts.jobs_running), (1, 0));

    // A version that can takes it.
    run(
        url,
        "UPDATE job SET work = (SELECT work FROM kept WHERE kept.id = job.id) \
         WHERE state = 'waiting'",
    )
    .await;
    let job = take_job(store, 120_000).await.unwrap();
    let lease = (job.lease.job.task.thread, job.lease.attempt);
    assert_eq!(lease, (strange, 1));

    // So it is with one that a worker of a later version has left behind.
    let step = journalled(&job, entry("c0ffee"));
    store.commit(&step, at(120_000)).await.unwrap();
    run(url, "UPDATE journal SET entry = '{\"later\":1}'").await;
    assert_eq!(take_job(store, 180_000).await, None);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.jobs_queued, counts.jobs_running), (1, 0));
    let late = store.commit(&job_over(&job), at(180_001)).await;
    assert!(late.is_err(), "its lease has run out");
}

fn gives_up(effect: &LeasedEffect) -> Changes {
    effect_ends(effect, EffectEnd::Parked(String::new()))
}

async fn writes(store: &SqlStore, url: &str) {
    let new = |name, here| new_effect(name, here, comment(name));
    let (strange, other) = (thread(1, 1), thread(1, 2));
    let changes = effects(vec![
        new("first", strange),
        new("second", strange),
        new("third", other),
    ]);
    store.commit(&changes, at(0)).await.unwrap();
    run(
        url,
        "UPDATE outbox SET effect = '{\"later\":1}' WHERE key = 'first'",
    )
    .await;
    // What is behind it on the thread keeps its order; other threads do not wait.
    let third = take_effect(store, 0).await.unwrap();
    assert_eq!(third.key.as_str(), "third");
    store.commit(&gives_up(&third), at(0)).await.unwrap();
    assert_eq!(take_effect(store, 59_999).await, None);
    assert_eq!(take_effect(store, 60_000).await, None);
    // New words for it take its place, behind what was recorded meanwhile.
    let changes = effects(vec![new("first", strange)]);
    store.commit(&changes, at(60_001)).await.unwrap();
    for expected in ["second", "first"] {
        let effect = take_effect(store, 120_000).await.unwrap();
        assert_eq!((effect.key.as_str(), effect.attempt), (expected, 1));
        let ended = gives_up(&effect);
        store.commit(&ended, at(120_000)).await.unwrap();
    }
}

#[tokio::test]
async fn jobs_and_writes_that_this_version_cannot_read_hold_up_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["jobs", "writes"] {
        let path = directory.path().join(name);
        let url = format!("sqlite://{}", path.display());
        let store = SqlStore::open(&url).await.unwrap();
        match name {
            "jobs" => jobs(&store, &url).await,
            _ => writes(&store, &url).await,
        }
        store.close().await;
    }
}

#[test]
fn nor_do_they_on_postgres() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = Cluster::start();
    for name in ["jobs", "writes"] {
        let url = cluster.database(name, "template0");
        runtime.block_on(async {
            let store = SqlStore::open(&url).await.unwrap();
            match name {
                "jobs" => jobs(&store, &url).await,
                _ => writes(&store, &url).await,
            }
            store.close().await;
        });
    }
}
