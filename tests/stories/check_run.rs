//! The check run of a job: what it says of lines, and its buttons.

use prova::simulator::faults::{Fault, FaultKind, Loss};
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World, normal};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// The first run corrects the README and makes a check fail, each later one adds a line to the README.
const GROWING: &str = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; \
    else echo more >> README.md; fi";

/// A checker that says as programs do what is wrong, of the README and of lines that are none.
const LINT: &str = "#!/bin/sh
echo \"README.md:3:9: warning: too short\"
echo \"/workspace/src/main.py:1: E501 @octo line too long\"
echo \"/etc/passwd:1: not ours\"
echo \"gone.c:1: error: no such file\"
echo \"error[E0308]: mismatched types\"
echo \"  --> README.md:1:1\"
exit 1
";

fn linted(lint: &str) -> World {
    World::fixer()
        .put(File::executable("lint.sh", lint))
        .policy("checks = [\"true\", \"./lint.sh\"]\n")
}

/// Says of so many lines of the README that they are wrong.
pub(crate) fn wrong(lines: usize) -> String {
    format!(
        "#!/bin/sh\ni=0\nwhile [ $i -lt {lines} ]; do i=$((i+1)); echo \"README.md:$i: wrong\"; done\nexit 1\n"
    )
}

/// Asks for the work, and returns the number of the issue.
async fn asked(bot: &Bot) -> u64 {
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    issue
}

/// The pages of the check runs, as a person sees them.
pub(crate) fn pages(bot: &Bot) -> String {
    let pages = bot.sim.check_runs(REPO).unwrap();
    normal(&pages, bot.sim.web_url())
}

/// The id of the newest check run.
pub(crate) fn newest(bot: &Bot) -> u64 {
    *bot.sim.check_run_ids(REPO).unwrap().last().unwrap()
}

/// The lines of which it is said that they are wrong, in order.
fn lines(bot: &Bot) -> Vec<usize> {
    let pages = pages(bot);
    let noted = pages
        .lines()
        .filter_map(|line| line.trim().strip_prefix("README.md:"));
    let numbers = noted.filter_map(|rest| rest.strip_suffix(" failure: wrong"));
    numbers.map(|number| number.parse().unwrap()).collect()
}

fn batches(bot: &Bot) -> Vec<String> {
    let mut requests = bot.requests();
    requests.retain(|request| {
        request.contains("/check-runs") && !request.starts_with("GET") && request.contains(" -> 20")
    });
    let id = format!("/check-runs/{}", newest(bot));
    requests
        .iter()
        .map(|one| one.replace(&id, "/check-runs/ID"))
        .collect()
}

#[tokio::test]
async fn what_checks_say_of_lines_stands_at_the_lines() {
    let bot = linted(LINT).start().await;
    let issue = asked(&bot).await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(pages(&bot));
}

#[tokio::test]
async fn what_policy_keeps_back_is_said_in_the_files_that_are_there() {
    let script = "sed -i s/teh/the/ README.md; echo no >> LICENSE; echo new > LICENSE-2";
    let bot = World::new()
        .agent("eager", script)
        .file("LICENSE", "All rights.\n")
        .policy("protect = [\"LICENSE*\"]\n")
        .start()
        .await;
    asked(&bot).await;
    let pages = pages(&bot);
    assert!(
        pages.contains("LICENSE:1 warning: The agent changed this file, and policy protects it (LICENSE*): that was left out."),
        "{pages}"
    );
    assert!(!pages.contains("LICENSE-2:1"), "{pages}");
}

#[tokio::test]
async fn a_secret_that_a_check_prints_is_not_shown_at_its_line() {
    let lint = "#!/bin/sh\nprintf 'README.md:1: wrong %s%s\\n' ghp_ x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi\nexit 1\n";
    let bot = linted(lint).start().await;
    asked(&bot).await;
    let pages = pages(&bot);
    assert!(pages.contains("README.md:1 failure: wrong "), "{pages}");
    assert!(!pages.contains("x7Kq92LmZ0"), "{pages}");
}

#[tokio::test]
async fn checks_that_pass_say_nothing_of_lines() {
    let bot = linted("#!/bin/sh\necho \"README.md:1: warning: fine\"\n")
        .start()
        .await;
    let issue = asked(&bot).await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(!pages(&bot).contains("README.md:1 "), "{}", pages(&bot));
}

#[tokio::test]
async fn many_go_fifty_at_a_time_and_two_hundred_at_most() {
    let bot = linted(&wrong(230)).start().await;
    asked(&bot).await;
    assert_eq!(lines(&bot), (1..=200).collect::<Vec<_>>());
    assert_eq!(
        batches(&bot),
        [
            "POST /repos/octo/hello/check-runs -> 201",
            "PATCH /repos/octo/hello/check-runs/ID -> 200",
            "PATCH /repos/octo/hello/check-runs/ID -> 200",
            "PATCH /repos/octo/hello/check-runs/ID -> 200",
        ]
    );
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_not_sent_again() {
    for (method, path, nth) in [
        ("POST", "*/check-runs", 1),
        ("PATCH", "*/check-runs/*", 1),
        ("PATCH", "*/check-runs/*", 2),
    ] {
        let bot = linted(&wrong(120)).start().await;
        let lost = FaultKind::AppliedButLost(Loss::Connection);
        bot.sim.arm(Fault::on(method, path, lost).nth(nth));
        asked(&bot).await;
        assert_eq!(lines(&bot), (1..=120).collect::<Vec<_>>(), "{method} {nth}");
        assert_eq!(bot.sim.check_run_ids(REPO).unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_death_between_two_batches_leaves_none_out_and_none_twice() {
    for (method, nth) in [("POST", 1), ("PATCH", 1), ("PATCH", 2)] {
        let mut bot = linted(&wrong(120)).start().await;
        bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
        bot.decide().await;
        assert!(bot.work().await);
        let at = requests_until(&wrong(120), method, nth).await;
        assert!(bot.killed_at(at).await, "it never came to {method} {nth}");
        bot.clock.advance(10 * 60_000);
        bot.settle().await;
        assert_eq!(lines(&bot), (1..=120).collect::<Vec<_>>(), "{method} {nth}");
        assert_eq!(bot.sim.check_run_ids(REPO).unwrap().len(), 1);
    }
}

/// The how manieth request after the job is the `nth` of that method to a check run.
async fn requests_until(lint: &str, method: &str, nth: usize) -> usize {
    let bot = linted(lint).start().await;
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    assert!(bot.work().await);
    let _before = bot.requests();
    bot.settle().await;
    let requests = bot.requests();
    let of_checks = (1..)
        .zip(&requests)
        .filter(|(_, request)| request.starts_with(method) && request.contains("/check-runs"));
    of_checks.map(|(at, _)| at).nth(nth - 1).unwrap()
}

#[tokio::test]
async fn what_github_does_not_take_of_lines_costs_no_proof() {
    let bot = linted(LINT).start().await;
    let refused = FaultKind::FailWith(422);
    bot.sim.arm(Fault::on("POST", "*/check-runs", refused));
    asked(&bot).await;
    let pages = pages(&bot);
    assert!(pages.contains("1 of 2 checks failed"), "{pages}");
    assert!(!pages.contains("README.md:3:9 "), "{pages}");
}

#[tokio::test]
async fn re_run_tries_again() {
    let bot = linted(LINT).start().await;
    let issue = asked(&bot).await;
    bot.clock.advance(60_000);
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    let task = bot.task(issue).await;
    assert_eq!(task.work.request.by.login.as_str(), "alice");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn re_run_all_and_try_again_do_the_same() {
    let bot = World::new().agent("grower", GROWING).start().await;
    let (issue, pull) = bot.in_review().await;
    bot.alice().rerequest_suite(REPO, BRANCH).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2, "{}", bot.thread(pull));
    bot.clock.advance(60_000);
    let alice = bot.alice();
    alice.press_button(REPO, newest(&bot), "retry").unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 3, "{}", bot.thread(pull));
    assert_eq!(bot.state(issue).await, "in review");
    assert!(bot.thread(pull).contains("[eyes prova[bot]]"));
}

#[tokio::test]
async fn a_press_that_is_heard_of_twice_does_nothing_twice() {
    let bot = linted(LINT).start().await;
    let issue = asked(&bot).await;
    bot.clock.advance(60_000);
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    let deliveries = bot.sim.take_deliveries();
    bot.deliver_these(&deliveries).await;
    bot.deliver_these(&deliveries).await;
    bot.settle().await;
    bot.deliver_these(&deliveries).await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.answers(issue).len(), 1, "{}", bot.thread(issue));
}

#[tokio::test]
async fn who_may_not_start_work_does_not_by_a_button() {
    let bot = linted(LINT).start().await;
    let issue = asked(&bot).await;
    // It was taken from her after GitHub had shown her the button.
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    bot.sim.set_role(REPO, "alice", Role::Read).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    insta::assert_snapshot!(bot.answers(issue).pop().unwrap_or_default());
}

#[tokio::test]
async fn a_check_run_of_an_earlier_commit_starts_nothing() {
    let bot = World::new().agent("grower", GROWING).start().await;
    let (issue, pull) = bot.in_review().await;
    let first = newest(&bot);
    bot.say("alice", pull, "@prova one more line").await;
    bot.alice().rerequest_check(REPO, first).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!(bot.answers(pull).pop().unwrap_or_default());
    // The same goes for one that people have pushed on top of.
    let readme = File::new("README.md", "# Ours\n");
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.answers(pull).len(), 3, "{}", bot.thread(pull));
}

#[tokio::test]
async fn a_button_takes_a_follow_up_back() {
    let bot = World::new().agent("grower", GROWING).start().await;
    let (issue, pull) = bot.in_review().await;
    let before = bot.file(BRANCH, "README.md").unwrap();
    let alice = bot.alice();
    assert_eq!(
        alice
            .press_button(REPO, newest(&bot), "undo")
            .unwrap_err()
            .status(),
        422,
        "there is nothing to take back yet"
    );
    bot.say("alice", pull, "@prova one more line").await;
    assert_ne!(bot.file(BRANCH, "README.md").unwrap(), before);
    let followed_up = newest(&bot);
    alice.press_button(REPO, followed_up, "undo").unwrap();
    bot.settle().await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), before);
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(pages(&bot));
    // The button is still there, on what is no longer the head.
    alice.press_button(REPO, followed_up, "undo").unwrap();
    bot.settle().await;
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), before);
    let answer = bot.answers(pull).pop().unwrap_or_default();
    assert!(
        answer.contains("does not end with that commit any more"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_button_pressed_while_a_job_runs_is_answered() {
    let bot = linted(LINT).start().await;
    let issue = asked(&bot).await;
    bot.clock.advance(60_000);
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    bot.decide().await;
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    let answer = bot.answers(issue).pop().unwrap_or_default();
    assert!(
        answer.contains("still working on the last request"),
        "{answer}"
    );
}

#[tokio::test]
async fn after_the_end_a_button_starts_nothing() {
    let bot = World::fixer().start().await;
    let (issue, pull) = bot.in_review().await;
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
    bot.settle().await;
    bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "merged");
    let answer = bot.answers(pull).pop().unwrap_or_default();
    assert!(answer.contains("is closed"), "{answer}");
}

#[tokio::test]
async fn check_runs_of_others_are_not_ours_to_run_again() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    let _before = bot.requests();
    let found = prova::simulator::world::integration::Finding {
        name: "build".to_owned(),
        conclusion: "success".to_owned(),
        ..Default::default()
    };
    let theirs = bot.sim.integration(REPO, BRANCH, found).unwrap();
    bot.settle().await;
    let _before = bot.requests();
    bot.alice().rerequest_check(REPO, theirs).unwrap();
    bot.settle().await;
    assert_eq!(bot.requests(), Vec::<String>::new());
    assert_eq!(bot.jobs(issue).await.len(), 1);
}
