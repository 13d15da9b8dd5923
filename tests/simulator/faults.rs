//! Faults: before, after and instead of what was asked.

use std::sync::Arc;
use std::time::Duration;

use prova::simulator::Simulator;
use prova::simulator::faults::{Fault, FaultKind, Loss};
use prova::simulator::world::accounts::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Github, REPO};

fn issue(github: &Github) -> String {
    let number = github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Broken", "", &[])
        .unwrap();
    format!("/repos/{REPO}/issues/{number}/comments")
}

#[tokio::test]
async fn a_failure_does_nothing_and_hits_only_its_request() {
    let github = Github::new().await;
    let path = issue(&github);
    github
        .sim
        .arm(Fault::on("POST", "/repos/*/comments", FaultKind::FailWith(500)).nth(2));
    let say = async |body: &str| {
        github
            .call("POST", &path, json!({"body": body}))
            .await
            .status
    };
    assert_eq!(
        (say("a").await, say("b").await, say("c").await),
        (201, 500, 201)
    );
    let left = github.get(&path).await;
    assert_eq!(left.json.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_lost_answer_was_still_applied() {
    let github = Github::new().await;
    let path = issue(&github);
    github.sim.arm(Fault::on(
        "POST",
        "*",
        FaultKind::AppliedButLost(Loss::BadGateway),
    ));
    let lost = github.call("POST", &path, json!({"body": "once"})).await;
    assert_eq!(lost.status, 502);
    assert!(lost.text.starts_with("<!DOCTYPE html>"));
    assert_eq!(github.get(&path).await.json[0]["body"], "once");
}

#[tokio::test]
async fn a_cut_connection_ends_without_a_byte() {
    let github = Github::new().await;
    let path = issue(&github);
    for kind in [FaultKind::AppliedButLost(Loss::Connection), FaultKind::Cut] {
        github.sim.arm(Fault::on("POST", "*", kind));
        let address = github.sim.api_url().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = "{\"body\":\"once\"}";
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nuser-agent: test\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            github.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), "");
    }
    let comments = github.get(&path).await;
    assert_eq!(
        comments.json.as_array().map(Vec::len),
        Some(1),
        "only the lost one was applied"
    );
    let statuses: Vec<u16> = github
        .sim
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 2);
}

#[tokio::test]
async fn limits_speak_githubs_words() {
    let github = Github::new().await;
    let kind = FaultKind::SecondaryLimit {
        status: 429,
        retry_after: Some(8),
    };
    github.sim.arm(Fault::on("*", "*", kind));
    let secondary = github.get("/rate_limit").await;
    assert_eq!(
        (secondary.status, secondary.header("retry-after")),
        (429, "8")
    );
    assert!(
        secondary
            .message()
            .starts_with("You have exceeded a secondary rate limit.")
    );
    github.sim.arm(Fault::on(
        "*",
        "*",
        FaultKind::PrimaryLimit {
            reset: 1_767_330_000,
        },
    ));
    let primary = github.get("/rate_limit").await;
    assert_eq!(
        (primary.status, primary.header("x-ratelimit-remaining")),
        (403, "0")
    );
    assert_eq!(primary.header("x-ratelimit-reset"), "1767330000");
    github
        .sim
        .arm(Fault::on("GET", "/rate_limit", FaultKind::Forbidden).always());
    assert_eq!(
        github.get("/rate_limit").await.message(),
        "Resource not accessible by integration"
    );
    assert_eq!(github.get("/rate_limit").await.status, 403);
    github.sim.disarm();
    assert_eq!(github.get("/rate_limit").await.status, 200);
}

#[tokio::test]
async fn tokens_can_expire_at_the_worst_time() {
    let mut github = Github::new().await;
    let path = issue(&github);
    github
        .sim
        .arm(Fault::on("POST", "*", FaultKind::ExpireTokens));
    let expired = github.call("POST", &path, json!({"body": "x"})).await;
    assert_eq!(
        (expired.status, expired.message()),
        (401, "Bad credentials")
    );
    github.token = github.mint(json!({})).await;
    assert_eq!(
        github
            .call("POST", &path, json!({"body": "x"}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn people_can_act_in_between() {
    let github = Github::new().await;
    let revoke = |sim: &Simulator| sim.set_role(REPO, "alice", Role::None).unwrap();
    let path = format!("/repos/{REPO}/collaborators/alice/permission");
    assert_eq!(github.get(&path).await.json["role_name"], "write");
    github.sim.arm(Fault::on(
        "GET",
        "*/permission",
        FaultKind::Meanwhile(Arc::new(revoke)),
    ));
    assert_eq!(github.get(&path).await.json["role_name"], "read");
}

#[tokio::test]
async fn a_slow_answer_is_late() {
    let github = Github::new().await;
    github.sim.arm(Fault::on(
        "*",
        "*",
        FaultKind::Slow(Duration::from_millis(80)),
    ));
    let before = tokio::time::Instant::now();
    assert_eq!(
        github.call("GET", "/rate_limit", Value::Null).await.status,
        200
    );
    assert!(before.elapsed() >= Duration::from_millis(80));
}
