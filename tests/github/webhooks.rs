//! Real payloads become events, and nothing makes the translation panic.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use prova::adapters::github::Webhooks;
use prova::domain::button::Button;
use prova::domain::event::{Event, Happening, ThreadEvent, ThreadKind};
use prova::domain::ids::{CommitSha, Login};
use prova::domain::repo::ActorKind;
use prova::domain::time::Timestamp;
use prova::ports::github::{Translate, Unreadable};
use serde_json::{Value, json};

const RECEIVED: Timestamp = Timestamp::from_millis(1_795_223_586_000);

/// Every payload in `fixtures/webhooks`, with the event that it is of.
pub(crate) fn payloads() -> Vec<(String, Vec<u8>)> {
    named_payloads().into_values().collect()
}

fn named_payloads() -> BTreeMap<String, (String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webhooks");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "json") && !path.ends_with("manifest.json")
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let event = name.split("__").next().unwrap().to_owned();
            (name, (event, std::fs::read(path).unwrap()))
        })
        .collect()
}

fn payload(name: &str) -> Value {
    let payloads = named_payloads();
    let (_, (_, body)) = payloads.iter().find(|(n, _)| n.starts_with(name)).unwrap();
    serde_json::from_slice(body).unwrap()
}

fn translate(event: &str, body: &Value) -> Result<Event, Unreadable> {
    Webhooks.translate(event, body.to_string().as_bytes(), RECEIVED)
}

fn thread(event: &str, body: &Value) -> ThreadEvent {
    match translate(event, body) {
        Ok(Event::Thread(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn with_installation(mut body: Value) -> Value {
    body["installation"] = json!({ "id": 5, "node_id": "x" });
    body
}

/// The real push, as one of that ref.
pub(crate) fn pushed(name: &str) -> Vec<u8> {
    let mut push = payload("push");
    push["ref"] = json!(name);
    push.to_string().into_bytes()
}

#[test]
fn a_push_tells_of_a_branch_and_of_nothing_else() {
    let read = |body: &[u8]| Webhooks.translate("push", body, RECEIVED).unwrap();
    let Event::Pushed(push) = read(&pushed("refs/heads/a/b")) else {
        panic!("a branch is followed");
    };
    assert_eq!((push.branch.as_str(), push.forced), ("a/b", false));
    let head = "f19c884ab35c8d243bf9d857d631a5d4f190079f";
    assert_eq!(push.head, Some(CommitSha::new(head)));
    let mut gone = payload("push");
    gone["ref"] = json!("refs/heads/main");
    gone["after"] = json!("0".repeat(40));
    gone["forced"] = json!(true);
    let Event::Pushed(push) = read(gone.to_string().as_bytes()) else {
        panic!("a branch is followed to its end");
    };
    assert_eq!((push.head, push.forced), (None, true));
    for other in ["refs/tags/v1", "refs/notes/x", "main"] {
        assert!(matches!(read(&pushed(other)), Event::NotOurs(_)), "{other}");
    }
}

#[test]
fn of_an_edited_pull_request_only_its_base_counts() {
    let mut edited = with_installation(payload("pull_request__closed"));
    edited["action"] = json!("edited");
    edited["changes"] = json!({ "title": { "from": "x" } });
    let read = |body: &Value| translate("pull_request", body).unwrap();
    assert!(matches!(read(&edited), Event::NotOurs(_)));
    edited["changes"] = json!({ "base": { "ref": { "from": "next" }, "sha": { "from": "y" } } });
    assert!(matches!(read(&edited), Event::Retargeted(_)));
}

#[test]
fn every_real_payload_becomes_an_event_or_is_named_as_not_ours() {
    let payloads = named_payloads();
    assert_eq!(payloads.len(), 68);
    let mut shown = String::new();
    for (name, (event, body)) in &payloads {
        let translated = Webhooks.translate(event, body, RECEIVED).unwrap();
        let what = match translated {
            Event::Thread(event) => format!("{event:?}"),
            Event::NotOurs(not) => format!("not ours: {}: {}", not.what, not.why),
            Event::Checked(checked) => format!("{checked:?}"),
            Event::Pressed(pressed) => format!("{pressed:?}"),
            other @ (Event::Pushed(_)
            | Event::Retargeted(_)
            | Event::InstallationLost(_)
            | Event::RepositoriesLost(_)
            | Event::RepositoryRenamed { .. }) => format!("{other:?}"),
        };
        writeln!(shown, "{name}: {what}").unwrap();
    }
    insta::assert_snapshot!(shown);
}

/// What the snapshot cannot show because the real payload was recorded without an App.
#[test]
fn payloads_of_other_senders_are_read_once_an_app_is_named() {
    let moved = thread("issues", &with_installation(payload("issues__transferred")));
    assert_eq!(moved.what, Happening::Gone);
    let mut closed = payload("issues__reopened");
    closed["action"] = json!("closed");
    closed["issue"]["closed_at"] = json!("2026-11-20T00:00:00Z");
    closed["issue"]["state"] = json!("closed");
    let closed = thread("issues", &closed);
    assert_eq!(
        (closed.what, closed.thread.open),
        (Happening::Closed, false)
    );
    assert_eq!(closed.at, Timestamp::from_millis(1_795_132_800_000));
}

#[test]
fn the_end_of_a_suite_of_checks_is_read_with_its_commit() {
    let mut suite = with_installation(payload("check_suite__completed"));
    let commit = CommitSha::new("ec26c3e57ca3a959ca5aad62de7213c562f8c821");
    for (branch, app, told) in [
        (
            json!("main"),
            json!("github-actions"),
            (Some("main"), "github-actions"),
        ),
        // Of a fork, and of an old server.
        (Value::Null, Value::Null, (None, "")),
    ] {
        suite["check_suite"]["head_branch"] = branch;
        suite["check_suite"]["app"]["slug"] = app;
        let Ok(Event::Checked(checked)) = translate("check_suite", &suite) else {
            panic!("{suite}");
        };
        assert_eq!((checked.branch.as_deref(), checked.app.as_str()), told);
        assert_eq!(checked.commit, commit);
    }
    suite["check_suite"]["head_sha"] = Value::Null;
    let unreadable = translate("check_suite", &suite).unwrap_err();
    assert!(
        unreadable.reason.contains("check_suite.head_sha"),
        "{unreadable}"
    );
}

#[test]
fn a_button_of_a_check_run_is_read_with_its_run() {
    let mut body = with_installation(payload("check_run__requested_action"));
    body["check_run"]["external_id"] = json!("77-7-1.1/check");
    let read = |event: &str, body: &Value| translate(event, body).unwrap();
    for (identifier, button) in [("retry", Button::Retry), ("undo", Button::Undo)] {
        body["requested_action"]["identifier"] = json!(identifier);
        let Event::Pressed(pressed) = read("check_run", &body) else {
            panic!("{identifier}");
        };
        assert_eq!((pressed.button, pressed.on.0), (button, 1_494_503_112));
        assert_eq!(pressed.key.as_deref(), Some("77-7-1.1/check"));
        assert_eq!(pressed.branch.as_deref(), Some("miniak/event-process-id"));
        assert_eq!(pressed.app, "electron-cation");
    }
    for other in [json!("lgtm|26764"), Value::Null] {
        body["requested_action"]["identifier"] = other;
        assert!(matches!(read("check_run", &body), Event::NotOurs(_)));
    }
    // GitHub's own button carries none.
    body["action"] = json!("rerequested");
    body["requested_action"] = Value::Null;
    let Event::Pressed(pressed) = read("check_run", &body) else {
        panic!("{body}");
    };
    assert_eq!(pressed.button, Button::Retry);
    let mut suite = with_installation(payload("check_suite__rerequested"));
    suite["check_suite"]["app"]["slug"] = json!("prova");
    let Event::Pressed(pressed) = read("check_suite", &suite) else {
        panic!("{suite}");
    };
    assert_eq!((pressed.button, pressed.key), (Button::Retry, None));
    assert_eq!(
        (pressed.app.as_str(), pressed.branch.as_deref()),
        ("prova", Some("changes"))
    );
}

#[test]
fn a_pull_request_is_merged_or_only_closed() {
    let mut closed = payload("pull_request__closed");
    for (merged, what) in [
        (json!(true), Happening::Merged),
        (json!(false), Happening::Closed),
        (Value::Null, Happening::Closed),
    ] {
        closed["pull_request"]["merged"] = merged;
        let event = thread("pull_request", &closed);
        assert_eq!((event.what, event.thread.kind), (what, ThreadKind::Pull));
    }
}

#[test]
fn a_comment_in_the_conversation_of_a_pull_request_is_on_the_pull_request() {
    let mut comment = payload("issue_comment__created");
    assert_eq!(
        thread("issue_comment", &comment).thread.kind,
        ThreadKind::Issue
    );
    comment["issue"]["pull_request"] = json!({ "url": "x" });
    assert_eq!(
        thread("issue_comment", &comment).thread.kind,
        ThreadKind::Pull
    );
    comment["issue"]["pull_request"] = Value::Null;
    assert_eq!(
        thread("issue_comment", &comment).thread.kind,
        ThreadKind::Issue
    );
}

#[test]
fn machines_are_told_from_persons() {
    let mut opened = payload("issues__opened");
    for (login, kind, expected) in [
        ("someone", json!("User"), ActorKind::Person),
        ("someone", Value::Null, ActorKind::Person),
        ("prova[bot]", json!("Bot"), ActorKind::Bot),
        ("prova[bot]", Value::Null, ActorKind::Bot),
        ("machine", json!("Bot"), ActorKind::Bot),
    ] {
        opened["sender"] = json!({ "login": login, "id": 3, "type": kind });
        let actor = thread("issues", &opened).actor;
        assert_eq!(
            (actor.login, actor.kind, actor.id),
            (Login::new(login), expected, 3)
        );
    }
    opened["sender"] = Value::Null;
    assert_eq!(thread("issues", &opened).actor.login, Login::new("ghost"));
}

#[test]
fn what_is_missing_and_not_needed_is_not_missed() {
    let body = json!({
        "action": "opened",
        "installation": { "id": 1 },
        "repository": { "id": 2, "full_name": "o/r" },
        "issue": { "number": 3 },
    });
    let event = thread("issues", &body);
    assert_eq!(event.at, RECEIVED);
    assert_eq!(event.repo.default_branch, "");
    assert!(event.thread.open && event.thread.labels.is_empty() && event.thread.body.is_empty());
    let mut odd = body.clone();
    for (field, value) in [
        ("created_at", json!("not a time")),
        ("created_at", json!({ "a": 1 })),
        ("body", Value::Null),
        ("labels", Value::Null),
        ("user", Value::Null),
        ("unknown", json!([[[]]])),
    ] {
        odd["issue"][field] = value;
        assert_eq!(thread("issues", &odd), event, "{field}");
    }
    odd["issue"]["created_at"] = json!(1_700_000_000);
    assert_eq!(
        thread("issues", &odd).at,
        Timestamp::from_millis(1_700_000_000_000)
    );
}

#[test]
fn a_label_or_an_assignee_that_is_gone_is_nothing_to_act_on() {
    for (name, field) in [
        ("issues__labeled", "label"),
        ("issues__assigned", "assignee"),
    ] {
        let mut body = payload(name);
        body[field] = Value::Null;
        assert!(
            matches!(translate("issues", &body), Ok(Event::NotOurs(_))),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_understood_says_where() {
    let ours = r#""action":"opened","installation":{"id":1},"issue":{"number":1}"#;
    let deep = format!(
        "{{{ours},\"repository\":{}{}}}",
        "[".repeat(9_999),
        "]".repeat(9_999)
    );
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "expected a JSON object"),
        (b"[]".to_vec(), "expected a JSON object"),
        (b"null".to_vec(), "expected a JSON object"),
        (b"{".to_vec(), "EOF"),
        (b"{} {}".to_vec(), "trailing"),
        (
            b"{\"action\":\"\xff\"}".to_vec(),
            "not UTF-8 from byte 11 on",
        ),
        (br#"{"action":7}"#.to_vec(), "action: invalid type"),
        (
            format!("{{{ours}}}").into_bytes(),
            "missing field `repository`",
        ),
        (
            format!(r#"{{{ours},"repository":{{"id":1,"full_name":"../x"}}}}"#).into_bytes(),
            "repository.full_name: \"../x\" is not a repository",
        ),
        (
            format!(r#"{{{ours},"repository":{{"id":-1,"full_name":"o/r"}}}}"#).into_bytes(),
            "repository.id: invalid value",
        ),
        (deep.into_bytes(), "repository"),
    ];
    for (body, words) in cases {
        let unreadable = Webhooks.translate("issues", &body, RECEIVED).unwrap_err();
        assert_eq!(unreadable.event, "issues");
        assert!(unreadable.reason.contains(words), "{unreadable}");
    }
    let long = format!(
        r#"{{"action":"opened","installation":"{}"}}"#,
        "é\n".repeat(9_000).replace('\n', "\\n")
    );
    let unreadable = Webhooks
        .translate("issues", long.as_bytes(), RECEIVED)
        .unwrap_err();
    assert!(unreadable.reason.chars().count() <= 301 && !unreadable.reason.contains('\n'));
}

#[test]
fn depth_in_what_is_not_read_does_no_harm() {
    let mut body = payload("issues__opened").to_string();
    body.truncate(body.len() - 1);
    let deep = format!(
        "{body},\"deep\":{}{}}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let event = Webhooks
        .translate("issues", deep.as_bytes(), RECEIVED)
        .unwrap();
    assert!(matches!(event, Event::Thread(_)));
}

const EVENTS: [&str; 7] = [
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "repository",
    "installation",
    "installation_repositories",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(event in 0..EVENTS.len(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(Webhooks.translate(EVENTS[event], &body, RECEIVED));
    }

    #[test]
    fn no_damaged_payload_makes_it_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let payloads = ours();
        let (event, body) = which.get(payloads);
        let mut body = body.clone();
        *at.get_mut(&mut body) = with;
        if shorten {
            body.truncate(cut.index(body.len()));
        }
        if let Err(unreadable) = Webhooks.translate(event, &body, RECEIVED) {
            prop_assert!(unreadable.reason.chars().count() <= 301);
        }
    }

    #[test]
    fn no_field_of_another_type_makes_it_panic(
        which in any::<prop::sample::Index>(),
        path in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
        with in prop_oneof![Just(json!(null)), Just(json!(-1)), Just(json!("")), Just(json!([])), Just(json!({})), Just(json!(1e300))],
    ) {
        let payloads = ours();
        let (event, body) = which.get(payloads);
        let mut body: Value = serde_json::from_slice(body).unwrap();
        replace(&mut body, &path, with);
        if let Err(unreadable) = translate(event, &body) {
            prop_assert!(!unreadable.reason.is_empty());
        }
    }
}

/// The payloads that are read to the end.
fn ours() -> &'static [(String, Vec<u8>)] {
    static OURS: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();
    OURS.get_or_init(|| {
        let is_ours = |(event, body): &(String, Vec<u8>)| {
            !matches!(
                Webhooks.translate(event, body, RECEIVED),
                Ok(Event::NotOurs(_))
            )
        };
        payloads().into_iter().filter(is_ours).collect()
    })
}

fn replace(value: &mut Value, path: &[prop::sample::Index], with: Value) {
    let child = path.split_first().and_then(|(step, rest)| {
        let object = value.as_object_mut().filter(|object| !object.is_empty())?;
        let key = step
            .get(&object.keys().cloned().collect::<Vec<_>>())
            .clone();
        Some((object.get_mut(&key)?, rest))
    });
    match child {
        Some((child, rest)) => replace(child, rest, with),
        None => *value = with,
    }
}
