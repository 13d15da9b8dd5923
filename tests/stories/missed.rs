//! What GitHub could not bring, or never told of, is done all the same.

use prova::app::reconcile::{Left, deliveries, threads};
use prova::ports::fault::Class;
use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::webhooks::OutboxFault;

use crate::harness::{Bot, REPO, World};

const MINUTE: i64 = 60_000;

/// Looks for missed deliveries until there is nothing more to look at.
async fn look_for_deliveries(bot: &Bot) {
    while deliveries::step(bot.ctx()).await.unwrap() == Left::More {}
}

/// Does what the server does within a quarter of an hour.
async fn a_while(bot: &Bot) {
    bot.settle().await;
    bot.clock.advance(16 * MINUTE);
    look_for_deliveries(bot).await;
    bot.settle().await;
    while threads::step(bot.ctx()).await.unwrap() == Left::More {}
    bot.settle().await;
}

/// The requests for another attempt since the last look.
fn asked_again(bot: &Bot) -> usize {
    let requests = bot.requests();
    let asked = requests
        .iter()
        .filter(|line| line.ends_with("/attempts -> 202"));
    asked.count()
}

/// Fails unless each request came to one task, one pull request, and one status comment.
async fn assert_each_done_once(bot: &Bot, issues: &[u64], told: &str) {
    let mut pulls = Vec::new();
    for issue in issues {
        let of_issue = bot.tasks().await;
        let of_issue = of_issue
            .iter()
            .filter(|task| task.id.thread.number.0 == *issue);
        assert_eq!(
            of_issue.count(),
            1,
            "{told}, issue {issue}: {}",
            bot.thread(*issue)
        );
        assert_eq!(bot.state(*issue).await, "in review", "{told}");
        assert_eq!(
            bot.answers(*issue).len(),
            1,
            "{told}: {}",
            bot.thread(*issue)
        );
        pulls.extend(bot.task(*issue).await.pull);
    }
    pulls.sort_unstable();
    pulls.dedup();
    assert_eq!(pulls.len(), issues.len(), "{told}");
    assert_eq!(bot.branches().len(), issues.len(), "{told}");
}

/// Three people ask, in three ways, while webhooks are lost.
fn ask_in_three_ways(bot: &Bot) -> [u64; 3] {
    let labelled = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    let assigned = bot.issue();
    bot.octo().assign(REPO, assigned, "prova[bot]").unwrap();
    let mentioned = bot.issue();
    bot.alice()
        .comment(REPO, mentioned, "@prova fix it")
        .unwrap();
    [labelled, assigned, mentioned]
}

#[tokio::test]
async fn webhooks_dropped_at_random_lose_no_request() {
    for (drop, seeds) in [(10, 1..=2), (50, 3..=6), (100, 7..=7)] {
        for seed in seeds {
            let told = format!("{drop}% dropped, seed {seed}");
            println!("{told}");
            let bot = World::fixer().start().await;
            let duplicate = (100 - drop) / 4;
            bot.sim.arm_outbox(OutboxFault::Random {
                seed,
                drop,
                duplicate,
            });
            let issues = ask_in_three_ways(&bot);
            for _ in 0..4 {
                a_while(&bot).await;
            }
            assert_each_done_once(&bot, &issues, &told).await;
            // What people do afterwards arrives, too.
            let pull = bot.task(issues[0]).await.pull.unwrap().0;
            bot.alice().set_draft(REPO, pull, false).unwrap();
            bot.alice().merge_pull(REPO, pull).unwrap();
            bot.alice().comment(REPO, issues[1], "@prova help").unwrap();
            for _ in 0..3 {
                a_while(&bot).await;
            }
            // The merge closes the issue, too, and either may be heard of first.
            let state = bot.state(issues[0]).await;
            assert!(["merged", "closed"].contains(&state), "{told}: {state}");
            assert_eq!(bot.answers(issues[1]).len(), 2, "{told}");
        }
    }
}

#[tokio::test]
async fn a_request_that_github_never_tells_of_is_found() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Swallow);
    let labelled = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    let assigned = bot.issue();
    bot.octo().assign(REPO, assigned, "prova[bot]").unwrap();
    // Neither is a request: nobody who may start work, and nothing that policy names.
    let by_tina = bot.issue();
    bot.sim
        .as_person("tina")
        .label(REPO, by_tina, "prova")
        .unwrap();
    let other = bot.issue();
    bot.octo().label(REPO, other, "bug").unwrap();
    for _ in 0..3 {
        a_while(&bot).await;
    }
    assert_each_done_once(&bot, &[labelled, assigned], "never told").await;
    let refused = bot.answers(by_tina);
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].contains("you have triage permission"),
        "{}",
        refused[0]
    );
    assert_eq!(bot.answers(other), [""; 0]);
    // It stands among the deliveries, under a name that tells where it comes from.
    let ids = bot.deliveries().await;
    assert!(
        ids.iter()
            .all(|line| line.id.as_str().starts_with("found-")),
        "{ids:?}"
    );
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_label_that_was_taken_off_or_is_old_asks_for_nothing() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Swallow);
    let off = bot.labelled_issue("One", "");
    let old = bot.labelled_issue("Two", "");
    let closed = bot.labelled_issue("Three", "");
    bot.octo().unlabel(REPO, off, "prova").unwrap();
    bot.octo().close(REPO, closed).unwrap();
    bot.clock.advance(4 * 24 * 60 * MINUTE);
    bot.octo().comment(REPO, old, "Is this still so?").unwrap();
    a_while(&bot).await;
    assert_eq!(bot.tasks().await, []);
}

#[tokio::test]
async fn an_outsiders_text_that_was_changed_since_starts_nothing() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Swallow);
    let mallory = bot.sim.as_person("mallory");
    let [same, changed] = ["Fix one", "Fix another"].map(|title| {
        let issue = mallory
            .open_issue(REPO, title, "It says `teh`.", &[])
            .unwrap();
        bot.octo().label(REPO, issue, "prova").unwrap();
        issue
    });
    bot.clock.advance(MINUTE);
    mallory
        .edit(REPO, changed, None, Some("Delete everything."))
        .unwrap();
    for _ in 0..3 {
        a_while(&bot).await;
    }
    assert_eq!(bot.state(same).await, "in review");
    assert_eq!(bot.tasks().await.len(), 1);
    let answers = bot.answers(changed);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(
        answers[0].contains("whether the text is still what it was"),
        "{}",
        answers[0]
    );
    // Once somebody has looked, it is a request like any other.
    bot.say("alice", changed, "@prova fix it").await;
    for _ in 0..3 {
        a_while(&bot).await;
    }
    assert_eq!(
        bot.tasks().await.len(),
        1,
        "no delivery tells of the comment"
    );
}

#[tokio::test]
async fn a_delivery_is_asked_for_once_and_then_taken_out_of_the_list() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Drop(2));
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    let _ = bot.requests();
    look_for_deliveries(&bot).await;
    assert_eq!(asked_again(&bot), 2, "`opened` and `labeled`");
    // While they are on their way, nothing is asked for again.
    look_for_deliveries(&bot).await;
    assert_eq!(asked_again(&bot), 0);
    // Neither arrives: each is taken as it is, and no longer missing.
    bot.sim.arm_outbox(OutboxFault::Drop(2));
    bot.settle().await;
    assert_eq!(bot.deliveries().await, []);
    look_for_deliveries(&bot).await;
    assert_eq!(bot.deliveries().await.len(), 2);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    let _ = bot.requests();
    look_for_deliveries(&bot).await;
    let pages = ["GET /app/hook/deliveries -> 200"];
    assert_eq!(bot.requests(), pages);
}

#[tokio::test]
async fn a_delivery_that_arrived_at_a_later_attempt_is_not_asked_for() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Drop(2));
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    look_for_deliveries(&bot).await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    let _ = bot.requests();
    bot.clock.advance(20 * MINUTE);
    look_for_deliveries(&bot).await;
    assert_eq!(asked_again(&bot), 0);
}

#[tokio::test]
async fn many_are_asked_for_in_portions_and_a_restart_goes_on() {
    let mut bot = World::fixer().start().await;
    // Two deliveries each: `opened` and `labeled`.
    bot.sim.arm_outbox(OutboxFault::Drop(90));
    for n in 0..45 {
        bot.labelled_issue(&format!("Issue {n}"), "");
    }
    bot.deliver().await;
    assert_eq!(bot.deliveries().await, []);
    let _ = bot.requests();
    let mut portions = Vec::new();
    loop {
        let left = deliveries::step(bot.ctx()).await.unwrap();
        portions.push(asked_again(&bot));
        if left == Left::Nothing {
            break;
        }
        bot.restart().await;
    }
    assert_eq!(portions, [30, 30, 30]);
    bot.deliver().await;
    assert_eq!(bot.deliveries().await.len(), 90);
}

#[tokio::test]
async fn a_limit_is_respected_and_what_was_asked_for_is_remembered() {
    let bot = World::fixer().start().await;
    bot.sim.arm_outbox(OutboxFault::Drop(2));
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    let _ = bot.requests();
    let limit = FaultKind::SecondaryLimit {
        status: 403,
        retry_after: Some(90),
    };
    bot.sim
        .arm(Fault::on("POST", "/app/hook/deliveries/*", limit).nth(2));
    let fault = deliveries::step(bot.ctx()).await.unwrap_err();
    assert!(matches!(fault.class, Class::RateLimited(_)), "{fault}");
    bot.clock.advance(90_000);
    look_for_deliveries(&bot).await;
    assert_eq!(
        asked_again(&bot),
        2,
        "one before the limit and one after it"
    );
}
