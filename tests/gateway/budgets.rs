//! Budgets: the call that could pass one is not made.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prova::adapters::gateway::Bounds;
use prova::ports::gateway::Pass;
use serde_json::json;
use tokio::time::timeout;

use crate::bed::{Bed, cap, json, pass};
use crate::endpoint::{Answer, Script, Server};
use crate::network::Network;

// (61 + 2,000) at 3.75 and 1,000 at 15 dollars a million: at most 0.022729 for a call.
const CALL: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]} "#;
const MESSAGES: &str = "/models/anthropic/v1/messages";
/// 100 at 3 and 500 at 15 dollars a million: 0.0078.
const ANSWER: &str = r#"{"usage":{"input_tokens":100,"output_tokens":500}}"#;

fn capped(most: &str) -> Pass {
    Pass {
        caps: vec![cap(most)],
        ..pass(&[])
    }
}

#[tokio::test]
async fn the_call_that_could_pass_a_budget_is_refused_and_the_run_is_told() {
    let server = Server::start(|_| Answer::json(ANSWER)).await;
    let bed = Bed::before(&server);
    let inside = bed.open(capped("0.03")).await;
    assert_eq!(inside.ask(MESSAGES, CALL).await.0, 200);
    assert!(!inside.door.exhausted().is_cancelled());
    // 0.0078 are spent, and 0.022729 would be too much.
    let (status, text) = inside.ask(MESSAGES, CALL).await;
    assert_eq!(
        (status, &json(&text)["error"]["type"]),
        (402, &json!("billing_error"))
    );
    assert!(inside.door.exhausted().is_cancelled());
    assert_eq!(server.asked().len(), 1);
    let traffic = inside.door.close().await;
    let exceeded = traffic.exceeded.unwrap();
    assert_eq!(exceeded.cap.spent.to_string(), "0.0078");
    assert_eq!(exceeded.cap.most.to_string(), "0.03");
    assert_eq!(exceeded.asked.to_string(), "0.022729");
    assert_eq!(traffic.models[0].cost.to_string(), "0.0078");
}

#[tokio::test]
async fn every_api_says_it_in_its_own_way() {
    let server = Server::start(|_| Answer::json(ANSWER)).await;
    let bed = Bed::before(&server);
    let inside = bed.open(capped("0.001")).await;
    let (status, text) = inside
        .ask("/models/openai/v1/responses", r#"{"model":"m"}"#)
        .await;
    assert_eq!(
        (status, &json(&text)["error"]["code"]),
        (402, &json!("insufficient_quota"))
    );
    let (status, text) = inside
        .ask("/models/gemini/v1beta/models/m:generateContent", "{}")
        .await;
    assert_eq!(
        (status, &json(&text)["error"]["status"]),
        (402, &json!("FAILED_PRECONDITION"))
    );
    let answer = inside.post(MESSAGES, CALL).await;
    assert_eq!(answer.headers()["x-should-retry"], "false");
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_budget_that_passes_share_is_one_budget() {
    let server = Server::start(|_| Answer::json(ANSWER)).await;
    let bed = Bed::before(&server);
    let first = bed.open(capped("0.03")).await;
    let second = bed.open(capped("0.03")).await;
    assert_eq!(first.ask(MESSAGES, CALL).await.0, 200);
    assert_eq!(second.ask(MESSAGES, CALL).await.0, 402);
    assert!(second.door.exhausted().is_cancelled());
    assert!(!first.door.exhausted().is_cancelled());
    // That of another process, too, whatever was read when it began.
    let other = bed.beside(&server, Bounds::default());
    let third = other.open(capped("0.03")).await;
    assert_eq!(third.ask(MESSAGES, CALL).await.0, 402);
    let traffic = third.door.close().await;
    let spent = traffic.exceeded.unwrap().cap.spent;
    assert_eq!(spent.to_string(), "0.0078");
}

#[tokio::test]
async fn a_call_waits_for_those_of_another_process() {
    let (send, script) = Script::live();
    let first = Mutex::new(Some(script));
    let server = Server::start(move |_| match first.lock().unwrap().take() {
        Some(script) => Answer::live(script),
        None => Answer::json(ANSWER),
    })
    .await;
    let bed = Bed::before(&server);
    let bounds = Bounds {
        look: Duration::from_millis(5),
        ..Bounds::default()
    };
    let other = bed.beside(&server, bounds);
    let (here, there) = (
        bed.open(capped("0.035")).await,
        other.open(capped("0.035")).await,
    );
    let under_way = here.post(MESSAGES, CALL).await;
    let mut waiting = Box::pin(there.ask(MESSAGES, CALL));
    let waits = timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(waits.is_err(), "it waits");
    send.send(Ok(format!("data: {ANSWER}\n\n").into())).unwrap();
    drop(send);
    assert_eq!(crate::bed::read(under_way).await.0, 200);
    assert_eq!(waiting.await.0, 200);
}

#[tokio::test]
async fn what_is_set_aside_for_a_long_call_is_kept() {
    let (send, script) = Script::live();
    let script = Mutex::new(Some(script));
    let server = Server::start(move |_| Answer::live(script.lock().unwrap().take().unwrap())).await;
    let bounds = Bounds {
        renewal: Duration::from_millis(5),
        ..Bounds::default()
    };
    let bed = Bed::new(server.address, Network::default(), bounds);
    let inside = bed.open(capped("1")).await;
    let under_way = inside.post(MESSAGES, CALL).await;
    let kept = async {
        while bed.ledger.kept.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), kept).await.unwrap();
    assert_eq!(bed.ledger.holds.lock().unwrap().len(), 1);
    send.send(Ok(format!("data: {ANSWER}\n\n").into())).unwrap();
    drop(send);
    assert_eq!(crate::bed::read(under_way).await.0, 200);
    // Nothing is kept once the call has ended, or this would not end.
    inside.door.close().await;
    assert!(bed.ledger.holds.lock().unwrap().is_empty());
}

#[tokio::test]
async fn no_call_is_made_while_nobody_knows_whether_a_budget_has_room() {
    let server = Server::start(|_| Answer::json(ANSWER)).await;
    let bed = Bed::before(&server);
    let inside = bed.open(capped("1")).await;
    bed.ledger.away.store(true, Ordering::SeqCst);
    let answer = inside.post(MESSAGES, CALL).await;
    assert!(!answer.headers().contains_key("x-should-retry"));
    let (status, text) = crate::bed::read(answer).await;
    assert_eq!(
        (status, &json(&text)["error"]["type"]),
        (503, &json!("api_error"))
    );
    assert_eq!(server.asked().len(), 0);
    assert!(!inside.door.exhausted().is_cancelled(), "the run goes on");
    bed.ledger.away.store(false, Ordering::SeqCst);
    assert_eq!(inside.ask(MESSAGES, CALL).await.0, 200);
    inside.door.close().await;
    assert!(bed.ledger.holds.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_goes_away_before_the_call_is_made_pays_nothing() {
    let (send, script) = Script::live();
    let first = Mutex::new(Some(script));
    let server = Server::start(move |_| Answer::live(first.lock().unwrap().take().unwrap())).await;
    let bounds = Bounds {
        look: Duration::from_millis(1),
        ..Bounds::default()
    };
    let bed = Bed::new(server.address, Network::default(), bounds);
    let inside = bed.open(capped("0.035")).await;
    let under_way = inside.post(MESSAGES, CALL).await;
    for _ in 0..20 {
        let mut waiting = Box::pin(inside.ask(MESSAGES, CALL));
        let waits = timeout(Duration::from_millis(3), &mut waiting).await;
        assert!(waits.is_err(), "it waits");
    }
    send.send(Ok(format!("data: {ANSWER}\n\n").into())).unwrap();
    drop(send);
    assert_eq!(crate::bed::read(under_way).await.0, 200);
    inside.door.close().await;
    assert_eq!(bed.ledger.charges.lock().unwrap().len(), 1);
    assert!(bed.ledger.holds.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_waits_for_others_that_may_cost_less_than_they_hold() {
    let (send, script) = Script::live();
    let first = Mutex::new(Some(script));
    let server = Server::start(move |_| match first.lock().unwrap().take() {
        Some(script) => Answer::live(script),
        None => Answer::json(ANSWER),
    })
    .await;
    let bed = Bed::before(&server);
    let inside = bed.open(capped("0.035")).await;
    let under_way = inside.post(MESSAGES, CALL).await;
    let mut waiting = Box::pin(inside.ask(MESSAGES, CALL));
    assert!(
        timeout(Duration::from_millis(100), &mut waiting)
            .await
            .is_err(),
        "it waits"
    );
    send.send(Ok(format!("data: {ANSWER}\n\n").into())).unwrap();
    drop(send);
    assert_eq!(crate::bed::read(under_way).await.0, 200);
    assert_eq!(waiting.await.0, 200);
    assert!(!inside.door.exhausted().is_cancelled());
    assert_eq!(
        inside.door.close().await.models[0].cost.to_string(),
        "0.0156"
    );
}

#[tokio::test]
async fn many_at_once_never_spend_more_than_there_is() {
    let server = Server::start(|_| Answer::json(ANSWER)).await;
    let bed = Bed::before(&server);
    let inside = std::sync::Arc::new(bed.open(capped("0.1")).await);
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let inside = inside.clone();
            tokio::spawn(async move { inside.ask(MESSAGES, CALL).await.0 })
        })
        .collect();
    let mut answered = 0;
    for call in calls {
        answered += u32::from(call.await.unwrap() == 200);
    }
    let traffic = inside.door.close().await;
    let cost = traffic.models[0].cost;
    assert!(cost <= "0.1".parse().unwrap(), "{cost}");
    // The last call that fits is let through: 9 × 0.0078 and the 0.022729 that the tenth holds.
    assert_eq!((answered, cost.to_string().as_str()), (10, "0.078"));
    let charges = bed.ledger.charges.lock().unwrap();
    assert_eq!(charges.len(), 10);
    let ids: std::collections::BTreeSet<_> = charges.iter().map(|charge| &charge.id).collect();
    assert_eq!(ids.len(), 10);
}
