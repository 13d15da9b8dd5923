//! What no retry of a moment helps against: GitHub down, a wrong key, a wrong clock.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use prova::simulator::faults::{Fault, FaultKind};

use crate::harness::{Bot, REPO, World};

fn ask(bot: &Bot) -> u64 {
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.")
}

/// Runs for so long, doing whatever is due.
async fn for_minutes(bot: &Bot, minutes: i64) {
    for _ in 0..minutes * 6 {
        while bot.step().await {}
        bot.clock.advance(10_000);
    }
}

#[tokio::test]
async fn github_is_down_for_an_hour_from_the_start() {
    let bot = World::fixer().start().await;
    let issue = ask(&bot);
    bot.sim
        .arm(Fault::on("*", "*", FaultKind::FailWith(503)).always());
    for_minutes(&bot, 60).await;
    assert_eq!(bot.tasks().await.len(), 0);
    assert_eq!(bot.parked().await, []);
    bot.sim.disarm();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.answers(issue).len(), 1);
}

#[tokio::test]
async fn github_is_down_for_an_hour_while_the_agent_works() {
    let bot = World::fixer().start().await;
    let issue = ask(&bot);
    bot.decide().await;
    bot.sim
        .arm(Fault::on("*", "/repos/*/git/*", FaultKind::Cut).always());
    for_minutes(&bot, 60).await;
    bot.sim.disarm();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn github_is_down_for_an_hour_while_the_result_is_published() {
    let bot = World::fixer().start().await;
    let issue = ask(&bot);
    bot.decide().await;
    assert!(bot.work().await);
    bot.sim
        .arm(Fault::on("*", "*", FaultKind::FailWith(500)).always());
    for_minutes(&bot, 60).await;
    bot.sim.disarm();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.answers(issue).len(), 1);
}

#[tokio::test]
async fn a_clock_five_minutes_off_is_made_up_for_or_named() {
    let mut seen = Vec::new();
    for minutes in [5, -5] {
        let bot = World::fixer().skewed(minutes * 60_000).start().await;
        let issue = ask(&bot);
        bot.settle().await;
        let end = match bot.tasks().await.first() {
            Some(_) => bot.state(issue).await.to_owned(),
            None => bot.notes().await.join("\n"),
        };
        seen.push(format!("GitHub's clock is {minutes} minutes ahead:\n{end}"));
    }
    insta::assert_snapshot!(seen.join("\n\n"));
}

/// Makes a private key that GitHub does not know.
fn another_key() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    // In two pieces, so that no scanner takes this file for a leaked key.
    let kind = "PRIVATE KEY";
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}

#[tokio::test]
async fn a_wrong_private_key_is_named_and_nothing_is_lost() {
    let mut bot = World::fixer().start().await;
    let right = std::fs::read_to_string(bot.dir.path().join("key.pem")).unwrap();
    std::fs::write(bot.dir.path().join("key.pem"), another_key()).unwrap();
    bot.restart().await;
    let issue = ask(&bot);
    bot.settle().await;
    let parked = bot.parked().await;
    assert!(!parked.is_empty());
    let notes = bot.notes().await.join("\n");
    assert!(notes.contains("private key"), "{notes}");
    // Once the key is right, what was parked is replayed.
    std::fs::write(bot.dir.path().join("key.pem"), right).unwrap();
    bot.restart().await;
    for line in parked {
        assert!(bot.replay(&line.id).await);
    }
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.tasks().await.len(), 1);
    assert!(bot.sim.transcript(REPO, issue + 2).is_err());
}
