//! The server as a process against the simulator: stopped, killed and started again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prova::bootstrap::system_clock;
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::{File, RepositorySpec};
use prova::simulator::{Options, Simulator};

use crate::home::{Account, Home, Server, wait_for};

pub(crate) const REPO: &str = "octo/hello";

/// Options for a simulator that lives in our time, `ahead_ms` of it.
pub(crate) fn options(ahead_ms: i64) -> Options {
    let system = system_clock();
    let clock = move || system.now().as_millis() + ahead_ms;
    Options {
        key_file: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("app-key.pem")),
        ..Options::new(Arc::new(clock))
    }
}

/// Writes settings and secrets for a simulator.
pub(crate) fn settle_in(home: &Home, sim: &Simulator, more: &str) {
    home.secret("app.pem", sim.private_key_pem());
    home.secret("webhook.secret", sim.webhook_secret());
    let account = Account {
        api_url: sim.api_url(),
        web_url: sim.web_url(),
        app_id: 12345,
    };
    home.settings(&account, more);
}

/// An agent that works only once a gate, a directory of the host, is open.
pub(crate) fn gated(home: &Home) -> String {
    let gate = home.path().join("gate");
    std::fs::create_dir(&gate).unwrap();
    let gate = gate.display();
    format!(
        "[sandbox]\nmounts = [\"{gate}\"]\n[agents.fixer]\ndriver = \"exec\"\n\
         command = [\"sh\", \"-c\", \"until [ -e {gate}/open ]; do sleep 0.05; done; sed -i s/teh/the/ README.md\"]\n"
    )
}

pub(crate) async fn world() -> Simulator {
    let sim = Simulator::start(options(0)).await.unwrap();
    let policy = File::new(
        ".github/prova.toml",
        "checks = [\"grep -q the README.md\"]\n",
    );
    let files = vec![File::new("README.md", "teh readme\n"), policy];
    sim.create_repository(&RepositorySpec::new(REPO, files))
        .unwrap();
    sim.set_role(REPO, "ada", Role::Write).unwrap();
    sim.install_app("octo", None).unwrap();
    let _about_the_installation = sim.take_deliveries();
    sim
}

pub(crate) fn ask(sim: &Simulator) {
    let ada = sim.as_person("ada");
    ada.open_issue(REPO, "Mend the readme", "It says `teh`.", &["prova"])
        .unwrap();
}

/// Waits for the pull request, stops the server, and holds that nothing happened twice.
pub(crate) fn ends_in_one_pull_request(home: &Home, sim: &Simulator, server: Server) {
    wait_for(home, "the pull request", || {
        let told = sim.transcript(REPO, 1).unwrap();
        let checked = sim
            .transcript(REPO, 2)
            .is_ok_and(|pull| pull.contains("prova: success"));
        (checked && told.contains("**In review**: pull request #2")).then_some(())
    });
    // The job's directory goes while its result is published.
    wait_for(home, "the job's directory to be removed", || {
        let mut jobs = std::fs::read_dir(home.path().join("work/jobs")).unwrap();
        jobs.next().is_none().then_some(())
    });
    assert_eq!(server.terminate().code(), Some(0));
    once(sim, REPO);
}

/// Holds that what was asked for on the first thread was done once.
pub(crate) fn once(sim: &Simulator, repo: &str) {
    let (issue, pull) = (
        sim.transcript(repo, 1).unwrap(),
        sim.transcript(repo, 2).unwrap(),
    );
    assert_eq!(issue.matches("prova[bot] commented").count(), 1, "{issue}");
    assert_eq!(pull.matches("Prova-Task:").count(), 1, "{pull}");
    assert_eq!(pull.matches("prova: success").count(), 1, "{pull}");
    assert!(
        sim.transcript(repo, 3).is_err(),
        "there is a second pull request"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_in_a_job_does_it_when_it_is_back() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let server = home.serve();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    wait_for(&home, "the work to begin", || {
        sim.transcript(REPO, 1)
            .unwrap()
            .contains("**Working on it**")
            .then_some(())
    });
    assert_eq!(server.terminate().code(), Some(0), "{}", home.log());

    std::fs::write(home.path().join("gate/open"), "").unwrap();
    ends_in_one_pull_request(&home, &sim, home.serve());
    let tasks = home.json(&["tasks", "ls", "--json"]);
    let task = home.json(&["tasks", "show", tasks[0]["id"].as_str().unwrap(), "--json"]);
    assert_eq!(task["job_list"][0]["attempts"], 2, "{task:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_a_kill() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    std::fs::write(home.path().join("gate/open"), "").unwrap();
    let settings = std::fs::read_to_string(home.path().join("prova.toml")).unwrap();
    // With GitHub out of reach deliveries are accepted, and wait.
    let away = settings.replace(sim.api_url(), "http://127.0.0.1:1");
    std::fs::write(home.path().join("prova.toml"), away).unwrap();
    let server = home.serve();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    wait_for(&home, "both deliveries to be accepted", || {
        let waiting = home
            .get("/metrics")
            .1
            .contains("prova_deliveries_pending 2\n");
        waiting.then_some(())
    });
    server.kill();

    std::fs::write(home.path().join("prova.toml"), settings).unwrap();
    ends_in_one_pull_request(&home, &sim, home.serve());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_died_with_the_server_runs_again_as_soon_as_it_is_back() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let server = home.serve();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    let attempts = || {
        let tasks = home.json(&["tasks", "ls", "--json"]);
        let task = tasks[0]["id"].as_str()?;
        let task = home.json(&["tasks", "show", task, "--json"]);
        let job = &task["job_list"][0];
        (job["state"] == "running").then(|| job["attempts"].as_u64().unwrap())
    };
    wait_for(&home, "the job to run", || attempts().filter(|n| *n == 1));
    server.kill();
    let killed = Instant::now();
    let server = home.serve();
    wait_for(&home, "the job to run again", || {
        attempts().filter(|n| *n == 2)
    });
    // Two seconds on a machine that does nothing else; a lease would have lasted for a minute.
    let took = killed.elapsed();
    println!("it ran again {took:?} after the kill");
    assert!(took < Duration::from_secs(20), "{took:?}");
    std::fs::write(home.path().join("gate/open"), "").unwrap();
    ends_in_one_pull_request(&home, &sim, server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_in_the_same_directory_says_who_is_there() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, "");
    let server = home.serve();
    let second = home.run(&["serve"]);
    assert_eq!(second.code, 2);
    let expected = format!(
        "work.dir: cannot take work: process {} works in it",
        server.id()
    );
    assert!(second.err.contains(&expected), "{}", second.err);
    assert_eq!(home.get("/readyz").0, 200);
    assert_eq!(server.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_the_server_works_is_a_whole_store() {
    let (home, sim) = (Home::new(), world().await);
    settle_in(&home, &sim, &gated(&home));
    let server = home.serve();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    wait_for(&home, "the job to run", || {
        let tasks = home.json(&["tasks", "ls", "--json"]);
        (tasks[0]["state"] == "running").then_some(())
    });
    let made = home.run(&["backup", "copy.db"]);
    assert_eq!((made.code, made.err.as_str()), (0, ""));
    assert_eq!(made.out, "sqlite://prova.db is in copy.db, and sound\n");
    let again = home.run(&["backup", "copy.db"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("File exists"), "{}", again.err);
    // The store is gone, and the copy is all that is left.
    server.kill();
    for name in ["prova.db", "prova.db-wal", "prova.db-shm"] {
        let _ = std::fs::remove_file(home.path().join(name));
    }
    std::fs::rename(home.path().join("copy.db"), home.path().join("prova.db")).unwrap();
    std::fs::write(home.path().join("gate/open"), "").unwrap();
    ends_in_one_pull_request(&home, &sim, home.serve());
}
