//! Repositories: names, roles, contents, and what an archive refuses.

use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::RepositorySpec;
use serde_json::{Value, json};

use crate::harness::{Github, REPO};

#[tokio::test]
async fn a_renamed_repository_redirects_to_its_id() {
    let github = Github::new().await;
    let id = github.get(&format!("/repos/{REPO}")).await.json["id"]
        .as_u64()
        .unwrap();
    github
        .sim
        .as_person("acme")
        .rename_repository(REPO, "gadgets")
        .unwrap();
    let moved = github.get(&format!("/repos/{REPO}/issues")).await;
    let target = format!("{}/repositories/{id}/issues", github.sim.api_url());
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, target.as_str())
    );
    let path = target.strip_prefix(github.sim.api_url()).unwrap();
    assert_eq!(github.get(path).await.status, 200);
    assert_eq!(
        github.get("/repos/acme/gadgets").await.json["name"],
        "gadgets"
    );
    let delivery = github.sim.take_deliveries().pop().unwrap();
    let payload = crate::harness::payload(&delivery);
    assert_eq!(payload["changes"]["repository"]["name"]["from"], "widgets");
    assert_eq!(payload["repository"]["full_name"], "acme/gadgets");
}

#[tokio::test]
async fn a_role_is_looked_up_live() {
    let github = Github::new().await;
    let path = |login: &str| format!("/repos/{REPO}/collaborators/{login}/permission");
    let role = |answer: &Value| (answer["permission"].clone(), answer["role_name"].clone());
    for (given, permission, name) in [
        (Role::Maintain, "write", "maintain"),
        (Role::Triage, "read", "triage"),
        (Role::None, "read", "read"),
    ] {
        github.sim.set_role(REPO, "alice", given).unwrap();
        let answer = github.get(&path("alice")).await;
        assert_eq!(role(&answer.json), (json!(permission), json!(name)));
    }
    assert_eq!(github.get(&path("acme")).await.json["permission"], "admin");
    let missing = github.get(&path("nobody")).await;
    assert_eq!(
        (missing.status, missing.message()),
        (404, "nobody is not a user")
    );
}

#[tokio::test]
async fn people_need_a_role_for_what_they_do() {
    let github = Github::new().await;
    let carol = github.sim.as_person("carol");
    let number = carol.open_issue(REPO, "Mine", "", &["prova"]).unwrap();
    assert_eq!(
        github.events(),
        ["issues.opened"],
        "without triage, labels are dropped"
    );
    assert_eq!(
        carol.label(REPO, number, "prova").unwrap_err().status(),
        403
    );
    assert_eq!(
        carol.push(REPO, "main", &[], &[]).unwrap_err().status(),
        403
    );
    carol.close(REPO, number).unwrap();
    assert_eq!(github.events(), ["issues.closed"]);
}

#[tokio::test]
async fn contents_come_as_json_or_raw() {
    let github = Github::new().await;
    let path = |path: &str| format!("/repos/{REPO}/contents/{path}");
    let file = github.get(&path("README.md")).await;
    assert_eq!(file.json["content"], "IyBXaWRnZXRzCg==\n");
    assert_eq!(
        (&file.json["type"], &file.json["encoding"]),
        (&json!("file"), &json!("base64"))
    );
    let accept = [("accept", "application/vnd.github.raw+json")];
    let raw = github
        .call_with("GET", &path("README.md?ref=main"), &accept, Value::Null)
        .await;
    assert_eq!(raw.text, "# Widgets\n");
    let names = |answer: &Value| -> Vec<String> {
        let entries = answer.as_array().unwrap().iter();
        entries
            .map(|one| {
                format!(
                    "{} {}",
                    one["type"].as_str().unwrap(),
                    one["path"].as_str().unwrap()
                )
            })
            .collect()
    };
    let root = github.get(&path("")).await;
    assert_eq!(
        names(&root.json),
        ["file README.md", "dir bin", "symlink latest", "dir src"]
    );
    assert_eq!(
        names(&github.get(&path("bin")).await.json),
        ["file bin/run"]
    );
    assert_eq!(
        github.get(&path("latest")).await.json["target"],
        "README.md"
    );
    let missing = github.get(&path(".github/prova.toml")).await;
    assert_eq!((missing.status, missing.message()), (404, "Not Found"));
    let missing = github.get(&path("README.md?ref=nope")).await;
    assert_eq!(
        (missing.status, missing.message()),
        (404, "No commit found for the ref nope")
    );
}

#[tokio::test]
async fn an_empty_repository_says_so() {
    let github = Github::new().await;
    github
        .sim
        .create_repository(&RepositorySpec::new("acme/empty", Vec::new()))
        .unwrap();
    let git = github.get("/repos/acme/empty/git/ref/heads/main").await;
    assert_eq!(
        (git.status, git.message()),
        (409, "Git Repository is empty.")
    );
    let contents = github.get("/repos/acme/empty/contents/README.md").await;
    assert_eq!(
        (contents.status, contents.message()),
        (404, "This repository is empty.")
    );
    let blob = json!({"content": "x", "encoding": "utf-8"});
    assert_eq!(
        github
            .call("POST", "/repos/acme/empty/git/blobs", blob)
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn an_archive_is_read_only() {
    let github = Github::new().await;
    let alice = github.sim.as_person("alice");
    let number = alice.open_issue(REPO, "Old", "", &[]).unwrap();
    github.sim.as_person("acme").archive(REPO, true).unwrap();
    let path = format!("/repos/{REPO}/issues/{number}/comments");
    let refused = github.call("POST", &path, json!({"body": "hi"})).await;
    assert_eq!(
        (refused.status, refused.message()),
        (403, "Repository was archived so is read-only.")
    );
    assert_eq!(github.get(&path).await.status, 200);
    assert_eq!(
        github.get(&format!("/repos/{REPO}")).await.json["archived"],
        true
    );
    assert_eq!(alice.comment(REPO, number, "hi").unwrap_err().status(), 403);
}

#[tokio::test]
async fn bots_and_people_are_told_apart() {
    let github = Github::new().await;
    let bot = github.get("/users/prova%5Bbot%5D").await;
    assert_eq!(
        (&bot.json["login"], &bot.json["type"]),
        (&json!("prova[bot]"), &json!("Bot"))
    );
    assert_eq!(github.get("/users/alice").await.json["type"], "User");
    assert_eq!(github.get("/users/nobody").await.status, 404);
}
