//! From an issue to its pull request, and on to a follow-up in the same session: the real server, a
//! real agent in its sandbox, a GitHub of other making, and a scripted model behind the gateway.

use serde_json::{Value, json};

use crate::home::{Account, Home, Server, wait_for};
use crate::installed::directory;
use crate::model::{Kind, Model, Script, Turn};
use crate::octocat::Octocat;

/// What the model's key is; nothing that people see may say it.
const REAL: &str = "sk-real-0123456789abcdef";
const ASKED: &str = "The greeting is misspelt";

/// A server with one agent, and the GitHub and the model that it works with.
struct Bed {
    home: Home,
    github: Octocat,
    model: Model,
    _server: Server,
}

impl Bed {
    async fn with(agent: &str, api: &str, mounts: &str, script: Script) -> Self {
        let home = Home::new();
        let github = Octocat::start(home.path());
        let mut model = Model::new(script);
        let url = model.on_loopback().await;
        let root = if api == "openai" { "/v1" } else { "" };
        home.secret("model.key", REAL);
        let more = format!(
            "[sandbox]\nmounts = [{mounts}]\n\
             [agents.worker]\n{agent}\nmodel = \"scripted\"\n\
             [models.main]\napi = \"{api}\"\nurl = \"{url}{root}\"\nkey_file = \"model.key\"\n\
             [models.main.prices.\"*\"]\ninput = 3\noutput = 15\n"
        );
        let account = Account {
            api_url: github.facts["api_url"].as_str().unwrap(),
            web_url: github.facts["web_url"].as_str().unwrap(),
            app_id: github.facts["app_id"].as_u64().unwrap(),
        };
        home.settings(&account, &more);
        let server = home.serve();
        Self {
            home,
            github,
            model,
            _server: server,
        }
    }

    fn tell(&mut self, order: &Value) {
        let mut order = order.clone();
        order["webhook"] = json!(self.home.webhook());
        self.github.tell(&order);
    }

    /// Waits for so many check runs, the last thing that is written; fails when a person is waited for.
    fn checked(&mut self, runs: usize) -> Value {
        let github = &mut self.github;
        wait_for(&self.home, "the check run", || {
            let state = github.state();
            let comments = state["comments"].to_string();
            assert!(!comments.contains("Waits for a person"), "{comments}");
            let there = state["checks"].as_array().map_or(0, Vec::len);
            (there == runs && comments.contains("**In review**")).then_some(state)
        })
    }
}

async fn from_issue_to_follow_up(agent: &str, api: &str, mounts: &str) {
    let script = Script::of([
        Turn::shell("sed -i s/Helo/Hello/ greet.sh"),
        Turn::say("It says Hello."),
    ]);
    let mut bed = Bed::with(agent, api, mounts, script).await;
    let issue =
        json!({ "do": "issue", "label": "prova", "title": ASKED, "body": "It says `Helo`." });
    bed.tell(&issue);
    let state = bed.checked(1);
    let pull = &state["pulls"][0];
    let body = pull["body"].as_str().unwrap();
    assert!(body.contains("| `./greet.sh` | ✅ exit 0 |"), "{body}");
    assert!(body.contains("| `scripted` of `main` |"), "{body}");
    let file =
        |state: &Value, name: &str| state["pulls"][0]["commit"]["files"][name][1].to_string();
    assert!(file(&state, "greet.sh").contains("Hello, world"));

    let script = Script::of([
        Turn::shell("sed -i s/world/world!/ greet.sh"),
        Turn::say("Louder."),
    ]);
    bed.model.goes_on(script);
    let louder = "@rehearsal say it louder, please";
    bed.tell(&json!({ "do": "comment", "number": pull["number"], "body": louder }));
    let state = bed.checked(2);
    assert!(file(&state, "greet.sh").contains("Hello, world!"));
    assert!(!state.to_string().contains(REAL));

    let asked = bed.model.asked();
    let mut work = asked
        .iter()
        .rev()
        .filter(|one| matches!(one.kind, Kind::Work(_)));
    let last = work.next().unwrap().body.to_string();
    assert!(last.contains("say it louder"), "{last}");
    assert!(
        last.contains(ASKED),
        "it has forgotten what was asked first"
    );
}

async fn preset(name: &str, api: &str) {
    let mounts = format!("\"{}\"", directory().display());
    from_issue_to_follow_up(&format!("preset = \"{name}\""), api, &mounts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goose() {
    preset("goose", "openai").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_code() {
    preset("claude-code", "anthropic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex() {
    preset("codex", "openai").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opencode() {
    preset("opencode", "openai").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_cli() {
    preset("gemini-cli", "gemini").await;
}

/// It begins anew each time, with all that was said in its brief.
#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_one() {
    let own = "driver = \"builtin\"\nmodels = [\"main\"]";
    from_issue_to_follow_up(own, "anthropic", "").await;
}
