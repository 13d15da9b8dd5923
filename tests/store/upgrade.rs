//! A store that an earlier version has filled, and one that a later version has brought further.

use std::path::Path;
use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use prova::adapters::store::SqlStore;
use prova::domain::budget::Scope;
use prova::domain::effect::Sent;
use prova::domain::ids::CommentId;
use prova::domain::money::Usd;
use prova::ports::store::{
    DeliveryState, EffectEnd, Inbox as _, Notes as _, Processes as _, Queue as _, Spending as _,
    Tasks as _,
};

use crate::cluster::Cluster;
use crate::world::{
    Opened, at, delivery, effect_ends, entry, job_id, job_over, key, queued, take_effect, take_job,
    task, task_id, thread, work,
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static ON_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What a migration of the next version may do: new tables, and columns that have a default or may be
/// missing.
const EXPAND: &str = "\
    CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY) STRICT; \
    ALTER TABLE meta ADD COLUMN later TEXT; \
    ALTER TABLE delivery ADD COLUMN later INTEGER NOT NULL DEFAULT 7; \
    ALTER TABLE task ADD COLUMN later TEXT; \
    ALTER TABLE lane ADD COLUMN later INTEGER NOT NULL DEFAULT 7; \
    ALTER TABLE job ADD COLUMN later TEXT NOT NULL DEFAULT ''; \
    ALTER TABLE journal ADD COLUMN later TEXT; \
    ALTER TABLE outbox ADD COLUMN later TEXT; \
    ALTER TABLE audit ADD COLUMN later TEXT; \
    ALTER TABLE model_call ADD COLUMN later TEXT; \
    ALTER TABLE spend ADD COLUMN later TEXT; \
    ALTER TABLE hold ADD COLUMN later TEXT; \
    ALTER TABLE process ADD COLUMN later TEXT; \
    ALTER TABLE duty ADD COLUMN later TEXT; \
    ALTER TABLE installation ADD COLUMN later TEXT; \
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    VALUES (999, 'later', TRUE, x'00', 0)";

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

async fn run(path: &Path, sql: &'static str) {
    let mut connection = SqliteConnection::connect(&url(path)).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Opens an empty store whose schema then goes one step ahead, under this code's feet.
pub(crate) async fn open_expanded() -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    let store = SqlStore::open(&url(&path)).await.unwrap();
    run(&path, EXPAND).await;
    Opened {
        store: Arc::new(store),
        _keep: Box::new(directory),
    }
}

/// What a server of each schema adds to what the ones before have left.
const ROWS: [&str; 9] = [
    include_str!("rows/0001.sql"),
    include_str!("rows/0002.sql"),
    include_str!("rows/0003.sql"),
    include_str!("rows/0004.sql"),
    include_str!("rows/0005.sql"),
    include_str!("rows/0006.sql"),
    include_str!("rows/0007.sql"),
    include_str!("rows/0008.sql"),
    include_str!("rows/0009.sql"),
];

/// Makes a store of an earlier schema, filled.
async fn filled(path: &Path, schema: usize) {
    migrated(path, schema).await;
    for rows in ROWS.iter().take(schema) {
        run(path, rows).await;
    }
}

/// Makes an empty store of an earlier schema.
async fn migrated(path: &Path, schema: usize) {
    std::fs::File::create(path).unwrap();
    let migrations: Vec<_> = MIGRATIONS.iter().take(schema).cloned().collect();
    let mut connection = SqliteConnection::connect(&url(path)).await.unwrap();
    let migrator = Migrator::with_migrations(migrations);
    migrator.run(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Reads all that is there.
async fn reads_back(store: &SqlStore, schema: usize) {
    let deliveries = store.deliveries(false, 10).await.unwrap();
    let states: Vec<_> = deliveries.into_iter().map(|line| line.state).collect();
    let expected = [
        DeliveryState::Parked("unreadable".to_owned()),
        DeliveryState::Done("decided".to_owned()),
        DeliveryState::Pending,
    ];
    assert_eq!(states, expected);
    let pending = store.next_deliveries(at(10)).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].delivery, delivery("pending", 1));
    for (repo, number) in [(1, 1), (1, 2), (2, 1)] {
        let thread = thread(repo, number);
        let read = store.thread_tasks(thread).await.unwrap().open.unwrap();
        assert_eq!(read.task, task(task_id(thread, 1)));
    }
    let jobs = store.jobs(task_id(thread(1, 1), 1)).await.unwrap();
    assert_eq!(jobs[0].state, "running");
    assert_eq!(jobs[0].journal, [(1, at(10), entry("c0ffee"))]);
    let cost = match schema {
        1 => 0,
        2..=5 => 3,
        _ => 10,
    };
    assert_eq!(jobs[0].cost, Usd::from_micros(cost));
    let sent = store.sent(&key("status")).await.unwrap();
    assert_eq!(sent, Some(Sent::Comment(CommentId(5))));
    assert_eq!(store.audit(None, 10).await.unwrap().len(), 1);
    let note = store.note("reconcile").await.unwrap();
    assert_eq!(note.as_deref(), Some("far"));
    let processes = store.processes().await.unwrap();
    assert_eq!(processes.len(), usize::from(schema >= 4));
}

/// Does what was left to do, as the server does that comes after.
async fn goes_on(store: &SqlStore, schema: usize) {
    // A model call that was under way is charged all that it may have cost.
    let of_job = [Scope::Job(job_id(task_id(thread(1, 1), 1), 1))];
    let before = store.spent(&of_job).await.unwrap()[0];
    let ended = store.charge_ended(at(60_000)).await.unwrap();
    assert_eq!(ended, u64::from(schema >= 6));
    let after = store.spent(&of_job).await.unwrap()[0];
    assert_eq!(after, before.plus(Usd::from_micros(40 * ended)));
    // What the dead worker had, once its lease has run out; then the others, in their order: the
    // installation first that was served longest ago.
    for (repo, number) in [(1, 1), (2, 1), (1, 2)] {
        let job = take_job(store, 60_000).await.unwrap();
        let expected = task_id(thread(repo, number), 1);
        assert_eq!(job.lease.job, job_id(expected, 1));
        assert_eq!(job.work, work(expected.thread));
        store.commit(&job_over(&job), at(60_000)).await.unwrap();
    }
    assert_eq!(take_job(store, 60_000).await, None);
    let mut effects = Vec::new();
    while let Some(effect) = take_effect(store, 120_000).await {
        let end = EffectEnd::Sent(Sent::Comment(CommentId(6)));
        store
            .commit(&effect_ends(&effect, end), at(120_000))
            .await
            .unwrap();
        effects.push(effect.key.as_str().to_owned());
    }
    effects.sort();
    let expected: &[&str] = match schema {
        ..3 => &["second"],
        3..9 => &["other", "second"],
        9.. => &["other", "second", "suite"],
    };
    assert_eq!(effects, expected);
    let counts = store.counts().await.unwrap();
    let left = counts.jobs_queued + counts.jobs_running + counts.effects_pending;
    assert_eq!(left, 0, "{counts:?}");
}

#[tokio::test]
async fn a_store_of_each_earlier_schema_reads_back_and_its_work_goes_on() {
    let newest = MIGRATIONS.iter().count();
    assert_eq!(ROWS.len(), newest, "tests/store/rows has a file for each");
    for schema in 1..=newest {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prova.db");
        filled(&path, schema).await;
        let store = SqlStore::open(&url(&path)).await.unwrap();
        store.check().await.unwrap();
        reads_back(&store, schema).await;
        goes_on(&store, schema).await;
        store.close().await;
    }
}

/// Makes a PostgreSQL database of an earlier schema, filled by the same rows.
async fn filled_on_postgres(url: &str, schema: usize) {
    /// The rows above have their numbers with them.
    const COUNTED: [&str; 4] = ["delivery", "job", "journal", "audit"];
    let mut connection = PgConnection::connect(url).await.unwrap();
    let migrations: Vec<_> = ON_POSTGRES.iter().take(schema).cloned().collect();
    let migrator = Migrator::with_migrations(migrations);
    migrator.run(&mut connection).await.unwrap();
    for rows in ROWS.iter().take(schema) {
        let rows = rows.replace("AS BLOB", "AS BYTEA");
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(rows));
        rows.execute(&mut connection).await.unwrap();
    }
    for table in COUNTED {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'seq'), (SELECT MAX(seq) FROM {table}))"
        );
        let counted = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        counted.execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Writes as an old process does, transaction after transaction, until it is told to end; how many. One
/// that PostgreSQL ends, since it and another wait for each other, is made again, as the store does it.
async fn an_old_process(url: String, stop: tokio_util::sync::CancellationToken) -> u32 {
    const STEP: &str = "BEGIN; \
        INSERT INTO audit (at, actor, thread, what, detail) VALUES (1, 'alice', '9#9', 'x', ''); \
        UPDATE task SET version = version WHERE id = '1-1-1'; \
        UPDATE job SET note = note WHERE id = '1-1-1.1'; \
        UPDATE lane SET turn = turn WHERE repo = '1'; \
        DELETE FROM audit WHERE thread = '9#9'; \
        COMMIT";
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut steps = 0;
    while !stop.is_cancelled() || steps == 0 {
        match sqlx::raw_sql(STEP).execute(&mut connection).await {
            Ok(_) => steps += 1,
            Err(error) => {
                let code = error
                    .as_database_error()
                    .map(sqlx::error::DatabaseError::code);
                let code = code.flatten();
                assert_eq!(code.as_deref(), Some("40P01"), "{error}");
                let back = sqlx::raw_sql("ROLLBACK");
                back.execute(&mut connection).await.unwrap();
            }
        }
    }
    connection.close().await.unwrap();
    steps
}

/// The same on PostgreSQL, brought further while an old process works.
#[test]
fn a_postgres_of_each_earlier_schema_is_brought_further_under_a_process_that_works() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = Cluster::start();
    for schema in 1..=ROWS.len() {
        let url = cluster.database(&format!("schema{schema}"), "template0");
        runtime.block_on(async {
            filled_on_postgres(&url, schema).await;
            let stop = tokio_util::sync::CancellationToken::new();
            let old = tokio::spawn(an_old_process(url.clone(), stop.clone()));
            let store = SqlStore::open(&url).await.unwrap();
            stop.cancel();
            assert!(old.await.unwrap() > 0);
            store.check().await.unwrap();
            reads_back(&store, schema).await;
            goes_on(&store, schema).await;
            store.close().await;
        });
    }
}

/// The version before knows nothing of installations; what it queues is taken, and takes its turn.
#[tokio::test]
async fn what_a_version_without_installations_queues_takes_its_turn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    migrated(&path, ROWS.len()).await;
    let store = SqlStore::open(&url(&path)).await.unwrap();
    run(&path, ROWS[0]).await;
    // A lane of this version's, whose installation is the other lane's in truth.
    store
        .commit(&queued(thread(3, 1), at(0)), at(0))
        .await
        .unwrap();
    let mut order = Vec::new();
    while let Some(job) = take_job(&store, 60_000).await {
        let thread = job.task.task.id.thread;
        order.push((thread.repo.0, thread.number.0));
        store.commit(&job_over(&job), at(60_000)).await.unwrap();
    }
    assert_eq!(order, [(1, 1), (1, 2), (3, 1), (2, 1)]);
    // Its next job tells.
    store
        .commit(&queued(thread(1, 3), at(0)), at(60_001))
        .await
        .unwrap();
    assert!(take_job(&store, 60_001).await.is_some());
}
