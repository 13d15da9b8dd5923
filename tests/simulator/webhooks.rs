//! Webhooks: signed, only where they belong, lost and doubled on request.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use prova::simulator::webhooks::{Delivery, OutboxFault};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Github, REPO, name};

fn header<'a>(delivery: &'a Delivery, wanted: &str) -> &'a str {
    let found = delivery.headers.iter().find(|(name, _)| name == wanted);
    &found.unwrap_or_else(|| panic!("no {wanted}")).1
}

/// Five deliveries of five comments.
fn five(github: &Github) {
    let carol = github.sim.as_person("carol");
    let number = carol.open_issue(REPO, "Talk", "", &[]).unwrap();
    let _ = github.sim.take_deliveries();
    for text in ["1", "2", "3", "4", "5"] {
        carol.comment(REPO, number, text).unwrap();
    }
}

fn bodies(deliveries: &[Delivery]) -> String {
    let texts = deliveries.iter().map(crate::harness::payload);
    texts
        .map(|one| one["comment"]["body"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_delivery_is_signed_and_named() {
    let github = Github::new().await;
    github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Ünïcode ♥", "", &[])
        .unwrap();
    let delivery = github.sim.take_deliveries().pop().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(github.sim.webhook_secret().as_bytes()).unwrap();
    mac.update(&delivery.body);
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(header(&delivery, "X-Hub-Signature-256"), expected);
    assert_eq!(header(&delivery, "X-GitHub-Event"), "issues");
    assert_eq!(header(&delivery, "X-GitHub-Delivery"), delivery.guid);
    assert_eq!(delivery.guid.len(), 36);
    assert!(header(&delivery, "User-Agent").starts_with("GitHub-Hookshot/"));
}

#[tokio::test]
async fn only_subscribed_events_of_covered_repositories_are_sent() {
    let github = Github::with(|options| options.events = vec!["issues".to_owned()]).await;
    let alice = github.sim.as_person("alice");
    let number = alice.open_issue(REPO, "A", "", &[]).unwrap();
    alice.comment(REPO, number, "not subscribed").unwrap();
    let spec =
        prova::simulator::world::repositories::RepositorySpec::new("globex/site", Vec::new());
    github.sim.create_repository(&spec).unwrap();
    github
        .sim
        .as_person("globex")
        .open_issue("globex/site", "B", "", &[])
        .unwrap();
    assert_eq!(github.events(), ["issues.opened"]);
}

#[tokio::test]
async fn deliveries_are_lost_doubled_and_reversed_by_count() {
    let github = Github::new().await;
    five(&github);
    github.sim.arm_outbox(OutboxFault::Drop(1));
    github.sim.arm_outbox(OutboxFault::Duplicate(2));
    github.sim.arm_outbox(OutboxFault::Reverse);
    assert_eq!(bodies(&github.sim.take_deliveries()), "543322");
    five(&github);
    assert_eq!(
        bodies(&github.sim.take_deliveries()),
        "12345",
        "each fault is spent"
    );
}

#[tokio::test]
async fn chance_repeats_itself_by_seed() {
    let fault = OutboxFault::Random {
        seed: 7,
        drop: 30,
        duplicate: 30,
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let github = Github::new().await;
        github.sim.arm_outbox(fault);
        five(&github);
        five(&github);
        runs.push(bodies(&github.sim.take_deliveries()));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], "1234512345");
}

#[tokio::test]
async fn a_lost_delivery_is_listed_and_sent_again_under_its_guid() {
    let github = Github::new().await;
    five(&github);
    github.sim.arm_outbox(OutboxFault::Drop(1));
    let arrived = github.sim.take_deliveries();
    github.sim.record_answer(&arrived[0], 500);
    let failed = github
        .as_app("GET", "/app/hook/deliveries?status=failure", Value::Null)
        .await;
    let failed = failed.json.as_array().unwrap().clone();
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (&failed[0]["status_code"], &failed[1]["status_code"]),
        (&json!(500), &json!(502))
    );
    assert_eq!(failed[1]["status"], "failed to connect to host");
    assert_eq!(
        (&failed[1]["event"], &failed[1]["action"]),
        (&json!("issue_comment"), &json!("created"))
    );

    let path = format!("/app/hook/deliveries/{}", failed[1]["id"]);
    let detail = github.as_app("GET", &path, Value::Null).await;
    assert_eq!(detail.json["request"]["payload"]["comment"]["body"], "1");
    assert_eq!(
        github
            .as_app("POST", &format!("{path}/attempts"), Value::Null)
            .await
            .status,
        202
    );
    let again = github.sim.take_deliveries();
    assert_eq!(bodies(&again), "1");
    assert_eq!(json!(again[0].guid), failed[1]["guid"]);
    let newest = github
        .as_app("GET", "/app/hook/deliveries?per_page=1", Value::Null)
        .await;
    assert_eq!(
        (&newest.json[0]["redelivery"], &newest.json[0]["guid"]),
        (&json!(true), &failed[1]["guid"])
    );
    assert!(
        newest.header("link").contains("cursor="),
        "{}",
        newest.header("link")
    );
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn receive(State(seen): State<Seen>, headers: HeaderMap, body: String) -> StatusCode {
    let body: Value = serde_json::from_str(&body).unwrap();
    let event = headers["x-github-event"].to_str().unwrap().to_owned();
    seen.lock()
        .unwrap()
        .push(format!("{event}.{}", body["action"].as_str().unwrap()));
    if event == "issues" {
        StatusCode::ACCEPTED
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

#[tokio::test]
async fn a_running_server_is_sent_to() {
    let github = Github::new().await;
    let seen = Seen::default();
    let app = Router::new()
        .route("/webhook", post(receive))
        .with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    github.sim.deliver_to(&url).unwrap();
    let number = github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Hello", "", &[])
        .unwrap();
    github
        .sim
        .as_person("alice")
        .comment(REPO, number, "there")
        .unwrap();
    for _ in 0..500 {
        let failed = github
            .as_app("GET", "/app/hook/deliveries?status=failure", Value::Null)
            .await;
        if seen.lock().unwrap().len() == 2 && failed.json[0]["status_code"] == 500 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        *seen.lock().unwrap(),
        ["issues.opened", "issue_comment.created"]
    );
    let listed = github
        .as_app("GET", "/app/hook/deliveries", Value::Null)
        .await;
    assert_eq!(
        (
            &listed.json[0]["status_code"],
            &listed.json[1]["status_code"]
        ),
        (&json!(500), &json!(202))
    );
    assert!(
        github
            .sim
            .deliver_to("nonsense")
            .unwrap_err()
            .to_string()
            .contains("nonsense")
    );
}

#[tokio::test]
async fn names_of_events_are_as_github_spells_them() {
    let github = Github::new().await;
    let alice = github.sim.as_person("alice");
    let number = alice.open_issue(REPO, "A", "", &[]).unwrap();
    alice.assign(REPO, number, "carol").unwrap();
    alice.unassign(REPO, number, "carol").unwrap();
    alice.lock(REPO, number, true).unwrap();
    alice.lock(REPO, number, false).unwrap();
    alice.edit(REPO, number, Some("B"), Some("C")).unwrap();
    alice.close(REPO, number).unwrap();
    alice.reopen(REPO, number).unwrap();
    let names: Vec<String> = github.sim.take_deliveries().iter().map(name).collect();
    assert_eq!(
        names,
        [
            "issues.opened",
            "issues.assigned",
            "issues.unassigned",
            "issues.locked",
            "issues.unlocked",
            "issues.edited",
            "issues.closed",
            "issues.reopened",
        ]
    );
}
