//! The recipes that every server has.

use crate::harness::{Bot, REPO, World};

const RULE: &str = "```yaml\nid: flush\nlanguage: python\nrule:\n  pattern: print($A)\nfix: print($A, flush=True)\n```\n";

/// Puts a label on an issue that the owner opens with that text.
async fn labelled(bot: &Bot, label: &str, text: &str) -> u64 {
    let issue = bot
        .octo()
        .open_issue(REPO, "Tidy up", text, &[label])
        .unwrap();
    bot.settle().await;
    issue
}

/// Asserts that nothing was started, and returns the one answer.
async fn refused(bot: &Bot, issue: u64) -> String {
    assert_eq!(bot.tasks().await.len(), 0, "{}", bot.thread(issue));
    let mut answers = bot.answers(issue);
    assert_eq!(answers.len(), 1, "{}", bot.thread(issue));
    answers.remove(0)
}

#[tokio::test]
async fn typos_by_label() {
    let bot = World::new()
        .file("docs/guide.md", "How to recieve it.\n")
        // Protected: a change of it would be refused, and with it the rest.
        .file("CODEOWNERS", "# teh owners\n* @octo\n")
        .policy("checks = [\"grep -q receive docs/guide.md\"]\n")
        .start()
        .await;
    let issue = labelled(&bot, "prova:typos", "There are misspelt words.").await;
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(issue + 1));
    let branch = bot.branches().remove(0);
    let readme = bot.file(&branch, "README.md").unwrap();
    assert_eq!(readme, "# Hello\n\nThis is the readme.\n");
}

#[tokio::test]
async fn typos_finds_nothing() {
    let bot = World::empty(World::new())
        .file("README.md", "# Hello\n")
        .start()
        .await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova run typos, please").await;
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn a_rule_below_the_command() {
    let bot = World::new().start().await;
    let issue = bot.issue();
    let text = format!("Output comes late.\n\n@prova run ast-grep with this:\n\n{RULE}\nThanks!");
    bot.say("alice", issue, &text).await;
    let branch = bot.branches().remove(0);
    let main = bot.file(&branch, "src/main.py").unwrap();
    assert_eq!(main, "print('hello', flush=True)\n");
    insta::assert_snapshot!(bot.thread(issue + 1));
}

#[tokio::test]
async fn a_rule_on_our_pull_request_is_a_follow_up() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    let text = format!("@prova run ast-grep\n{RULE}");
    bot.say("alice", pull, &text).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    let branch = bot.branches().remove(0);
    let main = bot.file(&branch, "src/main.py").unwrap();
    assert_eq!(main, "print('hello', flush=True)\n");
}

#[tokio::test]
async fn a_rule_of_the_issue_by_label() {
    let bot = World::new().start().await;
    let issue = labelled(&bot, "prova:ast-grep", &format!("Please:\n\n{RULE}")).await;
    assert_eq!(bot.state(issue).await, "in review");
    let branch = bot.branches().remove(0);
    let main = bot.file(&branch, "src/main.py").unwrap();
    assert_eq!(main, "print('hello', flush=True)\n");
}

#[tokio::test]
async fn a_rule_of_an_outsider_is_refused() {
    let bot = World::new().start().await;
    let mallory = bot.sim.as_person("mallory");
    let issue = mallory.open_issue(REPO, "Tidy up", RULE, &[]).unwrap();
    bot.octo().label(REPO, issue, "prova:ast-grep").unwrap();
    bot.settle().await;
    insta::assert_snapshot!(refused(&bot, issue).await);
}

#[tokio::test]
async fn an_outsider_cannot_run_a_rule() {
    let bot = World::new().start().await;
    let issue = bot.issue();
    let text = format!("@prova run ast-grep\n\n{RULE}");
    bot.say("mallory", issue, &text).await;
    let said = refused(&bot, issue).await;
    assert!(
        said.contains("only for people with write permission"),
        "{said}"
    );
}

#[tokio::test]
async fn without_a_rule_one_is_shown() {
    let bot = World::new().start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova run ast-grep").await;
    insta::assert_snapshot!(refused(&bot, issue).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_is_said() {
    let bot = World::new().start().await;
    let issue = bot.issue();
    let rule = RULE.replace("fix: print($A, flush=True)\n", "");
    bot.say("alice", issue, &format!("@prova run ast-grep\n\n{rule}"))
        .await;
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn who_gives_the_name_to_something_else_means_that() {
    let policy = "[recipes.typos]\nrun = \"echo by policy > which\"\n";
    let bot = World::new().policy(policy).start().await;
    labelled(&bot, "prova:typos", "").await;
    let which = bot.file(&bot.branches()[0], "which");
    assert_eq!(which.as_deref(), Some("by policy\n"));

    let bot = World::new()
        .agent("typos", "echo by settings > which")
        .start()
        .await;
    labelled(&bot, "prova:typos", "").await;
    let which = bot.file(&bot.branches()[0], "which");
    assert_eq!(which.as_deref(), Some("by settings\n"));
}
