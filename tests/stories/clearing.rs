//! What becomes of branches when their tasks are over.

use prova::app::reconcile::{Left, threads};
use prova::simulator::webhooks::OutboxFault;
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";
const MERGED: &str = "[branch]\ndelete = \"merged\"\n";
const ENDED: &str = "[branch]\ndelete = \"ended\"\n";

async fn in_review(policy: &str) -> (Bot, u64, u64) {
    let bot = World::fixer().policy(policy).start().await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.branches(), [BRANCH]);
    (bot, issue, pull)
}

fn merge(bot: &Bot, pull: u64) {
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
}

#[tokio::test]
async fn a_branch_that_was_merged_is_deleted_where_policy_says_so() {
    for (policy, left) in [(MERGED, false), (ENDED, false), ("", true)] {
        let (bot, issue, pull) = in_review(policy).await;
        merge(&bot, pull);
        bot.settle().await;
        assert_eq!(bot.state(issue).await, "merged");
        assert_eq!(!bot.branches().is_empty(), left, "{policy}");
    }
}

#[tokio::test]
async fn a_branch_that_was_not_merged_is_deleted_only_after_any_end() {
    for (policy, left) in [(MERGED, true), (ENDED, false)] {
        let (bot, issue, pull) = in_review(policy).await;
        bot.octo().close(REPO, pull).unwrap();
        bot.settle().await;
        assert_eq!(bot.state(issue).await, "closed");
        assert_eq!(!bot.branches().is_empty(), left, "{policy}");
    }
}

#[tokio::test]
async fn a_merge_is_one_though_its_issue_is_told_of_first() {
    let (bot, issue, pull) = in_review(MERGED).await;
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.settle().await;
    bot.sim.arm_outbox(OutboxFault::Reverse);
    bot.octo().merge_pull(REPO, pull).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "merged");
    assert_eq!(bot.branches(), Vec::<String>::new());
}

#[tokio::test]
async fn commits_of_people_are_not_deleted() {
    let (bot, _, pull) = in_review(ENDED).await;
    let readme = File::new("README.md", "# Ours\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.octo().close(REPO, pull).unwrap();
    bot.settle().await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), "# Ours\n");
}

#[tokio::test]
async fn a_branch_whose_pull_request_is_open_stays_when_its_issue_is_closed() {
    let (bot, issue, _) = in_review(ENDED).await;
    bot.octo().close(REPO, issue).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
    assert_eq!(bot.branches(), [BRANCH]);
}

#[tokio::test]
async fn work_without_a_pull_request_stays() {
    let script = "sed -i s/teh/the/ README.md; exit 1";
    let bot = World::new()
        .agent("failing", script)
        .policy(ENDED)
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    bot.octo().close(REPO, issue).unwrap();
    bot.settle().await;
    assert_eq!(bot.branches(), [BRANCH]);
}

#[tokio::test]
async fn a_branch_that_somebody_else_has_deleted_is_done() {
    let (bot, issue, pull) = in_review(MERGED).await;
    merge(&bot, pull);
    bot.octo().force_push(REPO, BRANCH, None).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "merged");
    assert_eq!(bot.ctx().store.counts().await.unwrap().effects_pending, 0);
    assert!(!bot.requests().iter().any(|one| one.starts_with("DELETE")));
}

#[tokio::test]
async fn an_end_that_no_delivery_told_of_deletes_it_too() {
    let (bot, issue, pull) = in_review(MERGED).await;
    bot.sim.arm_outbox(OutboxFault::Swallow);
    merge(&bot, pull);
    bot.clock.advance(60 * 60_000);
    while threads::step(bot.ctx()).await.unwrap() == Left::More {}
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "merged");
    assert_eq!(bot.branches(), Vec::<String>::new());
}
