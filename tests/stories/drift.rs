//! Tasks end, move and are taken up as GitHub shows it, when no delivery tells.

use prova::app::reconcile::{Left, threads};
use prova::simulator::webhooks::OutboxFault;

use crate::harness::{Bot, REPO, World};
use crate::integration::{GREEN, found, mender};

const HOUR: i64 = 60 * 60_000;
const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// A pull request in review, of which no webhook tells any more.
async fn unheard() -> (Bot, u64, u64) {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    bot.sim.arm_outbox(OutboxFault::Swallow);
    (bot, issue, pull)
}

/// Does what the server does within an hour.
async fn an_hour(bot: &Bot) {
    bot.clock.advance(HOUR);
    while threads::step(bot.ctx()).await.unwrap() == Left::More {}
    bot.settle().await;
}

#[tokio::test]
async fn a_merge_that_nobody_tells_of_is_seen() {
    let (bot, issue, pull) = unheard().await;
    an_hour(&bot).await;
    assert_eq!(bot.state(issue).await, "in review");
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.state(issue).await, "merged");
    assert!(bot.answers(issue)[0].contains("**Merged**"));
    assert_eq!(bot.answers(issue).len(), 1);
    // It is said where it is asked why.
    let task = bot.task(issue).await.id;
    let audit = bot.ctx().store.audit(Some(task.thread), 100).await.unwrap();
    let told = audit.last().map(|line| line.detail.clone());
    let expected = format!("task {task} merged: no delivery told of it");
    assert_eq!(told, Some(expected));
}

#[tokio::test]
async fn checks_that_fail_and_of_which_nobody_tells_are_mended() {
    let world = World::new().agent("mender", &mender(GREEN));
    let bot = world.policy("[ci]\nrerun = false\n").start().await;
    let (issue, _) = bot.in_review().await;
    an_hour(&bot).await;
    assert_eq!(bot.jobs(issue).await.len(), 1, "there are none yet");
    bot.sim.arm_outbox(OutboxFault::Swallow);
    let failure = found("test", "failure");
    bot.sim.integration(REPO, BRANCH, failure).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.file(BRANCH, "ci.txt").unwrap(), "green\n");
    // What is green is left alone, however often it is looked at.
    an_hour(&bot).await;
    an_hour(&bot).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
}

#[tokio::test]
async fn a_pull_request_that_is_closed_or_loses_its_branch_ends_its_task() {
    let (bot, issue, pull) = unheard().await;
    bot.octo().close(REPO, pull).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.state(issue).await, "closed");
    let (bot, issue, _) = unheard().await;
    bot.octo().force_push(REPO, BRANCH, None).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.state(issue).await, "closed");
}

#[tokio::test]
async fn an_issue_that_is_closed_or_deleted_ends_its_task() {
    let (bot, issue, pull) = unheard().await;
    bot.octo().close(REPO, issue).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.state(issue).await, "closed");
    // The pull request stays open, and is nobody's work while its issue is closed.
    an_hour(&bot).await;
    assert_eq!(bot.tasks().await.len(), 1);
    bot.octo().reopen(REPO, issue).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.tasks().await.len(), 2);
    assert_eq!(
        bot.task(issue).await.pull.map(|number| number.0),
        Some(pull)
    );

    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.sim.arm_outbox(OutboxFault::Swallow);
    bot.octo().delete_issue(REPO, issue).unwrap();
    bot.clock.advance(HOUR);
    while threads::step(bot.ctx()).await.unwrap() == Left::More {}
    assert_eq!(bot.state(issue).await, "closed");
    assert!(!bot.work().await, "its job is not run");
}

#[tokio::test]
async fn a_pull_request_that_is_opened_again_is_worked_on_again() {
    let bot = World::new()
        .agent("grower", "echo more >> README.md")
        .start()
        .await;
    let (issue, pull) = bot.in_review().await;
    bot.octo().close(REPO, pull).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    bot.octo().reopen(REPO, pull).unwrap();
    bot.settle().await;
    an_hour(&bot).await;
    let task = bot.task(issue).await;
    assert_eq!((task.id.ordinal, task.state.word()), (2, "in review"));
    assert_eq!(bot.answers(issue).len(), 2, "{}", bot.thread(issue));
    an_hour(&bot).await;
    assert_eq!(bot.tasks().await.len(), 2, "it is taken up once");
    bot.say("alice", pull, "@prova one more line").await;
    assert_eq!(bot.state(issue).await, "in review");
    let readme = bot.file(BRANCH, "README.md").unwrap();
    assert_eq!(readme.matches("more").count(), 2, "{readme}");
    assert_eq!(bot.everything().matches("pull request by").count(), 1);
}

#[tokio::test]
async fn a_head_that_was_pushed_to_meanwhile_waits_for_a_person() {
    let (bot, issue, pull) = unheard().await;
    bot.octo().close(REPO, pull).unwrap();
    an_hour(&bot).await;
    bot.octo().reopen(REPO, pull).unwrap();
    let file = prova::simulator::world::repositories::File::new("more.txt", "more\n");
    bot.octo().push(REPO, BRANCH, &[file], &[]).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.tasks().await.len(), 2);
    assert_eq!(bot.state(issue).await, "blocked");
}

#[tokio::test]
async fn a_store_that_lost_a_task_finds_its_pull_request_and_opens_no_other() {
    let mut bot = World::new()
        .agent("grower", "echo more >> README.md")
        .start()
        .await;
    let (issue, pull) = bot.in_review().await;
    let before = bot.everything();
    bot.restart_empty().await;
    an_hour(&bot).await;
    assert_eq!(bot.everything(), before, "nothing is done again");
    let task = bot.task(issue).await;
    assert_eq!(task.pull.map(|number| number.0), Some(pull));
    assert_eq!(task.state.word(), "blocked");
    // What is asked for next continues on its branch.
    bot.say("alice", pull, "@prova one more line").await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(pull));
    assert_eq!(bot.everything().matches("pull request by").count(), 1);
    let readme = bot.file(BRANCH, "README.md").unwrap();
    assert_eq!(readme.matches("more").count(), 2, "{readme}");
}

#[tokio::test]
async fn access_that_is_taken_away_ends_tasks() {
    let lose: [fn(&Bot); 4] = [
        |bot| bot.sim.uninstall_app(bot.installation).unwrap(),
        |bot| bot.sim.suspend(bot.installation, true).unwrap(),
        |bot| bot.octo().archive(REPO, true).unwrap(),
        |bot| bot.octo().delete_repository(REPO).unwrap(),
    ];
    for (case, lose) in lose.into_iter().enumerate() {
        let (bot, issue, _) = unheard().await;
        lose(&bot);
        an_hour(&bot).await;
        assert_eq!(bot.state(issue).await, "closed", "case {case}");
        assert_eq!(bot.ctx().store.counts().await.unwrap().effects_pending, 0);
    }
}

#[tokio::test]
async fn a_repository_that_is_renamed_is_followed() {
    let (bot, issue, pull) = unheard().await;
    bot.octo().rename_repository(REPO, "greetings").unwrap();
    an_hour(&bot).await;
    let task = bot.task(issue).await;
    assert_eq!(task.repo.name.to_string(), "octo/greetings");
    assert_eq!(task.state.word(), "in review");
    let renamed = "octo/greetings";
    bot.octo().set_draft(renamed, pull, false).unwrap();
    bot.octo().merge_pull(renamed, pull).unwrap();
    an_hour(&bot).await;
    assert_eq!(bot.state(issue).await, "merged");
}

#[tokio::test]
async fn tasks_are_compared_once_an_hour_with_few_requests() {
    let (bot, ..) = unheard().await;
    an_hour(&bot).await;
    let asked = |bot: &Bot| {
        let requests = bot.requests();
        let of_threads = requests
            .iter()
            .filter(|line| line.contains("/issues/") || line.contains("/pulls"));
        of_threads.count()
    };
    let _ = asked(&bot);
    bot.clock.advance(11 * 60_000);
    while threads::step(bot.ctx()).await.unwrap() == Left::More {}
    assert_eq!(asked(&bot), 0, "not yet again");
    an_hour(&bot).await;
    // The open pull requests of the repository, for its tasks and for their bases, and the issue of the
    // one task.
    assert_eq!(asked(&bot), 3);
}
