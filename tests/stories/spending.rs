//! What jobs reach and what that costs. The gateway is a scripted one: what these stories are about
//! is what the rest of the house makes of it.

use std::sync::Arc;

use prova::domain::budget::{Day, Scope};
use prova::domain::egress::HostRule;
use prova::domain::money::Usd;
use prova::domain::name::Name;
use prova::domain::traffic::{BlockReason, Blocked, ModelUse, Tokens, Traffic};
use prova::ports::clock::Clock as _;
use prova::ports::gateway::{Charge, Pass};

use crate::gateway::Script;
use crate::harness::{Bot, FIX, REPO, World};

pub(crate) const MODELS: &str = "
[models.main]
api = \"anthropic\"
url = \"http://127.0.0.1:9\"
[models.main.prices.large]
input = 3
output = 15
[models.spare]
api = \"openai\"
[models.spare.prices.\"*\"]
input = 0.25
output = 1
[budget]
job_usd = 2
";

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// What an agent's calls look like from outside.
fn calls(cost: &str) -> Traffic {
    Traffic {
        models: vec![ModelUse {
            endpoint: "main".to_owned(),
            model: "large".to_owned(),
            calls: 12,
            tokens: Tokens {
                input: 20_000,
                cache_read: 150_000,
                cache_write: 10_000,
                output: 4_000,
                reasoning: 1_000,
            },
            cost: usd(cost),
        }],
        ..Traffic::default()
    }
}

/// Spends something beside the jobs of the story.
async fn spend(bot: &Bot, scope: Scope, amount: &str) {
    let charge = Charge {
        id: format!("{scope} {amount}"),
        job: "1-1-1.1".parse().unwrap(),
        scopes: vec![scope],
        endpoint: name("main"),
        model: "large".to_owned(),
        tokens: Tokens::default(),
        cost: usd(amount),
    };
    let now = bot.clock.now();
    bot.ctx().store.record_call(&charge, now).await.unwrap();
}

/// Returns the models and the hosts that passes were opened for.
fn doors(passes: &[Pass]) -> Vec<(Vec<&str>, Vec<String>)> {
    let door = |pass: &'_ Pass| pass.egress.iter().map(HostRule::to_string).collect();
    let each = passes.iter();
    each.map(|pass| (pass.models.iter().map(Name::as_str).collect(), door(pass)))
        .collect()
}

#[tokio::test]
async fn a_pull_request_tells_what_was_reached_and_what_it_cost() {
    let hosts = Traffic {
        reached: vec![("registry.npmjs.org".to_owned(), 3_500_000)],
        ..Traffic::default()
    };
    let models = Traffic {
        blocked: vec![
            Blocked {
                place: "`@octo`|evil.test:443".to_owned(),
                reason: BlockReason::NotAllowed,
                count: 3,
            },
            Blocked {
                place: "169.254.169.254:80".to_owned(),
                reason: BlockReason::Literal,
                count: 1,
            },
        ],
        ..calls("0.36")
    };
    let script = Arc::new(Script {
        hosts,
        models,
        ..Script::default()
    });
    let bot = World::fixer()
        .settings(MODELS)
        .policy("setup = [\"true\"]\nchecks = [\"true\"]\negress = [\"registry.npmjs.org\"]")
        .gateway(&script)
        .start()
        .await;
    let (issue, pull) = bot.in_review().await;
    insta::assert_snapshot!(bot.thread(pull));

    let registry = || vec!["registry.npmjs.org".to_owned()];
    let passes = script.opened();
    let expected = [
        (vec![], registry()),
        (vec!["main", "spare"], registry()),
        (vec![], registry()),
    ];
    assert_eq!(
        doors(&passes),
        expected,
        "setup, agent, check: what setup left serves both"
    );
    let moved: Vec<_> = passes
        .iter()
        .map(|pass| 2048 * 1024 * 1024 - pass.egress_bytes)
        .collect();
    assert_eq!(moved, [0, 3_500_000, 3_500_000], "of one allowance");
    let most = |pass: &Pass| pass.caps.iter().map(|cap| cap.most).collect::<Vec<_>>();
    assert_eq!(most(&passes[0]), [], "nothing to pay for");
    assert_eq!(most(&passes[1]), ["2", "20", "50", "50", "200"].map(usd));
    assert!(passes[1].caps.iter().all(|cap| cap.spent == Usd::ZERO));

    let task = bot.task(issue).await.id;
    let spent = bot.ctx().store.spent(&[Scope::Task(task)]).await.unwrap();
    assert_eq!(spent, [usd("0.36")]);
    assert_eq!(bot.jobs(issue).await[0].cost, usd("0.36"));
}

#[tokio::test]
async fn later_jobs_of_a_task_begin_with_what_earlier_ones_left() {
    let script = Arc::new(Script {
        models: calls("0.36"),
        ..Script::default()
    });
    let world = World::new()
        .agent("fixer", "date +%N >> README.md")
        .settings(MODELS)
        .gateway(&script);
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    let report = bot.task(issue).await.last.unwrap();
    assert_eq!(report.traffic, calls("0.36"), "counted once");
    script.opened();
    bot.say("octo", pull, "@prova once more").await;
    let passes = script.opened();
    let spent: Vec<_> = passes[0].caps.iter().map(|cap| cap.spent).collect();
    assert_eq!(spent, ["0", "0.36", "0.36", "0.36", "0.36"].map(usd));
}

#[tokio::test]
async fn a_budget_that_is_used_up_ends_the_run_and_keeps_the_work() {
    let script = Arc::new(Script {
        models: calls("1.80"),
        ends_at: Some(|scope| matches!(scope, Scope::Job(_))),
        ..Script::default()
    });
    let bot = World::new()
        .agent(
            "fixer",
            &format!("{FIX}; touch /prova/out/begun; sleep 300"),
        )
        .settings(MODELS)
        .policy("checks = [\"true\"]")
        .gateway(&script)
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.work_while(async {
        bot.agent_has_made("begun").await;
        script.exhausted.cancel();
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    let task = bot.task(issue).await;
    let outcome = task.last.unwrap().outcome.word();
    assert_eq!(outcome, "out of budget");
    let branch = &bot.branches()[0];
    let readme = bot.file(branch, "README.md").unwrap();
    assert!(readme.contains("the readme"), "{readme}");
    insta::assert_snapshot!(bot.everything());
    let steps = bot.jobs(issue).await[0].journal.clone();
    let steps: Vec<_> = steps.iter().map(|(_, _, entry)| entry.told()).collect();
    assert!(steps[1].ends_with(", $1.80, out of budget"), "{steps:?}");
}

#[tokio::test]
async fn nothing_begins_on_a_day_whose_budget_is_used_up() {
    let script = Arc::new(Script {
        models: calls("0.36"),
        ..Script::default()
    });
    let world = World::fixer().settings(MODELS).gateway(&script);
    let bot = world.start().await;
    let today = Day::of(bot.clock.now());
    spend(&bot, Scope::Server(today), "200").await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert!(script.opened().is_empty(), "no door was opened");
    insta::assert_snapshot!(bot.answers(issue).join("\n"));

    bot.clock.advance(24 * 60 * 60 * 1_000);
    bot.say("octo", issue, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_recipe_needs_no_budget_and_gets_no_model() {
    let script = Arc::new(Script::default());
    let bot = World::fixer()
        .settings(MODELS)
        .policy(&format!(
            "egress = [\"pypi.org\"]\n[recipes.fix]\nrun = \"{FIX}\""
        ))
        .gateway(&script)
        .start()
        .await;
    let today = Day::of(bot.clock.now());
    spend(&bot, Scope::Server(today), "200").await;
    let issue = bot.issue();
    bot.say("octo", issue, "@prova run fix").await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        doors(&script.opened()),
        [(vec![], vec!["pypi.org".to_owned()])]
    );
}

#[tokio::test]
async fn an_agent_calls_the_models_that_its_settings_name() {
    let script = Arc::new(Script::default());
    let world = World::fixer().settings("models = [\"spare\"]\n");
    let bot = world.settings(MODELS).gateway(&script).start().await;
    bot.in_review().await;
    assert_eq!(doors(&script.opened()), [(vec!["spare"], vec![])]);
}

#[tokio::test]
async fn a_policy_cannot_reach_further_than_the_server_allows() {
    let script = Arc::new(Script::default());
    let bot = World::fixer()
        .policy("egress = [\"pypi.org\", \"*.evil.test\", \"169-254.nip.test\"]")
        .gateway(&script)
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert!(script.opened().is_empty());
    insta::assert_snapshot!(bot.answers(issue).join("\n"));
}

#[tokio::test]
async fn with_nothing_to_reach_there_is_no_door() {
    let script = Arc::new(Script::default());
    let world = World::fixer().policy("setup = [\"true\"]\nchecks = [\"true\"]");
    let bot = world.gateway(&script).start().await;
    bot.in_review().await;
    assert!(script.opened().is_empty());
}

#[tokio::test]
async fn a_key_of_a_model_is_shown_nowhere() {
    let key = "sk-model-key.of-this-server_0123456789";
    let world = World::new().agent("fixer", &format!("{FIX}; echo the key is {key}"));
    let bot = world
        .settings(MODELS)
        .gateway(&Arc::new(Script::default()))
        .keyed(key)
        .start()
        .await;
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    let everything = bot.everything();
    assert!(everything.contains("the key is [redacted]"), "{everything}");
    assert!(!everything.contains(key), "{REPO}");
}

#[tokio::test]
async fn whoever_asks_is_told_what_a_task_may_cost() {
    let script = Arc::new(Script {
        models: calls("0.36"),
        ..Script::default()
    });
    let world = World::fixer().settings(MODELS).gateway(&script);
    let bot = world.start().await;
    let (_, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova budget").await;
    insta::assert_snapshot!(bot.answers(pull).pop().unwrap_or_default());
}

#[tokio::test]
async fn a_person_can_lower_what_a_task_may_cost() {
    let script = Arc::new(Script {
        models: calls("0.36"),
        ..Script::default()
    });
    let world = World::new()
        .agent("fixer", "date +%N >> README.md")
        .settings(MODELS)
        .gateway(&script);
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova budget 0.30\n\n@prova once more")
        .await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!("lowered", bot.answers(pull).join("\n---\n"));
    bot.say("alice", pull, "@prova budget 1\n\n@prova retry")
        .await;
    assert_eq!(bot.state(issue).await, "in review");
    bot.say("alice", pull, "@prova budget 1000000").await;
    insta::assert_snapshot!("too_much", bot.answers(pull).pop().unwrap_or_default());
    bot.say("mallory", pull, "@prova budget 5").await;
    assert_eq!(bot.task(issue).await.budget, Some(usd("1")));
}
