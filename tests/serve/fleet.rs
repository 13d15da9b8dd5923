//! Several processes on one store: a server that only receives and decides, and workers.

use std::time::{Duration, Instant};

use prova::simulator::Simulator;
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::{File, RepositorySpec};
use rustix::process::Signal;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::cluster::Cluster;
use crate::home::{Home, Server, wait_for};
use crate::simulated::{REPO, ask, gated, once, settle_in, world};

/// A lease that runs out while a test waits.
const LEASE: (&str, &str) = ("PROVA_WORK__LEASE_SECONDS", "5");
const NO_JOBS: (&str, &str) = ("PROVA_WORK__JOBS", "0");

/// A server without jobs of its own.
pub(crate) fn front(home: &Home) -> Server {
    let server = home.start("serve", "front", &[NO_JOBS, LEASE]);
    wait_for(home, "the server to answer", || {
        (home.get("/readyz").0 == 200).then_some(())
    });
    server
}

/// A worker that is on the list of processes.
pub(crate) fn worker(home: &Home, dir: &str, more: &[(&str, &str)]) -> Server {
    let worker = home.start("worker", dir, &[&[LEASE], more].concat());
    wait_for(home, "the worker to be at work", || {
        home.log_of(dir).contains("role=\"worker\"").then_some(())
    });
    worker
}

/// Returns the first task's job, when it is as it should be.
fn job(home: &Home, state: &str, attempts: u64) -> Option<()> {
    let tasks = home.json(&["tasks", "ls", "--json"]);
    let task = home.json(&["tasks", "show", tasks[0]["id"].as_str()?, "--json"]);
    let job = &task["job_list"][0];
    (job["state"] == state && job["attempts"] == attempts).then_some(())
}

/// Waits until the first job runs, and nothing is on its way to GitHub.
pub(crate) fn runs(home: &Home, attempts: u64) {
    wait_for(home, "the job to run, and the thread to say so", || {
        job(home, "running", attempts)?;
        let sent = home.get("/metrics").1.contains("prova_effects_pending 0\n");
        sent.then_some(())
    });
}

/// Waits until a thread's pull request is there, whole.
fn proposed(home: &Home, sim: &Simulator, repo: &str) {
    wait_for(home, "the pull request", || {
        let told = sim.transcript(repo, 1).unwrap();
        let pull = sim.transcript(repo, 2).ok()?;
        let whole = pull.contains("prova: success") && told.contains("**In review**");
        whole.then_some(())
    });
}

fn open(home: &Home) {
    std::fs::write(home.path().join("gate/open"), "").unwrap();
}

/// A house on a store of its own.
async fn settled(store: Option<&str>) -> (Home, Simulator) {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    if let Some(url) = store {
        home.store_in(url);
    }
    (home, sim)
}

/// A cluster with an empty database. It dies with the thread that asks for it, so not within a runtime.
pub(crate) fn on_postgres(story: impl AsyncFnOnce(&mut Cluster, &str)) {
    let mut cluster = Cluster::start();
    let url = cluster.database("prova", "template0");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(story(&mut cluster, &url));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_two_workers_do_everything_once() {
    do_everything_once(None).await;
}

#[test]
fn servers_and_workers_on_postgres_do_everything_once() {
    on_postgres(async |_, url| do_everything_once(Some(url)).await);
}

async fn do_everything_once(store: Option<&str>) {
    let (home, sim) = settled(store).await;
    let others = ["octo/one", "octo/two", "octo/three"];
    for repo in others {
        let policy = File::new(".github/prova.toml", "checks = [\"true\"]\n");
        let files = vec![File::new("README.md", "teh readme\n"), policy];
        sim.create_repository(&RepositorySpec::new(repo, files))
            .unwrap();
        sim.set_role(repo, "ada", Role::Write).unwrap();
    }
    // Two of everything.
    let server = front(&home);
    let second = home.start(
        "serve",
        "second",
        &[NO_JOBS, ("PROVA_SERVER__LISTEN", "127.0.0.1:0")],
    );
    let workers = ["one", "two"].map(|dir| worker(&home, dir, &[]));
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    for repo in others {
        let ada = sim.as_person("ada");
        ada.open_issue(repo, "Mend it", "It says `teh`.", &["prova"])
            .unwrap();
    }
    // Each worker does two at once: with four under way both are at work.
    wait_for(&home, "all four jobs to run", || {
        let metrics = home.get("/metrics").1;
        metrics.contains("prova_jobs_running 4\n").then_some(())
    });
    let version = env!("CARGO_PKG_VERSION");
    let metrics = home.get("/metrics").1;
    for (role, count) in [("serve", 2), ("worker", 2)] {
        let line = format!("prova_processes{{role=\"{role}\",version=\"{version}\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let listed = home.json(&["processes", "ls", "--json"]);
    let listed: Vec<_> = listed.as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 4, "{listed:#?}");
    assert!(listed.iter().all(|one| one["state"] == "running"));
    open(&home);
    for repo in [REPO].into_iter().chain(others) {
        proposed(&home, &sim, repo);
    }
    for process in workers.into_iter().chain([server, second]) {
        assert_eq!(process.terminate().code(), Some(0));
    }
    for repo in [REPO].into_iter().chain(others) {
        once(&sim, repo);
    }
    let left = home.json(&["processes", "ls", "--json"]);
    assert_eq!(left, serde_json::json!([]), "who ends strikes itself off");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_decides_when_the_first_is_killed() {
    let (mut home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    open(&home);
    let first = front(&home);
    // Both are at the door; the first has been deciding all along.
    home.port = Home::new().port;
    let listen = format!("127.0.0.1:{}", home.port);
    let address = ("PROVA_SERVER__LISTEN", listen.as_str());
    let second = home.start("serve", "second", &[address]);
    wait_for(&home, "the second server to answer", || {
        (home.get("/readyz").0 == 200).then_some(())
    });
    first.kill();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    proposed(&home, &sim, REPO);
    assert_eq!(second.terminate().code(), Some(0));
    once(&sim, REPO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_a_job_is_replaced_by_another() {
    is_replaced(None).await;
}

#[test]
fn a_worker_on_postgres_that_is_killed_in_a_job_is_replaced_by_another() {
    on_postgres(async |_, url| is_replaced(Some(url)).await);
}

/// The database goes down and comes back while a job runs.
#[test]
fn a_crash_of_postgres_is_sat_out() {
    on_postgres(async |cluster, url| {
        let (home, sim) = settled(Some(url)).await;
        let server = front(&home);
        let worker = worker(&home, "one", &[]);
        sim.deliver_to(&home.webhook()).unwrap();
        ask(&sim);
        runs(&home, 1);
        cluster.crash();
        open(&home);
        proposed(&home, &sim, REPO);
        for process in [worker, server] {
            assert_eq!(process.terminate().code(), Some(0));
        }
        once(&sim, REPO);
    });
}

async fn is_replaced(store: Option<&str>) {
    let (home, sim) = settled(store).await;
    let server = front(&home);
    let first = worker(&home, "one", &[]);
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    runs(&home, 1);
    let second = worker(&home, "two", &[]);
    first.kill();
    runs(&home, 2);
    open(&home);
    proposed(&home, &sim, REPO);
    assert_eq!(second.terminate().code(), Some(0));
    assert_eq!(server.terminate().code(), Some(0));
    once(&sim, REPO);
}

/// Stops a worker in a moment in which it holds nothing but its job: one that is stopped in the middle of
/// a write keeps SQLite's lock, and in the middle of an effect that one's lease of two minutes.
async fn stall(home: &Home, worker: &Server) {
    loop {
        worker.signal(Signal::STOP);
        let idle = home.get("/metrics").1.contains("prova_effects_pending 0\n");
        if idle && is_writable(home).await {
            return;
        }
        worker.signal(Signal::CONT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether nobody is in the middle of a write.
async fn is_writable(home: &Home) -> bool {
    let options = SqliteConnectOptions::new()
        .filename(home.path().join("prova.db"))
        .busy_timeout(Duration::from_secs(1));
    let mut beside = options.connect().await.unwrap();
    let begun = beside.begin_with("BEGIN IMMEDIATE").await;
    let free = begun.is_ok();
    drop(begun);
    beside.close().await.unwrap();
    free
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_up_after_its_lease_writes_nothing() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let server = front(&home);
    let stalled = worker(&home, "one", &[]);
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    runs(&home, 1);
    stall(&home, &stalled).await;
    let second = worker(&home, "two", &[]);
    runs(&home, 2);
    // It wakes up while the other works, finds out, and ends what it had under way.
    stalled.signal(Signal::CONT);
    wait_for(&home, "the worker to see that it lost the lease", || {
        // By its heartbeat, or by what it was about to write.
        let log = home.log_of("one");
        let sees = ["lost the lease", "the job went to another worker"];
        sees.iter().any(|words| log.contains(words)).then_some(())
    });
    job(&home, "running", 2).unwrap();
    open(&home);
    proposed(&home, &sim, REPO);
    for process in [stalled, second, server] {
        assert_eq!(process.terminate().code(), Some(0));
    }
    once(&sim, REPO);
    assert!(
        !home.log_of("one").contains("panicked"),
        "{}",
        home.log_of("one")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_run_may_end_when_a_server_is_stopped() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let mut server = home.start("serve", "work", &[("PROVA_WORK__DRAIN_SECONDS", "600")]);
    wait_for(&home, "the server to answer", || {
        (home.get("/readyz").0 == 200).then_some(())
    });
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    runs(&home, 1);
    server.signal(Signal::TERM);
    wait_for(&home, "the server to have heard it", || {
        home.log_of("work").contains("another signal").then_some(())
    });
    // It answers as ever, and what is asked for now waits for the next process.
    assert_eq!(home.get("/readyz").0, 200);
    assert!(server.ended().is_none());
    open(&home);
    let ended = wait_for(&home, "the server to end", || server.ended());
    assert_eq!(ended.code(), Some(0));
    job(&home, "over", 1).unwrap();
    let next = home.serve();
    proposed(&home, &sim, REPO);
    assert_eq!(next.terminate().code(), Some(0));
    once(&sim, REPO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_hands_jobs_over_at_once() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let server = front(&home);
    let drain = [("PROVA_WORK__DRAIN_SECONDS", "600")];
    let mut first = home.start("worker", "one", &drain);
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    runs(&home, 1);
    let _second = worker(&home, "two", &[]);
    first.signal(Signal::TERM);
    wait_for(&home, "the worker to have heard it", || {
        home.log_of("one").contains("another signal").then_some(())
    });
    job(&home, "running", 1).unwrap();
    let told = Instant::now();
    first.signal(Signal::TERM);
    let ended = wait_for(&home, "the worker to end", || first.ended());
    assert_eq!(ended.code(), Some(0));
    // Not when a lease of the usual minute has run out.
    runs(&home, 2);
    assert!(
        told.elapsed() < Duration::from_secs(30),
        "{:?}",
        told.elapsed()
    );
    open(&home);
    proposed(&home, &sim, REPO);
    assert_eq!(server.terminate().code(), Some(0));
    once(&sim, REPO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_tells_of_its_health_where_it_is_asked_to() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(
        &home,
        &sim,
        "[agents.one]\ndriver = \"exec\"\ncommand = [\"sh\"]\n",
    );
    let listen = format!("127.0.0.1:{}", home.port);
    std::fs::remove_file(home.path().join("webhook.secret")).unwrap();
    let silent = home.run(&["health", "--worker"]);
    assert_eq!(silent.code, 2);
    assert!(
        silent.err.contains("worker.listen is not set"),
        "{}",
        silent.err
    );
    let worker = home.start("worker", "one", &[("PROVA_WORKER__LISTEN", &listen)]);
    wait_for(&home, "the worker to answer", || {
        (home.get("/readyz").0 == 200).then_some(())
    });
    assert!(home.get("/metrics").1.contains("prova_jobs_running 0\n"));
    for path in ["/", "/webhook"] {
        assert_eq!(home.get(path).0, 404, "{path}");
    }
    assert_eq!(worker.terminate().code(), Some(0));
    let mut idle = home.prova();
    let idle = idle.arg("worker").env("PROVA_WORK__JOBS", "0").output();
    let idle = idle.unwrap();
    assert_eq!(idle.status.code(), Some(2));
    let said = String::from_utf8_lossy(&idle.stderr).into_owned();
    assert!(said.contains("work.jobs"), "{said}");
}
