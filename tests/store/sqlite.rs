//! The SQLite store: how it opens, what it refuses, what survives a kill.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sqlx::{Connection as _, SqliteConnection};

use prova::adapters::store::SqlStore;
use prova::domain::ids::DeliveryId;
use prova::ports::fault::{Class, Fault};
use prova::ports::store::{Inbox as _, Queue as _, Tasks as _};

use crate::tasks::line;
use crate::world::{
    Opened, at, comment, delivery, new_effect, queued, take_effect, take_job, task_id, thread,
};

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// Opens an empty store in a directory of its own.
pub(crate) async fn open() -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory.path().join("prova.db"));
    let store = SqlStore::open(&url).await.unwrap();
    Opened {
        store: Arc::new(store),
        _keep: Box::new(directory),
    }
}

async fn refused(url: &str) -> Fault {
    match SqlStore::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(fault) => fault,
    }
}

/// Runs one statement beside the store.
async fn run(path: &Path, sql: &'static str) {
    let mut connection = SqliteConnection::connect(&url(path)).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_new_store_is_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    let store = SqlStore::open(&url(&path)).await.unwrap();
    store.accept(vec![delivery("d", 1)]).await.unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    store.close().await;
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "closing leaves one file, ready to be copied");
    let after = store.accept(vec![delivery("e", 1)]).await.unwrap_err();
    assert_eq!(after.cause, "the store is closed");
}

#[tokio::test]
async fn what_was_kept_is_there_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory.path().join("prova.db"));
    let store = SqlStore::open(&url).await.unwrap();
    store
        .commit(&queued(thread(1, 1), at(0)), at(0))
        .await
        .unwrap();
    let before = take_job(&store, 0).await.unwrap();
    store.close().await;
    let store = SqlStore::open(&url).await.unwrap();
    assert_eq!(store.counts().await.unwrap().jobs_running, 1);
    let after = take_job(&store, 60_000).await.unwrap();
    assert_eq!(after.lease.job, before.lease.job);
    assert_eq!(after.work, before.work);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_may_open_a_new_store_at_once() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let url = url(&directory.path().join("prova.db"));
        let opening = (0..4).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { SqlStore::open(&url).await })
        });
        for opening in opening.collect::<Vec<_>>() {
            let store = opening.await.unwrap().unwrap();
            store.counts().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_url_that_names_no_file_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("no/such/prova.db");
    let directory_itself = url(directory.path());
    for (url, words) in [
        ("postgres://host:port/db", "cannot be read"),
        ("mysql://host/db", "mysql is not a database"),
        ("prova.db", "expected sqlite://PATH"),
        ("sqlite://", "names no file"),
        ("sqlite://:memory:", "expected sqlite://PATH"),
        ("sqlite://prova.db?mode=ro", "expected sqlite://PATH"),
        (url(&missing).as_str(), "mkdir -p"),
        (directory_itself.as_str(), "directory"),
    ] {
        let fault = refused(url).await;
        assert_eq!(fault.class, Class::Permanent, "{fault}");
        let shown = fault.to_string();
        assert!(shown.contains(words) && shown.contains(url), "{shown}");
    }
    assert!(!missing.parent().unwrap().exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let text = "not a database, and somebody needs it\n".repeat(50);
    std::fs::write(&path, &text).unwrap();
    let fault = refused(&url(&path)).await;
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.cause.contains("not a SQLite database"), "{fault}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_when_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    let store = SqlStore::open(&url(&path)).await.unwrap();
    run(
        &path,
        "INSERT INTO _sqlx_migrations \
         (version, description, success, checksum, execution_time) \
         VALUES (999, 'later', TRUE, x'00', 0)",
    )
    .await;
    // It may have added something, which is nothing to us.
    let told = store.check().await.unwrap();
    assert!(told.contains("schema 999"), "{told}");
    SqlStore::open(&url(&path)).await.unwrap().close().await;
    run(
        &path,
        "UPDATE meta SET value = '998' WHERE key = 'oldest_code'",
    )
    .await;
    // The running server finds out as well.
    for fault in [store.check().await.unwrap_err(), refused(&url(&path)).await] {
        assert_eq!(fault.class, Class::Permanent);
        for words in [
            "brought to schema 999",
            "knows schema 998 at least",
            "start",
        ] {
            assert!(fault.cause.contains(words), "{fault}");
        }
    }
    store.close().await;
}

#[tokio::test]
async fn a_store_whose_schema_was_edited_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    SqlStore::open(&url(&path)).await.unwrap().close().await;
    run(&path, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let fault = refused(&url(&path)).await;
    assert!(fault.cause.contains("start the version"), "{fault}");
}

#[tokio::test]
async fn a_check_says_what_the_store_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    let store = SqlStore::open(&url(&path)).await.unwrap();
    let line = store.check().await.unwrap();
    assert!(line.starts_with("SQLite 3."), "{line}");
    assert!(line.ends_with(&path.display().to_string()), "{line}");
}

#[tokio::test]
async fn a_check_finds_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    let store = SqlStore::open(&url(&path)).await.unwrap();
    let many: Vec<_> = (0..200).map(|n| delivery(&format!("d{n}"), 1)).collect();
    store.accept(many).await.unwrap();
    store.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let last_page = bytes.len() - 4_096;
    bytes[last_page..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let store = SqlStore::open(&url(&path)).await.unwrap();
    let fault = store.check().await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.cause.contains("backup"), "{fault}");
}

#[tokio::test]
async fn a_dropped_call_leaves_the_store_usable() {
    let opened = open().await;
    let store = &*opened.store;
    for n in 0..50u64 {
        let change = queued(thread(1, n + 1), at(0));
        // Polled a few times, then dropped in the middle of the transaction.
        let mut commit = store.commit(&change, at(0));
        for _ in 0..n % 10 {
            tokio::select! {
                biased;
                _ = &mut commit => break,
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let counts = store.counts().await.unwrap();
    let tasks = store.tasks(true, 1_000).await.unwrap();
    assert_eq!(
        counts.jobs_queued,
        tasks.len() as u64,
        "whole or not at all"
    );
    store.accept(vec![delivery("d", 1)]).await.unwrap();
}

/// Where the process that is to be killed finds its database.
const CHILD: &str = "PROVA_TEST_STORE_CHILD";

/// The process that is to be killed: works without end, and prints what has been acknowledged.
#[tokio::test]
#[ignore = "runs as a child of the next test"]
async fn works_until_it_is_killed() {
    let path = std::env::var_os(CHILD).expect("the path of a database");
    let store = SqlStore::open(&url(Path::new(&path))).await.unwrap();
    let first = store.tasks(false, u32::MAX).await.unwrap().len() as u64 + 1;
    for n in first.. {
        let id = format!("d{n}");
        store.accept(vec![delivery(&id, 1)]).await.unwrap();
        println!("accepted {id}");
        let here = thread(n % 7, n);
        let mut change = queued(here, at(0));
        change.effects = vec![new_effect(&format!("e{n}"), here, comment("x"))];
        change.audit = vec![line(1, Some(here))];
        store.commit(&change, at(0)).await.unwrap();
        println!("committed {n}");
    }
}

/// Starts the child, kills it after some lines and returns all that it said.
fn killed_after(path: &Path, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::works_until_it_is_killed"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    for _ in 0..lines {
        assert!(
            output.read_line(&mut said).unwrap() > 0,
            "it died early: {said}"
        );
    }
    child.kill().unwrap(); // SIGKILL, somewhere in its work
    child.wait().unwrap();
    output.read_to_string(&mut said).unwrap();
    let whole = said.rfind('\n').unwrap();
    said[..whole].lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prova.db");
    let mut committed = 0;
    for lines in [40, 53, 66, 79] {
        let said = killed_after(&path, lines);
        let store = SqlStore::open(&url(&path)).await.unwrap();
        for line in said {
            if let Some(id) = line.strip_prefix("accepted ") {
                let found = store.delivery(&DeliveryId::new(id)).await.unwrap();
                assert!(found.is_some(), "{id} is lost");
            } else if let Some(n) = line.strip_prefix("committed ") {
                let n = n.parse().unwrap();
                let task = store.task(task_id(thread(n % 7, n), 1)).await.unwrap();
                assert!(task.is_some(), "change {n} is lost");
                committed += 1;
            }
        }
        // Changes are whole: each brought a task, a job, an effect and a line.
        let counts = store.counts().await.unwrap();
        assert!(counts.jobs_queued >= committed);
        assert_eq!(counts.jobs_queued, counts.effects_pending);
        let tasks = store.tasks(true, u32::MAX).await.unwrap().len();
        let lines = store.audit(None, u32::MAX).await.unwrap().len();
        assert_eq!((tasks, lines as u64), (lines, counts.jobs_queued));
        store.check().await.unwrap();
        store.close().await;
    }
    assert!(committed > 50, "only {committed}");
    let store = SqlStore::open(&url(&path)).await.unwrap();
    assert!(take_job(&store, 1).await.is_some());
    assert!(take_effect(&store, 1).await.is_some());
}

#[tokio::test]
async fn a_backup_is_the_store_of_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let [path, copy] = ["prova.db", "copy.db"].map(|name| directory.path().join(name));
    let store = Arc::new(SqlStore::open(&url(&path)).await.unwrap());
    let deliver = async |from: usize, until: usize| {
        for n in from..until {
            let new = delivery(&format!("d{n}"), 1);
            store.accept(vec![new]).await.unwrap();
        }
    };
    deliver(0, 50).await;
    // Others write meanwhile, and are not held up for good.
    let (backed_up, ()) = tokio::join!(store.backup(&copy), deliver(50, 100));
    backed_up.unwrap();
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let restored = SqlStore::open(&url(&copy)).await.unwrap();
    restored.check().await.unwrap();
    let here = restored.deliveries(false, 1_000).await.unwrap();
    // Newest first, and none is missing below the newest.
    let ids: Vec<_> = here.iter().rev().map(|line| line.id.to_string()).collect();
    assert!((50..=100).contains(&ids.len()), "{}", ids.len());
    assert!(
        ids.iter().enumerate().all(|(n, id)| *id == format!("d{n}")),
        "{ids:?}"
    );
    restored.close().await;

    // What is there is never written over, and what fails leaves nothing.
    let there = store.backup(&copy).await.unwrap_err();
    assert!(there.to_string().contains("File exists"), "{there}");
    let nowhere = directory.path().join("no/such/copy.db");
    assert!(store.backup(&nowhere).await.is_err());
    assert_eq!(store.deliveries(false, 1_000).await.unwrap().len(), 100);
    store.close().await;
}
