//! Checks of others that fail on a pull request of ours.

use prova::simulator::webhooks::OutboxFault;
use prova::simulator::world::installations::Access;
use prova::simulator::world::integration::{Finding, Looked, Rule};
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World, normal};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// Corrects the README; and when it is told of failing checks, does something about them.
pub(crate) fn mender(mend: &str) -> String {
    format!(
        "if grep -q 'Continuous integration fails' \"$PROVA_BRIEF\"; then {mend}; \
         else sed -i s/teh/the/ README.md; fi"
    )
}

/// Makes the check pass.
pub(crate) const GREEN: &str = "echo green >> ci.txt";
/// Changes something, which does not help.
const NO_HELP: &str = "echo more >> ci.txt";

pub(crate) fn found(name: &str, conclusion: &str) -> Finding {
    let red = conclusion == "failure";
    Finding {
        name: name.to_owned(),
        conclusion: conclusion.to_owned(),
        title: Some(if red { "1 of 7 failed" } else { "all passed" }.to_owned()),
        log: if red {
            "2026-11-29T20:27:46.1234567Z expected green in /home/runner/ci.txt\n\
             2026-11-29T20:27:46.1234567Z ##[error]Process completed with exit code 1.\n\
             2026-11-29T20:27:47.1234567Z Post job cleanup.\n"
                .to_owned()
        } else {
            String::new()
        },
        ..Finding::default()
    }
}

/// A check that fails on our branch until a file says `green`.
pub(crate) fn until_green(name: &'static str) -> Rule {
    Rule::new(move |looked: &Looked<'_>| {
        let passes = looked.branch == "main" || looked.says("ci.txt", "green");
        Some(found(name, if passes { "success" } else { "failure" }))
    })
}

/// A check that fails wherever it runs.
fn always(name: &'static str) -> Rule {
    Rule::new(move |_| Some(found(name, "failure")))
}

/// A check that fails the first time on each commit of ours.
fn flaky(name: &'static str) -> Rule {
    Rule::new(move |looked| {
        let passes = looked.branch == "main" || looked.attempt > 1;
        Some(found(name, if passes { "success" } else { "failure" }))
    })
}

async fn start(mend: &str, policy: &str, rules: impl IntoIterator<Item = Rule>) -> Bot {
    let world = World::new().agent("mender", &mender(mend));
    let bot = world.policy(policy).start().await;
    for rule in rules {
        bot.sim.integrate(REPO, rule).unwrap();
    }
    let _initial = bot.sim.take_deliveries();
    bot
}

/// Counts the requests that have workflows run once more.
fn reruns(bot: &Bot) -> usize {
    let asked = bot.requests();
    let reruns = asked
        .iter()
        .filter(|one| one.contains("rerun-failed-jobs -> 201"));
    reruns.count()
}

#[tokio::test]
async fn a_failing_check_is_mended() {
    let show = format!("cp \"$PROVA_BRIEF\" brief.md; {GREEN}");
    let bot = start(&show, "", [until_green("test")]).await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.file(BRANCH, "ci.txt").unwrap(), "green\n");
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(pull).replace("brief.md", "(the brief)"));
    let brief = bot.file(BRANCH, "brief.md").unwrap();
    insta::assert_snapshot!(normal(&brief, bot.sim.web_url()));
}

#[tokio::test]
async fn what_is_not_mended_becomes_a_question() {
    let bot = start(NO_HELP, "", [until_green("test")]).await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.jobs(issue).await.len(), 3, "two rounds");
    insta::assert_snapshot!(bot.thread(issue));
    assert_eq!(bot.answers(pull).len(), 1);
    insta::assert_snapshot!(bot.answers(pull)[0]);
    // It is asked once, however often the suite is heard of.
    replay_all(&bot).await;
    assert_eq!(bot.jobs(issue).await.len(), 3);
    assert_eq!(bot.answers(pull).len(), 1);
    // A word of a person begins anew.
    bot.say("alice", pull, "@prova retry").await;
    assert_eq!(bot.jobs(issue).await.len(), 6, "and two rounds more");
    assert_eq!(bot.answers(pull).len(), 2);
}

#[tokio::test]
async fn checks_that_end_while_a_question_is_answered_are_looked_at_afterwards() {
    let bot = start(NO_HELP, "", [until_green("test")]).await;
    let (issue, pull) = bot.in_review().await;
    bot.alice().comment(REPO, pull, "@prova ask why?").unwrap();
    bot.decide().await;
    let lines = bot.deliveries().await;
    let suite = lines.iter().find(|line| line.event == "check_suite");
    assert!(bot.replay(&suite.unwrap().id).await);
    bot.decide().await;
    assert!(bot.notes().await.contains(&"pending".to_owned()));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        bot.ctx().store.counts().await.unwrap().deliveries_pending,
        0
    );
}

async fn replay_all(bot: &Bot) {
    let lines = bot.deliveries().await;
    let suites = lines.iter().filter(|line| line.event == "check_suite");
    for line in suites {
        assert!(bot.replay(&line.id).await);
    }
    bot.settle().await;
}

#[tokio::test]
async fn what_fails_on_the_default_branch_too_is_left_alone() {
    let bot = start(GREEN, "", [always("lint")]).await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(reruns(&bot), 0);
    assert!(bot.answers(pull).is_empty());
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn what_is_ours_is_mended_beside_what_is_not() {
    let bot = start(GREEN, "", [always("lint"), until_green("test")]).await;
    let (issue, _) = bot.in_review().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.file(BRANCH, "ci.txt").unwrap(), "green\n");
    let thread = bot.thread(issue);
    assert!(thread.contains("Fails on `main` too"), "{thread}");
}

#[tokio::test]
async fn a_check_that_passes_the_second_time_is_flaky() {
    let bot = start(GREEN, "", [flaky("e2e")]).await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(reruns(&bot), 1);
    assert!(bot.answers(pull).is_empty());
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn policy_can_do_without_the_second_time() {
    let bot = start(GREEN, "[ci]\nrerun = false\n", [until_green("test")]).await;
    let (issue, _) = bot.in_review().await;
    assert_eq!(reruns(&bot), 0);
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.file(BRANCH, "ci.txt").unwrap(), "green\n");
}

#[tokio::test]
async fn policy_can_leave_them_alone() {
    let bot = start(GREEN, "[ci]\nrounds = 0\n", [until_green("test")]).await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(reruns(&bot), 0);
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert!(bot.answers(pull).is_empty());
    assert!(!bot.thread(issue).contains("ontinuous integration"));
}

#[tokio::test]
async fn an_app_that_may_not_read_logs_mends_without_them() {
    let show = format!("cp \"$PROVA_BRIEF\" brief.md; {GREEN}");
    let world = World::new().agent("mender", &mender(&show));
    let bot = world.start().await;
    let granted = [
        ("checks", Access::Write),
        ("contents", Access::Write),
        ("issues", Access::Write),
        ("metadata", Access::Read),
        ("pull_requests", Access::Write),
    ];
    let granted = granted.map(|(name, has)| (name.to_owned(), has));
    let granted = granted.into_iter().collect();
    bot.sim.grant(bot.installation, granted).unwrap();
    bot.sim.integrate(REPO, until_green("test")).unwrap();
    let (issue, _) = bot.in_review().await;
    assert_eq!(reruns(&bot), 0);
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.file(BRANCH, "ci.txt").unwrap(), "green\n");
    let brief = bot.file(BRANCH, "brief.md").unwrap();
    assert!(brief.contains("1 of 7 failed"), "{brief}");
    assert!(!brief.contains("The end of its log"), "{brief}");
}

#[tokio::test]
async fn nothing_is_done_before_every_check_has_ended() {
    let bot = start(GREEN, "", []).await;
    let (issue, _) = bot.in_review().await;
    let report = |name: &str, conclusion: &str| {
        let found = found(name, conclusion);
        bot.sim.integration(REPO, BRANCH, found).unwrap();
    };
    report("slow", "");
    report("test", "failure");
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    report("slow", "success");
    bot.settle().await;
    // Nothing is set up to run it once more here, so it stays as it is, and waits for the end of that.
    assert_eq!(reruns(&bot), 1);
}

#[tokio::test]
async fn who_has_no_opinion_has_nothing_against_it() {
    let bot = start(GREEN, "", []).await;
    let (issue, _) = bot.in_review().await;
    for conclusion in ["neutral", "skipped", "cancelled", "success"] {
        let found = found(conclusion, conclusion);
        bot.sim.integration(REPO, BRANCH, found).unwrap();
    }
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(reruns(&bot), 0);
}

#[tokio::test]
async fn deliveries_that_come_twice_and_in_any_order_change_nothing() {
    let bot = start(GREEN, "", [until_green("test"), until_green("build")]).await;
    bot.sim.arm_outbox(OutboxFault::Random {
        seed: 7,
        drop: 0,
        duplicate: 60,
    });
    let (issue, _) = bot.in_review().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.file(BRANCH, "ci.txt").unwrap(), "green\n");
    replay_all(&bot).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_push_of_a_person_is_theirs() {
    let bot = start(GREEN, "", []).await;
    let (issue, pull) = bot.in_review().await;
    let readme = File::new("README.md", "# Ours\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    let red = || found("test", "failure");
    bot.sim.integration(REPO, BRANCH, red()).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert!(bot.answers(pull).is_empty());
    let notes = bot.notes().await;
    let told = "the commit is not the one that was verified last";
    assert!(notes.iter().any(|note| note == told), "{notes:?}");
}

#[tokio::test]
async fn branches_of_others_are_none_of_ours() {
    let bot = start(GREEN, "", [always("test")]).await;
    let readme = File::new("README.md", "# Ours\n");
    for branch in ["feature", "prova/notes", "prova/77-mine"] {
        let files = [readme.clone()];
        bot.alice().push(REPO, branch, &files, &[]).unwrap();
    }
    bot.settle().await;
    assert!(bot.tasks().await.is_empty());
    let asked = bot.requests();
    assert!(
        asked.iter().all(|one| !one.contains("check-runs")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_stop_ends_it() {
    let bot = start(NO_HELP, "[ci]\nrerun = false\n", [until_green("test")]).await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    assert!(bot.work().await, "the fix");
    bot.decide().await;
    // The checks were faster than the pull request.
    while bot.state(issue).await != "queued" {
        bot.clock.advance(2_000);
        bot.decide().await;
    }
    bot.alice().comment(REPO, issue, "@prova stop").unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "stopped");
    replay_all(&bot).await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert_eq!(bot.file(BRANCH, "ci.txt"), None);
}

#[tokio::test]
async fn what_a_person_has_taken_back_is_not_done_again() {
    let bot = start(GREEN, "", [until_green("test")]).await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    bot.say("alice", pull, "@prova undo").await;
    assert_eq!(bot.file(BRANCH, "ci.txt"), None);
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn a_mender_that_changes_nothing_leaves_it_to_a_person() {
    let bot = start("true", "", [until_green("test")]).await;
    let (issue, _) = bot.in_review().await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.thread(issue));
    replay_all(&bot).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
}

#[tokio::test]
async fn an_agent_that_breaks_something_else_each_time_comes_to_an_end() {
    let bot = start(
        NO_HELP,
        "[ci]\nrounds = 10\nrerun = false\n",
        [Rule::new(|looked| {
            let file = looked.files.iter().find(|file| file.path == "ci.txt");
            let lines = file.map_or(0, |file| file.content.len() / 5);
            let word: String = "x".repeat(lines);
            let passes = looked.branch == "main";
            Some(Finding {
                title: Some(format!("broke the {word}")),
                ..found("test", if passes { "success" } else { "failure" })
            })
        })],
    )
    .await;
    let (issue, pull) = bot.in_review().await;
    assert_eq!(bot.jobs(issue).await.len(), 11);
    assert_eq!(bot.answers(pull).len(), 1);
}
