//! One test for each trap of octocrab 0.54.9 that a client could fall into.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prova::domain::effect::ReactionTarget;
use prova::domain::ids::ThreadNumber;
use prova::domain::time::Timestamp;
use prova::ports::fault::Class;
use prova::ports::github::{App, Repositories, Threads, Translate};
use serde_json::json;

use crate::fake::{Fake, refusal, reply, repo};

/// Its default sends one comment four times.
#[tokio::test]
async fn a_post_is_never_sent_again() {
    for status in [500, 502, 503, 504] {
        let fake = Fake::start(move |seen| (!seen.mints()).then(|| refusal(status, "oops"))).await;
        let fault = fake.comment().await.unwrap_err();
        assert_eq!(fault.class, Class::Transient);
        assert_eq!(fake.asked(), ["POST /repos/octo/hello/issues/1/comments"]);
    }
}

/// It sends a token only to relative addresses and to api.github.com, and the second page of GitHub
/// Enterprise Server is neither.
#[tokio::test]
async fn the_second_page_is_asked_with_the_token_too() {
    let fake = Fake::start_below(
        "/api/v3",
        |_| (),
        |seen| {
            let (page, next) = match seen.path.as_str() {
                "/api/v3/repos/octo/hello/issues/1/comments?per_page=100" => (1, true),
                "/api/v3/repositories/77/issues/1/comments?per_page=100&page=2" => (2, false),
                _ => return None,
            };
            let comment = json!([{ "id": page, "created_at": "2026-11-21T01:00:00Z" }]);
            let link =
                "https://git.example/api/v3/repositories/77/issues/1/comments?per_page=100&page=2";
            let page = reply(200, &comment);
            Some(if next {
                page.header("link", format!("<{link}>; rel=\"next\""))
            } else {
                page
            })
        },
    )
    .await;
    let comments = fake
        .client
        .comments(&repo(), ThreadNumber(1))
        .await
        .unwrap();
    let ids: Vec<u64> = comments.iter().map(|comment| comment.id.0).collect();
    assert_eq!(ids, [1, 2]);
    let tokens: Vec<_> = fake
        .seen()
        .iter()
        .filter(|seen| !seen.mints())
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer ghs_1", "Bearer ghs_1"]);
}

/// Ten first calls at once mint ten tokens there.
#[tokio::test]
async fn ten_first_calls_at_once_mint_one_token() {
    let fake = Arc::new(
        Fake::start(|seen| {
            let delay = Duration::from_millis(50);
            if seen.mints() {
                let token = json!({ "token": "ghs_only", "expires_at": "2026-11-21T02:13:06Z" });
                return Some(reply(201, &token).after(delay));
            }
            Some(reply(201, &json!({})))
        })
        .await,
    );
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let fake = Arc::clone(&fake);
            tokio::spawn(async move {
                let target = ReactionTarget::Thread;
                fake.client.react(&repo(), ThreadNumber(1), target).await
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!((fake.mints(), fake.asked().len()), (1, 10));
}

/// Its payload types make an action that they do not know an error.
#[test]
fn an_action_from_the_future_is_no_error() {
    let body = br#"{"action":"teleported","installation":{"id":1},"issue":{"number":"seven"}}"#;
    let event = prova::adapters::github::Webhooks
        .translate("issues", body, Timestamp::EPOCH)
        .unwrap();
    let shown = format!("{event:?}");
    assert!(shown.contains("issues.teleported"), "{shown}");
}

/// Its way with rate limits sleeps up to an hour inside the request.
#[tokio::test]
async fn a_rate_limit_is_told_and_not_slept_out() {
    let fake = Fake::start(|seen| {
        (!seen.mints()).then(|| refusal(403, "secondary rate limit").header("retry-after", "30"))
    })
    .await;
    let before = Instant::now();
    let fault = fake.comment().await.unwrap_err();
    assert!(matches!(fault.class, Class::RateLimited(_)), "{fault:?}");
    assert!(before.elapsed() < Duration::from_secs(10));
    assert_eq!(fake.asked().len(), 1);
}

/// Its installation client cannot ask for fewer permissions than the App has.
#[tokio::test]
async fn a_token_for_fetching_can_only_fetch() {
    let fake = Fake::start(|_| None).await;
    fake.client.fetch_token(&repo()).await.unwrap();
    assert_eq!(
        fake.body_of("POST /app/installations/9/access_tokens"),
        json!({ "repository_ids": [77], "permissions": { "contents": "read" } })
    );
}

/// Its redirects turn a POST into a GET.
#[tokio::test]
async fn a_write_to_a_renamed_repository_stays_a_write() {
    for status in [301, 302, 307, 308] {
        let fake = Fake::start(move |seen| match seen.line().as_str() {
            "POST /repos/octo/hello/issues/1/comments" => {
                Some(refusal(status, "Moved Permanently").header(
                    "location",
                    "https://api.example/repositories/77/issues/1/comments",
                ))
            }
            "POST /repositories/77/issues/1/comments" => Some(reply(201, &json!({ "id": 5 }))),
            _ => None,
        })
        .await;
        let id = fake.comment().await.unwrap();
        assert_eq!(id.0, 5);
        let sent = fake.body_of("POST /repositories/77/issues/1/comments");
        assert_eq!(sent, json!({ "body": "hi" }));
    }
}

/// It would follow to any host.
#[tokio::test]
async fn a_token_never_leaves_for_another_host() {
    let elsewhere = Fake::start(|_| Some(reply(200, &json!({})))).await;
    let there = format!("{}/repos/octo/hello/issues/1", elsewhere.origin);
    let fake = Fake::start(move |seen| {
        (!seen.mints()).then(|| refusal(302, "Found").header("location", there.as_str()))
    })
    .await;
    fake.thread().await.unwrap_err();
    assert_eq!(elsewhere.seen().len(), 0);
}

/// It breaks its interface often and is therefore pinned; what it does behind the client's back is
/// left out of the build.
#[test]
fn octocrab_is_pinned_and_brings_no_second_opinion() {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let octocrab = &manifest["dependencies"]["octocrab"];
    assert_eq!(octocrab["version"].as_str(), Some("=0.54.9"));
    assert_eq!(octocrab["default-features"].as_bool(), Some(false));
    let features: Vec<_> = octocrab["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature.as_str().unwrap())
        .collect();
    for unwanted in [
        "retry",
        "follow-redirect",
        "tracing",
        "rustls-ring",
        "jwt-rust-crypto",
    ] {
        assert!(!features.contains(&unwanted), "{unwanted}");
    }
}

/// Unlike its own client, ours speaks to GitHub Enterprise Server as to github.com.
#[tokio::test]
async fn the_app_is_asked_below_the_base_path() {
    let fake = Fake::start_below(
        "/api/v3/",
        |_| (),
        |seen| {
            (seen.path == "/api/v3/app")
                .then(|| reply(200, &json!({ "id": 4711, "slug": "prova" })))
        },
    )
    .await;
    assert_eq!(fake.client.app().await.unwrap().slug, "prova");
}
