//! What the gate before GitHub lets through, when, and what it says of the rest.

use std::sync::Arc;
use std::time::Duration;

use prova::adapters::github::Settings;
use prova::domain::governor::limits::Limits;
use prova::domain::ids::{CommentId, InstallationId, Login, ThreadNumber};
use prova::domain::repo::Repo;
use prova::domain::time::{Span, Timestamp};
use prova::ports::fault::{Class, Fault};
use prova::ports::github::{Repositories as _, Threads as _};
use prova::ports::held_up::HeldUp;
use serde_json::json;

use crate::fake::{Fake, Reply, START, Seen, refusal, reply, repo};

/// Has what anything that is asked for here needs.
fn anything() -> Reply {
    reply(
        200,
        &json!({ "id": 1, "state": "open", "permission": "write" }),
    )
}

fn all_well(seen: &Seen) -> Option<Reply> {
    (!seen.mints()).then(anything)
}

fn at(seconds: u64) -> Timestamp {
    START.plus(Span::seconds(seconds))
}

/// Returns until when something was put off.
fn put_off<T>(outcome: Result<T, Fault>) -> Option<Timestamp> {
    match outcome {
        Ok(_) => None,
        Err(fault) => match fault.class {
            Class::RateLimited(until) => Some(until),
            Class::Transient
            | Class::AuthLost
            | Class::Conflict
            | Class::NotFound
            | Class::Permanent => panic!("{fault}"),
        },
    }
}

fn elsewhere() -> Repo {
    Repo {
        installation: InstallationId(10),
        ..repo()
    }
}

#[tokio::test]
async fn a_minute_takes_eighty_changes_and_reads_go_on() {
    let fake = Fake::start(all_well).await;
    for n in 0..80 {
        assert_eq!(put_off(fake.comment().await), None, "{n}");
    }
    let fault = fake.comment().await.unwrap_err();
    assert_eq!(fault.class, Class::RateLimited(at(60)));
    assert_eq!(
        fault.to_string(),
        "comment on octo/hello#1: not sent, because GitHub takes 80 changes a minute"
    );
    assert_eq!(fake.asked().len(), 80, "it was not even sent");
    fake.thread().await.unwrap();
    let other = fake
        .client
        .comment(&elsewhere(), ThreadNumber(1), "hi")
        .await;
    assert_eq!(
        put_off(other),
        None,
        "another installation has limits of its own"
    );
    fake.clock.advance(Span::seconds(60));
    assert_eq!(put_off(fake.comment().await), None);
}

#[tokio::test]
async fn edits_leave_room_for_what_is_new() {
    let fake = Fake::start(all_well).await;
    let edit = async || fake.client.edit_comment(&repo(), CommentId(1), "x").await;
    for n in 0..72 {
        assert_eq!(put_off(edit().await), None, "{n}");
    }
    assert_eq!(put_off(edit().await), Some(at(60)));
    assert_eq!(put_off(fake.comment().await), None);
}

#[tokio::test]
async fn where_there_are_no_limits_none_are_kept() {
    let none = |settings: &mut Settings| settings.limits = Limits::NONE;
    let fake = Fake::start_below("", none, all_well).await;
    for n in 0..600 {
        assert_eq!(put_off(fake.comment().await), None, "{n}");
    }
}

#[tokio::test]
async fn what_is_left_of_the_hour_is_for_who_waits() {
    let fake = Fake::start(|seen| {
        let limits = |reply: Reply| {
            let reset = (START.as_millis() / 1_000 + 900).to_string();
            let left = if seen.path.contains("collaborators") {
                "1000"
            } else {
                "400"
            };
            // Without it the server would say by its own date that our clock is off.
            let now = "Sat, 21 Nov 2026 01:13:06 GMT";
            reply
                .header("date", now)
                .header("x-ratelimit-limit", "5000")
                .header("x-ratelimit-remaining", left)
                .header("x-ratelimit-reset", reset)
        };
        (!seen.mints()).then(|| limits(anything()))
    })
    .await;
    let may = async || fake.client.permission(&repo(), &Login::new("ada")).await;
    assert_eq!(put_off(may().await), None);
    // Who compares with GitHub leaves a quarter.
    assert_eq!(put_off(fake.thread().await), Some(at(900)));
    let edit = async || fake.client.edit_comment(&repo(), CommentId(1), "x").await;
    assert_eq!(put_off(edit().await), None);
    // The answer said that less than a tenth is left.
    assert_eq!(put_off(edit().await), Some(at(900)));
    assert_eq!(put_off(may().await), None);
    fake.clock.advance(Span::seconds(900));
    assert_eq!(put_off(fake.thread().await), None);
}

#[tokio::test]
async fn a_refusal_holds_everything_of_that_installation_back() {
    let fake = Fake::start(|seen| {
        (seen.path.contains("/comments"))
            .then(|| refusal(403, "secondary").header("retry-after", "90"))
    })
    .await;
    let until = Some(at(90));
    assert_eq!(put_off(fake.comment().await), until);
    assert_eq!(put_off(fake.comment().await), until);
    assert_eq!(put_off(fake.thread().await), until);
    assert_eq!(fake.asked().len(), 1);
    let other = fake
        .client
        .comment(&elsewhere(), ThreadNumber(1), "hi")
        .await;
    assert_eq!(put_off(other), until, "GitHub said so again");
    assert_eq!(fake.asked().len(), 2);
    fake.clock.advance(Span::seconds(90));
    assert_eq!(put_off(fake.comment().await), Some(at(180)));
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_short_wait_is_waited_out() {
    let fake = Fake::start(|seen| {
        let first = seen.path.contains("/comments");
        (!seen.mints()).then(|| {
            if first {
                refusal(429, "secondary").header("retry-after", "1")
            } else {
                anything()
            }
        })
    })
    .await;
    let held_up = Arc::new(HeldUp::default());
    let client = Arc::into_inner(fake.client)
        .unwrap()
        .counting_into(held_up.clone());
    let commented = client.comment(&repo(), ThreadNumber(1), "hi").await;
    assert_eq!(put_off(commented), Some(at(1)));
    let waits = async {
        while held_up.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        fake.clock.advance(Span::seconds(1));
    };
    let repo = repo();
    let (read, ()) = tokio::join!(client.thread(&repo, ThreadNumber(1)), waits);
    assert_eq!(put_off(read), None);
    assert_eq!((held_up.waiting(), held_up.put_off_so_far()), (0, 0));
}

#[tokio::test]
async fn as_many_are_under_way_as_github_takes_at_once() {
    let brief = |settings: &mut Settings| settings.timeout = Span::seconds(4);
    let fake = Fake::start_below("", brief, |seen| {
        (!seen.mints()).then(|| anything().after(Duration::from_mins(1)))
    })
    .await;
    // A token first, or all wait for it.
    let _ = tokio::time::timeout(Duration::from_millis(1), fake.comment()).await;
    let login = Login::new("ada");
    let repo = repo();
    let reads = (0..120).map(|_| fake.client.permission(&repo, &login));
    let ends = futures_util::future::join_all(reads).await;
    let class = |end: &Result<_, Fault>| end.as_ref().err().map(|fault| fault.class);
    let sent = ends
        .iter()
        .filter(|end| class(end) == Some(Class::Transient));
    assert_eq!(sent.count(), 100, "they got no answer");
    let kept = ends
        .iter()
        .filter(|end| class(end) == Some(Class::RateLimited(at(2))));
    assert_eq!(kept.count(), 20, "they are to come again");
}
