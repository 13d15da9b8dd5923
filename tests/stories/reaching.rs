//! A job through the real gateway: from inside the sandbox to a model on this machine, and to hosts
//! that may not be reached.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use prova::domain::budget::Scope;
use serde_json::{Value, json};

use crate::harness::{Bot, World};

const KEY: &str = "sk-ant-real.key-of_this-server-0123456789";

/// An agent that corrects the README and then does `$PLAN` in Python, with a way to call the model.
const AGENT: &str = r#"sed -i s/teh/the/ README.md
cat > /tmp/agent.py <<'END'
import json, os, time, urllib.error, urllib.request
def call():
    head = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "content-type": "application/json"}
    message = {"role": "user", "content": "Correct the README."}
    body = {"model": "large", "max_tokens": 300, "messages": [message]}
    url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
    request = urllib.request.Request(url, json.dumps(body).encode(), head)
    return json.load(urllib.request.urlopen(request))
def fetch(url):
    try:
        urllib.request.urlopen(url, timeout=20)
        print("REACHED", url)
    except Exception as error:
        print("refused", url)
"#;

fn agent(plan: &str) -> String {
    format!("{AGENT}{plan}\nEND\npython3 /tmp/agent.py")
}

/// A model that answers every call that has the right key, and counts them.
struct Model {
    address: std::net::SocketAddr,
    calls: Arc<Mutex<u32>>,
    task: tokio::task::JoinHandle<()>,
}

impl Model {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls: Arc<Mutex<u32>> = Arc::default();
        let app = axum::Router::new()
            .route("/v1/messages", post(answer))
            .with_state(calls.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            calls,
            task,
        }
    }

    fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }

    fn settings(&self, job_usd: &str) -> String {
        format!(
            "[models.main]\napi = \"anthropic\"\nurl = \"http://{}\"\n\
             [models.main.prices.large]\ninput = 3\noutput = 15\n[budget]\njob_usd = {job_usd}\n",
            self.address
        )
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(calls): State<Arc<Mutex<u32>>>,
    headers: HeaderMap,
    asked: Bytes,
) -> (StatusCode, String) {
    if headers.get("x-api-key").is_none_or(|key| key != KEY) {
        return (StatusCode::UNAUTHORIZED, "{}".to_owned());
    }
    *calls.lock().unwrap() += 1;
    let asked: Value = serde_json::from_slice(&asked).unwrap();
    let usage = json!({ "input_tokens": 30, "output_tokens": asked.get("max_tokens") });
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": asked.get("model"),
        "content": [{ "type": "text", "text": "Done." }],
        "stop_reason": "end_turn", "usage": usage,
    });
    (StatusCode::OK, answer.to_string())
}

async fn bot(model: &Model, plan: &str, job_usd: &str) -> Bot {
    World::new()
        .agent("fixer", &agent(plan))
        .settings(&model.settings(job_usd))
        .policy("setup = [\"test -z \\\"$ANTHROPIC_API_KEY\\\"\"]\negress = [\"pypi.org\"]")
        .keyed(KEY)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_calls_a_model_from_inside_and_nothing_else() {
    let model = Model::start().await;
    let plan = "print(call()['content'][0]['text'], call()['usage'])\n\
                assert os.environ['ANTHROPIC_API_KEY'] != '', 'no key of its own'\n\
                fetch('https://evil.test/'); fetch('https://evil.test/')\n\
                fetch('https://169.254.169.254/')\n\
                fetch('https://pypi.org.evil.test/')\n\
                print(dict(os.environ))";
    let bot = bot(&model, plan, "2").await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(model.calls(), 2);
    let report = bot.task(issue).await.last.unwrap();
    assert!(!report.run.as_ref().unwrap().excerpt.contains("REACHED"));
    let shown = prova::domain::render::spend::traffic(&report.traffic);
    insta::assert_snapshot!(shown);
    let thread = bot.thread(pull);
    for line in shown.lines() {
        assert!(thread.contains(line), "{line} is not in\n{thread}");
    }
    assert!(
        !bot.everything().contains(KEY),
        "the key has left the server"
    );
    let spent = bot.ctx().store.spent(&[Scope::Job(report.job)]).await;
    assert_eq!(spent.unwrap(), [report.traffic.cost()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_calls_without_end_is_ended_by_its_budget() {
    let model = Model::start().await;
    let plan = "try:\n    while True: call()\nexcept urllib.error.HTTPError as error:\n    \
                print(error.code, error.read().decode()); time.sleep(300)";
    let bot = bot(&model, plan, "0.02").await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    let report = bot.task(issue).await.last.unwrap();
    assert_eq!(report.outcome.word(), "out of budget");
    let cap = report.traffic.exceeded.as_ref().unwrap().cap.clone();
    assert!(matches!(cap.scope, Scope::Job(_)), "{cap:?}");
    assert!(report.traffic.cost() <= cap.most, "{cap:?}");
    // 30 tokens read and 300 written.
    assert_eq!(
        report.traffic.cost().as_micros(),
        4_590 * u64::from(model.calls())
    );
    let branch = &bot.branches()[0];
    assert!(
        bot.file(branch, "README.md")
            .unwrap()
            .contains("the readme")
    );
}
