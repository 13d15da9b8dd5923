//! What is asked for while a job is under way.

use crate::harness::{Bot, REPO, World};

/// The first run corrects the README, each later one adds a line to it; some words make it fail.
const GROWING: &str = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; \
    else echo more >> README.md; fi; \
    ! sed -n '/asks:/,/^## /p' \"$PROVA_BRIEF\" | grep -q 'and fail'";

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

async fn world() -> Bot {
    World::new().agent("grower", GROWING).start().await
}

/// An issue on which a job waits for a worker.
async fn queued() -> (Bot, u64) {
    let bot = world().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    (bot, issue)
}

/// Says something, and lets it be decided and answered, while no worker takes anything.
async fn meanwhile(bot: &Bot, number: u64, text: &str) {
    bot.alice().comment(REPO, number, text).unwrap();
    bot.decide().await;
}

fn readme(bot: &Bot) -> String {
    bot.file(BRANCH, "README.md").unwrap()
}

#[tokio::test]
async fn a_request_begins_when_the_one_before_it_has_ended() {
    let (bot, issue) = queued().await;
    meanwhile(&bot, issue, "@prova and the licence").await;
    insta::assert_snapshot!("a_request_waits", bot.thread(issue));
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
    assert!(readme(&bot).ends_with("more\n"));
    insta::assert_snapshot!("a_request_waited", bot.thread(issue));
}

#[tokio::test]
async fn several_in_one_comment_are_done_in_order() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    let text = "@prova fix the typo\n\n@prova and add a licence";
    bot.say("alice", issue, text).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn on_a_pull_request_each_gets_its_answer() {
    let bot = world().await;
    let (issue, pull) = bot.in_review().await;
    meanwhile(&bot, pull, "@prova one more line").await;
    meanwhile(&bot, pull, "@prova another one").await;
    bot.settle().await;
    assert!(readme(&bot).ends_with("more\nmore\n"));
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn one_that_fails_does_not_keep_the_next_from_beginning() {
    let bot = world().await;
    let (issue, pull) = bot.in_review().await;
    meanwhile(&bot, pull, "@prova one more line and fail").await;
    meanwhile(&bot, pull, "@prova another one").await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 3);
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn no_more_than_five_wait() {
    let (bot, issue) = queued().await;
    for _ in 0..6 {
        meanwhile(&bot, issue, "@prova and the licence").await;
    }
    assert_eq!(bot.task(issue).await.waiting.len(), 5);
    insta::assert_snapshot!(bot.answers(issue).pop().unwrap_or_default());
}

#[tokio::test]
async fn stop_forgets_what_waits() {
    let (bot, issue) = queued().await;
    meanwhile(&bot, issue, "@prova and the licence").await;
    bot.say("alice", issue, "@prova stop").await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert_eq!(bot.jobs(issue).await.len(), 1);
    bot.say("alice", issue, "@prova retry").await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
}

#[tokio::test]
async fn the_end_of_the_issue_forgets_what_waits() {
    let (bot, issue) = queued().await;
    meanwhile(&bot, issue, "@prova and the licence").await;
    bot.alice().close(REPO, issue).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
}

#[tokio::test]
async fn who_has_a_pull_request_is_sent_there_even_while_it_is_worked_on() {
    let bot = world().await;
    let (issue, pull) = bot.in_review().await;
    meanwhile(&bot, pull, "@prova one more line").await;
    meanwhile(&bot, issue, "@prova and the licence").await;
    assert_eq!(bot.task(issue).await.waiting.len(), 0);
    let answer = bot.answers(issue).pop().unwrap_or_default();
    assert!(answer.contains("Ask for changes there"), "{answer}");
}
