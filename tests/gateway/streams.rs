//! Streams: nothing is held back, in either direction, and many fit at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::bed::{Bed, cap, pass};
use crate::endpoint::{Answer, Pieces, Script, Server};

const CALL: &str = r#"{"model":"m","max_tokens":10,"stream":true,"messages":[]}"#;
const MESSAGES: &str = "/models/anthropic/v1/messages";

/// A server whose answers a test writes while they pass.
async fn live() -> (Server, Arc<Mutex<Vec<Pieces>>>) {
    let open: Arc<Mutex<Vec<Pieces>>> = Arc::default();
    let writers = open.clone();
    let server = Server::start(move |_| {
        let (send, script) = Script::live();
        writers.lock().unwrap().push(send);
        Answer::live(script)
    })
    .await;
    (server, open)
}

#[tokio::test]
async fn every_piece_arrives_before_the_next_is_written() {
    let (server, writers) = live().await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let mut answer = inside.post(MESSAGES, CALL).await;
    let writer = writers.lock().unwrap().pop().unwrap();
    for number in 0..20 {
        let piece = format!("data: {number}\n\n");
        writer.send(Ok(piece.clone().into())).unwrap();
        let frame = timeout(Duration::from_secs(5), answer.body_mut().frame()).await;
        assert_eq!(frame.unwrap().unwrap().unwrap().into_data().unwrap(), piece);
    }
}

#[tokio::test]
async fn whoever_does_not_read_is_not_written_to() {
    let (server, writers) = live().await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let answer = inside.post(MESSAGES, CALL).await;
    let writer = writers.lock().unwrap().pop().unwrap();
    let piece = bytes::Bytes::from(vec![b'\n'; 1 << 20]);
    for _ in 0..200 {
        writer.send(Ok(piece.clone())).unwrap();
    }
    drop(writer);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Were it held in the gateway, this process would have grown by it; it comes when it is read.
    let mut body = answer.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(read, 200 << 20);
}

#[tokio::test]
async fn two_hundred_streams_pass_at_once() {
    let (server, writers) = live().await;
    let bed = Bed::before(&server);
    let mut rich = pass(&[]);
    rich.caps = vec![cap("100")];
    let inside = Arc::new(bed.open(rich).await);
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let inside = inside.clone();
            tokio::spawn(async move { inside.ask(MESSAGES, CALL).await })
        })
        .collect();
    // All of them are open before any of them ends.
    timeout(Duration::from_secs(20), async {
        while writers.lock().unwrap().len() < 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let open = std::mem::take(&mut *writers.lock().unwrap());
    let usage = "data: {\"usage\":{\"input_tokens\":2,\"output_tokens\":3}}\n\n";
    for writer in open {
        writer.send(Ok(usage.into())).unwrap();
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), (200, usage.to_owned()));
    }
    let used = &inside.door.close().await.models[0];
    assert_eq!(
        (used.calls, used.tokens.input, used.tokens.output),
        (200, 400, 600)
    );
}
