//! One budget for all processes on a store: none passes it, whoever is killed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use prova::simulator::Simulator;
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::{File, RepositorySpec};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Semaphore;

use crate::fleet::{front, on_postgres, runs, worker};
use crate::home::{Home, Server, wait_for};
use crate::simulated::{REPO, ask, settle_in, world};

/// What a call costs, in millionths of a dollar: 10 tokens read and 300 written.
const COST: u64 = 4_530;

/// Calls until it is refused.
const AGENT: &str = r#"
import json, os, time, urllib.error, urllib.request
head = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "content-type": "application/json"}
repo = json.loads(os.environ["PROVA_JOB"])["repo"]
body = {"model": "large", "max_tokens": 300, "messages": [{"role": "user", "content": repo}]}
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
while True:
    try:
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), head)).read()
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
        if error.code != 503: time.sleep(300)
"#;

/// A model that answers once it may, and remembers who asked.
struct Model {
    address: SocketAddr,
    asked: Arc<Asked>,
    task: tokio::task::JoinHandle<()>,
}

struct Asked {
    by: Mutex<Vec<String>>,
    permits: Semaphore,
}

impl Model {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Asked {
            by: Mutex::default(),
            permits: Semaphore::new(0),
        });
        let app = axum::Router::new()
            .route("/v1/messages", post(answer))
            .with_state(asked.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            asked,
            task,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.by.lock().unwrap().clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(asked): State<Arc<Asked>>, body: Bytes) -> String {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let by = body["messages"][0]["content"].to_string();
    asked.by.lock().unwrap().push(by);
    asked.permits.acquire().await.unwrap().forget();
    json!({ "usage": { "input_tokens": 10, "output_tokens": body["max_tokens"] } }).to_string()
}

/// A house whose agent calls a model, on a budget of the day.
async fn house(store: Option<&str>, model: &Model, day_usd: &str) -> (Home, Simulator) {
    let (home, sim) = (Home::new(), world().await);
    let agent = home.path().join("agent");
    std::fs::create_dir(&agent).unwrap();
    std::fs::write(agent.join("agent.py"), AGENT).unwrap();
    let (agent, model) = (agent.display(), model.address);
    let settings = format!(
        "[sandbox]\nmounts = [\"{agent}\"]\n[agents.fixer]\ndriver = \"exec\"\n\
         command = [\"sh\", \"-c\", \"exec python3 {agent}/agent.py\"]\n\
         [models.main]\napi = \"anthropic\"\nurl = \"http://{model}\"\n\
         [models.main.prices.large]\ninput = 3\noutput = 15\n[budget]\nday_usd = {day_usd}\n"
    );
    settle_in(&home, &sim, &settings);
    if let Some(url) = store {
        home.store_in(url);
    }
    (home, sim)
}

/// Waits until every task's budget is used up, and returns what all of them have cost, in millionths.
fn used_up(home: &Home, count: usize) -> u64 {
    let tasks = wait_for(home, "the budget to be used up", || {
        let tasks = home.json(&["tasks", "ls", "--json"]);
        let tasks = tasks.as_array()?.clone();
        let over = |task: &Value| task["outcome"] == "out of budget";
        (tasks.len() == count && tasks.iter().all(over)).then_some(tasks)
    });
    let micros = |task: &Value| task["cost_usd"].as_f64().unwrap() * 1e6;
    let sum: f64 = tasks.iter().map(micros).sum();
    format!("{sum:.0}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_share_a_budget_never_pass_it() {
    share(None).await;
}

#[test]
fn workers_on_postgres_that_share_a_budget_never_pass_it() {
    on_postgres(async |_, url| share(Some(url)).await);
}

async fn share(store: Option<&str>) {
    let model = Model::start().await;
    let (home, sim) = house(store, &model, "0.1").await;
    let policy = File::new(".github/prova.toml", "checks = [\"true\"]\n");
    let files = vec![File::new("README.md", "teh readme\n"), policy];
    sim.create_repository(&RepositorySpec::new("octo/one", files))
        .unwrap();
    sim.set_role("octo/one", "ada", Role::Write).unwrap();
    let server = front(&home);
    // Each has one place, so each has one of the two jobs.
    let workers = ["one", "two"].map(|dir| worker(&home, dir, &[("PROVA_WORK__JOBS", "1")]));
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    let ada = sim.as_person("ada");
    ada.open_issue("octo/one", "Mend it", "It says `teh`.", &["prova"])
        .unwrap();
    wait_for(&home, "both to call", || {
        (model.asked().len() == 2).then_some(())
    });
    model.asked.permits.add_permits(1_000);
    let cost = used_up(&home, 2);
    let asked = model.asked();
    assert_eq!(cost, COST * asked.len() as u64, "every call is counted");
    // One call more could have cost nearly four times as much as each did.
    assert!(cost <= 100_000 && cost > 70_000, "{cost}");
    let callers: BTreeSet<_> = asked.into_iter().collect();
    assert_eq!(callers.len(), 2, "{callers:?}");
    for process in workers.into_iter().chain([server]) {
        assert_eq!(process.terminate().code(), Some(0));
    }
}

/// A house with a server, whose worker `one` was killed while its model call was under way.
async fn killed_in_a_call(model: &Model) -> (Home, Simulator, Server) {
    let (home, sim) = house(None, model, "0.03").await;
    let server = front(&home);
    let first = worker(&home, "one", &[]);
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    wait_for(&home, "the model to be asked", || {
        (model.asked().len() == 1).then_some(())
    });
    first.kill();
    (home, sim, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_died_with_its_worker_is_charged_in_full_at_its_next_start() {
    let model = Model::start().await;
    let (home, _sim, server) = killed_in_a_call(&model).await;
    let again = worker(&home, "one", &[]);
    let cost = used_up(&home, 1);
    // More than its answer could have cost alone, and the next attempt was let do nothing.
    assert!(cost > 3 * COST && cost <= 30_000, "{cost}");
    assert_eq!(model.asked().len(), 1);
    for process in [again, server] {
        assert_eq!(process.terminate().code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_died_with_its_worker_is_charged_by_who_needs_the_money() {
    let model = Model::start().await;
    let (home, sim, server) = killed_in_a_call(&model).await;
    let second = worker(&home, "two", &[]);
    runs(&home, 2);
    // For all that is known the first is alive, until its time has run out.
    let options = SqliteConnectOptions::new().filename(home.path().join("prova.db"));
    let mut beside = options.connect().await.unwrap();
    let set = sqlx::query("UPDATE hold SET until = 0").execute(&mut beside);
    assert_eq!(set.await.unwrap().rows_affected(), 1);
    beside.close().await.unwrap();
    let cost = used_up(&home, 1);
    assert!(cost > 3 * COST && cost <= 30_000, "{cost}");
    assert_eq!(model.asked().len(), 1);
    for process in [second, server] {
        assert_eq!(process.terminate().code(), Some(0));
    }
    assert!(
        sim.transcript(REPO, 2).is_err(),
        "there was nothing to propose"
    );
}
