//! What can go wrong on the way, and what it is called.

use std::time::Duration;

use prova::adapters::github::{Client, InvalidSettings, Settings};
use prova::domain::ids::{CommentId, Login, ThreadNumber};
use prova::domain::time::Span;
use prova::ports::fault::Class;
use prova::ports::github::{Repositories, Threads};
use secrecy::SecretString;
use serde_json::json;

use crate::fake::{APP_ID, Fake, START, refusal, reply, repo};
use crate::key::key;

#[tokio::test]
async fn every_request_says_what_it_speaks() {
    let fake = Fake::start(|seen| (!seen.mints()).then(|| reply(201, &json!({ "id": 1 })))).await;
    fake.comment().await.unwrap();
    for seen in fake.seen() {
        assert_eq!(seen.header("x-github-api-version"), Some("2022-11-28"));
        assert_eq!(seen.header("accept"), Some("application/vnd.github+json"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert!(
            seen.header("content-length").is_some(),
            "not every server takes chunks"
        );
        assert_eq!(seen.headers.get_all("user-agent").iter().count(), 1);
        assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let short = |settings: &mut Settings| settings.timeout = Span::millis(200);
    let fake = Fake::start_below("", short, |seen| {
        (!seen.mints()).then(|| reply(201, &json!({})).after(Duration::from_mins(1)))
    })
    .await;
    let fault = fake.comment().await.unwrap_err();
    assert_eq!(fault.class, Class::Transient);
    assert_eq!(
        fault.to_string(),
        "comment on octo/hello#1: no answer within 0.2 s"
    );
    assert_eq!(fake.asked().len(), 1, "the write may have been applied");
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_back() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let fake = Fake::start_below("", |s| s.api_url = format!("http://{gone}"), |_| None).await;
    let fault = fake.thread().await.unwrap_err();
    assert_eq!(fault.class, Class::Transient);
    assert!(fault.cause.contains("refused"), "{fault}");
}

#[tokio::test]
async fn a_body_that_makes_no_sense_passes_for_a_lost_answer() {
    for body in ["<html>Unicorn!</html>", "{}", "{\"id\":\"five\"}", ""] {
        let fake =
            Fake::start(move |seen| (!seen.mints()).then(|| reply(201, &json!({})).body(body)))
                .await;
        let fault = fake.comment().await.unwrap_err();
        assert_eq!(fault.class, Class::Transient, "{fault}");
        assert!(fault.cause.contains("cannot be understood"), "{fault}");
    }
}

#[tokio::test]
async fn a_limit_names_its_end_on_every_call_and_is_asked_about_once() {
    let fake = Fake::start(|seen| {
        (!seen.mints()).then(|| refusal(429, "secondary").header("retry-after", "90"))
    })
    .await;
    let (client, login) = (&fake.client, Login::new("someone"));
    let until = Class::RateLimited(START.plus(Span::seconds(90)));
    assert_eq!(
        client.permission(&repo(), &login).await.unwrap_err().class,
        until
    );
    assert_eq!(client.file(&repo(), "a").await.unwrap_err().class, until);
    assert_eq!(
        client
            .thread(&repo(), ThreadNumber(1))
            .await
            .unwrap_err()
            .class,
        until
    );
    assert_eq!(
        client
            .edit_comment(&repo(), CommentId(1), "")
            .await
            .unwrap_err()
            .class,
        until
    );
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let fake = Fake::start(|seen| {
        let refused = refusal(403, "Resource not accessible by integration");
        (!seen.mints()).then(|| refused.header("x-accepted-github-permissions", "issues=write"))
    })
    .await;
    let fault = fake.comment().await.unwrap_err();
    assert_eq!(fault.class, Class::AuthLost);
    assert!(
        fault
            .to_string()
            .contains("the App needs issues=write; compare with app.yml"),
        "{fault}"
    );
}

#[tokio::test]
async fn an_archived_repository_is_said() {
    let fake = Fake::start(|seen| {
        (!seen.mints()).then(|| refusal(403, "Repository was archived so is read-only."))
    })
    .await;
    let fault = fake.comment().await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.to_string().contains("unarchive"), "{fault}");
}

#[tokio::test]
async fn an_endless_redirect_ends() {
    let fake = Fake::start(|seen| {
        let circle = seen.path.clone();
        (!seen.mints()).then(|| refusal(302, "Found").header("location", circle))
    })
    .await;
    let fault = fake.thread().await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn an_issue_that_moved_to_another_repository_is_gone() {
    let fake = Fake::start(|seen| {
        let there = "https://api.example/repositories/78/issues/1";
        (!seen.mints()).then(|| refusal(301, "Moved Permanently").header("location", there))
    })
    .await;
    let fault = fake.thread().await.unwrap_err();
    assert_eq!(fault.class, Class::NotFound);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_named() {
    for url in ["", "api.github.com", "https://u:p@api.github.com"] {
        let settings = Settings::new(url, APP_ID, SecretString::from(key().private_pem.clone()));
        let clock = std::sync::Arc::clone(&Fake::start(|_| None).await.clock);
        let refused = Client::new(&settings, clock).err();
        assert!(
            matches!(refused, Some(InvalidSettings::ApiUrl { .. })),
            "{url}"
        );
    }
}
