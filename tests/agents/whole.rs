//! From an issue to its pull request, and on to a follow-up in the same session, or with one more
//! request while the agent works: the real server, a real agent in its sandbox, a GitHub of other
//! making, and a scripted model behind the gateway.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::home::{Account, Home, Server, wait_for};
use crate::installed::directory;
use crate::model::{Asked, Kind, Model, Reply, Script, Turn};
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

    fn tell(&mut self, order: &Value) -> Value {
        let mut order = order.clone();
        order["webhook"] = json!(self.home.webhook());
        self.github.tell(&order)
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

    /// Waits for a comment.
    fn commented(&mut self, text: &str) {
        let github = &mut self.github;
        wait_for(&self.home, text, || {
            let comments = github.state()["comments"].to_string();
            comments.contains(text).then_some(())
        });
    }
}

/// What a file of the pull request has in it.
fn file(state: &Value, name: &str) -> String {
    state["pulls"][0]["commit"]["files"][name][1].to_string()
}

/// The last request for the work.
fn last_of(asked: &[Asked]) -> String {
    let mut work = asked
        .iter()
        .rev()
        .filter(|one| matches!(one.kind, Kind::Work(_)));
    work.next().unwrap().body.to_string()
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

    let last = last_of(&bed.model.asked());
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

/// One job and one commit for what was asked for at first and for what came while the agent worked.
async fn handed_on(preset: &str, api: &str) {
    let let_go = Arc::new(Notify::new());
    let script = Script::of([
        Turn::Held(
            Reply::shell("sed -i s/Helo/Hello/ greet.sh"),
            let_go.clone(),
        ),
        Turn::say("It says Hello."),
        Turn::shell("sed -i s/world/world!/ greet.sh"),
        Turn::say("Louder, too."),
    ]);
    let agent = format!("preset = \"{preset}\"\ndriver = \"acp\"");
    let mounts = format!("\"{}\"", directory().display());
    let mut bed = Bed::with(&agent, api, &mounts, script).await;
    let issue =
        json!({ "do": "issue", "label": "prova", "title": ASKED, "body": "It says `Helo`." });
    let number = bed.tell(&issue)["number"].clone();
    bed.model.begun().await;
    let louder = "@rehearsal say it louder, please";
    bed.tell(&json!({ "do": "comment", "number": number, "body": louder }));
    bed.commented("When the agent is done with that, it gets this too");
    let_go.notify_one();

    let state = bed.checked(1);
    assert_eq!(state["pulls"].as_array().unwrap().len(), 1);
    assert_eq!(state["pulls"][0]["commit"]["count"], 1, "{state}");
    assert!(file(&state, "greet.sh").contains("Hello, world!"));
    bed.commented("is what came of this and of what was asked before it");
    let last = last_of(&bed.model.asked());
    for text in [
        ASKED,
        "It says Hello.",
        "# More is asked for",
        "say it louder",
    ] {
        assert!(last.contains(text), "{text}: {last}");
    }
}

macro_rules! handed_on {
    ($($name:ident = ($preset:literal, $api:literal);)*) => {
        /// Over the protocol by which agents can be steered.
        mod steered {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    handed_on($preset, $api).await;
                }
            )*
        }
    };
}

handed_on! {
    goose = ("goose", "openai");
    claude = ("claude-code", "anthropic");
    codex = ("codex", "openai");
    opencode = ("opencode", "openai");
    gemini = ("gemini-cli", "gemini");
}

/// It begins anew each time, with all that was said in its brief.
#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_one() {
    let own = "driver = \"builtin\"\nmodels = [\"main\"]";
    from_issue_to_follow_up(own, "anthropic", "").await;
}
