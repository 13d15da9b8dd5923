//! Whatever goes wrong once on the way to GitHub, at whichever request, the end is the same.

use prova::simulator::faults::{Fault, FaultKind, Loss};
use prova::simulator::world::accounts::Role;

use crate::harness::{Bot, REPO, World};

/// A world in which every kind of request is sent.
async fn bot() -> Bot {
    World::fixer()
        .policy("checks = [\"grep the README.md\"]\n")
        .start()
        .await
}

/// What a person sees in the end; whether a comment was edited depends on how long things took.
fn end(bot: &Bot) -> String {
    bot.everything().replace(" (edited)", "")
}

/// Returns the requests of a run in which nothing goes wrong, and its end.
async fn undisturbed() -> (Vec<String>, String) {
    let bot = bot().await;
    let _ = bot.requests();
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    (bot.requests(), end(&bot))
}

/// Lets the fault hit each request in turn; the end must be the same every time. Returns by how
/// many seconds the shortest run took longer.
async fn assert_harmless(kind: impl Fn(i64) -> FaultKind) -> i64 {
    let (requests, expected) = undisturbed().await;
    assert!(requests.len() >= 12, "{requests:#?}");
    let mut shortest = i64::MAX;
    for (n, request) in requests.iter().enumerate() {
        let bot = bot().await;
        bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
        let began = bot.clock.seconds();
        bot.sim.arm(Fault::on("*", "*", kind(began)).nth(n + 1));
        bot.settle().await;
        assert_eq!(end(&bot), expected, "after a fault at {request}");
        shortest = shortest.min(bot.clock.seconds() - began);
    }
    shortest
}

#[tokio::test]
async fn a_bad_gateway() {
    let took = assert_harmless(|_| FaultKind::FailWith(502)).await;
    assert!(took >= 2, "it was tried again after {took} s");
}

#[tokio::test]
async fn a_connection_that_is_cut() {
    assert_harmless(|_| FaultKind::Cut).await;
}

#[tokio::test]
async fn an_answer_that_is_lost() {
    assert_harmless(|_| FaultKind::AppliedButLost(Loss::Connection)).await;
}

#[tokio::test]
async fn an_answer_that_a_proxy_replaces() {
    assert_harmless(|_| FaultKind::AppliedButLost(Loss::BadGateway)).await;
}

#[tokio::test]
async fn a_token_that_expires() {
    assert_harmless(|_| FaultKind::ExpireTokens).await;
}

/// Returns the requests that git does not send: a limit is GitHub's answer to its API.
fn limited_at(nth: usize, kind: FaultKind) -> Fault {
    Fault::on("*", "/repos/*", kind).nth(nth)
}

#[tokio::test]
async fn a_secondary_limit_is_waited_out() {
    let (requests, expected) = undisturbed().await;
    let limited = requests.iter().filter(|r| r.contains(" /repos/"));
    for (n, request) in limited.enumerate() {
        let bot = bot().await;
        bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
        let began = bot.clock.seconds();
        let status = if n % 2 == 0 { 403 } else { 429 };
        bot.sim.arm(limited_at(
            n + 1,
            FaultKind::SecondaryLimit {
                status,
                retry_after: Some(90),
            },
        ));
        bot.settle().await;
        assert_eq!(end(&bot), expected, "after a limit at {request}");
        let took = bot.clock.seconds() - began;
        assert!(
            (90..200).contains(&took),
            "{took} s after a limit at {request}"
        );
    }
}

#[tokio::test]
async fn a_primary_limit_is_waited_out() {
    let (requests, expected) = undisturbed().await;
    let limited = requests.iter().filter(|r| r.contains(" /repos/"));
    for (n, request) in limited.enumerate() {
        let bot = bot().await;
        bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
        let began = bot.clock.seconds();
        bot.sim.arm(limited_at(
            n + 1,
            FaultKind::PrimaryLimit {
                reset: began + 1_800,
            },
        ));
        bot.settle().await;
        assert_eq!(end(&bot), expected, "after a limit at {request}");
        let took = bot.clock.seconds() - began;
        assert!(
            (1_800..2_000).contains(&took),
            "{took} s after a limit at {request}"
        );
    }
}

#[tokio::test]
async fn a_secondary_limit_that_does_not_say_for_how_long() {
    let bot = bot().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    let began = bot.clock.seconds();
    let kind = FaultKind::SecondaryLimit {
        status: 403,
        retry_after: None,
    };
    bot.sim.arm(Fault::on("POST", "*/git/trees", kind).times(3));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(
        bot.clock.seconds() - began >= 180,
        "it did not wait a minute each time"
    );
}

#[tokio::test]
async fn a_missing_permission_is_said() {
    let bot = bot().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.sim
        .arm(Fault::on("POST", "*/git/trees", FaultKind::Forbidden).always());
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn a_pull_request_that_may_not_be_opened_is_said_and_the_branch_stays() {
    let bot = bot().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.sim
        .arm(Fault::on("POST", "*/pulls", FaultKind::Forbidden).always());
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.branches().len(), 1);
    insta::assert_snapshot!(bot.thread(issue));
    bot.sim.disarm();
    bot.clock.advance(60_000);
    bot.say("alice", issue, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
}

#[tokio::test]
async fn a_check_run_that_may_not_be_created_holds_nothing_up() {
    let bot = bot().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.sim
        .arm(Fault::on("POST", "*/check-runs", FaultKind::Forbidden).always());
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(bot.thread(issue).contains("**In review**"));
}

#[tokio::test]
async fn a_permission_that_is_revoked_before_it_is_looked_up() {
    let bot = bot().await;
    let issue = bot.issue();
    bot.settle().await;
    bot.alice().comment(REPO, issue, "@prova fix it").unwrap();
    bot.sim.set_role(REPO, "alice", Role::Read).unwrap();
    bot.settle().await;
    assert_eq!(bot.tasks().await.len(), 0);
    assert!(
        bot.answers(issue)[0].contains("you have read permission"),
        "{}",
        bot.thread(issue)
    );
}

#[tokio::test]
async fn a_permission_that_cannot_be_looked_up_yet_loses_nothing() {
    let bot = bot().await;
    let issue = bot.issue();
    bot.settle().await;
    bot.alice().comment(REPO, issue, "@prova fix it").unwrap();
    bot.sim
        .arm(Fault::on("GET", "*/permission", FaultKind::FailWith(502)).times(3));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.jobs(issue).await.len(), 1);
}

#[tokio::test]
async fn later_events_of_a_thread_wait_for_the_earlier_ones() {
    let bot = bot().await;
    let issue = bot.issue();
    bot.settle().await;
    // `stop` must not overtake what it is to stop.
    bot.alice().comment(REPO, issue, "@prova fix it").unwrap();
    bot.alice().comment(REPO, issue, "@prova stop").unwrap();
    bot.sim
        .arm(Fault::on("GET", "*/permission", FaultKind::FailWith(502)));
    let other = bot.labelled_issue("Another", "");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "stopped", "{}", bot.thread(issue));
    assert_eq!(bot.state(other).await, "in review");
}
