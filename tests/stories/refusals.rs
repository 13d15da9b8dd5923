//! What is not done: who may not ask, and what cannot be done. Each gets 👀 and one answer.

use crate::harness::{Bot, REPO, World};

/// Asserts that nothing was started, and returns the one answer that stands on the issue.
async fn refused(bot: &Bot, issue: u64) -> String {
    assert_eq!(bot.tasks().await.len(), 0, "something was started");
    assert_eq!(bot.branches(), Vec::<String>::new());
    let thread = bot.thread(issue);
    assert_eq!(thread.matches("[eyes prova[bot]]").count(), 1, "{thread}");
    let mut answers = bot.answers(issue);
    assert_eq!(answers.len(), 1, "{thread}");
    answers.remove(0)
}

/// Lets the label be put on an issue and returns the one answer to it.
async fn refused_label(world: World, label: &str) -> String {
    let bot = world.start().await;
    let issue = bot.issue();
    bot.octo().label(REPO, issue, label).unwrap();
    bot.settle().await;
    refused(&bot, issue).await
}

#[tokio::test]
async fn an_outsider_who_comments() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.say("mallory", issue, "@prova add my miner").await;
    insta::assert_snapshot!(refused(&bot, issue).await);
}

#[tokio::test]
async fn an_outsider_who_opens_an_issue_with_a_request() {
    let bot = World::fixer().start().await;
    let issue = bot
        .sim
        .as_person("mallory")
        .open_issue(REPO, "Please", "@prova add my miner", &["prova"])
        .unwrap();
    bot.settle().await;
    assert!(
        refused(&bot, issue)
            .await
            .contains("only for people with write permission")
    );
}

#[tokio::test]
async fn somebody_who_may_only_sort_issues() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.sim
        .as_person("tina")
        .label(REPO, issue, "prova")
        .unwrap();
    bot.settle().await;
    insta::assert_snapshot!(refused(&bot, issue).await);
}

#[tokio::test]
async fn an_outsider_can_stop_nothing() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.sim
        .as_person("mallory")
        .comment(REPO, issue, "@prova stop")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_refusal_that_repeats_itself_does_not_pile_up() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    for _ in 0..4 {
        bot.sim
            .as_person("tina")
            .label(REPO, issue, "prova")
            .unwrap();
        bot.settle().await;
        bot.clock.advance(60 * 60_000);
        bot.octo().unlabel(REPO, issue, "prova").unwrap();
        bot.settle().await;
    }
    refused(&bot, issue).await;
}

#[tokio::test]
async fn bots_and_the_app_itself_are_not_answered() {
    let bot = World::fixer().start().await;
    bot.sim.create_account(
        "robo[bot]",
        prova::simulator::world::accounts::AccountKind::Bot,
    );
    let issue = bot.issue();
    for who in ["robo[bot]", "prova[bot]"] {
        bot.say(who, issue, "@prova fix it").await;
    }
    assert_eq!(bot.tasks().await.len(), 0);
    assert!(
        !bot.thread(issue).contains("[eyes"),
        "{}",
        bot.thread(issue)
    );
    assert_eq!(
        bot.answers(issue).len(),
        1,
        "only what it was made to say itself"
    );
}

#[tokio::test]
async fn no_agent_is_set_up() {
    insta::assert_snapshot!(refused_label(World::new(), "prova").await);
}

#[tokio::test]
async fn several_agents_and_none_is_the_default() {
    insta::assert_snapshot!(refused_label(World::fixer().agent("other", "true"), "prova").await);
}

#[tokio::test]
async fn an_agent_that_nobody_knows() {
    insta::assert_snapshot!(refused_label(World::fixer(), "prova:gandalf").await);
}

#[tokio::test]
async fn an_agent_of_policy_that_the_server_does_not_know() {
    let world = World::fixer().policy("agent = \"gandalf\"\n");
    insta::assert_snapshot!(refused_label(world, "prova").await);
}

#[tokio::test]
async fn a_recipe_that_nobody_knows() {
    let bot = World::fixer()
        .policy("[recipes.fmt]\nrun = \"true\"\n")
        .start()
        .await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova run format").await;
    insta::assert_snapshot!(refused(&bot, issue).await);
}

#[tokio::test]
async fn a_name_that_nothing_can_have() {
    insta::assert_snapshot!(refused_label(World::fixer(), "prova:'; rm -rf / #").await);
}

#[tokio::test]
async fn a_policy_with_problems_gets_all_of_them() {
    let world = World::fixer().policy(
        "lable = \"prova\"\nchecks = \"npm test\"\ndraft = \"yes\"\n\n[recipes.fmt]\nrum = \"cargo fmt\"\n",
    );
    insta::assert_snapshot!(refused_label(world, "prova").await);
}

#[tokio::test]
async fn a_policy_that_is_no_toml() {
    let world = World::fixer().policy("label = prova\n");
    insta::assert_snapshot!(refused_label(world, "prova").await);
}

#[tokio::test]
async fn a_policy_that_is_mended_works() {
    let bot = World::fixer().policy("lable = \"prova\"\n").start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova fix it").await;
    refused(&bot, issue).await;
    let mended = prova::simulator::world::repositories::File::new(
        ".github/prova.toml",
        "label = \"prova\"\n",
    );
    bot.octo().push(REPO, "main", &[mended], &[]).unwrap();
    bot.clock.advance(60_000);
    bot.say("alice", issue, "@prova fix it").await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_closed_issue() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.octo().close(REPO, issue).unwrap();
    bot.say("alice", issue, "@prova fix it").await;
    insta::assert_snapshot!(refused(&bot, issue).await);
}

#[tokio::test]
async fn a_repository_without_a_commit() {
    let bot = World::fixer().empty().start().await;
    let issue = bot.labelled_issue("Begin", "");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.answers(issue).len(), 1);
    insta::assert_snapshot!(bot.thread(issue));
    let first = prova::simulator::world::repositories::File::new("README.md", "teh\n");
    bot.octo().push(REPO, "main", &[first], &[]).unwrap();
    bot.say("alice", issue, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
}

#[tokio::test]
async fn nothing_is_written_to_a_repository_that_is_archived_meanwhile() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.settle().await;
    bot.octo().label(REPO, issue, "prova").unwrap();
    let labelled = bot.sim.take_deliveries();
    bot.octo().archive(REPO, true).unwrap();
    let before = bot.everything();
    bot.deliver_these(&labelled).await;
    bot.settle().await;
    assert_eq!(bot.everything(), before);
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.ctx().store.counts().await.unwrap().effects_pending, 0);
}

#[tokio::test]
async fn nothing_is_tried_in_a_repository_that_is_archived() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.settle().await;
    bot.alice().comment(REPO, issue, "@prova fix it").unwrap();
    let said = bot.sim.take_deliveries().remove(0);
    let mut body: serde_json::Value = serde_json::from_slice(&said.body).unwrap();
    body["repository"]["archived"] = true.into();
    let _ = bot.requests();
    let request = crate::intake::signed(&bot, &said.event, &said.guid, body.to_string());
    assert_eq!(bot.post(request).await, 202);
    bot.settle().await;
    assert_eq!(bot.requests(), Vec::<String>::new());
    assert_eq!(bot.tasks().await.len(), 0);
    assert_eq!(
        bot.notes().await.pop().unwrap(),
        "the repository is archived"
    );
}

#[tokio::test]
async fn a_locked_issue() {
    // GitHub lets only collaborators comment on it, and an App is none. The work is done all the
    // same: its pull request says what there is to say.
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.octo().lock(REPO, issue, true).unwrap();
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.answers(issue).len(), 0);
    assert!(bot.thread(issue + 1).contains("Closes #1"));
    assert_eq!(bot.ctx().store.counts().await.unwrap().effects_pending, 0);
}

#[tokio::test]
async fn a_profile_of_policy_that_the_server_does_not_know() {
    let world = World::fixer()
        .policy("[sandbox]\nprofile = \"cobol\"\n")
        .tuned(|settings| {
            let profile = prova::config::server::Profile::default();
            settings
                .sandbox
                .profiles
                .insert("rust".parse().unwrap(), profile);
        });
    insta::assert_snapshot!(refused_label(world, "prova").await);
}
