//! What ships beside the binary says the same as the binary: ports, users, versions.

use std::fs;

use crate::root;

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The arguments of a Dockerfile's instruction in its last stage, the one that ships.
fn instructions(keyword: &str) -> Vec<String> {
    let text = text_of("Dockerfile").replace("\\\n", " ");
    let stage = text.rsplit("\nFROM ").next().unwrap_or_default().to_owned();
    let found = stage
        .lines()
        .filter_map(|line| line.strip_prefix(keyword)?.strip_prefix(' '));
    found.map(|rest| rest.trim().to_owned()).collect()
}

/// The value of a variable that the image sets.
fn variable(name: &str) -> String {
    let all = instructions("ENV").join(" ");
    let value = all
        .split_whitespace()
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value
        .unwrap_or_else(|| panic!("the Dockerfile sets no {name}"))
        .to_owned()
}

fn quoted_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(key))?;
    line.split('"').nth(1)
}

#[test]
fn the_image_listens_where_it_says_and_not_only_to_itself() {
    let listen = variable("PROVA_SERVER__LISTEN");
    let (host, port) = listen
        .rsplit_once(':')
        .unwrap_or_else(|| panic!("{listen}"));
    assert_eq!(
        host, "0.0.0.0",
        "a container that listens on loopback is reached by nobody"
    );
    assert_eq!(instructions("EXPOSE"), [port]);
}

#[test]
fn the_image_asks_the_server_for_its_health() {
    // `prova health` reads the same settings as `prova serve`, so the port is written once.
    let checks = instructions("HEALTHCHECK");
    assert!(
        checks.len() == 1
            && checks
                .iter()
                .all(|c| c.ends_with(r#"CMD ["prova", "health"]"#))
    );
}

#[test]
fn the_image_does_not_run_as_root() {
    let users = instructions("USER");
    let last = users
        .last()
        .unwrap_or_else(|| panic!("the Dockerfile names no user"));
    assert!(
        !last.starts_with("root") && !last.starts_with('0'),
        "{last}"
    );
    let after = text_of("Dockerfile")
        .rsplit("\nUSER ")
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(
        after.contains("\nENTRYPOINT "),
        "the user is set after the entry point"
    );
}

#[test]
fn everything_builds_with_the_rust_that_the_package_asks_for() {
    let manifest = text_of("Cargo.toml");
    let rust = quoted_after(&manifest, "rust-version").unwrap_or_else(|| panic!("no rust-version"));
    assert!(text_of("Dockerfile").contains(&format!("FROM rust:{rust}-")));
    assert!(text_of("scripts/setup").contains(&format!("RUST_VERSION={rust}\n")));
    let workflow = text_of(".github/workflows/ci.yml");
    assert!(workflow.contains(&format!("RUST_VERSION: \"{rust}\"\n")));
}

#[test]
fn the_public_workflow_gives_away_nothing() {
    let workflow = text_of(".github/workflows/ci.yml");
    assert!(workflow.contains("\npermissions:\n  contents: read\n"));
    let checkouts = workflow.matches("uses: actions/checkout@").count();
    assert!(checkouts > 0);
    assert_eq!(
        workflow.matches("persist-credentials: false").count(),
        checkouts
    );
    assert!(!workflow.contains("pull_request_target") && !workflow.contains("secrets."));
}
