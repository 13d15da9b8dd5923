//! Everything that starts work: labels, assignments, comments.

use prova::simulator::webhooks::{Delivery, OutboxFault};

use crate::harness::{Bot, REPO, SHOW_BRIEF, World};

/// One task, one branch, one pull request, one status comment.
async fn assert_done_once(bot: &Bot, issue: u64) {
    assert_eq!(bot.tasks().await.len(), 1);
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        bot.branches(),
        [format!("prova/{issue}-fix-the-typo-in-the-readme")]
    );
    assert_eq!(bot.answers(issue).len(), 1, "{}", bot.thread(issue));
    assert_eq!(bot.thread(issue).matches("[eyes prova[bot]]").count(), 1);
    assert!(
        bot.sim.transcript(REPO, issue + 2).is_err(),
        "a second pull request was opened"
    );
}

#[tokio::test]
async fn a_label_put_on_later() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 0);
    bot.alice().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
    assert!(bot.thread(issue + 1).contains("Asked in #1 by alice"));
}

#[tokio::test]
async fn an_issue_that_does_not_speak_to_us_asks_github_nothing() {
    let bot = World::fixer().start().await;
    bot.sim.forget_requests();
    bot.issue();
    bot.settle().await;
    assert_eq!(bot.sim.requests().len(), 0);
}

#[tokio::test]
async fn a_label_with_the_name_of_an_agent() {
    let bot = World::fixer()
        .agent("shouter", "sed -i s/teh/THE/ README.md")
        .start()
        .await;
    let issue = bot.issue();
    bot.octo().label(REPO, issue, "prova:shouter").unwrap();
    bot.settle().await;
    let branch = bot.branches().remove(0);
    assert!(
        bot.file(&branch, "README.md")
            .unwrap()
            .contains("THE readme")
    );
}

#[tokio::test]
async fn a_label_with_the_name_of_a_recipe_needs_no_agent() {
    let bot = World::new()
        .policy("[recipes.fmt]\nrun = \"sed -i s/teh/the/ README.md\"\n")
        .start()
        .await;
    let issue = bot.issue();
    bot.octo().label(REPO, issue, "prova:fmt").unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
    assert!(bot.thread(issue + 1).contains("`fmt` ran"));
}

#[tokio::test]
async fn the_label_that_policy_names() {
    let bot = World::fixer()
        .policy("label = \"ai: please\"\n")
        .start()
        .await;
    let issue = bot.issue();
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 0);
    assert!(
        !bot.thread(issue).contains("prova[bot]"),
        "{}",
        bot.thread(issue)
    );
    bot.octo().label(REPO, issue, "ai: please").unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
}

#[tokio::test]
async fn an_assignment_to_the_bot() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.octo().assign(REPO, issue, "prova[bot]").unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
}

#[tokio::test]
async fn an_assignment_to_an_account_that_policy_names_and_to_no_other() {
    let bot = World::fixer()
        .policy("assignees = [\"Prova-Intake\"]\n")
        .start()
        .await;
    let _ = (
        bot.sim.as_person("prova-intake"),
        bot.sim.as_person("carol"),
    );
    let issue = bot.issue();
    bot.octo().assign(REPO, issue, "carol").unwrap();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 0);
    bot.octo().assign(REPO, issue, "prova-intake").unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
}

#[tokio::test]
async fn a_comment_with_a_request() {
    let bot = World::new().agent("shower", SHOW_BRIEF).start().await;
    let issue = bot.issue();
    let request = "Hello!\n\n@prova please *also* greet the reader:\n\n```\nHello, reader\n```";
    bot.say("alice", issue, request).await;
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(issue + 1));
    let brief = bot.file(&bot.branches()[0], "brief.md").unwrap();
    insta::assert_snapshot!(crate::harness::normal(&brief, bot.sim.web_url()));
}

#[tokio::test]
async fn a_comment_that_names_an_agent() {
    let bot = World::fixer().agent("shower", SHOW_BRIEF).start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova with shower add the brief")
        .await;
    assert!(
        bot.paths(&bot.branches()[0])
            .contains(&"brief.md".to_owned())
    );
}

#[tokio::test]
async fn a_request_in_the_issue_itself() {
    let bot = World::fixer().start().await;
    let issue = bot
        .octo()
        .open_issue(
            REPO,
            "Fix the typo in the readme",
            "@prova correct `teh`",
            &[],
        )
        .unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
    assert!(
        bot.thread(issue + 1).contains("> correct "),
        "{}",
        bot.thread(issue + 1)
    );
}

/// Opens an issue with three labels and returns the four deliveries that this makes.
fn opened_with_three_labels(bot: &Bot) -> (u64, Vec<Delivery>) {
    let labels = ["bug", "prova", "good first issue"];
    let title = "Fix the typo in the readme";
    let issue = bot
        .octo()
        .open_issue(REPO, title, "It says `teh`.", &labels)
        .unwrap();
    (issue, bot.sim.take_deliveries())
}

/// Returns every order of four things.
fn orders() -> Vec<[usize; 4]> {
    let all = (0..256).map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6]);
    all.filter(|order| (0..4).all(|n| order.contains(&n)))
        .collect()
}

#[tokio::test]
async fn labels_at_creation_are_one_request_in_every_order() {
    assert_eq!(orders().len(), 24);
    for order in orders() {
        let bot = World::fixer().start().await;
        let (issue, deliveries) = opened_with_three_labels(&bot);
        assert_eq!(deliveries.len(), 4);
        for n in order {
            bot.deliver_these(&deliveries[n..=n]).await;
            bot.decide().await;
        }
        assert_eq!(bot.tasks().await.len(), 1, "{order:?}");
        assert_eq!(bot.jobs(issue).await.len(), 1, "{order:?}");
        assert_eq!(bot.answers(issue).len(), 1, "{order:?}");
        bot.octo().close(REPO, issue).unwrap();
        bot.settle().await;
    }
}

#[tokio::test]
async fn labels_at_creation_that_come_late_and_twice_are_still_one_request() {
    for split in 0..=4 {
        let bot = World::fixer().start().await;
        let (issue, deliveries) = opened_with_three_labels(&bot);
        // Some before the work, the rest after it, and then all of them again.
        bot.deliver_these(&deliveries[..split]).await;
        bot.settle().await;
        bot.deliver_these(&deliveries[split..]).await;
        bot.settle().await;
        bot.deliver_these(&deliveries).await;
        bot.settle().await;
        assert_done_once(&bot, issue).await;
    }
}

#[tokio::test]
async fn labels_at_creation_after_work_that_failed_are_still_one_request() {
    let bot = World::new().agent("failing", "exit 3").start().await;
    let (issue, deliveries) = opened_with_three_labels(&bot);
    bot.deliver_these(&deliveries[..1]).await;
    bot.settle().await;
    bot.deliver_these(&deliveries[1..]).await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(bot.state(issue).await, "blocked");
}

#[tokio::test]
async fn every_delivery_twice_and_in_reverse_order() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Duplicate(1_000));
    bot.sim.arm_outbox(OutboxFault::Reverse);
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_done_once(&bot, issue).await;
}

#[tokio::test]
async fn deliveries_shuffled_and_doubled_by_chance() {
    for seed in 0..5 {
        let bot = World::fixer().start().await;
        bot.sim.arm_outbox(OutboxFault::Random {
            seed,
            drop: 0,
            duplicate: 40,
        });
        let (issue, deliveries) = opened_with_three_labels(&bot);
        bot.deliver_these(&deliveries).await;
        bot.settle().await;
        assert_done_once(&bot, issue).await;
    }
}

#[tokio::test]
async fn the_label_again_on_a_task_in_review_changes_nothing() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    bot.octo().unlabel(REPO, issue, "prova").unwrap();
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
}

#[tokio::test]
async fn the_label_again_after_a_failure_tries_again() {
    let bot = World::new().agent("failing", "exit 3").start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    bot.clock.advance(10 * 60_000);
    bot.octo().unlabel(REPO, issue, "prova").unwrap();
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.answers(issue).len(), 1, "{}", bot.thread(issue));
}

#[tokio::test]
async fn a_mention_that_is_shown_or_hidden_is_no_request_and_asks_github_nothing() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.settle().await;
    let _ = bot.requests();
    for text in [
        "Write `@prova fix it` to start it.",
        "```\n@prova fix it\n```",
        "    @prova fix it",
        "> @prova fix it\n\nNot yet, I think.",
        "<!-- @prova fix it -->\nNothing to see.",
        "See [@prova fix it](https://example.com) and https://example.com/@prova",
        "mail@prova is an address, @prova-dev a company, \\@prova an escape",
        "Nobody is spoken to here.",
    ] {
        bot.say("alice", issue, text).await;
        assert_eq!(bot.requests(), Vec::<String>::new(), "{text}");
    }
    assert_eq!(bot.tasks().await.len(), 0);
}

#[tokio::test]
async fn an_edited_comment_is_no_request() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    let comment = bot
        .say("alice", issue, "Somebody should look at this.")
        .await;
    let _ = bot.requests();
    bot.clock.advance(1_000);
    bot.alice()
        .edit_comment(REPO, comment, "@prova fix it")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 0);
    assert_eq!(bot.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answered_comment_that_is_edited_is_not_done_again() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    let comment = bot.say("alice", issue, "@prova fix it").await;
    bot.clock.advance(1_000);
    bot.alice()
        .edit_comment(REPO, comment, "@prova fix it, please")
        .unwrap();
    bot.settle().await;
    assert_done_once(&bot, issue).await;
}

#[tokio::test]
async fn issues_are_worked_on_side_by_side() {
    let bot = World::fixer().start().await;
    let one = bot.labelled_issue("One", "");
    let two = bot.labelled_issue("Two", "");
    bot.settle().await;
    assert_eq!(bot.state(one).await, "in review");
    assert_eq!(bot.state(two).await, "in review");
    assert_eq!(bot.branches(), ["prova/1-one", "prova/2-two"]);
}
