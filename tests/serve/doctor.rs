//! `prova doctor` against a GitHub that is as it should be, and against ones that are not.

use std::os::unix::fs::PermissionsExt as _;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prova::simulator::webhooks::OutboxFault;
use prova::simulator::world::installations::Access;
use prova::simulator::world::repositories::RepositorySpec;
use prova::simulator::{Options, Simulator};
use serde_json::json;

use crate::home::{Account, Home, Said};
use crate::simulated::{options, settle_in};

const AGENT: &str = "[agents.one]\ndriver = \"exec\"\ncommand = [\"sh\"]\n";

/// Sets a server up against a GitHub with those options and asks the doctor.
async fn examine(options: Options, more: &str, change: impl FnOnce(&Home)) -> Said {
    let home = Home::new();
    let sim = Simulator::start(options).await.unwrap();
    sim.install_app("octo", None).unwrap();
    settle_in(&home, &sim, more);
    change(&home);
    let mut said = home.run(&["doctor"]);
    // Rooms left on the disk differ, and so does who runs the tests.
    let steady = |line: &str| match line.split_whitespace().nth(1) {
        Some("disk" | "limits" | "sandbox" | "store") => line.chars().take(25).collect(),
        _ => line.to_owned(),
    };
    said.out = said
        .out
        .lines()
        .map(steady)
        .collect::<Vec<String>>()
        .join("\n");
    said
}

fn line<'a>(said: &'a Said, what: &str) -> &'a str {
    let found = said
        .out
        .lines()
        .find(|line| line.get(9..).is_some_and(|rest| rest.starts_with(what)));
    found.unwrap_or_else(|| panic!("nothing is said of {what}:\n{}", said.out))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well() {
    let said = examine(options(0), AGENT, |_| {}).await;
    assert_eq!(said.code, 0, "{}", said.out);
    insta::assert_snapshot!(said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_and_event_are_named_with_the_remedy() {
    let mut lacking = options(0);
    lacking.permissions.remove("checks");
    lacking
        .permissions
        .insert("issues".to_owned(), Access::Read);
    lacking
        .permissions
        .insert("workflows".to_owned(), Access::Write);
    lacking.events.retain(|event| event != "issue_comment");
    let said = examine(lacking, AGENT, |_| {}).await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        line(&said, "permissions"),
        line(&said, "events")
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_measured() {
    let said = examine(options(10 * 60 * 1000), AGENT, |_| {}).await;
    assert_eq!(said.code, 1);
    let told = line(&said, "clock");
    assert!(
        told.starts_with("FAILED") && told.contains("behind GitHub's"),
        "{told}"
    );
    assert!(told.contains("set it by NTP"), "{told}");
    // The rest was still looked at, by GitHub's clock.
    assert!(
        line(&said, "installations").starts_with("ok"),
        "{}",
        said.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_app_is_not_recognised() {
    let said = examine(options(0), AGENT, |home| {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let pem = STANDARD.encode(der.as_ref());
        home.secret(
            "app.pem",
            &format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"),
        );
    });
    let said = said.await;
    assert_eq!(said.code, 1);
    let told = line(&said, "app");
    assert!(told.starts_with("FAILED") && told.contains("key"), "{told}");

    let said = examine(options(0), AGENT, |home| {
        home.secret("app.pem", "not a key");
    })
    .await;
    let told = line(&said, "app");
    assert!(
        told.starts_with("FAILED") && told.contains("not an RSA key in PEM"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_machine_lacks_is_named() {
    let agents = "[agents.absent]\ndriver = \"exec\"\ncommand = [\"no-such-agent\"]\n";
    let said = examine(options(0), agents, |home| {
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(home.path().join("app.pem"), open).unwrap();
    });
    let said = said.await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        line(&said, "private key"),
        line(&said, "agent")
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_do_not_arrive_are_counted_and_listed() {
    let home = Home::new();
    let sim = Simulator::start(options(0)).await.unwrap();
    sim.create_repository(&RepositorySpec::new("octo/hello", vec![]))
        .unwrap();
    sim.install_app("octo", None).unwrap();
    settle_in(&home, &sim, AGENT);
    let _installation = sim.take_deliveries();
    let octo = sim.as_person("octo");
    octo.open_issue("octo/hello", "Mend it", "", &[]).unwrap();
    sim.arm_outbox(OutboxFault::Drop(1));
    assert_eq!(sim.take_deliveries(), []);
    let said = home.run(&["doctor"]);
    let told = line(&said, "deliveries");
    assert!(told.starts_with("warning"), "{told}");
    assert!(
        told.contains("502 failed to connect to host; 1 are missing here"),
        "{told}"
    );
    let missed = home.json(&["deliveries", "missed", "--json"]);
    assert_eq!(
        (&missed[0]["event"], &missed[1]),
        (&json!("issues"), &json!(null))
    );
    let table = home.run(&["deliveries", "missed"]);
    assert!(
        table.out.contains(missed[0]["id"].as_str().unwrap()),
        "{}",
        table.out
    );
}

/// Sets up what a sandbox must keep, and attacks one.
fn attack(backend: &str, args: &[&str]) -> Said {
    let home = Home::new();
    home.secret("app.pem", "the key\n");
    home.secret("prova.db", "the store\n");
    let github = Account {
        api_url: "http://127.0.0.1:9",
        web_url: "http://127.0.0.1:9",
        app_id: 1,
    };
    home.settings(&github, &format!("[sandbox]\nbackend = \"{backend}\"\n"));
    let said = home.run(args);
    let left = std::fs::read_dir(home.path().join("work")).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
    said
}

/// Returns the lines of attempts that came out like that, by their names.
fn attempts(said: &Said, result: &str) -> Vec<String> {
    let lines = said.out.lines().filter(|line| line.starts_with(result));
    let names = lines.filter_map(|line| line.get(11..)?.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn a_sandbox_that_isolates_stands_every_attempt() {
    let said = attack("bubblewrap", &["doctor", "--sandbox"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let held = attempts(&said, "held");
    for name in [
        "app-key",
        "store",
        "environment",
        "other-checkout",
        "processes",
        "write",
        "loopback",
        "metadata",
        "unix-socket",
        "namespace",
        "outlive",
        "forks",
        "disk",
        "output",
    ] {
        assert!(
            held.iter().any(|held| held == name),
            "{name}:\n{}",
            said.out
        );
    }
    // Memory is bounded where the host has control groups, and else that is said.
    assert_eq!(said.out.lines().count(), 15, "{}", said.out);
}

#[test]
fn one_that_does_not_is_found_out() {
    let said = attack("none", &["doctor", "--sandbox", "--json"]);
    assert_eq!(said.code, 1, "{}", said.out);
    let list: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let result = |name: &str| {
        let found = list.iter().find(|one| one["attempt"] == name);
        found.unwrap_or_else(|| panic!("{name} was not tried"))["result"].clone()
    };
    for name in [
        "app-key",
        "store",
        "other-checkout",
        "processes",
        "write",
        "loopback",
        "unix-socket",
    ] {
        assert_eq!(result(name), "through", "{name}:\n{}", said.out);
    }
    for name in ["environment", "disk", "output"] {
        assert_eq!(result(name), "held", "{name}:\n{}", said.out);
    }
}
