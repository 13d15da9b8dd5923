//! The tables of what the code needs, against the code.

use prova::adapters::github::{EVENTS, PERMISSIONS, Webhooks};
use prova::domain::event::Event;
use prova::domain::time::Timestamp;
use prova::ports::github::Translate;

/// Events that GitHub sends to every App.
const UNASKED: [&str; 2] = ["installation", "installation_repositories"];

/// Some real payloads were recorded without an App.
fn to_an_app(body: &[u8]) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(body).unwrap();
    if body["installation"].is_null() {
        body["installation"] = serde_json::json!({ "id": 5 });
    }
    body.to_string().into_bytes()
}

#[test]
fn every_event_that_is_asked_for_is_acted_on_and_none_besides() {
    let mut acted_on = std::collections::BTreeSet::new();
    // The real push is one of a tag.
    let push = (
        "push".to_owned(),
        crate::webhooks::pushed("refs/heads/main"),
    );
    for (event, body) in crate::webhooks::payloads().into_iter().chain([push]) {
        let body = to_an_app(&body);
        let translated = Webhooks.translate(&event, &body, Timestamp::EPOCH).unwrap();
        match translated {
            Event::NotOurs(_) => {}
            Event::Thread(_)
            | Event::Checked(_)
            | Event::Pressed(_)
            | Event::Pushed(_)
            | Event::Retargeted(_)
            | Event::InstallationLost(_)
            | Event::RepositoriesLost(_)
            | Event::RepositoryRenamed { .. } => {
                acted_on.insert(event);
            }
        }
    }
    let mut asked: Vec<&str> = EVENTS.iter().chain(&UNASKED).copied().collect();
    asked.sort_unstable();
    assert_eq!(
        acted_on.iter().map(String::as_str).collect::<Vec<_>>(),
        asked
    );
}

#[test]
fn permissions_are_named_once_with_a_level() {
    assert!(PERMISSIONS.is_sorted_by(|(a, _), (b, _)| a < b));
    assert!(
        PERMISSIONS
            .iter()
            .all(|(_, level)| matches!(*level, "read" | "write"))
    );
}
