//! The check run of a job: what it says of lines, and its buttons.

use prova::simulator::faults::{Fault, FaultKind, Loss};
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World, normal};

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
fn wrong(lines: usize) -> String {
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
fn pages(bot: &Bot) -> String {
    let pages = bot.sim.check_runs(REPO).unwrap();
    normal(&pages, bot.sim.web_url())
}

/// The id of the newest check run.
fn newest(bot: &Bot) -> u64 {
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
