//! What can be said in a comment, beside a request.

use crate::harness::{REPO, World};

/// Returns the one answer that a comment on a fresh issue gets.
async fn answer(world: World, text: &str) -> String {
    let bot = world.start().await;
    let issue = bot.issue();
    bot.settle().await;
    bot.say("alice", issue, text).await;
    let answers = bot.answers(issue);
    assert_eq!(answers.len(), 1, "{}", bot.thread(issue));
    assert_eq!(bot.thread(issue).matches("[eyes prova[bot]]").count(), 1);
    answers.into_iter().next().unwrap_or_default()
}

#[tokio::test]
async fn help_lists_what_can_be_asked() {
    let world = World::fixer()
        .agent("other", "true")
        .policy("label = \"ai\"\n[recipes.fmt]\nrun = \"true\"\n");
    insta::assert_snapshot!(answer(world, "@prova help").await);
}

#[tokio::test]
async fn help_without_agents_and_recipes() {
    insta::assert_snapshot!(answer(World::new(), "@prova help").await);
}

#[tokio::test]
async fn status_without_a_task() {
    insta::assert_snapshot!(answer(World::fixer(), "@prova status").await);
}

#[tokio::test]
async fn status_of_a_task_in_review() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    bot.say("alice", issue, "@prova status").await;
    let answers = bot.answers(issue);
    assert_eq!(answers.len(), 2);
    insta::assert_snapshot!(answers[1]);
}

#[tokio::test]
async fn stop_with_nothing_to_stop() {
    insta::assert_snapshot!(answer(World::fixer(), "@prova stop").await);
}

#[tokio::test]
async fn retry_with_nothing_to_retry() {
    insta::assert_snapshot!(answer(World::fixer(), "@prova retry").await);
}

#[tokio::test]
async fn a_review_of_an_issue() {
    insta::assert_snapshot!(answer(World::fixer(), "@prova review").await);
}

#[tokio::test]
async fn a_mistyped_command() {
    insta::assert_snapshot!(answer(World::fixer(), "@prova stpo").await);
}

#[tokio::test]
async fn several_commands_in_one_comment_get_one_answer() {
    let said = answer(
        World::fixer(),
        "@prova status\n\n@prova stpo\n\n@prova rebase",
    )
    .await;
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn more_commands_than_are_read() {
    let all = "@prova status\n\n".repeat(30);
    insta::assert_snapshot!(answer(World::fixer(), &all).await);
}

#[tokio::test]
async fn a_request_and_a_command_in_one_comment() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova status\n\n@prova fix the typo")
        .await;
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn run_with_a_recipe_and_its_input() {
    let bot = World::new()
        .policy("[recipes.greet]\nrun = \"echo \\\"$PROVA_INPUT\\\" > greeting\"\n")
        .start()
        .await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova run greet \"hello, world\" $(id)")
        .await;
    let greeting = bot.file(&bot.branches()[0], "greeting").unwrap();
    assert_eq!(greeting, "\"hello, world\" $(id)\n");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn stop_before_it_has_begun() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.alice().comment(REPO, issue, "@prova stop").unwrap();
    bot.settle().await;
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(issue));
    bot.say("alice", issue, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review");
}
