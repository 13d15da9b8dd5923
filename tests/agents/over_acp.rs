//! The same agents over the Agent Client Protocol, and what some of them must not see to be safe.

use crate::case::Case;
use crate::house::House;
use crate::model::{Script, Turn};
use crate::outcome::Subject;
use crate::through::*;

every_case! {
    goose = Subject::acp("goose");
    claude = Subject::acp("claude-code");
    codex = Subject::acp("codex");
    opencode = Subject::acp("opencode");
    gemini = Subject::acp("gemini-cli");
}

/// The attack is alive: what is hidden from an agent is what it would run.
async fn would_run(subject: Subject, planted: &str) {
    // It may come to that while it works.
    let wait = format!("for i in $(seq 200); do test -e {planted} && break; sleep 0.1; done");
    let script = [Turn::shell(&wait), Turn::say("I did nothing.")];
    let mut house = House::with(subject, Script::of(script)).await;
    house.preset.hide.clear();
    if let Some(acp) = &mut house.preset.acp {
        acp.hide.clear();
    }
    house.plant();
    let ran = house.run("Do nothing.", None).await;
    let obeyed = house.obeyed();
    assert!(
        obeyed.contains(&planted.to_owned()),
        "{obeyed:?} {}",
        ran.told()
    );
}

#[tokio::test]
async fn codex_would_run_a_server_of_the_checkout() {
    would_run(Subject::acp("codex"), "planted-codex-mcp").await;
}

#[tokio::test]
async fn opencode_would_run_a_plugin_of_the_checkout() {
    would_run(Subject::exec("opencode"), "planted-opencode-plugin").await;
}
