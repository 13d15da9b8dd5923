//! What has asked for work is taken away again: the label, the assignment.

use crate::harness::{Bot, REPO, World};

/// Corrects the README, and then works on and on.
const SLOW: &str = "sed -i s/teh/the/ README.md; touch /prova/out/started; sleep 600";
const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// Lets something happen while the agent works.
async fn while_it_works(bot: &Bot, what: impl Fn()) {
    bot.decide().await;
    bot.clock.advance(1_000);
    bot.work_while(async {
        bot.agent_has_made("started").await;
        what();
        bot.decide().await;
    })
    .await;
    bot.settle().await;
}

#[tokio::test]
async fn a_label_that_is_taken_off_stops_what_it_started_and_keeps_the_work() {
    let bot = World::new().agent("slow", SLOW).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    while_it_works(&bot, || bot.alice().unlabel(REPO, issue, "prova").unwrap()).await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert_eq!(bot.branches(), [BRANCH]);
    assert_eq!(
        bot.file(BRANCH, "README.md").unwrap(),
        "# Hello\n\nThis is the readme.\n"
    );
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn what_waits_is_taken_back_and_can_be_asked_for_anew_at_once() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.clock.advance(1_000);
    bot.alice().unlabel(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert_eq!(bot.branches(), Vec::<String>::new());
    bot.clock.advance(1_000);
    bot.alice().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
}

#[tokio::test]
async fn an_assignment_that_is_taken_back_stops_what_it_started() {
    let policy = "assignees = [\"helper\"]\n";
    let bot = World::new()
        .agent("slow", SLOW)
        .policy(policy)
        .start()
        .await;
    let _helper = bot.sim.as_person("helper");
    let issue = bot.issue();
    bot.octo().assign(REPO, issue, "helper").unwrap();
    while_it_works(&bot, || bot.octo().unassign(REPO, issue, "helper").unwrap()).await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert!(bot.thread(issue).contains("**Stopped** by @octo"));
}

#[tokio::test]
async fn what_a_comment_asked_for_goes_on_without_the_label() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.octo().comment(REPO, issue, "@prova fix it").unwrap();
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.decide().await;
    bot.octo().unlabel(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn another_label_stops_nothing() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.octo().label(REPO, issue, "bug").unwrap();
    bot.decide().await;
    bot.octo().unlabel(REPO, issue, "bug").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn what_is_in_review_stays_and_nothing_is_asked_of_github() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    let _before = bot.requests();
    bot.octo().unlabel(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn who_may_not_stop_does_not_stop_by_a_label() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.sim
        .as_person("tina")
        .unlabel(REPO, issue, "prova")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.answers(issue).pop().unwrap_or_default());
}
