//! A crash at any point, then a restart on the same store, ends as if there had been none.

use prova::domain::job::Entry;
use prova::simulator::faults::{Fault, FaultKind};

use crate::harness::{Bot, REPO, World};

/// Longer than any lease.
const LEASES_RUN_OUT: i64 = 10 * 60_000;

async fn bot() -> Bot {
    World::fixer()
        .policy("checks = [\"grep the README.md\"]\n")
        .start()
        .await
}

fn end(bot: &Bot) -> String {
    bot.everything().replace(" (edited)", "")
}

fn ask(bot: &Bot) -> u64 {
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.")
}

#[tokio::test]
async fn between_any_two_steps() {
    let clean = bot().await;
    ask(&clean);
    let mut steps = 0;
    while clean.step().await {
        steps += 1;
    }
    let expected = end(&clean);
    assert!(steps >= 8, "{steps}");
    for n in 0..=steps {
        let mut bot = bot().await;
        let issue = ask(&bot);
        for _ in 0..n {
            bot.step().await;
        }
        bot.restart().await;
        bot.settle().await;
        assert_eq!(
            end(&bot),
            expected,
            "after a restart behind step {n} of {steps}"
        );
        assert_eq!(bot.jobs(issue).await.len(), 1);
        assert_eq!(
            bot.jobs(issue).await[0].attempts,
            1,
            "the agent ran once more"
        );
    }
}

#[tokio::test]
async fn while_any_request_is_on_its_way() {
    let mut clean = bot().await;
    let issue = ask(&clean);
    let _ = clean.requests();
    assert!(!clean.killed_at(1_000).await);
    let requests = clean.requests();
    let expected = end(&clean);
    assert_eq!(clean.state(issue).await, "in review");
    for (n, request) in requests.iter().enumerate() {
        let mut bot = bot().await;
        let issue = ask(&bot);
        assert!(bot.killed_at(n + 1).await, "it never came to {request}");
        bot.clock.advance(LEASES_RUN_OUT);
        bot.settle().await;
        assert_eq!(end(&bot), expected, "after a crash at {request}");
        assert_eq!(bot.jobs(issue).await.len(), 1);
    }
}

#[tokio::test]
async fn again_and_again() {
    let clean = bot().await;
    ask(&clean);
    clean.settle().await;
    let expected = end(&clean);
    let mut bot = bot().await;
    ask(&bot);
    // Killed at every sixth request that it comes to, until it is through.
    let mut crashes = 0;
    while bot.killed_at(6).await {
        crashes += 1;
        assert!(
            crashes < 50,
            "it does not come forward:\n{}",
            bot.everything()
        );
        bot.clock.advance(LEASES_RUN_OUT);
    }
    assert!(crashes >= 2, "{crashes}");
    assert_eq!(end(&bot), expected);
}

/// Counts the agent's runs that a job's journal knows of.
async fn runs(bot: &Bot, issue: u64) -> usize {
    let jobs = bot.jobs(issue).await;
    let journal = jobs.iter().flat_map(|job| &job.journal);
    journal
        .filter(|(_, _, entry)| matches!(entry, Entry::Ran(_)))
        .count()
}

#[tokio::test]
async fn an_agent_that_had_ended_is_not_run_again() {
    let mut bot = bot().await;
    let issue = ask(&bot);
    bot.sim
        .arm(Fault::on("POST", "*/git/trees", FaultKind::FailWith(500)));
    // The first attempt ends at the tree; the next begins in another process.
    bot.decide().await;
    assert!(bot.work().await);
    assert_eq!(runs(&bot, issue).await, 1);
    bot.restart().await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.jobs(issue).await[0].attempts, 2);
    assert_eq!(runs(&bot, issue).await, 1);
}

#[tokio::test]
async fn a_dead_workers_job_is_taken_over_when_its_lease_has_run_out() {
    let script = "if ! test -e \"$PROVA_RESULT.seen\"; then touch /prova/out/started; fi; sed -i s/teh/the/ README.md; \
                  grep -q quick README.md || sleep ${SLEEP:-1}; rm -f /prova/out/started";
    let mut bot = World::new().agent("slow", script).start().await;
    let issue = ask(&bot);
    bot.decide().await;
    tokio::select! {
        _ = bot.work() => panic!("it was to die before its end"),
        () = bot.agent_has_made("started") => {}
    }
    bot.restart().await;
    // Nobody takes it while the lease holds.
    assert!(!bot.work().await);
    bot.clock.advance(LEASES_RUN_OUT);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(bot.jobs(issue).await[0].attempts, 2);
}

#[tokio::test]
async fn a_follow_up_survives_a_crash_at_any_request() {
    let script = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; else echo more >> README.md; fi";
    let world = || World::new().agent("grower", script);
    let clean = world().start().await;
    let (_, pull) = clean.in_review().await;
    let _ = clean.requests();
    clean.say("alice", pull, "@prova one more line").await;
    let requests = clean.requests();
    let expected = end(&clean);
    for (n, request) in requests.iter().enumerate() {
        let mut bot = world().start().await;
        let (_, pull) = bot.in_review().await;
        bot.alice()
            .comment(REPO, pull, "@prova one more line")
            .unwrap();
        assert!(bot.killed_at(n + 1).await, "it never came to {request}");
        bot.clock.advance(LEASES_RUN_OUT);
        bot.settle().await;
        assert_eq!(end(&bot), expected, "after a crash at {request}");
    }
}
