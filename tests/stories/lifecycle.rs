//! What ends a task, at every moment: merged, closed, deleted, moved, begun again.

use prova::simulator::world::repositories::RepositorySpec;

use crate::harness::{Bot, REPO, World};

/// Sleeps until it is told to go on, then corrects the README.
const WAITING: &str = "touch /prova/out/started; while ! test -e /prova/out/go; do sleep 0.02; done; sed -i s/teh/the/ README.md";

fn merge(bot: &Bot, pull: u64) {
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
}

#[tokio::test]
async fn merged() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    merge(&bot, pull);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "merged");
    assert_eq!(
        bot.file("main", "README.md").unwrap(),
        "# Hello\n\nThis is the readme.\n"
    );
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn a_request_on_a_merged_pull_request_is_refused() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    merge(&bot, pull);
    bot.settle().await;
    bot.say("alice", pull, "@prova one more thing").await;
    assert_eq!(bot.tasks().await.len(), 1);
    assert_eq!(bot.state(issue).await, "merged");
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn the_pull_request_is_closed_without_a_merge() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    bot.octo().close(REPO, pull).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn the_issue_is_closed_while_the_job_waits() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.octo().close(REPO, issue).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(issue));
}

/// Lets something happen while the agent works, and then lets it end.
async fn while_it_works(bot: &Bot, what: impl Fn(&Bot, u64)) -> u64 {
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.work_while(async {
        bot.agent_has_made("started").await;
        what(bot, issue);
        bot.decide().await;
        bot.let_the_agent_go_on("go");
    })
    .await;
    bot.settle().await;
    issue
}

#[tokio::test]
async fn the_issue_is_closed_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    let issue = while_it_works(&bot, |bot, issue| bot.octo().close(REPO, issue).unwrap()).await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
    assert!(
        bot.sim.transcript(REPO, issue + 1).is_err(),
        "a pull request was opened"
    );
}

#[tokio::test]
async fn the_issue_is_deleted_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    let issue = while_it_works(&bot, |bot, issue| {
        bot.octo().delete_issue(REPO, issue).unwrap();
    })
    .await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
    assert_eq!(bot.ctx().store.counts().await.unwrap().effects_pending, 0);
}

#[tokio::test]
async fn the_issue_moves_away_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    bot.sim
        .create_repository(&RepositorySpec::new("octo/other", Vec::new()))
        .unwrap();
    let issue = while_it_works(&bot, |bot, issue| {
        bot.octo().transfer(REPO, issue, "octo/other").unwrap();
    })
    .await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
}

#[tokio::test]
async fn the_issue_is_deleted_before_it_is_looked_at() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    let deliveries = bot.sim.take_deliveries();
    bot.octo().delete_issue(REPO, issue).unwrap();
    bot.deliver_these(&deliveries).await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    let pulls = bot.everything().matches("pull request by").count();
    assert_eq!(pulls, 0, "{}", bot.everything());
}

#[tokio::test]
async fn the_issue_is_closed_while_the_pull_request_is_opened() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    assert!(bot.work().await);
    // The branch is on the way when it happens.
    assert!(bot.step().await);
    bot.octo().close(REPO, issue).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.ctx().store.counts().await.unwrap().effects_pending, 0);
    assert!(
        bot.sim.transcript(REPO, issue + 1).is_err(),
        "a pull request was opened"
    );
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn reopened_and_labelled_again_is_a_second_task() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    bot.octo().close(REPO, pull).unwrap();
    bot.octo().close(REPO, issue).unwrap();
    bot.settle().await;
    bot.clock.advance(60_000);
    bot.octo().reopen(REPO, issue).unwrap();
    bot.octo().unlabel(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 1);
    bot.octo().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
    let first = "prova/1-fix-the-typo-in-the-readme";
    assert_eq!(bot.branches(), [first.to_owned(), format!("{first}-2")]);
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn the_app_is_uninstalled_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    let issue = while_it_works(&bot, |bot, _| {
        bot.sim.uninstall_app(bot.installation).unwrap();
    })
    .await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
    let counts = bot.ctx().store.counts().await.unwrap();
    assert_eq!(
        (
            counts.effects_pending,
            counts.jobs_queued,
            counts.jobs_running
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn the_app_is_suspended_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    let issue = while_it_works(&bot, |bot, _| {
        bot.sim.suspend(bot.installation, true).unwrap();
    })
    .await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), Vec::<String>::new());
}

#[tokio::test]
async fn the_repository_is_taken_from_the_app_while_the_job_waits() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.octo().delete_repository(REPO).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
}

#[tokio::test]
async fn the_repository_is_renamed_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    let issue = while_it_works(&bot, |bot, _| {
        bot.octo().rename_repository(REPO, "greetings").unwrap();
    })
    .await;
    assert_eq!(bot.state(issue).await, "in review");
    let pull = bot.sim.transcript("octo/greetings", issue + 1).unwrap();
    assert!(
        pull.contains("prova/1-fix-the-typo-in-the-readme -> main"),
        "{pull}"
    );
}

#[tokio::test]
async fn the_repository_is_renamed_before_anything_is_decided() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    let deliveries = bot.sim.take_deliveries();
    bot.octo().rename_repository(REPO, "greetings").unwrap();
    bot.deliver_these(&deliveries).await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(
        bot.sim
            .transcript("octo/greetings", issue + 1)
            .unwrap()
            .contains("Closes #1")
    );
}

#[tokio::test]
async fn the_default_branch_is_rewritten_while_the_agent_works() {
    let bot = World::new().agent("waiting", WAITING).start().await;
    let before = bot.sim.branch(REPO, "main").unwrap().unwrap();
    bot.octo()
        .push(
            REPO,
            "main",
            &[prova::simulator::world::repositories::File::new(
                "later.txt",
                "x\n",
            )],
            &[],
        )
        .unwrap();
    let issue = while_it_works(&bot, |bot, _| {
        bot.octo().force_push(REPO, "main", Some(&before)).unwrap();
    })
    .await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        bot.file("main", "README.md").unwrap(),
        "# Hello\n\nThis is teh readme.\n"
    );
}

#[tokio::test]
async fn a_status_comment_that_somebody_deletes_is_written_again_when_there_is_news() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    let comment = bot.last_comment_of_ours(issue).await;
    bot.octo().delete_comment(REPO, comment).unwrap();
    bot.settle().await;
    assert_eq!(bot.answers(issue).len(), 0);
    merge(&bot, pull);
    bot.settle().await;
    assert_eq!(bot.answers(issue).len(), 1);
    assert!(bot.thread(issue).contains("**Merged**"));
}
