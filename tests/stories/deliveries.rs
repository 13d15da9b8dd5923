//! What becomes of deliveries once they are stored: real ones, huge ones, parked ones.

use prova::domain::ids::DeliveryId;

use crate::harness::World;
use crate::intake::signed;

#[derive(serde::Deserialize)]
struct Recorded {
    file: String,
    event: String,
}

#[tokio::test]
async fn every_recorded_payload_is_read_or_named_as_not_ours() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/webhooks");
    let manifest = std::fs::read_to_string(format!("{dir}/manifest.json")).unwrap();
    let recordings: Vec<Recorded> = serde_json::from_str(&manifest).unwrap();
    assert_eq!(recordings.len(), 68);
    let bot = World::fixer().start().await;
    for recorded in &recordings {
        let body = std::fs::read(format!("{dir}/{}", recorded.file)).unwrap();
        let request = signed(&bot, &recorded.event, &recorded.file, body);
        assert_eq!(bot.post(request).await, 202, "{}", recorded.file);
    }
    bot.settle().await;
    let lines = bot.deliveries().await;
    assert_eq!(lines.len(), 68);
    let told: Vec<_> = lines
        .into_iter()
        .rev()
        .zip(bot.notes().await)
        .map(|(line, note)| format!("{}: {note}", line.id))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    // Work is asked for in three of them, by installations that this GitHub does not have.
    let parked = told.iter().filter(|line| line.contains(": parked: "));
    let unread = parked.filter(|line| !line.ends_with("the App was uninstalled"));
    assert_eq!(unread.count(), 0);
}

#[tokio::test]
async fn a_parked_delivery_can_be_replayed_and_is_parked_again() {
    let bot = World::fixer().start().await;
    assert_eq!(bot.post(signed(&bot, "issues", "bad", "{")).await, 202);
    bot.settle().await;
    let parked = bot.parked().await;
    assert_eq!(parked.len(), 1);
    assert!(bot.replay(&parked[0].id).await);
    assert_eq!(bot.parked().await, []);
    bot.settle().await;
    assert_eq!(bot.parked().await, parked);
    assert!(!bot.replay(&DeliveryId::new("no-such-delivery")).await);
}

#[tokio::test]
async fn a_dispatched_delivery_that_is_replayed_changes_nothing() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    let before = bot.everything();
    for line in bot.deliveries().await {
        assert!(bot.replay(&line.id).await);
    }
    bot.settle().await;
    assert_eq!(
        bot.everything().replace(" (edited)", ""),
        before.replace(" (edited)", "")
    );
    assert_eq!(bot.jobs(issue).await.len(), 1);
}

#[tokio::test]
async fn a_comment_as_long_as_github_allows() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    let text = format!("@prova fix it {}", "a".repeat(65_536 - 14));
    bot.say("alice", issue, &text).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    bot.say("alice", issue, &"@prova status\n\n".repeat(4_369))
        .await;
    assert_eq!(bot.answers(issue).len(), 2);
}

#[tokio::test]
async fn a_comment_with_ten_thousand_mentions() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.say("alice", issue, &"@prova ".repeat(9_362)).await;
    assert!(bot.answers(issue).len() <= 1);
    bot.say("alice", issue, &"@alice @bob ".repeat(5_000)).await;
    assert!(bot.answers(issue).len() <= 1);
    assert!(!bot.thread(issue + 1).contains("@prova @prova"));
    assert_eq!(bot.jobs(issue).await.len(), 1);
}

#[tokio::test]
async fn a_description_of_only_brackets() {
    for body in [
        "[".repeat(60_000),
        "> ".repeat(30_000),
        "*_".repeat(30_000),
        "<!--".repeat(15_000),
    ] {
        let bot = World::fixer().start().await;
        let issue = bot.labelled_issue("Fix it", &body);
        bot.settle().await;
        assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    }
}
