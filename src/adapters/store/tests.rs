//! What cannot be seen through the port: query plans, and what the engine does when the disk is full.

use std::path::Path;

use super::*;
use crate::adapters::store::session::args;
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;
use crate::ports::fault::Class;
use crate::ports::store::{Inbox as _, NewDelivery, Queue as _};

async fn open(directory: &Path) -> SqlStore {
    let path = directory.join("prova.db");
    SqlStore::open(&format!("sqlite://{}", path.display()))
        .await
        .unwrap()
}

/// Returns how SQLite carries a statement out, one step a line.
async fn plan(store: &SqlStore, sql: &'static str) -> Vec<String> {
    let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
    store
        .all(explain, args![], |row| row.text(3))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A step that looks at every row of a table, or sorts.
fn is_slow(step: &str) -> bool {
    let reads_no_more_than_it_needs = [
        // In order, and the first entry is the answer.
        "SCAN installation USING INDEX installation_turn",
        "SCAN installation USING COVERING INDEX installation_turn",
        // Indexes that hold nothing but what is counted or listed.
        "SCAN delivery USING COVERING INDEX delivery_pending",
        "SCAN job USING COVERING INDEX job_ready",
        "SCAN lane USING COVERING INDEX lane_busy",
        "SCAN other USING COVERING INDEX lane_busy",
        "SCAN job USING COVERING INDEX job_waiting",
        "SCAN job USING COVERING INDEX job_running",
        "SCAN job USING INDEX job_live",
        "SCAN outbox USING COVERING INDEX outbox_repo",
        // Derived tables: a few minima, and the rows that a statement brings along.
        "SCAN decided",
        "SCAN due",
        "SCAN next",
        "SCAN CONSTANT ROW",
    ];
    let scans = step.starts_with("SCAN")
        && !step.ends_with("VALUES CLAUSE")
        && !reads_no_more_than_it_needs.contains(&step);
    let derived = ["SEARCH due", "SEARCH next"].contains(&step);
    let walks = step.starts_with("SEARCH") && !step.contains("USING") && !derived;
    scans || walks || step.contains("TEMP B-TREE")
}

#[tokio::test]
async fn no_loop_of_the_server_reads_whole_tables() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let inserts = inbox::INSERTS.iter().chain(inbox::DECISIONS.iter());
    let inserts = inserts.map(|(_, sql)| sql.as_str());
    let mut slow = Vec::new();
    for sql in HOT.iter().copied().chain(inserts) {
        let plan = plan(&store, sql).await;
        if plan.iter().any(|step| is_slow(step)) {
            slow.push((sql, plan));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

/// Every statement that intake, dispatch, workers and the outbox run.
const HOT: &[&str] = &[
    inbox::OLDEST_DUE,
    inbox::BEHIND,
    inbox::BY_ID,
    inbox::HOLD,
    inbox::HELD_UNTIL,
    inbox::NEWEST_PARKED,
    inbox::REPLAY,
    inbox::KNOWN,
    bases::ASK,
    bases::NEXT,
    bases::DONE,
    bases::AGAIN,
    bases::PUT_OFF,
    notes::READ,
    notes::WRITE,
    inbox::FORGET,
    commit::ADD_TASK,
    commit::CHANGE_TASK,
    commit::ADD_AUDIT,
    tasks::BY_ID,
    tasks::OPEN_BY_THREAD,
    tasks::COUNT_BY_THREAD,
    tasks::OPEN_BY_PULL,
    tasks::OPEN_BY_INSTALLATION,
    tasks::OPEN_BY_REPO,
    tasks::UNSENT_BY_REPO,
    tasks::JOBS,
    tasks::JOURNAL,
    tasks::AUDIT_OF_THREAD,
    tasks::SENT,
    jobs::ADD_INSTALLATION,
    jobs::ADD_INSTALLATION_OF,
    jobs::ADD_LANE,
    jobs::ADD_JOB,
    jobs::MORE_READY,
    jobs::LIVE_JOB,
    jobs::STOP_QUEUED,
    jobs::STOP_RUNNING,
    jobs::ONE_LESS_READY,
    jobs::HOLD_LEASE,
    jobs::ADD_ENTRY,
    jobs::END,
    jobs::ONE_LESS_RUNNING,
    jobs::EXPIRED,
    jobs::GIVE_UP_LEASE,
    jobs::HELD,
    jobs::WAITING,
    jobs::WAKE,
    limits::WIDE,
    limits::RUNNING,
    limits::IS_TOO_MANY,
    limits::FULL,
    turns::NEXT_INSTALLATION.alone,
    turns::NEXT_LANE.alone,
    turns::STILL_OPEN,
    turns::SERVE_INSTALLATION,
    jobs::SERVE_LANE,
    jobs::NEXT_OF_LANE,
    jobs::TAKE,
    jobs::PUT_OFF,
    jobs::TASK,
    jobs::JOURNAL,
    outbox::FREE_TURN,
    outbox::GIVE_TURN,
    outbox::SEEN,
    outbox::ADD,
    outbox::REPLACE,
    outbox::DROP,
    outbox::HELD,
    outbox::DUE.alone,
    outbox::THREAD_OF,
    outbox::FREE,
    outbox::TAKE,
    outbox::PUT_OFF,
    outbox::LEASED,
    outbox::END,
    processes::NOTE,
    processes::LEAVE,
    processes::TAKE,
    version::SIGN,
    queue::HEARTBEAT,
    queue::COUNTS,
    queue::LIVE,
    queue::NEXT_DUE,
    spend::ADD_CALL,
    spend::SETTLE,
    spend::SPENT,
    spend::UNPRESUME,
    holds::ADD,
    holds::SET_ASIDE,
    holds::KEEP,
    holds::TAKE,
    holds::ENDED.alone,
    spend::FORGET,
];

/// Lets the database grow by so many pages at most, on the connection that writes.
async fn limit_pages(store: &SqlStore, sql: &'static str) {
    let mut session = store.write().await.unwrap();
    let set = session.rows(sql, args![]).await.map(drop);
    session.end(set).await.unwrap();
}

fn large(id: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::new(id),
        event: "push".to_owned(),
        body: vec![7; 3 << 20].into(),
        received_at: Timestamp::EPOCH,
    }
}

#[tokio::test]
async fn a_full_disk_passes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    limit_pages(&store, "PRAGMA max_page_count = 400").await;
    for _ in 0..3 {
        let fault = store
            .accept(vec![large("a"), large("b")])
            .await
            .unwrap_err();
        assert_eq!(fault.class, Class::Transient, "{fault}");
        assert!(fault.cause.contains("free some space"), "{fault}");
    }
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.deliveries_pending, 0, "nothing is half stored");
    limit_pages(&store, "PRAGMA max_page_count = 4294967294").await;
    store.accept(vec![large("a"), large("b")]).await.unwrap();
    assert_eq!(store.counts().await.unwrap().deliveries_pending, 2);
}

#[tokio::test]
async fn a_transaction_that_the_engine_ended_itself_costs_one_connection() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    // As SQLite does when the disk is full or an operation on it fails.
    let mut session = store.write().await.unwrap();
    session.run("ROLLBACK", args![]).await.unwrap();
    let outcome = session.end(Ok(())).await;
    assert!(outcome.is_err(), "there was nothing to commit");
    store.accept(vec![large("a")]).await.unwrap();
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let mut session = store.read().await.unwrap();
    let done = session.run("DELETE FROM meta", args![]).await;
    let fault = session.end(done).await.unwrap_err().fault("try");
    assert!(fault.cause.contains("cannot be written"), "{fault}");
}

#[tokio::test]
async fn another_process_that_writes_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (open(directory.path()).await, open(directory.path()).await);
    let held = one.write().await.unwrap();
    let waiting = tokio::spawn(async move { other.accept(vec![large("a")]).await });
    // Long enough for the other to try and fail, were it not to wait.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    held.end(Ok(())).await.unwrap();
    waiting.await.unwrap().unwrap();
}
