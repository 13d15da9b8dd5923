//! An agent that cannot work, as the gateway saw it, gives its job to the next of the list.

use std::collections::BTreeMap;
use std::sync::Arc;

use prova::domain::job::Entry;
use prova::domain::time::Span;
use prova::domain::traffic::{ModelUse, Tokens, Traffic};
use prova::domain::unanswered::CallFailure;
use prova::simulator::faults::{Fault, FaultKind};

use crate::gateway::Script;
use crate::harness::{Bot, FIX, World};

const MODELS: &str = "
[models.main]
api = \"anthropic\"
[models.main.prices.\"*\"]
input = 3
output = 15
[models.spare]
api = \"openai\"
[models.spare.prices.\"*\"]
input = 0.25
output = 1
";

fn down(failure: CallFailure) -> Traffic {
    let mut traffic = Traffic::default();
    for _ in 0..3 {
        traffic.fail("main", failure);
    }
    traffic
}

fn answered() -> Traffic {
    Traffic {
        models: vec![ModelUse {
            endpoint: "spare".to_owned(),
            model: "small".to_owned(),
            calls: 2,
            tokens: Tokens {
                input: 1_000,
                output: 200,
                ..Tokens::default()
            },
            cost: "0.05".parse().unwrap(),
        }],
        answered: 2,
        ..Traffic::default()
    }
}

/// Where `claude` calls `main`, and `codex`, which does the work, calls `spare`.
fn world(main: Traffic, spare: Traffic, policy: &str) -> World {
    world_with("exit 1", FIX, (main, spare), policy)
}

fn world_with(claude: &str, codex: &str, (main, spare): (Traffic, Traffic), policy: &str) -> World {
    let script = Arc::new(Script {
        of: BTreeMap::from([("main", main), ("spare", spare)]),
        ..Script::default()
    });
    World::new()
        .agent("claude", claude)
        .settings("models = [\"main\"]\n")
        .agent("codex", codex)
        .settings("models = [\"spare\"]\n")
        .settings(MODELS)
        .policy(policy)
        .gateway(&script)
}

const BOTH: &str = "agent = \"claude\"\nfallback = [\"codex\"]\nchecks = [\"true\"]\n";

/// Returns what the journals of an issue's jobs tell.
async fn told(bot: &Bot, issue: u64) -> Vec<String> {
    let jobs = bot.jobs(issue).await;
    let journal = jobs.iter().flat_map(|job| &job.journal);
    journal.map(|(_, _, entry)| entry.told()).collect()
}

/// Returns who was started, in order.
async fn started(bot: &Bot, issue: u64) -> Vec<String> {
    let jobs = bot.jobs(issue).await;
    let journal = jobs.iter().flat_map(|job| job.journal.clone());
    journal
        .filter_map(|(_, _, entry)| match entry {
            Entry::Briefed(briefed) => Some(briefed.agent),
            Entry::Steered(_)
            | Entry::Ran(_)
            | Entry::Harvested(_)
            | Entry::Checked { .. }
            | Entry::PassedOver(_)
            | Entry::Committed { .. }
            | Entry::Offered(_)
            | Entry::Of { .. } => None,
        })
        .collect()
}

#[tokio::test]
async fn the_next_agent_takes_over_from_one_whose_key_is_refused() {
    let down = down(CallFailure::KeyRefused);
    let bot = world(down, answered(), BOTH).start().await;
    let (issue, pull) = bot.in_review().await;
    insta::assert_snapshot!(bot.thread(pull));
    let status = bot.answers(issue).join("\n");
    assert!(
        status
            .contains("`claude` could not be used: model endpoint `main` refused the server's key"),
        "{status}"
    );
    assert!(status.contains("`codex` took over."), "{status}");
    let told = told(&bot, issue).await;
    assert!(
        told[3].starts_with("claude could not be used: "),
        "{told:?}"
    );
    assert_eq!(bot.jobs(issue).await.len(), 1, "the same job went on");
    assert!(
        bot.everything().contains("`codex` took over."),
        "the check run"
    );
}

#[tokio::test]
async fn an_exit_code_of_0_does_not_count_where_no_model_answered() {
    let down = down(CallFailure::OutOfQuota);
    let world = world_with("exit 0", FIX, (down, answered()), BOTH);
    let bot = world.start().await;
    let (issue, _) = bot.in_review().await;
    assert_eq!(started(&bot, issue).await, ["claude", "codex"]);
}

#[tokio::test]
async fn when_nobody_can_work_all_are_named() {
    let dead = world_with(
        "exit 1",
        "exit 1",
        (down(CallFailure::Failing), down(CallFailure::Unreachable)),
        BOTH,
    );
    let bot = dead.start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.answers(issue).join("\n"));
}

#[tokio::test]
async fn who_names_an_agent_gets_that_one() {
    let bot = world(down(CallFailure::KeyRefused), answered(), BOTH)
        .start()
        .await;
    let issue = bot.issue();
    bot.say("octo", issue, "@prova with claude fix it").await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(started(&bot, issue).await, ["claude"]);
    bot.clock.advance(60_000);
    bot.say("octo", issue, "@prova retry with codex").await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn the_servers_list_holds_where_policy_has_none() {
    let server = |policy: &str| {
        world(down(CallFailure::RateLimited), answered(), policy).tuned(|settings| {
            settings.work.agent = Some("claude".parse().unwrap());
            settings.work.fallback = vec!["codex".parse().unwrap()];
        })
    };
    let bot = server("").start().await;
    let (issue, _) = bot.in_review().await;
    assert_eq!(started(&bot, issue).await, ["claude", "codex"]);

    let bot = server("fallback = []\n").start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(started(&bot, issue).await, ["claude"]);
}

#[tokio::test]
async fn a_list_that_names_a_stranger_is_refused_with_a_suggestion() {
    let policy = "agent = \"claude\"\nfallback = [\"codxe\"]\n";
    let bot = world(Traffic::default(), answered(), policy).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    let answer = bot.answers(issue).join("\n");
    assert!(answer.contains("Did you mean `codex`?"), "{answer}");
}

#[tokio::test]
async fn a_crash_while_the_next_works_does_not_bring_the_first_back() {
    let slow = format!("touch /prova/out/started; sleep 1; {FIX}");
    let traffic = (down(CallFailure::KeyRefused), answered());
    let mut bot = world_with("exit 1", &slow, traffic, BOTH).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    tokio::select! {
        _ = bot.work() => panic!("it was to die before its end"),
        () = bot.agent_has_made("started") => {}
    }
    bot.restart().await;
    bot.clock.advance(10 * 60_000);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(bot.jobs(issue).await[0].attempts, 2);
    assert_eq!(started(&bot, issue).await, ["claude", "codex", "codex"]);
    let report = bot.task(issue).await.last.unwrap();
    assert_eq!(report.passed_over.len(), 1);
}

#[tokio::test]
async fn an_attempt_that_fails_later_runs_nobody_again() {
    let traffic = (down(CallFailure::KeyRefused), answered());
    let bot = world_with("exit 1", FIX, traffic, BOTH).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.sim
        .arm(Fault::on("POST", "*/git/trees", FaultKind::FailWith(500)));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.jobs(issue).await[0].attempts, 2);
    assert_eq!(started(&bot, issue).await, ["claude", "codex"]);
}

#[tokio::test]
async fn a_crash_right_after_the_run_does_not_bring_it_back_either() {
    let traffic = (down(CallFailure::KeyRefused), answered());
    let mut bot = world_with("exit 1", FIX, traffic, BOTH).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    let has_run = async {
        while told(&bot, issue).await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = has_run => {}
        _ = bot.work() => panic!("it was to die before its end"),
    }
    bot.restart().await;
    bot.clock.advance(10 * 60_000);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(started(&bot, issue).await[..2], ["claude", "codex"]);
    assert!(!started(&bot, issue).await[1..].contains(&"claude".to_owned()));
}

#[tokio::test]
async fn an_agent_that_asks_a_model_that_is_down_for_ever_is_ended() {
    let down = || {
        let down = down(CallFailure::RateLimited);
        down.clone().with(down)
    };
    let policy = "agent = \"claude\"\nfallback = [\"codex\"]\n";
    let bot = world_with("sleep 600", "sleep 600", (down(), down()), policy)
        .tuned(|settings| settings.limits.unanswered = Span::ZERO)
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(started(&bot, issue).await, ["claude", "codex"]);
    insta::assert_snapshot!(bot.thread(issue));
}
