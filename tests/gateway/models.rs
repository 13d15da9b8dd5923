//! Model calls: what reaches the endpoint, what comes back, and what is counted.

use http::Request;
use prova::adapters::gateway::Bounds;
use prova::domain::traffic::{BlockReason, Tokens};
use serde_json::{Value, json};

use crate::bed::{Bed, REAL, json, pass, read};
use crate::endpoint::{Answer, Server};
use crate::network::Network;

const ANTHROPIC: &[&str] = &[
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":3000,\"output_tokens\":1}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"\\\"usage\\\":{\\\"output_tokens\\\":0}\"}}\n\n",
    "event: message_del",
    "ta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_",
    "tokens\":40}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

#[tokio::test]
async fn a_stream_of_anthropics_passes_as_it_is_and_is_counted() {
    let server = Server::start(|_| Answer::stream(ANTHROPIC)).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let body = r#"{"model":"m","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let (status, answer) = inside
        .ask("/models/anthropic/v1/messages?beta=true&key=x", body)
        .await;
    assert_eq!((status, answer), (200, ANTHROPIC.concat()));

    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.uri(), "/v1/messages?beta=true");
    assert_eq!(asked.body(), body);
    assert_eq!(asked.headers()["x-api-key"], REAL);
    assert_eq!(asked.headers()["accept-encoding"], "identity");
    assert_eq!(asked.headers()["host"], server.address.to_string().as_str());

    let traffic = inside.door.close().await;
    let used = &traffic.models[0];
    assert_eq!(
        (used.endpoint.as_str(), used.model.as_str(), used.calls),
        ("anthropic", "m", 1)
    );
    let tokens = Tokens {
        input: 10,
        cache_read: 3_000,
        cache_write: 200,
        output: 40,
        reasoning: 0,
    };
    assert_eq!(used.tokens, tokens);
    // 0.00003 + 0.0009 + 0.00075 + 0.0006
    assert_eq!(used.cost.to_string(), "0.00228");
    let charges = bed.ledger.charges.lock().unwrap();
    assert_eq!(charges.len(), 1);
    assert_eq!((charges[0].tokens, charges[0].cost), (tokens, used.cost));
}

#[tokio::test]
async fn every_api_is_counted_by_its_own_fields() {
    let long = "x".repeat(300_000);
    let responses = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{{\"text\":\"{long}\"}}],\"usage\":{{\"input_tokens\":100,\"input_tokens_details\":{{\"cached_tokens\":60}},\"output_tokens\":50,\"output_tokens_details\":{{\"reasoning_tokens\":30}}}}}}}}\n\n"
    );
    let open_ai = Tokens {
        input: 40,
        cache_read: 60,
        cache_write: 0,
        output: 20,
        reasoning: 30,
    };
    let chat = r#"{"usage":{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":60},"completion_tokens_details":{"reasoning_tokens":30}}}"#;
    let chat_stream = [
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n".to_owned(),
        format!("data: {chat}\n\ndata: [DONE]\n\n"),
    ]
    .concat();
    let gemini = r#"{"candidates":[{"content":{},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":20,"thoughtsTokenCount":30}}"#;
    let (responses_json, first) = (
        r#"{"object":"response","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60},"output_tokens":50,"output_tokens_details":{"reasoning_tokens":30}}}"#,
        r#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":3}}"#,
    );
    let gemini_stream = format!("data: {first}\r\n\r\ndata: {gemini}\r\n\r\n");
    let gemini_list = format!("[{first}\n,\r\n{gemini}]");
    let call = |streamed| format!(r#"{{"model":"m","stream":{streamed},"messages":[]}}"#);
    for (path, body, streamed, answer) in [
        ("openai/v1/responses", call(true), true, responses.as_str()),
        ("openai/v1/responses", call(false), false, responses_json),
        (
            "openai/v1/chat/completions",
            call(true),
            true,
            chat_stream.as_str(),
        ),
        ("openai/v1/chat/completions", call(false), false, chat),
        (
            "gemini/v1beta/models/m:generateContent",
            "{}".to_owned(),
            false,
            gemini,
        ),
        (
            "gemini/v1beta/models/m:streamGenerateContent?alt=sse",
            "{}".to_owned(),
            true,
            &gemini_stream,
        ),
        (
            "gemini/v1beta/models/m:streamGenerateContent",
            "{}".to_owned(),
            false,
            &gemini_list,
        ),
    ] {
        let text = answer.to_owned();
        let server = Server::start(move |_| {
            // Pieces that end anywhere.
            let pieces: Vec<String> = text
                .as_bytes()
                .chunks(997)
                .map(|piece| String::from_utf8_lossy(piece).into_owned())
                .collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            if streamed {
                Answer::stream(&pieces)
            } else {
                Answer {
                    headers: vec![("content-type", "application/json")],
                    ..Answer::stream(&pieces)
                }
            }
        })
        .await;
        let bed = Bed::before(&server);
        let inside = bed.open(pass(&[])).await;
        let got = inside.ask(&format!("/models/{path}"), &body).await;
        assert_eq!(got, (200, answer.to_owned()), "{path}");
        let traffic = inside.door.close().await;
        assert_eq!(traffic.models[0].tokens, open_ai, "{path}");
    }
}

#[tokio::test]
async fn a_chat_is_made_to_tell_what_it_uses_and_keys_go_where_apis_want_them() {
    let server = Server::start(|_| Answer::json("{}")).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let chat = r#"{"model":"m","stream":true,"messages":[]}"#;
    inside.ask("/models/openai/v1/chat/completions", chat).await;
    inside
        .ask(
            "/models/gemini/v1beta/models/m:generateContent?key=mine",
            "{}",
        )
        .await;
    let asked = server.asked();
    let sent: Value = serde_json::from_slice(asked[0].body()).unwrap();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    assert_eq!(asked[0].uri(), "/v1/chat/completions");
    assert_eq!(
        asked[0].headers()["authorization"],
        format!("Bearer {REAL}").as_str()
    );
    assert!(!asked[0].headers().contains_key("x-api-key"));
    assert_eq!(asked[1].uri(), "/v1beta/models/m:generateContent");
    assert_eq!(asked[1].headers()["x-goog-api-key"], REAL);
}

#[tokio::test]
async fn a_call_without_the_jobs_key_or_to_anything_else_is_refused() {
    let server = Server::start(|_| Answer::json("{}")).await;
    let bounds = Bounds {
        body_bytes: 1_000,
        ..Bounds::default()
    };
    let bed = Bed::new(server.address, Network::default(), bounds);
    let inside = bed.open(pass(&[])).await;
    let messages = "/models/anthropic/v1/messages";
    let body = r#"{"model":"m","messages":[]}"#;
    for key in ["", "wrong", REAL] {
        let request = Request::post(format!("http://{}{messages}", inside.address))
            .header("x-api-key", key)
            .body(body.to_owned().into())
            .unwrap();
        let (status, text) = read(inside.send(request).await).await;
        assert_eq!(
            (status, &json(&text)["error"]["type"]),
            (401, &json!("authentication_error"))
        );
    }
    let long = format!(r#"{{"model":"m","messages":["{}"]}}"#, "x".repeat(1_000));
    for (path, body, status, kind) in [
        ("/models/anthropic/v1/files", body, 404, "not_found_error"),
        (
            "/models/anthropic/v1/messages/batches",
            body,
            404,
            "not_found_error",
        ),
        (
            "/models/anthropic/v1/../v1/messages",
            body,
            404,
            "not_found_error",
        ),
        (
            messages,
            r#"{"model":"dear","messages":[]}"#,
            403,
            "permission_error",
        ),
        (
            messages,
            r#"{"model":"m","model":"dear"}"#,
            400,
            "invalid_request_error",
        ),
        (
            messages,
            r#"{"model":"m","mcp_servers":[{"url":"https://evil.test"}]}"#,
            400,
            "invalid_request_error",
        ),
        (messages, "model=m", 400, "invalid_request_error"),
        (messages, &long, 413, "request_too_large"),
    ] {
        let (got, text) = inside.ask(path, body).await;
        assert_eq!(
            (got, &json(&text)["error"]["type"]),
            (status, &json!(kind)),
            "{path} {body}"
        );
    }
    for path in [
        "/",
        "/models",
        "/models/",
        "/models/other/v1/messages",
        "/v1/messages",
        "/metrics",
    ] {
        assert_eq!(inside.ask(path, body).await.0, 404, "{path}");
    }
    let (_, text) = inside.ask(messages, r#"{"model":"dear"}"#).await;
    assert!(text.contains("these may: m, n"), "{text}");
    assert_eq!(server.asked().len(), 0, "nothing of it was passed on");
    let traffic = inside.door.close().await;
    assert_eq!(traffic.models, []);
    let blocked: Vec<_> = traffic
        .blocked
        .iter()
        .map(|b| (b.place.as_str(), b.reason, b.count))
        .collect();
    let expected = [
        ("anthropic/dear", BlockReason::Model, 2),
        ("anthropic/mcp_servers", BlockReason::NotAllowed, 1),
    ];
    assert_eq!(blocked, expected);
}

#[tokio::test]
async fn an_endpoint_of_another_pass_is_not_there() {
    let server = Server::start(|_| Answer::json("{}")).await;
    let bed = Bed::before(&server);
    let mut setup = pass(&[]);
    setup.models.clear();
    let inside = bed.open(setup).await;
    assert!(
        inside
            .env
            .keys()
            .all(|name| name.to_lowercase().contains("proxy")),
        "{:?}",
        inside.env
    );
    assert_eq!(
        inside.ask("/models/anthropic/v1/messages", "{}").await.0,
        404
    );
}

#[tokio::test]
async fn no_answer_shows_the_real_key_or_the_account() {
    let server = Server::start(|request| match request.uri().path() {
        "/v1/messages" => Answer::error(401, r#"{"error":"incorrect key sk-real-****cdef"}"#),
        _ => Answer {
            headers: vec![
                ("openai-organization", "acme"),
                ("set-cookie", "a=b"),
                ("x-request-id", "r"),
            ],
            ..Answer::error(400, &format!(r#"{{"error":"bad header Bearer {REAL}"}}"#))
        },
    })
    .await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let (status, text) = inside
        .ask("/models/anthropic/v1/messages", r#"{"model":"m"}"#)
        .await;
    assert_eq!(status, 403);
    assert!(
        text.contains("models.anthropic") && !text.contains("cdef"),
        "{text}"
    );
    let answer = inside
        .post("/models/openai/v1/responses", r#"{"model":"m"}"#)
        .await;
    assert_eq!(answer.headers()["x-request-id"], "r");
    assert!(!answer.headers().contains_key("openai-organization"));
    assert!(!answer.headers().contains_key("set-cookie"));
    let (status, text) = read(answer).await;
    assert_eq!(status, 400);
    assert!(!text.contains(REAL), "{text}");
    // What the endpoint refused costs nothing.
    assert_eq!(inside.door.close().await.models, []);
    assert!(bed.ledger.charges.lock().unwrap().is_empty());
}

#[tokio::test]
async fn lists_and_counts_cost_nothing() {
    let server = Server::start(|_| Answer::json(r#"{"input_tokens":7}"#)).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let counted = inside
        .ask(
            "/models/anthropic/v1/messages/count_tokens",
            r#"{"model":"m"}"#,
        )
        .await;
    assert_eq!(counted, (200, r#"{"input_tokens":7}"#.to_owned()));
    let request = Request::get(format!("http://{}/models/openai/v1/models", inside.address))
        .header("authorization", format!("Bearer {}", inside.key))
        .body(bytes::Bytes::new().into())
        .unwrap();
    assert_eq!(read(inside.send(request).await).await.0, 200);
    assert_eq!(server.asked().len(), 2);
    assert_eq!(inside.door.close().await.models, []);
}

#[tokio::test]
async fn tools_of_the_provider_are_withheld_and_told() {
    let server = Server::start(|_| Answer::json("{}")).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let body = r#"{"model":"m","tools":[{"type":"web_search"},{"type":"function","name":"f"}]}"#;
    inside.ask("/models/openai/v1/responses", body).await;
    let sent: Value = serde_json::from_slice(server.asked()[0].body()).unwrap();
    assert_eq!(sent["tools"], json!([{"type": "function", "name": "f"}]));
    let traffic = inside.door.close().await;
    assert_eq!(traffic.blocked[0].place, "openai/web_search");
}

#[tokio::test]
async fn programs_inside_find_the_door_by_the_usual_variables() {
    let server = Server::start(|_| Answer::json("{}")).await;
    let bed = Bed::before(&server);
    let inside = bed.open(pass(&[])).await;
    let get = |name: &str| inside.env[name].as_str();
    assert_eq!(
        get("ANTHROPIC_BASE_URL"),
        "http://127.0.0.1:8790/models/anthropic"
    );
    assert_eq!(
        get("OPENAI_BASE_URL"),
        "http://127.0.0.1:8790/models/openai/v1"
    );
    assert_eq!(
        get("GOOGLE_GEMINI_BASE_URL"),
        "http://127.0.0.1:8790/models/gemini"
    );
    for name in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"] {
        assert_eq!(get(name), inside.key);
    }
    for name in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        assert_eq!(get(name), "http://127.0.0.1:8790");
    }
    assert_eq!(get("no_proxy"), "127.0.0.1,localhost");
    let described = json(get("PROVA_MODELS"));
    assert_eq!(
        described[1],
        json!({"name": "openai", "api": "openai", "url": "http://127.0.0.1:8790/models/openai/v1", "models": ["m", "n"]})
    );
    assert!(!inside.env.values().any(|value| value.contains(REAL)));
    // Another pass has another key.
    assert_ne!(bed.open(pass(&[])).await.key, inside.key);
}
