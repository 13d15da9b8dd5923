//! The door: what is taken in, what is not, and what is answered.

use axum::body::Body;
use axum::http::Request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::harness::{Bot, World};

const LIMIT: usize = 25 * 1024 * 1024;

/// Signs a body as GitHub does.
pub(crate) fn signature(bot: &Bot, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(bot.sim.webhook_secret().as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A request with everything right.
pub(crate) fn signed(bot: &Bot, event: &str, id: &str, body: impl Into<Vec<u8>>) -> Request<Body> {
    let body = body.into();
    Request::post("/webhook")
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", id)
        .header("x-hub-signature-256", signature(bot, &body))
        .body(Body::from(body))
        .unwrap()
}

/// A right request with a header replaced, or taken out.
fn altered(bot: &Bot, name: &'static str, value: Option<&str>) -> Request<Body> {
    let mut request = signed(bot, "issues", "id-1", "{}");
    request.headers_mut().remove(name);
    if let Some(value) = value {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn what_is_not_githubs_is_refused_and_not_stored() {
    let bot = World::fixer().start().await;
    let zeros = format!("sha256={}", "0".repeat(64));
    let sha1 = format!("sha1={}", "0".repeat(40));
    let right = signature(&bot, b"{}");
    let upper = right.to_uppercase().replace("SHA256", "sha256");
    let long = "x".repeat(5_000);
    for (name, value, status) in [
        ("x-hub-signature-256", None, 401),
        ("x-hub-signature-256", Some(""), 401),
        ("x-hub-signature-256", Some("sha256="), 401),
        ("x-hub-signature-256", Some(zeros.as_str()), 401),
        ("x-hub-signature-256", Some(sha1.as_str()), 401),
        ("x-hub-signature-256", Some(upper.as_str()), 401),
        (
            "x-hub-signature-256",
            Some(right.trim_start_matches("sha256=")),
            401,
        ),
        ("x-github-event", None, 400),
        ("x-github-event", Some(""), 400),
        ("x-github-event", Some("two words"), 400),
        ("x-github-delivery", None, 400),
        ("x-github-delivery", Some(long.as_str()), 400),
        ("content-type", None, 415),
        (
            "content-type",
            Some("application/x-www-form-urlencoded"),
            415,
        ),
        ("content-type", Some("text/plain"), 415),
    ] {
        let answer = bot.post(altered(&bot, name, value)).await;
        assert_eq!(answer, status, "{name}: {value:?}");
    }
    assert_eq!(bot.deliveries().await, []);
    for value in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(
            bot.post(altered(&bot, "content-type", Some(value))).await,
            202
        );
    }
    assert_eq!(bot.deliveries().await.len(), 1);
}

#[tokio::test]
async fn the_signature_is_over_every_byte() {
    let bot = World::fixer().start().await;
    for body in [
        "{\"a\":1}",
        "{\"a\": 1}",
        "{\"a\":1}\n",
        "\u{feff}{\"a\":1}",
    ] {
        let mut request = signed(&bot, "issues", "id-1", "{\"a\":1} ");
        *request.body_mut() = Body::from(body);
        assert_eq!(bot.post(request).await, 401, "{body:?}");
    }
}

#[tokio::test]
async fn other_methods_and_paths() {
    let bot = World::fixer().start().await;
    for (method, path, status) in [
        ("GET", "/webhook", 405),
        ("PUT", "/webhook", 405),
        ("POST", "/", 404),
        ("POST", "/webhook/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        assert_eq!(bot.post(request).await, status, "{method} {path}");
    }
}

#[tokio::test]
async fn twenty_five_megabytes_and_not_one_byte_more() {
    let bot = World::fixer().start().await;
    let mut body = b"{\"x\":\"".to_vec();
    body.resize(LIMIT - 2, b'x');
    body.extend_from_slice(b"\"}");
    assert_eq!(
        bot.post(signed(&bot, "push", "whole", body.clone())).await,
        202
    );
    body.push(b' ');
    assert_eq!(
        bot.post(signed(&bot, "push", "over", body.clone())).await,
        413
    );
    // The same with no length declared.
    let signature = signature(&bot, &body);
    let mut request = signed(&bot, "push", "pieces", "");
    request
        .headers_mut()
        .insert("x-hub-signature-256", signature.parse().unwrap());
    request.headers_mut().remove("content-length");
    *request.body_mut() = Body::from(body);
    assert_eq!(bot.post(request).await, 413);
    let stored = bot.deliveries().await;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].bytes, LIMIT as u64);
    bot.settle().await;
    assert_eq!(bot.parked().await, []);
}

#[tokio::test]
async fn a_length_that_says_too_much_is_refused_before_the_body_is_read() {
    let bot = World::fixer().start().await;
    let mut request = signed(&bot, "push", "id-1", "{}");
    request
        .headers_mut()
        .insert("content-length", (LIMIT + 1).to_string().parse().unwrap());
    *request.body_mut() = Body::new(NotToBeRead);
    assert_eq!(bot.post(request).await, 413);
}

struct NotToBeRead;

impl axum::body::HttpBody for NotToBeRead {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        panic!("the body was read")
    }
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_parked_with_a_reason() {
    let bot = World::fixer().start().await;
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(
        "{{\"action\":\"labeled\",\"installation\":{{\"id\":1}},\"issue\":{}1{}}}",
        "{\"a\":".repeat(5_000),
        "}".repeat(5_000)
    );
    let bodies: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("junk", b"hello, is this on?".to_vec()),
        ("form", b"payload=%7B%7D".to_vec()),
        ("cut", b"{\"action\": \"labe".to_vec()),
        ("not-utf8", b"{\"action\": \"\xff\xfe\"}".to_vec()),
        ("nested", nested.into_bytes()),
        ("deep", deep.into_bytes()),
        ("null", b"null".to_vec()),
        (
            "wrong-types",
            b"{\"action\": \"labeled\", \"installation\": {\"id\": 1}, \"issue\": 7, \"repository\": [], \"sender\": null}"
                .to_vec(),
        ),
    ];
    for (id, body) in &bodies {
        assert_eq!(
            bot.post(signed(&bot, "issues", id, body.clone())).await,
            202,
            "{id}"
        );
    }
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    // They hold nobody up.
    assert_eq!(bot.state(issue).await, "in review");
    let parked = bot.parked().await;
    assert_eq!(parked.len(), bodies.len(), "{:#?}", bot.notes().await);
    let mut notes = bot.notes().await;
    notes.retain(|note| note.starts_with("parked"));
    insta::assert_snapshot!(notes.join("\n"));
}

#[tokio::test]
async fn events_and_actions_that_nobody_knows_are_not_ours() {
    let bot = World::fixer().start().await;
    for (event, body) in [
        ("never_heard_of", "{\"action\": \"created\"}"),
        (
            "issues",
            "{\"action\": \"levitated\", \"issue\": {\"number\": 1}}",
        ),
        ("issue_comment", "{\"action\": \"sung\"}"),
        ("ping", "{\"zen\": \"Design for failure.\"}"),
    ] {
        let id = format!("{event}-{}", body.len());
        assert_eq!(bot.post(signed(&bot, event, &id, body)).await, 202);
    }
    bot.settle().await;
    assert_eq!(bot.parked().await, []);
    for note in bot.notes().await {
        assert!(note.starts_with("not ours: "), "{note}");
    }
}

#[tokio::test]
async fn one_delivery_id_is_stored_once() {
    let bot = World::fixer().start().await;
    for body in ["{\"zen\": 1}", "{\"zen\": 1}", "{\"zen\": 2}"] {
        assert_eq!(bot.post(signed(&bot, "ping", "same", body)).await, 202);
    }
    assert_eq!(bot.deliveries().await.len(), 1);
    assert_eq!(bot.deliveries().await[0].bytes, 10);
}
