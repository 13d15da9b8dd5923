//! The scripted model itself, asked as agents ask it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::model::{Call, Failure, Kind, Model, Reply, Script, Toolless, Turn, Usage, Wire};

/// Asks, and returns status, headers and as much of the body as came.
async fn ask(base: &str, path: &str, body: &Value) -> (u16, http::HeaderMap, String, bool) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = http::Request::post(format!("{base}{path}"))
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .unwrap();
    let answer = client.request(request).await.unwrap();
    let (head, mut body) = answer.into_parts();
    let mut text = String::new();
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            whole = false;
            break;
        };
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    (head.status.as_u16(), head.headers, text, whole)
}

/// A request for the work over each API: path, body, and the same as a stream.
fn requests() -> [(Wire, &'static str, Value, &'static str, Value); 4] {
    let schema = json!({
        "type": "object",
        "properties": { "command": { "type": "string" } },
        "required": ["command"],
    });
    let anthropic = json!({
        "model": "m",
        "messages": [],
        "tools": [{ "name": "Bash", "input_schema": schema }],
    });
    let chat = json!({
        "model": "m",
        "messages": [],
        "tools": [{ "type": "function", "function": { "name": "bash", "parameters": schema } }],
    });
    let responses = json!({
        "model": "m",
        "input": [],
        "tools": [{ "type": "function", "name": "shell", "parameters": schema }],
    });
    let gemini = json!({
        "contents": [],
        "tools": [{ "functionDeclarations": [{ "name": "run_shell_command", "parametersJsonSchema": schema }] }],
    });
    let streamed = |body: &Value| {
        let mut body = body.clone();
        body["stream"] = json!(true);
        body
    };
    let (a, c, r) = ("/v1/messages", "/v1/chat/completions", "/v1/responses");
    [
        (
            Wire::Anthropic,
            a,
            anthropic.clone(),
            a,
            streamed(&anthropic),
        ),
        (Wire::Chat, c, chat.clone(), c, streamed(&chat)),
        (
            Wire::Responses,
            r,
            responses.clone(),
            r,
            streamed(&responses),
        ),
        (
            Wire::Gemini,
            "/v1beta/models/m:generateContent",
            gemini.clone(),
            "/v1beta/models/m:streamGenerateContent",
            gemini,
        ),
    ]
}

fn script() -> Script {
    let usage = Usage {
        input: 300,
        cached: 100,
        output: 7,
    };
    Script::of([Turn::Reply(Reply {
        text: "Ünder way".to_owned(),
        calls: vec![Call::Shell("make".to_owned())],
        usage,
    })])
}

/// The values at pointers, one a line.
fn at(value: &Value, pointers: &[&str]) -> Vec<Value> {
    pointers
        .iter()
        .map(|pointer| value.pointer(pointer).cloned().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn every_api_is_answered_in_one_piece() {
    let mut model = Model::new(script());
    let base = model.on_loopback().await;
    for (wire, path, body, _, _) in requests() {
        let (status, _, text, whole) = ask(&base, path, &body).await;
        assert_eq!((status, whole), (200, true), "{wire:?}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let (pointers, expected) = match wire {
            Wire::Anthropic => (
                [
                    "/content/0/text",
                    "/content/1/name",
                    "/content/1/input/command",
                    "/stop_reason",
                    "/usage/input_tokens",
                    "/usage/cache_read_input_tokens",
                ],
                json!(["Ünder way", "Bash", "make", "tool_use", 200, 100]),
            ),
            Wire::Chat => (
                [
                    "/choices/0/message/content",
                    "/choices/0/message/tool_calls/0/function/name",
                    "/choices/0/message/tool_calls/0/function/arguments",
                    "/choices/0/finish_reason",
                    "/usage/prompt_tokens",
                    "/usage/prompt_tokens_details/cached_tokens",
                ],
                json!([
                    "Ünder way",
                    "bash",
                    r#"{"command":"make"}"#,
                    "tool_calls",
                    300,
                    100
                ]),
            ),
            Wire::Responses => (
                [
                    "/output/0/content/0/text",
                    "/output/1/name",
                    "/output/1/arguments",
                    "/status",
                    "/usage/input_tokens",
                    "/usage/input_tokens_details/cached_tokens",
                ],
                json!([
                    "Ünder way",
                    "shell",
                    r#"{"command":"make"}"#,
                    "completed",
                    300,
                    100
                ]),
            ),
            Wire::Gemini => (
                [
                    "/candidates/0/content/parts/0/text",
                    "/candidates/0/content/parts/1/functionCall/name",
                    "/candidates/0/content/parts/1/functionCall/args/command",
                    "/candidates/0/finishReason",
                    "/usageMetadata/promptTokenCount",
                    "/usageMetadata/cachedContentTokenCount",
                ],
                json!(["Ünder way", "run_shell_command", "make", "STOP", 300, 100]),
            ),
        };
        assert_eq!(json!(at(&answer, &pointers)), expected, "{wire:?} {text}");
    }
    let asked = model.asked();
    let kinds: Vec<Kind> = asked.iter().map(|one| one.kind).collect();
    // The last turn is given again, for as long as it is asked for.
    assert_eq!(kinds, (0..4).map(Kind::Work).collect::<Vec<_>>());
    assert_eq!(asked[3].tools, ["run_shell_command"]);
    assert_eq!(asked[0].headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_stream_says_the_same_in_pieces() {
    let mut model = Model::new(script());
    let base = model.on_loopback().await;
    for (wire, _, _, path, body) in requests() {
        let (status, headers, text, whole) = ask(&base, path, &body).await;
        assert_eq!((status, whole), (200, true), "{wire:?}");
        assert_eq!(headers["content-type"], "text/event-stream");
        let events: Vec<Value> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        let (said, called) = match wire {
            Wire::Anthropic => ("/delta/text", "/delta/partial_json"),
            Wire::Chat => (
                "/choices/0/delta/content",
                "/choices/0/delta/tool_calls/0/function/arguments",
            ),
            Wire::Responses => ("/delta", "/delta"),
            Wire::Gemini => (
                "/candidates/0/content/parts/0/text",
                "/candidates/0/content/parts/0/functionCall/args/command",
            ),
        };
        let joined = |pointer: &str| -> String {
            let found = events
                .iter()
                .filter_map(|event| event.pointer(pointer)?.as_str());
            found.collect()
        };
        let (words, arguments) = (joined(said), joined(called));
        let expected = match wire {
            Wire::Responses => "Ünder way{\"command\":\"make\"}",
            Wire::Anthropic | Wire::Chat | Wire::Gemini => "Ünder way",
        };
        assert_eq!(words, expected, "{wire:?}");
        let command = match wire {
            Wire::Gemini => "make",
            Wire::Anthropic | Wire::Chat | Wire::Responses => r#"{"command":"make"}"#,
        };
        assert!(arguments.ends_with(command), "{wire:?} {arguments}");
        assert_eq!(text.ends_with("data: [DONE]\n\n"), wire == Wire::Chat);
    }
}

#[tokio::test]
async fn every_api_refuses_in_its_own_words() {
    let cases = [
        (
            401,
            [
                "authentication_error",
                "invalid_api_key",
                "invalid_api_key",
                "UNAUTHENTICATED",
            ],
        ),
        (
            429,
            [
                "rate_limit_error",
                "rate_limit_exceeded",
                "rate_limit_exceeded",
                "RESOURCE_EXHAUSTED",
            ],
        ),
        (
            500,
            ["api_error", "server_error", "server_error", "INTERNAL"],
        ),
        (
            529,
            [
                "overloaded_error",
                "server_error",
                "server_error",
                "UNAVAILABLE",
            ],
        ),
    ];
    for (status, words) in cases {
        let mut model = Model::new(Script::of([Turn::Fail(Failure {
            status,
            retry_after: Some(3),
        })]));
        let base = model.on_loopback().await;
        for ((wire, _, _, path, body), word) in requests().into_iter().zip(words) {
            let (got, headers, text, _) = ask(&base, path, &body).await;
            assert_eq!((got, &headers["retry-after"]), (status, &3.into()));
            let error: Value = serde_json::from_str(&text).unwrap();
            assert!(error["error"].to_string().contains(word), "{wire:?} {text}");
        }
    }
}

#[tokio::test]
async fn a_cut_answer_ends_in_the_middle() {
    let mut model = Model::new(Script::of([Turn::Cut(Reply::shell("make"))]));
    let base = model.on_loopback().await;
    for (wire, whole_path, whole_body, path, body) in requests() {
        for (path, body) in [(whole_path, &whole_body), (path, &body)] {
            let (status, _, text, whole) = ask(&base, path, body).await;
            assert_eq!((status, whole), (200, false), "{wire:?}");
            assert!(!text.is_empty(), "{wire:?}: it was cut before it began");
        }
    }
}

#[tokio::test]
async fn a_model_may_be_slow_or_silent() {
    let pause = Duration::from_millis(30);
    let mut model = Model::new(Script::of([
        Turn::Slow(Reply::shell("make"), pause),
        Turn::Hang,
    ]));
    let base = model.on_loopback().await;
    let [(_, _, _, path, body), ..] = requests();
    let start = Instant::now();
    let (_, _, text, _) = ask(&base, path, &body).await;
    let events = u32::try_from(text.matches("data: ").count()).unwrap();
    assert!(start.elapsed() >= pause * events, "{:?}", start.elapsed());
    let silent = timeout(Duration::from_millis(200), ask(&base, path, &body)).await;
    assert!(silent.is_err());
    model.begun().await;
}

#[tokio::test]
async fn what_is_asked_beside_the_work_takes_no_turn() {
    let mut model = Model::new(Script::of([Turn::say("the work")]));
    let base = model.on_loopback().await;
    let schema = json!({
        "type": "object",
        "properties": { "route": { "enum": ["small", "large"] } },
        "required": ["route"],
    });
    let route = r#"{\"route\":\"small\"}"#;
    let cases = [
        (
            "/v1/messages",
            json!({ "model": "m", "max_tokens": 1 }),
            "A title",
        ),
        (
            "/v1/messages/count_tokens",
            json!({ "tools": [{}] }),
            r#""input_tokens":1000"#,
        ),
        (
            "/v1/responses",
            json!({ "text": { "format": { "type": "json_schema", "schema": schema } } }),
            route,
        ),
        (
            "/v1beta/models/m:generateContent",
            json!({ "generationConfig": { "responseJsonSchema": schema } }),
            route,
        ),
        (
            "/v1beta/models/m:countTokens",
            json!({}),
            r#""totalTokens":1000"#,
        ),
    ];
    for (path, body, expected) in cases {
        let (status, _, text, _) = ask(&base, path, &body).await;
        assert_eq!(status, 200, "{path}");
        assert!(text.contains(expected), "{path}: {text}");
    }
    let (status, ..) = ask(&base, "/telemetry", &json!({})).await;
    assert_eq!(status, 404);
    let [.., (_, path, body, _, _)] = requests();
    let (_, _, text, _) = ask(&base, path, &body).await;
    assert!(text.contains("the work"), "{text}");
    let kinds: Vec<Kind> = model.asked().iter().map(|one| one.kind).collect();
    let mut expected = vec![Kind::Aside; 5];
    expected.extend([Kind::Unknown, Kind::Work(0)]);
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn an_agent_without_tools_can_be_answered_too() {
    let mut script = Script::of([
        Turn::Reply(Reply {
            calls: vec![Call::Tool {
                name: "look".to_owned(),
                input: json!({ "at": "it" }),
            }],
            ..Reply::default()
        }),
        Turn::say("the work"),
    ]);
    script.toolless = Toolless::Work;
    let mut model = Model::new(script);
    let base = model.on_loopback().await;
    let body = json!({ "model": "m" });
    let (_, _, text, _) = ask(&base, "/v1/chat/completions", &body).await;
    assert!(text.contains(r#""name":"look""#), "{text}");
    let (_, _, text, _) = ask(&base, "/v1/chat/completions", &body).await;
    assert!(text.contains("the work"), "{text}");
}
