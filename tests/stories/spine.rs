//! From an issue to a pull request with evidence.

use crate::harness::World;

#[tokio::test]
async fn a_label_becomes_a_pull_request_with_evidence() {
    let bot = World::fixer()
        .policy("checks = [\"grep -q the README.md\", \"python3 src/main.py\"]\n")
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(issue + 1));
}

#[tokio::test]
async fn a_job_of_one_file_takes_few_requests() {
    let bot = World::fixer().start().await;
    let _ = bot.requests();
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    let sent = bot.sim.requests();
    let api: Vec<_> = sent.iter().filter(|r| !r.path.contains(".git/")).collect();
    // Of writes, those after which there is something more to read: no reaction, no edit.
    let creating = api
        .iter()
        .filter(|r| r.creates_content && r.method == "POST" && !r.path.ends_with("/reactions"))
        .count();
    assert!(
        api.len() <= 14 && creating <= 6,
        "{creating} of {}:\n{:#?}",
        api.len(),
        bot.requests()
    );
}
