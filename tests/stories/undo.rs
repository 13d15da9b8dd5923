//! Taking the last follow-up back.

use prova::app::dispatch::dispatch_next;
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";
const FIRST: &str = "# Hello\n\nThis is the readme.\n";

/// The first run corrects the README, each later one adds a line to it; some words make it fail.
const GROWING: &str = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; \
    else echo more >> README.md; fi; ! grep -q 'and fail' \"$PROVA_BRIEF\"";

async fn followed_up(words: &str) -> (Bot, u64, u64) {
    let bot = World::new().agent("grower", GROWING).start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, words).await;
    assert_ne!(bot.file(BRANCH, "README.md").unwrap(), FIRST);
    (bot, issue, pull)
}

#[tokio::test]
async fn the_last_follow_up_is_taken_back_by_a_commit() {
    let (bot, issue, pull) = followed_up("@prova one more line").await;
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIRST);
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(pull));
    // Asked for again, it is done on top.
    bot.say("alice", pull, "@prova one more line").await;
    assert_eq!(
        bot.file(BRANCH, "README.md").unwrap(),
        format!("{FIRST}more\n")
    );
    assert!(!bot.thread(issue).contains("taken back"));
}

#[tokio::test]
async fn a_follow_up_that_failed_is_taken_back_too() {
    let (bot, issue, pull) = followed_up("@prova one more line and fail").await;
    assert_eq!(bot.state(issue).await, "blocked");
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIRST);
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn it_is_taken_back_once_and_no_more_than_one() {
    let (bot, issue, pull) = followed_up("@prova one more line").await;
    bot.say("alice", pull, "@prova undo").await;
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIRST);
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.answers(pull).pop().unwrap_or_default());
}

#[tokio::test]
async fn what_people_pushed_on_top_is_not_taken_back() {
    let (bot, issue, pull) = followed_up("@prova one more line").await;
    let readme = File::new("README.md", "# Ours\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), "# Ours\n");
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn what_people_pushed_below_stays() {
    let bot = World::new().agent("grower", GROWING).start().await;
    let (_, pull) = bot.in_review().await;
    let readme = File::new("README.md", "# Ours\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.say("alice", pull, "@prova one more line").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), "# Ours\nmore\n");
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), "# Ours\n");
}

#[tokio::test]
async fn without_a_follow_up_there_is_nothing_to_take_back() {
    let bot = World::new().agent("grower", GROWING).start().await;
    let (_, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIRST);
    assert!(bot.answers(pull)[0].contains("There is no follow-up"));
}

#[tokio::test]
async fn outsiders_take_nothing_back() {
    let (bot, _, pull) = followed_up("@prova one more line").await;
    bot.say("mallory", pull, "@prova undo").await;
    assert_ne!(bot.file(BRANCH, "README.md").unwrap(), FIRST);
    assert!(bot.answers(pull)[1].contains("only for people with write permission"));
}

/// As [`GROWING`], but where it is asked to wait it does so, with its line written.
const WAITING: &str = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; exit; fi; \
    echo more >> README.md; \
    if grep -q 'and wait' \"$PROVA_BRIEF\"; then touch /prova/out/works; sleep 600; fi";

/// A second follow-up is stopped while it runs, and the first is to be taken back.
async fn stopped_and(words: &[&str]) -> (Bot, u64, u64) {
    let bot = World::new().agent("grower", WAITING).start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova one more line").await;
    let alice = bot.alice();
    alice.comment(REPO, pull, "@prova and wait").unwrap();
    while bot.jobs(issue).await.len() < 3 {
        assert!(bot.step().await);
    }
    bot.work_while(async {
        bot.agent_has_made("works").await;
        for word in words {
            alice.comment(REPO, pull, word).unwrap();
        }
        while bot.deliver().await || dispatch_next(bot.ctx()).await.unwrap() {}
    })
    .await;
    bot.settle().await;
    (bot, issue, pull)
}

#[tokio::test]
async fn what_was_stopped_has_ended_before_anything_is_taken_back() {
    let (bot, issue, pull) = stopped_and(&["@prova stop", "@prova undo"]).await;
    // What was done when it was stopped went to the branch, and is the last that can be taken back.
    let readme = bot.file(BRANCH, "README.md").unwrap();
    assert_eq!(readme, format!("{FIRST}more\n"), "{}", bot.thread(pull));
    assert!(!bot.everything().contains("Somebody has pushed"));
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn who_says_stop_and_undo_at_once_is_told_to_wait_a_moment() {
    let (bot, issue, pull) = stopped_and(&["@prova stop\n@prova undo"]).await;
    let readme = bot.file(BRANCH, "README.md").unwrap();
    assert_eq!(
        readme,
        format!("{FIRST}more\nmore\n"),
        "{}",
        bot.thread(pull)
    );
    assert!(!bot.everything().contains("Somebody has pushed"));
    assert_eq!(bot.state(issue).await, "stopped");
    let answers = bot.answers(pull);
    let told = answers.iter().find(|one| one.contains("being stopped"));
    insta::assert_snapshot!(told.unwrap());
}
