//! How calls end when they do not end well, and what they are charged then.

use std::time::Duration;

use http_body_util::BodyExt as _;
use prova::adapters::gateway::Bounds;
use prova::domain::traffic::Traffic;
use prova::domain::unanswered::CallFailure;

use crate::bed::{Bed, pass};
use crate::endpoint::{Answer, Script, Server};
use crate::network::Network;

const CALL: &str = r#"{"model":"m","max_tokens":500,"stream":true,"messages":[]}"#;
const MESSAGES: &str = "/models/anthropic/v1/messages";
const START: &str = "data: {\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n";

#[tokio::test]
async fn a_call_that_is_abandoned_is_charged_all_that_it_could_write() {
    let (send, script) = Script::live();
    let script = std::sync::Mutex::new(Some(script));
    let server = Server::start(move |_| Answer::live(script.lock().unwrap().take().unwrap())).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let mut answer = inside.post(MESSAGES, CALL).await;
    send.send(Ok(START.into())).unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    drop(answer);
    drop(inside.door.close().await);
    let charges = bed.ledger.charges.lock().unwrap();
    assert_eq!(
        (charges[0].tokens.input, charges[0].tokens.output),
        (10, 500)
    );
}

#[tokio::test]
async fn a_call_that_the_endpoint_breaks_off_is_charged_what_came() {
    let (send, script) = Script::live();
    let script = std::sync::Mutex::new(Some(script));
    let server = Server::start(move |_| Answer::live(script.lock().unwrap().take().unwrap())).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let mut answer = inside.post(MESSAGES, CALL).await;
    send.send(Ok(START.into())).unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    send.send(Err(std::io::ErrorKind::BrokenPipe.into()))
        .unwrap();
    assert!(
        answer.into_body().collect().await.is_err(),
        "a broken answer looks broken"
    );
    let traffic = inside.door.close().await;
    let tokens = traffic.models[0].tokens;
    assert_eq!((tokens.input, tokens.output), (10, START.len() as u64));
}

#[tokio::test]
async fn an_answer_that_tells_nothing_is_charged_an_estimate() {
    let server = Server::start(|_| Answer::json(r#"{"id":"x","usage":"none"}"#)).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    inside.ask(MESSAGES, CALL).await;
    let tokens = inside.door.close().await.models[0].tokens;
    assert_eq!(
        (tokens.input, tokens.output),
        (CALL.len() as u64 + 2_000, 25)
    );
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_costs_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let bed = Bed::new(address, Network::default(), Bounds::default());
    let inside = bed.open(pass(&[])).await;
    let (status, text) = inside.ask(MESSAGES, CALL).await;
    assert_eq!(status, 502);
    assert!(
        text.contains("endpoint anthropic cannot be reached"),
        "{text}"
    );
    let traffic = inside.door.close().await;
    assert_eq!(traffic.models, []);
    assert!(bed.ledger.charges.lock().unwrap().is_empty());
    assert!(bed.ledger.holds.lock().unwrap().is_empty(), "all is free");
    assert_eq!(failures(&traffic), [(CallFailure::Unreachable, 1)]);
}

fn failures(traffic: &Traffic) -> Vec<(CallFailure, u64)> {
    let each = traffic.unanswered.iter();
    each.map(|calls| (calls.failure, calls.calls)).collect()
}

#[tokio::test]
async fn how_an_endpoint_failed_is_counted() {
    let answers = std::sync::Mutex::new(vec![
        Answer::json(r#"{"usage":{"input_tokens":1,"output_tokens":1}}"#),
        Answer::error(529, r#"{"error":{"type":"overloaded_error"}}"#),
        Answer::error(500, "{}"),
        Answer::error(429, r#"{"error":{"code":"insufficient_quota"}}"#),
        Answer::error(429, "{}"),
        Answer::error(401, "{}"),
        Answer::error(404, "{}"),
    ]);
    let server = Server::start(move |_| answers.lock().unwrap().pop().unwrap()).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    for _ in 0..7 {
        inside.ask(MESSAGES, CALL).await;
    }
    // What the gateway refuses by itself says nothing about an endpoint.
    inside.ask(MESSAGES, r#"{"model":"unknown"}"#).await;
    let traffic = inside.door.close().await;
    assert_eq!(traffic.answered, 1);
    let expected = [
        (CallFailure::KeyRefused, 1),
        (CallFailure::OutOfQuota, 1),
        (CallFailure::RateLimited, 1),
        (CallFailure::Failing, 2),
        (CallFailure::Refused, 1),
    ];
    assert_eq!(failures(&traffic), expected);
}

#[tokio::test]
async fn an_endpoint_that_is_silent_is_given_up() {
    let (_send, script) = Script::live();
    let script = std::sync::Mutex::new(Some(script));
    let server = Server::start(move |_| Answer::live(script.lock().unwrap().take().unwrap())).await;
    let bounds = Bounds {
        silence: Duration::from_millis(100),
        ..Bounds::default()
    };
    let bed = Bed::new(server.address, Network::default(), bounds);
    let inside = bed.open(pass(&[])).await;
    let answer = inside.post(MESSAGES, CALL).await;
    assert!(answer.into_body().collect().await.is_err());
    assert_eq!(inside.door.close().await.models[0].calls, 1);
}

#[tokio::test]
async fn closing_the_door_ends_everything_and_tells_the_same_twice() {
    let (send, script) = Script::live();
    let script = std::sync::Mutex::new(Some(script));
    let server = Server::start(move |_| Answer::live(script.lock().unwrap().take().unwrap())).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let mut answer = inside.post(MESSAGES, CALL).await;
    send.send(Ok(START.into())).unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    let idle = tokio::net::TcpStream::connect(inside.address)
        .await
        .unwrap();
    let first = inside.door.close().await;
    assert_eq!(first.models[0].calls, 1);
    assert!(answer.into_body().collect().await.is_err());
    assert_eq!(idle.try_read(&mut [0]).unwrap_or(0), 0);
    assert!(
        tokio::net::TcpStream::connect(inside.address)
            .await
            .is_err()
    );
    assert_eq!(inside.door.close().await, first);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(inside.door.serve(listener).is_err());
}

#[tokio::test]
async fn a_head_that_does_not_come_or_does_not_end_is_not_waited_for() {
    let server = Server::start(|_| Answer::json("{}")).await;
    let bounds = Bounds {
        head: Duration::from_millis(100),
        silence: Duration::from_millis(100),
        ..Bounds::default()
    };
    let bed = Bed::new(server.address, Network::default(), bounds);
    let inside = bed.open(pass(&[])).await;
    inside.raw(b"POST /models/anthropic/v1/messages HT").await;
    let endless = format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(100_000));
    assert!(inside.raw(endless.as_bytes()).await.contains(" 431 "));
    let slow = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 9\r\n\r\n{{",
        inside.key
    );
    assert!(inside.raw(slow.as_bytes()).await.contains(" 400 "));
}
