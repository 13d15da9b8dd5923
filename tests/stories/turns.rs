//! Whose work is done next.

use prova::simulator::world::repositories::{File, RepositorySpec};

use crate::harness::{Bot, REPO, World};

/// Corrects the README at first, and adds a line to it later.
const GROWING: &str =
    "if grep -q teh README.md; then sed -i s/teh/the/ README.md; else echo more >> README.md; fi";

async fn bot() -> Bot {
    World::new().agent("grower", GROWING).start().await
}

/// Does every job that waits, and returns the owners of their repositories in that order.
async fn work_off(bot: &Bot) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while bot.work().await {
        for task in bot.tasks().await {
            if task.state.word() != "queued" && seen.insert(task.id) {
                order.push(task.repo.name.owner);
            }
        }
    }
    order
}

#[tokio::test]
async fn a_noisy_account_does_not_hold_up_another() {
    let bot = bot().await;
    let readme = || vec![File::new("README.md", "# Hello\n\nThis is teh readme.\n")];
    for repo in ["octo/second", "octo/third", "bea/quiet"] {
        let spec = RepositorySpec::new(repo, readme());
        bot.sim.create_repository(&spec).unwrap();
    }
    bot.sim.install_app("bea", None).unwrap();
    let open = |who: &str, repo: &str, title: &str| {
        let person = bot.sim.as_person(who);
        person
            .open_issue(repo, title, "It says `teh`.", &["prova"])
            .unwrap();
    };
    for repo in [REPO, "octo/second", "octo/third"] {
        for title in ["Fix the readme", "And once more"] {
            open("octo", repo, title);
        }
    }
    bot.decide().await;
    open("bea", "bea/quiet", "Fix the readme");
    open("bea", "bea/quiet", "And once more");
    bot.decide().await;
    let order = work_off(&bot).await;
    assert_eq!(order.len(), 8, "{order:?}");
    let quiet = order.iter().take(4).filter(|owner| *owner == "bea");
    assert_eq!(quiet.count(), 2, "{order:?}");
}

#[tokio::test]
async fn who_asks_on_a_pull_request_does_not_wait_behind_new_tasks() {
    let bot = bot().await;
    let (issue, pull) = bot.in_review().await;
    let new = bot.labelled_issue("Say more", "One more line.");
    bot.decide().await;
    bot.clock.advance(60_000);
    let alice = bot.alice();
    alice.comment(REPO, pull, "@prova one more line").unwrap();
    bot.decide().await;
    assert!(bot.work().await);
    assert_eq!(bot.state(new).await, "queued");
    assert_eq!(bot.jobs(issue).await[1].state, "over");
    bot.settle().await;
    for issue in [issue, new] {
        assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    }
}
