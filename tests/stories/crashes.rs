//! A crash at any point, then a restart on the same store, ends as if there had been none.

use prova::app::cleanup::remove_orphans;
use prova::app::dispatch::dispatch_next;
use prova::app::publish::publish_next;
use prova::domain::job::Entry;
use prova::domain::retry::MAX_ATTEMPTS;
use prova::ports::clock::Clock as _;
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
    clean.settle().await;
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
    bot.restart_in("elsewhere").await;
    // Nobody else takes it while the lease holds: for all they know, it is worked on.
    assert!(!bot.work().await);
    bot.clock.advance(LEASES_RUN_OUT);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(bot.jobs(issue).await[0].attempts, 2);
    // What the dead one left goes when it is started again.
    bot.restart_in("work").await;
    remove_orphans(bot.ctx()).await;
}

/// Fixes the mistake, after a pause in which it can be killed.
const SLOW: &str =
    "touch /prova/out/started; sleep 0.3; rm /prova/out/started; sed -i s/teh/the/ README.md";

/// Lets the process die while its agent works.
async fn die_at_work(bot: &Bot) {
    tokio::select! {
        _ = bot.work() => panic!("it was to die before its end"),
        () = bot.agent_has_made("started") => {}
    }
}

#[tokio::test]
async fn a_worker_that_starts_again_takes_its_own_job_back_at_once() {
    let mut bot = World::new().agent("slow", SLOW).start().await;
    let issue = ask(&bot);
    bot.decide().await;
    die_at_work(&bot).await;
    let died = bot.clock.seconds();
    bot.restart().await;
    assert!(bot.work().await, "it waits for its own lease to run out");
    assert_eq!(bot.clock.seconds(), died);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    let jobs = bot.jobs(issue).await;
    assert_eq!((jobs.len(), jobs[0].attempts), (1, 2));
}

#[tokio::test]
async fn a_worker_that_starts_again_leaves_those_of_others_alone() {
    let mut bot = World::new()
        .agent("slow", SLOW)
        .tuned(|settings| settings.work.jobs_per_repository = 2)
        .start()
        .await;
    let (first, second) = (
        ask(&bot),
        bot.labelled_issue("And the other", "Also `teh`."),
    );
    bot.decide().await;
    // One job each, of two workers of whom neither comes back but the second.
    die_at_work(&bot).await;
    bot.restart_in("elsewhere").await;
    die_at_work_elsewhere(&bot).await;
    bot.restart_in("elsewhere").await;
    assert!(bot.work().await, "it does not take its own back");
    assert!(!bot.work().await, "it took another's");
    let attempts = [
        bot.jobs(first).await[0].attempts,
        bot.jobs(second).await[0].attempts,
    ];
    assert_eq!(attempts, [1, 2]);
    bot.restart_in("work").await;
    assert!(bot.work().await);
    bot.settle().await;
    for issue in [first, second] {
        assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    }
}

async fn die_at_work_elsewhere(bot: &Bot) {
    let jobs = bot.dir.path().join("elsewhere/jobs");
    let started = || {
        let jobs = std::fs::read_dir(&jobs).into_iter().flatten().flatten();
        jobs.map(|job| job.path().join("out/started"))
            .any(|path| path.exists())
    };
    let begun = async {
        while !started() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = bot.work() => panic!("it was to die before its end"),
        () = begun => {}
    }
}

#[tokio::test]
async fn a_write_that_was_under_way_is_looked_for_when_it_must_have_arrived() {
    let mut bot = bot().await;
    let issue = ask(&bot);
    bot.deliver().await;
    let ctx = bot.ctx();
    while dispatch_next(ctx).await.unwrap() {}
    assert!(publish_next(ctx).await.unwrap(), "the reaction");
    // The comment arrives, and its sender is dead by then.
    assert!(bot.killed_at(1).await);
    let died = bot.clock.seconds();
    assert!(!publish_next(bot.ctx()).await.unwrap(), "too early to look");
    bot.settle().await;
    assert_eq!(bot.answers(issue).len(), 1, "{}", bot.thread(issue));
    assert!((15..60).contains(&(bot.clock.seconds() - died)));
}

#[tokio::test]
async fn what_kills_its_worker_each_time_is_given_up_with_its_reason() {
    let mut bot = World::new().agent("slow", SLOW).start().await;
    let issue = ask(&bot);
    bot.decide().await;
    let began = bot.clock.seconds();
    let mut deaths = 0;
    loop {
        // It waits longer each time, so that other jobs come forward in between.
        while let Some(due) = bot.ctx().store.next_due(bot.clock.now()).await.unwrap() {
            let wait = i64::try_from(due.since(bot.clock.now()).as_millis()).unwrap();
            bot.clock.advance(wait);
            bot.decide().await;
        }
        tokio::select! {
            worked = bot.work() => {
                assert!(worked, "it is neither worked on nor given up");
                break;
            }
            () = bot.agent_has_made("started") => {}
        }
        deaths += 1;
        bot.restart().await;
        bot.forget_made("started");
    }
    assert_eq!(deaths, MAX_ATTEMPTS);
    assert!(bot.clock.seconds() - began > 3_600);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    let thread = bot.thread(issue);
    assert!(
        thread.contains("begun 20 times and never came to an end"),
        "{thread}"
    );
}

#[tokio::test]
async fn a_second_process_in_the_same_directory_is_refused() {
    let bot = bot().await;
    let refused = bot.second_process().await.err().unwrap().to_string();
    let here = bot.dir.path().join("work");
    let expected = format!(
        "work.dir: cannot take {}: process {} works in it; stop that process, or give this one a directory of its own",
        here.display(),
        std::process::id()
    );
    assert_eq!(refused, expected);
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
