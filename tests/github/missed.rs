//! What GitHub could not bring, and what stands in repositories without a word.

use prova::domain::event::Happening;
use prova::domain::ids::{AttemptId, DeliveryId, Login, ThreadNumber};
use prova::domain::missed::Arrival;
use prova::domain::time::Timestamp;
use prova::ports::clock::Clock as _;
use prova::ports::fault::Class;
use prova::ports::github::{Census, Hooks};
use prova::simulator::webhooks::OutboxFault;
use serde_json::json;

use crate::fake::{Fake, reply, repo};
use crate::stage::{REPO, Stage};

const OUTSIDE: Timestamp = Timestamp::EPOCH;

#[tokio::test]
async fn attempts_are_listed_page_by_page_and_made_again() {
    let stage = Stage::new().await;
    let _installation = stage.sim.take_deliveries();
    for _ in 0..60 {
        stage.issue();
    }
    stage.sim.arm_outbox(OutboxFault::Drop(1));
    let sent = stage.sim.take_deliveries();
    assert_eq!(sent.len(), 119);
    let first = stage.client.attempts(None).await.unwrap();
    assert_eq!(first.attempts.len(), 100);
    let second = stage.client.attempts(first.next.as_deref()).await.unwrap();
    assert_eq!(second.next, None);
    let mut all = [first.attempts, second.attempts].concat();
    all.retain(|attempt| attempt.event == "issues");
    assert_eq!(all.len(), 120);
    assert!(all.is_sorted_by(|a, b| a.id > b.id));
    let (lost, arrived) = all.split_last().unwrap();
    assert!(arrived.iter().all(|one| one.result == Arrival::Accepted));
    let told = "502 failed to connect to host".to_owned();
    assert_eq!(lost.result, Arrival::Failed(told));
    assert!(!lost.again);
    assert!(stage.ours.now().since(lost.at).as_millis() < 2_000);

    let (event, body) = stage.client.carried(lost.id).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (event.as_str(), &body["action"]),
        ("issues", &json!("opened"))
    );
    assert_eq!(body["issue"]["title"], "It is broken");

    stage.client.redeliver(lost.id).await.unwrap();
    let again = stage.sim.take_deliveries();
    assert_eq!(DeliveryId::new(&again[0].guid), lost.delivery);
    let newest = stage.client.attempts(None).await.unwrap();
    assert!(newest.attempts[0].again);
    let unknown = stage.client.redeliver(AttemptId(1)).await.unwrap_err();
    assert_eq!(unknown.class, Class::NotFound);
    stage.end();
}

#[tokio::test]
async fn repositories_are_listed_with_a_token_that_can_do_nothing_else() {
    let stage = Stage::new().await;
    stage.issue();
    let covered = stage.client.repositories(stage.repo.installation, 1).await;
    let covered = covered.unwrap();
    assert_eq!(covered.repositories, [(stage.repo.clone(), 1)]);
    assert!(!covered.more);
    stage.end();

    let fake = Fake::start(|seen| {
        seen.path
            .starts_with("/installation/repositories")
            .then(|| reply(200, &json!({ "total_count": 0, "repositories": [] })))
    })
    .await;
    fake.client
        .repositories(repo().installation, 1)
        .await
        .unwrap();
    let seen = fake.seen();
    let minted = seen.iter().find(|one| one.path.ends_with("/access_tokens"));
    let wish = json!({ "permissions": { "metadata": "read" } });
    assert_eq!(minted.unwrap().body, wish);
    // It is not kept for anything.
    fake.client
        .repositories(repo().installation, 2)
        .await
        .unwrap();
    let minted = |one: &&crate::fake::Seen| one.path.ends_with("/access_tokens");
    assert_eq!(fake.seen().iter().filter(minted).count(), 2);
}

#[tokio::test]
async fn open_issues_are_listed_with_who_marked_them() {
    let stage = Stage::new().await;
    let alice = stage.sim.as_person("alice");
    let quiet = alice.open_issue(REPO, "Quiet", "", &[]).unwrap();
    let marked = stage.issue();
    alice.assign(REPO, marked, "octo").unwrap();
    alice.label(REPO, marked, "bug").unwrap();
    alice.unlabel(REPO, marked, "bug").unwrap();
    let closed = stage.issue();
    alice.close(REPO, closed).unwrap();
    let standing = stage.client.standing(&stage.repo, OUTSIDE).await.unwrap();
    let numbers: Vec<_> = standing.iter().map(|one| one.thread.number.0).collect();
    assert_eq!(numbers, [marked, quiet]);
    assert_eq!(standing[0].thread.labels, ["prova"]);
    assert_eq!(standing[0].assignees, [Login::new("octo")]);
    assert!(standing[0].thread.insider);

    let acts = stage.client.acts(&stage.repo, ThreadNumber(marked)).await;
    let acts = acts.unwrap();
    let done: Vec<_> = acts.iter().map(|act| act.what.clone()).collect();
    let expected = [
        Happening::Labeled("prova".to_owned()),
        Happening::Assigned(Login::new("octo")),
        Happening::Labeled("bug".to_owned()),
    ];
    assert_eq!(done, expected);
    assert!(acts.iter().all(|act| act.by.login == Login::new("alice")));

    stage.theirs.advance(60_000);
    let now = stage.theirs.now();
    let changed = stage.client.standing(&stage.repo, now).await.unwrap();
    assert_eq!(changed, []);
    stage.end();
}
