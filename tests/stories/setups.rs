//! Setup commands: run once, there for every job, and nobody's change.

use crate::harness::{Bot, World};

/// Leaves something that no two runs leave alike.
const POLICY: &str =
    "setup = [\"od -An -N8 -tx8 /dev/urandom > stamp\"]\nchecks = [\"test -s stamp\"]\n";
/// Shows what it found, and spoils it for whoever comes after.
const SHOW: &str = "cat stamp >> README.md; echo spoiled > stamp; git status --short > seen";

async fn world() -> Bot {
    World::new()
        .agent("shower", SHOW)
        .policy(POLICY)
        .file("app.lock", "one\n")
        .file(".gitignore", "stamp\n")
        .start()
        .await
}

/// Has an issue worked on and returns what its agent found.
async fn found(bot: &Bot) -> String {
    let before = bot.branches();
    let _issue = bot.labelled_issue("Show the stamp", "Please.");
    bot.settle().await;
    let after = bot.branches();
    let branch = after
        .iter()
        .find(|branch| !before.contains(branch))
        .unwrap();
    assert_eq!(
        bot.file(branch, "stamp"),
        None,
        "setup's is not the agent's"
    );
    let seen = bot.file(branch, "seen").unwrap();
    assert_eq!(seen, " M README.md\n?? seen\n");
    let readme = bot.file(branch, "README.md").unwrap();
    readme.lines().last().unwrap().trim().to_owned()
}

#[tokio::test]
async fn setup_runs_once_for_the_same_lockfiles_and_no_job_can_spoil_it() {
    let bot = world().await;
    assert!(bot.ctx().sandbox.layers(), "layers cannot be mounted here");
    let first = found(&bot).await;
    assert_eq!(first.len(), 16, "{first}");
    assert_eq!(found(&bot).await, first);
    assert_eq!(found(&bot).await, first);
}

#[tokio::test]
async fn setup_that_failed_is_tried_again() {
    let policy = "setup = [\"od -An -N8 -tx8 /dev/urandom > stamp; exit 1\"]\n";
    let bot = World::new()
        .agent("shower", SHOW)
        .policy(policy)
        .start()
        .await;
    for _ in 0..2 {
        let _issue = bot.labelled_issue("Show the stamp", "Please.");
        bot.settle().await;
    }
    assert_eq!(bot.branches(), Vec::<String>::new());
    assert!(!bot.dir.path().join("work/setups").exists());
}
