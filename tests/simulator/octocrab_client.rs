//! A client that was not written with the simulator in mind understands it: octocrab's models
//! demand much of what GitHub promises.

use octocrab::models::{self, InstallationRepositories};
use octocrab::{Octocrab, models::AppId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Github, REPO};

struct Client(Octocrab);

impl Client {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let parsed: Result<T, _> = self.0.get(path, None::<&()>).await;
        parsed.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> T {
        let parsed: Result<T, _> = self.0.post(path, Some(&body)).await;
        parsed.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }
}

fn app(github: &Github) -> Client {
    // One provider each, or the two libraries cannot choose between those in the tree. A second
    // call in one process is refused, which is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(github.sim.private_key_pem().as_bytes());
    let builder = Octocrab::builder().base_uri(github.sim.api_url()).unwrap();
    Client(builder.app(AppId(12345), key.unwrap()).build().unwrap())
}

fn installation(github: &Github) -> Client {
    let builder = Octocrab::builder().base_uri(github.sim.api_url()).unwrap();
    Client(
        builder
            .personal_token(github.token.clone())
            .build()
            .unwrap(),
    )
}

#[tokio::test]
async fn its_models_read_the_app() {
    let github = Github::now().await;
    let app = app(&github);
    let _: models::App = app.get("/app").await;
    let installations: Vec<models::Installation> = app.get("/app/installations").await;
    let path = format!("/app/installations/{}/access_tokens", installations[0].id);
    let _: models::InstallationToken = app
        .post(
            &path,
            json!({"repositories": ["widgets"], "permissions": {"issues": "write"}}),
        )
        .await;
    let _: models::Installation = app.get(&format!("/repos/{REPO}/installation")).await;
    github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Broken", "", &[])
        .unwrap();
    let _ = github.sim.take_deliveries();
    let deliveries: Vec<models::hooks::Delivery> = app.get("/app/hook/deliveries").await;
    assert!(!deliveries.is_empty());
}

#[tokio::test]
async fn its_models_read_threads_and_code() {
    let github = Github::now().await;
    let client = installation(&github);
    let repo = format!("/repos/{REPO}");
    let number = github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Broken", "B", &["bug"])
        .unwrap();
    let pull = github.pull("prova/1-x", "").await;
    let line = github
        .sim
        .as_person("carol")
        .review_comment(REPO, pull, "src/lib.rs:2", "?")
        .unwrap();

    let _: models::Repository = client.get(&repo).await;
    let _: InstallationRepositories = client.get("/installation/repositories").await;
    let _: models::issues::Issue = client.get(&format!("{repo}/issues/{number}")).await;
    let comments = format!("{repo}/issues/{number}/comments");
    let _: models::issues::Comment = client.post(&comments, json!({"body": "Hi"})).await;
    let _: Vec<models::issues::Comment> = client.get(&comments).await;
    let reactions = format!("{repo}/issues/{number}/reactions");
    let _: models::reactions::Reaction = client.post(&reactions, json!({"content": "eyes"})).await;
    let _: Vec<models::Label> = client.get(&format!("{repo}/issues/{number}/labels")).await;
    let _: models::pulls::PullRequest = client.get(&format!("{repo}/pulls/{pull}")).await;
    let _: Vec<models::pulls::PullRequest> = client.get(&format!("{repo}/pulls")).await;
    let _: Vec<models::pulls::Review> = client.get(&format!("{repo}/pulls/{pull}/reviews")).await;
    let _: models::pulls::Comment = client.get(&format!("{repo}/pulls/comments/{line}")).await;
    let _: Vec<models::repos::DiffEntry> = client.get(&format!("{repo}/pulls/{pull}/files")).await;
    let head: models::repos::Ref = client.get(&format!("{repo}/git/ref/heads/prova/1-x")).await;
    assert!(format!("{head:?}").contains("refs/heads/prova/1-x"));
    let _: models::repos::RepoCommit = client.get(&format!("{repo}/commits/main")).await;
    let _: models::repos::Content = client.get(&format!("{repo}/contents/README.md")).await;
    let _: models::commits::CommitComparison = client
        .get(&format!("{repo}/compare/main...prova/1-x"))
        .await;
    let tip = github.tip("main").await;
    let run = json!({
        "name": "prova", "head_sha": tip, "conclusion": "success",
        "output": {"title": "T", "summary": "S"},
    });
    let _: models::checks::CheckRun = client.post(&format!("{repo}/check-runs"), run).await;
    let _: models::checks::ListCheckRuns = client
        .get(&format!("{repo}/commits/{tip}/check-runs"))
        .await;
    let _: models::RateLimit = client.get("/rate_limit").await;
}
