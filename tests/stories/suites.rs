//! The check suite of a check run that is to run again: GitHub shows no conclusion of it until the App
//! reports. Whatever becomes of the press, it must not wait for ever: required checks would.

use prova::simulator::faults::{Fault, FaultKind, Loss};
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::File;

use crate::check_run::{newest, pages};
use crate::harness::{Bot, REPO, World};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// The first run corrects the README, each later one adds a line to it.
const GROWING: &str =
    "if grep -q teh README.md; then sed -i s/teh/the/ README.md; else echo more >> README.md; fi";

/// The first run corrects the README, each later one waits for a word.
const PATIENT: &str = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; exit; fi; \
    touch /prova/out/started; while ! test -e /prova/out/go; do sleep 0.02; done";

/// The check suites of the App that wait for it.
pub(crate) fn hanging(bot: &Bot) -> Vec<String> {
    let mut suites = bot.sim.unfinished_suites(REPO).unwrap();
    suites.retain(|suite| suite.starts_with("prova "));
    suites
}

/// Something under review, its pull request, and its check run.
async fn in_review(script: &str) -> (Bot, u64, u64) {
    let bot = World::new().agent("agent", script).start().await;
    let (issue, pull) = bot.in_review().await;
    bot.clock.advance(60_000);
    (bot, issue, pull)
}

/// Lets Alice press `Re-run` of the newest check run, which GitHub has its suite wait for.
fn press(bot: &Bot) {
    let before = pages(bot);
    bot.alice().rerequest_check(REPO, newest(bot)).unwrap();
    assert_eq!(hanging(bot).len(), 1);
    assert_eq!(pages(bot), before, "the run itself stays as it is");
}

/// What was written to check runs.
fn reports(bot: &Bot) -> Vec<String> {
    let mut requests = bot.requests();
    requests.retain(|one| !one.starts_with("GET") && one.contains("/check-runs"));
    requests
}

#[tokio::test]
async fn a_press_that_begins_a_job_leaves_what_was_said_of_the_commit() {
    let (bot, issue, pull) = in_review(GROWING).await;
    press(&bot);
    // As soon as it is heard of, and before a job has begun.
    bot.decide().await;
    while prova::app::publish::publish_next(bot.ctx()).await.unwrap() {}
    assert_eq!(hanging(&bot), Vec::<String>::new());
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(hanging(&bot), Vec::<String>::new());
    // `Re-run all` names the suite alone.
    bot.clock.advance(60_000);
    bot.alice().rerequest_suite(REPO, BRANCH).unwrap();
    assert_eq!(hanging(&bot).len(), 1);
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 3);
    assert_eq!(hanging(&bot), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn a_job_that_changes_nothing_leaves_no_suite_that_waits() {
    let script = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; fi";
    let (bot, issue, _) = in_review(script).await;
    press(&bot);
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.sim.check_run_ids(REPO).unwrap().len(), 1);
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_fails_leaves_no_suite_that_waits() {
    let script = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; else exit 1; fi";
    let (bot, issue, _) = in_review(script).await;
    press(&bot);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_is_stopped_leaves_no_suite_that_waits() {
    let (bot, issue, pull) = in_review(PATIENT).await;
    press(&bot);
    bot.decide().await;
    bot.work_until_stopped(pull).await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn a_press_while_something_runs_leaves_no_suite_that_waits() {
    let (bot, issue, _) = in_review(GROWING).await;
    press(&bot);
    bot.decide().await;
    press(&bot);
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn a_press_that_is_refused_leaves_no_suite_that_waits() {
    let (bot, issue, _) = in_review(GROWING).await;
    // Of an earlier commit.
    let first = newest(&bot);
    let readme = File::new("README.md", "# Ours\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.alice().rerequest_check(REPO, first).unwrap();
    assert_eq!(hanging(&bot).len(), 1);
    bot.settle().await;
    assert_eq!(hanging(&bot), Vec::<String>::new());
    // By somebody who may not ask any more.
    press(&bot);
    bot.sim.set_role(REPO, "alice", Role::Read).unwrap();
    bot.settle().await;
    assert_eq!(hanging(&bot), Vec::<String>::new());
    assert_eq!(bot.jobs(issue).await.len(), 1);
}

#[tokio::test]
async fn a_press_that_nobody_answers_leaves_no_suite_that_waits() {
    // A task that is over.
    let (bot, _, pull) = in_review(GROWING).await;
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
    bot.settle().await;
    press(&bot);
    bot.settle().await;
    assert_eq!(hanging(&bot), Vec::<String>::new());
    // A store that knows nothing of it.
    let (mut bot, _, _) = in_review(GROWING).await;
    bot.restart_empty().await;
    press(&bot);
    bot.settle().await;
    assert_eq!(hanging(&bot), Vec::<String>::new());
    let notes = bot.notes().await;
    assert!(notes.contains(&"no task has this check run".to_owned()));
    // What GitHub does not let be decided.
    let (bot, issue, _) = in_review(GROWING).await;
    let refused = FaultKind::FailWith(422);
    bot.sim
        .arm(Fault::on("GET", "*/collaborators/*", refused).always());
    press(&bot);
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_bot_presses_is_not_done_and_leaves_no_suite_that_waits() {
    let (bot, issue, _) = in_review(GROWING).await;
    bot.sim.set_role(REPO, "lint[bot]", Role::Write).unwrap();
    let linter = bot.sim.as_person("lint[bot]");
    linter.rerequest_check(REPO, newest(&bot)).unwrap();
    assert_eq!(hanging(&bot).len(), 1);
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn re_run_all_is_heard_on_the_branch_of_a_person() {
    let bot = World::new().agent("agent", GROWING).start().await;
    let pull = crate::assessments::hers(&bot);
    bot.say("alice", pull, "@prova one more line").await;
    bot.clock.advance(60_000);
    let branch = bot.task(pull).await.branch;
    bot.alice().rerequest_suite(REPO, branch.as_str()).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(pull).await.len(), 2);
    assert_eq!(hanging(&bot), Vec::<String>::new());
}

#[tokio::test]
async fn a_button_of_ours_has_no_suite_wait() {
    let (bot, issue, _) = in_review(GROWING).await;
    let _before = bot.requests();
    let alice = bot.alice();
    alice.press_button(REPO, newest(&bot), "retry").unwrap();
    assert_eq!(hanging(&bot), Vec::<String>::new());
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(reports(&bot), ["POST /repos/octo/hello/check-runs -> 201"]);
}

#[tokio::test]
async fn a_suite_that_takes_no_report_is_in_the_way_of_no_other() {
    let (bot, _, _) = in_review(GROWING).await;
    let first = newest(&bot);
    Box::pin(bot.in_review()).await;
    let refused = FaultKind::FailWith(502);
    let path = format!("*/check-runs/{first}");
    bot.sim.arm(Fault::on("PATCH", &path, refused).always());
    let alice = bot.alice();
    alice.rerequest_check(REPO, first).unwrap();
    alice.rerequest_check(REPO, newest(&bot)).unwrap();
    let both = hanging(&bot);
    assert_eq!(both.len(), 2);
    bot.decide().await;
    while prova::app::publish::publish_next(bot.ctx()).await.unwrap() {}
    assert_eq!(hanging(&bot), both[..1]);
}

#[tokio::test]
async fn a_report_whose_answer_is_lost_is_not_made_again() {
    let (bot, _, _) = in_review(GROWING).await;
    let run = newest(&bot);
    let lost = FaultKind::AppliedButLost(Loss::Connection);
    bot.sim.arm(Fault::on("PATCH", "*/check-runs/*", lost));
    bot.sim.set_role(REPO, "alice", Role::Write).unwrap();
    press(&bot);
    bot.sim.set_role(REPO, "alice", Role::Read).unwrap();
    let _before = bot.requests();
    bot.settle().await;
    let reports = reports(&bot);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with(&format!("PATCH /repos/octo/hello/check-runs/{run}")));
    assert_eq!(hanging(&bot), Vec::<String>::new());
}
