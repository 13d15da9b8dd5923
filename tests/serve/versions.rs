//! Processes that do not fit together: other versions, other machines.

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::home::{Home, wait_for};
use crate::simulated::{ask, ends_in_one_pull_request, gated, settle_in, world};

const AGENT: &str = "[agents.one]\ndriver = \"exec\"\ncommand = [\"sh\"]\n";

/// Changes the store behind the back of whoever runs on it.
async fn run(home: &Home, sql: &str) {
    let url = format!("sqlite://{}", home.path().join("prova.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What a migration of a later version does that this one cannot live with.
const CONTRACT: &str = "INSERT INTO _sqlx_migrations \
     (version, description, success, checksum, execution_time) VALUES (999, 'later', TRUE, x'00', 0); \
     UPDATE meta SET value = '999' WHERE key = 'oldest_code'; \
     UPDATE meta SET value = '9.9.9' WHERE key = 'schema_by'";

fn process(host: &str, kernel: &str, version: &str, seen_at: &str) -> String {
    format!(
        "INSERT INTO process (id, role, host, kernel, version, schema, started_at, seen_at) \
         VALUES ('worker-{host}', 'worker', '{host}', '{kernel}', '{version}', 4, 1, {seen_at})"
    )
}

/// Now, in milliseconds.
const NOW: &str = "CAST(strftime('%s', 'now') AS INTEGER) * 1000";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_working_when_a_later_version_takes_its_schema_away() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, AGENT);
    let server = home.serve();
    run(&home, CONTRACT).await;
    let told = wait_for(&home, "the server to see it", || {
        let (status, told) = home.get("/readyz");
        (status == 503).then_some(told)
    });
    let version = env!("CARGO_PKG_VERSION");
    for words in [
        "brought to schema 999 by Prova 9.9.9",
        &format!("this is Prova {version}"),
        "start Prova 9.9.9",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert!(home.log().contains("this process works no more"));
    assert_eq!(server.terminate().code(), Some(0));
    // It does not start again, and says the same.
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("start Prova 9.9.9"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_several_versions_are_told_and_go_on() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, AGENT);
    let server = home.serve();
    let ours = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    run(&home, &process("b", ours.trim(), "9.9.9", NOW)).await;
    let doctor = home.run(&["doctor"]);
    let version = env!("CARGO_PKG_VERSION");
    let told = format!("Prova runs in the versions {version} and 9.9.9");
    let mut lines = doctor.out.lines();
    let line = lines.find(|line| {
        line.get(9..)
            .is_some_and(|rest| rest.starts_with("processes"))
    });
    let line = line.unwrap_or_default();
    assert!(
        line.starts_with("warning") && line.contains(&told),
        "{}",
        doctor.out
    );
    wait_for(&home, "the server to see it", || {
        home.log().contains(&told).then_some(())
    });
    assert_eq!(home.get("/readyz").0, 200);
    assert_eq!(server.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_on_the_same_file_is_refused() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, AGENT);
    assert_eq!(home.serve().terminate().code(), Some(0));
    run(&home, &process("elsewhere", "other-kernel", "0.1.0", NOW)).await;
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, 2);
    for words in ["worker-elsewhere", "the machine elsewhere", "SQLite is for"] {
        assert!(refused.err.contains(words), "{}", refused.err);
    }
    // Once nothing is heard of it, it is gone.
    run(&home, "UPDATE process SET seen_at = 1").await;
    assert_eq!(home.serve().terminate().code(), Some(0));
}

/// What a migration of a later version may do while this one runs.
const EXPAND: &str = "INSERT INTO _sqlx_migrations \
     (version, description, success, checksum, execution_time) VALUES (999, 'later', TRUE, x'00', 0); \
     CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY) STRICT; \
     ALTER TABLE task ADD COLUMN later TEXT; \
     ALTER TABLE job ADD COLUMN later TEXT NOT NULL DEFAULT ''; \
     ALTER TABLE outbox ADD COLUMN later INTEGER NOT NULL DEFAULT 0; \
     ALTER TABLE delivery ADD COLUMN later TEXT";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_when_a_later_version_adds_to_the_schema() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let server = home.serve();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    wait_for(&home, "the job to run", || {
        let metrics = home.get("/metrics").1;
        metrics.contains("prova_jobs_running 1\n").then_some(())
    });
    run(&home, EXPAND).await;
    std::fs::write(home.path().join("gate/open"), "").unwrap();
    ends_in_one_pull_request(&home, &sim, server);
    // And the way back is open: it starts on that schema, too.
    let again = home.serve();
    let doctor = home.run(&["doctor"]);
    assert!(doctor.out.contains("schema 999"), "{}", doctor.out);
    assert_eq!(again.terminate().code(), Some(0));
}
