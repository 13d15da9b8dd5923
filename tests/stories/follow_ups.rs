//! Asking for changes on the pull request.

use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// The first run corrects the README, each later one adds a line to it; every run shows its brief.
const GROWING: &str = "cp \"$PROVA_BRIEF\" brief.md\n\
    if grep -q teh README.md; then sed -i s/teh/the/ README.md; else echo more >> README.md; fi";

async fn growing() -> Bot {
    World::new().agent("grower", GROWING).start().await
}

#[tokio::test]
async fn a_comment_on_the_pull_request_brings_a_commit() {
    let bot = growing().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova add one more line").await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.branches(), [BRANCH]);
    assert_eq!(
        bot.file(BRANCH, "README.md").unwrap(),
        "# Hello\n\nThis is the readme.\nmore\n"
    );
    let brief = bot.file(BRANCH, "brief.md").unwrap();
    assert!(
        brief.contains("@alice asks:\n\nadd one more line"),
        "{brief}"
    );
    assert!(
        brief.contains("The branch already holds earlier work"),
        "{brief}"
    );
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn each_request_has_its_own_answer() {
    let bot = growing().await;
    let (_, pull) = bot.in_review().await;
    for text in ["@prova one more line", "@prova and another"] {
        bot.say("alice", pull, text).await;
        bot.clock.advance(60_000);
    }
    assert_eq!(bot.answers(pull).len(), 2, "{}", bot.thread(pull));
    assert_eq!(
        bot.file(BRANCH, "README.md")
            .unwrap()
            .matches("more")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_comment_on_a_line_of_the_diff() {
    let bot = growing().await;
    let (issue, pull) = bot.in_review().await;
    bot.alice()
        .review_comment(REPO, pull, "README.md:3", "@prova say *which* readme")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    let brief = bot.file(BRANCH, "brief.md").unwrap();
    assert!(
        brief.contains("Comment 1, on `README.md`, line 3"),
        "{brief}"
    );
    assert!(brief.contains("say *which* readme"), "{brief}");
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn an_outsider_on_the_pull_request_starts_nothing() {
    let bot = growing().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("mallory", pull, "@prova add my miner").await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(bot.answers(pull).len(), 1);
    assert!(bot.answers(pull)[0].contains("only for people with write permission"));
}

#[tokio::test]
async fn a_request_on_the_issue_is_sent_to_the_pull_request() {
    let bot = growing().await;
    let (issue, _) = bot.in_review().await;
    bot.say("alice", issue, "@prova one more line").await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn what_people_push_is_worked_on_and_never_written_over() {
    let bot = growing().await;
    let (issue, pull) = bot.in_review().await;
    let readme = File::new("README.md", "# Hello\n\nThis is our readme.\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.say("alice", pull, "@prova one more line").await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        bot.file(BRANCH, "README.md").unwrap(),
        "# Hello\n\nThis is our readme.\nmore\n"
    );
}

#[tokio::test]
async fn a_push_while_the_agent_works_is_kept_and_said() {
    let script = format!(
        "{GROWING}\nif grep -q more README.md; then touch /prova/out/started; while ! test -e /prova/out/go; do sleep 0.02; done; fi"
    );
    let world = World::new().agent("slow", &script).agent("quick", GROWING);
    let bot = world.policy("agent = \"slow\"\n").start().await;
    let (issue, pull) = bot.in_review().await;
    bot.alice()
        .comment(REPO, pull, "@prova one more line")
        .unwrap();
    bot.decide().await;
    bot.work_while(async {
        bot.agent_has_made("started").await;
        bot.alice()
            .push(REPO, BRANCH, &[File::new("ours.txt", "ours\n")], &[])
            .unwrap();
        bot.let_the_agent_go_on("go");
    })
    .await;
    bot.settle().await;
    assert!(
        bot.paths(BRANCH).contains(&"ours.txt".to_owned()),
        "a person's push is gone"
    );
    assert_eq!(
        bot.file(BRANCH, "README.md").unwrap(),
        "# Hello\n\nThis is the readme.\n"
    );
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.thread(pull));
    // Asking again works on top of what was pushed.
    bot.clock.advance(60_000);
    bot.say("alice", pull, "@prova retry with quick").await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(bot.paths(BRANCH).contains(&"ours.txt".to_owned()));
    assert!(bot.file(BRANCH, "README.md").unwrap().contains("more"));
}

#[tokio::test]
async fn a_branch_that_was_deleted_begins_anew() {
    let bot = growing().await;
    let (issue, _) = bot.in_review().await;
    bot.octo().force_push(REPO, BRANCH, None).unwrap();
    bot.settle().await;
    assert_eq!(
        bot.state(issue).await,
        "closed",
        "GitHub closes a pull request without its branch"
    );
    bot.clock.advance(60_000);
    bot.octo().unlabel(REPO, issue, "prova").unwrap();
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.branches(), [format!("{BRANCH}-2")]);
}

#[tokio::test]
async fn a_follow_up_with_red_checks_keeps_the_pull_request() {
    let world = World::new()
        .agent("grower", GROWING)
        .policy("checks = [\"! grep more README.md\"]\n");
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova one more line").await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.thread(pull));
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn after_red_checks_the_next_brief_tells_of_them() {
    let world = World::new()
        .agent("grower", GROWING)
        .policy("checks = [\"echo we want less; ! grep more README.md\"]\n");
    let bot = world.start().await;
    let (_, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova one more line").await;
    bot.clock.advance(60_000);
    bot.say("alice", pull, "@prova retry").await;
    let brief = bot.file(BRANCH, "brief.md").unwrap();
    assert!(
        brief.contains("## A check that fails on this branch"),
        "{brief}"
    );
    assert!(brief.contains("we want less"), "{brief}");
}

#[tokio::test]
async fn a_follow_up_that_changes_nothing_leaves_the_pull_request_open() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova once more").await;
    assert!(
        bot.thread(pull)
            .starts_with("# Fix the typo in the readme (#2)\nopen pull request")
    );
    insta::assert_snapshot!(bot.thread(pull));
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn policy_may_give_them_to_another_agent() {
    let note = "printf '%s' \"$PROVA_JOB\" | grep -o '\"role\":\"[a-z_]*\"' >> roles.txt";
    let world = World::new()
        .agent("first", &format!("{note}; echo first >> who.txt"))
        .agent("second", &format!("{note}; echo second >> who.txt"))
        .policy("agent = \"first\"\n[roles]\nfollow_up = \"second\"\n");
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova go on").await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(pull));
    let branch = bot.branches().remove(0);
    assert_eq!(bot.file(&branch, "who.txt").unwrap(), "first\nsecond\n");
    let roles = "\"role\":\"work\"\n\"role\":\"follow_up\"\n";
    assert_eq!(bot.file(&branch, "roles.txt").unwrap(), roles);
}

#[tokio::test]
async fn another_agent_that_is_not_there_is_named() {
    let world = World::fixer().policy("[roles]\nfollow_up = \"fxier\"\n");
    let bot = world.start().await;
    let (_, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova go on").await;
    let answer = bot.answers(pull).pop().unwrap();
    assert!(answer.contains("Did you mean `fixer`?"), "{answer}");
}
