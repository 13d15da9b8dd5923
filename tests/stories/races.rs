//! Several agents do the same brief at once; checks decide which of the results is proposed.

use std::collections::BTreeMap;
use std::sync::Arc;

use prova::domain::budget::Scope;
use prova::domain::job::Entry;
use prova::domain::traffic::{ModelUse, Tokens, Traffic};
use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::world::repositories::File;

use crate::gateway::Script;
use crate::harness::{Bot, FIX, REPO, World};

/// Corrects the README, and breaks what is checked.
const SLOPPY: &str = "sed -i s/teh/the/ README.md; rm src/main.py";
const CHECKED: &str = "checks = [\"test -f src/main.py\"]\n";
const RIGHT: &str = "prova/1-fix-the-typo-in-the-readme";

fn world(codex: &str, claude: &str) -> World {
    World::new()
        .agent("codex", codex)
        .agent("claude", claude)
        .policy(CHECKED)
}

async fn raced(world: World) -> (Bot, u64) {
    let bot = world.start().await;
    let issue = bot.issue();
    bot.say("octo", issue, "@prova race codex claude").await;
    (bot, issue)
}

/// Returns who was started, in any order.
async fn started(bot: &Bot, issue: u64) -> Vec<String> {
    let mut who = Vec::new();
    for job in bot.jobs(issue).await {
        for (_, _, entry) in job.journal {
            if let Entry::Of { contestant, entry } = entry
                && matches!(*entry, Entry::Briefed(_))
            {
                who.push(contestant.to_string());
            }
        }
    }
    who.sort();
    who
}

#[tokio::test]
async fn what_passes_the_checks_is_proposed_and_the_other_stays_on_a_branch() {
    let (bot, issue) = raced(world(SLOPPY, FIX)).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    let pull = bot.task(issue).await.pull.unwrap().0;
    insta::assert_snapshot!(bot.thread(pull));
    insta::assert_snapshot!("status", bot.answers(issue).join("\n"));
    let other = format!("{RIGHT}-1-codex");
    assert_eq!(bot.branches(), [RIGHT.to_owned(), other.clone()]);
    assert!(bot.file(RIGHT, "src/main.py").is_some());
    assert_eq!(bot.file(&other, "src/main.py"), None);
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(
        bot.task(issue).await.head,
        bot.task(issue)
            .await
            .last
            .unwrap()
            .commit
            .map(|(commit, _)| commit)
    );
}

fn spending(cost: &str) -> Traffic {
    Traffic {
        models: vec![ModelUse {
            endpoint: "main".to_owned(),
            model: "small".to_owned(),
            calls: 1,
            tokens: Tokens::default(),
            cost: cost.parse().unwrap(),
        }],
        answered: 1,
        ..Traffic::default()
    }
}

const MODELS: &str = "
[models.dear]
api = \"openai\"
prices.\"*\" = { input = 3, output = 15 }
[models.cheap]
api = \"openai\"
prices.\"*\" = { input = 1, output = 5 }
";

#[tokio::test]
async fn among_those_that_pass_the_cheaper_one_is_proposed() {
    let script = Arc::new(Script {
        of: BTreeMap::from([("dear", spending("0.50")), ("cheap", spending("0.05"))]),
        ..Script::default()
    });
    let world = World::new()
        .agent("codex", FIX)
        .settings("models = [\"dear\"]\n")
        .agent("claude", &format!("sleep 1; {FIX}"))
        .settings("models = [\"cheap\"]\n")
        .settings(MODELS)
        .policy(CHECKED)
        .gateway(&script);
    let (bot, issue) = raced(world).await;
    let report = bot.task(issue).await.last.unwrap();
    assert_eq!(report.run.unwrap().agent, "claude");
    assert_eq!(report.rivals[0].agent, "codex");
    assert_eq!(report.rivals[0].cost.to_string(), "0.50");
    // One budget for all: each door is held to the job's.
    let job = bot.jobs(issue).await[0].id;
    let passes = script.opened();
    let of_agents = passes.iter().filter(|pass| !pass.models.is_empty());
    let shared = of_agents.filter(|pass| pass.caps[0].scope == Scope::Job(job));
    assert_eq!(shared.count(), 2);
}

#[tokio::test]
async fn all_get_the_same_brief_in_checkouts_of_their_own() {
    let show = "cp \"$PROVA_BRIEF\" brief.md; pwd; test ! -e other; touch other";
    let world = World::new().agent("codex", show).agent("claude", show);
    let bot = world.start().await;
    let issue = bot.issue();
    let ask = "@prova race codex claude: write it down\n\nAll of it.";
    bot.say("alice", issue, ask).await;
    let other = bot.branches().pop().unwrap();
    let brief = bot.file(RIGHT, "brief.md").unwrap();
    assert!(brief.contains("write it down\n\nAll of it."), "{brief}");
    assert_eq!(bot.file(&other, "brief.md").unwrap(), brief);
}

#[tokio::test]
async fn when_none_passes_nothing_is_proposed_and_all_is_kept() {
    let (bot, issue) = raced(world(SLOPPY, &format!("{SLOPPY}; exit 3"))).await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.answers(issue).join("\n"));
    assert_eq!(
        bot.branches(),
        [RIGHT.to_owned(), format!("{RIGHT}-1-claude")]
    );
    assert!(
        bot.sim.transcript(REPO, issue + 1).is_err(),
        "a pull request"
    );
}

#[tokio::test]
async fn one_that_leaves_nothing_has_no_branch() {
    let (bot, issue) = raced(world("true", FIX)).await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.branches(), [RIGHT]);
    let status = bot.answers(issue).join("\n");
    assert!(
        status.contains("| `codex` | empty | 0 of 0 | 0 files |"),
        "{status}"
    );
}

#[tokio::test]
async fn who_is_not_known_does_not_race() {
    let bot = world(FIX, FIX).start().await;
    let issue = bot.issue();
    for (asked, says) in [
        ("race codex claud", "Did you mean `claude`?"),
        (
            "race codex",
            "`race` needs two agents at least after it: `race codex claude`.",
        ),
        ("race codex claude a b c", "takes 4 agents at most"),
    ] {
        bot.say("octo", issue, &format!("@prova {asked}")).await;
        let answer = bot.answers(issue).pop().unwrap();
        assert!(answer.contains(says), "{answer}");
    }
    bot.say("mallory", issue, "@prova race codex claude").await;
    assert!(bot.tasks().await.is_empty());
}

#[tokio::test]
async fn a_stop_ends_all_of_them_and_keeps_what_each_has_done() {
    let slow = format!("{FIX}; touch /prova/out/started; sleep 60");
    let bot = world(&slow, &slow).start().await;
    let issue = bot.issue();
    bot.octo()
        .comment(REPO, issue, "@prova race codex claude")
        .unwrap();
    bot.decide().await;
    bot.work_while(async {
        bot.agent_has_made("started").await;
        bot.octo().comment(REPO, issue, "@prova stop").unwrap();
        bot.decide().await;
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "stopped");
    let report = bot.task(issue).await.last.unwrap();
    assert_eq!(report.rivals.len(), 1);
    assert_eq!(bot.branches().len(), 2, "{:?}", bot.branches());
}

#[tokio::test]
async fn one_that_had_ended_before_a_crash_is_not_run_again() {
    let slow = format!("touch /prova/out/started; sleep 2; {FIX}");
    let mut bot = world(FIX, &slow).start().await;
    let issue = bot.issue();
    bot.octo()
        .comment(REPO, issue, "@prova race codex claude")
        .unwrap();
    bot.decide().await;
    let codex_is_done = async {
        loop {
            let jobs = bot.jobs(issue).await;
            let journal = jobs.iter().flat_map(|job| &job.journal);
            let told: Vec<_> = journal.map(|(_, _, entry)| entry.told()).collect();
            if told.iter().any(|line| line.starts_with("codex: commit")) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        () = codex_is_done => {}
        _ = bot.work() => panic!("it was to die before its end"),
    }
    bot.restart().await;
    bot.clock.advance(10 * 60_000);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(started(&bot, issue).await, ["claude", "claude", "codex"]);
    assert_eq!(bot.branches().len(), 2);
}

#[tokio::test]
async fn a_fault_of_githubs_runs_nobody_again() {
    let bot = world(FIX, SLOPPY).start().await;
    let issue = bot.issue();
    bot.octo()
        .comment(REPO, issue, "@prova race codex claude")
        .unwrap();
    bot.sim
        .arm(Fault::on("POST", "*/git/trees", FaultKind::FailWith(500)));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.jobs(issue).await[0].attempts, 2);
    assert_eq!(started(&bot, issue).await, ["claude", "codex"]);
}

#[tokio::test]
async fn a_race_on_the_pull_request_adds_to_it_and_another_keeps_its_branches_apart() {
    let add = "echo \"$(wc -l < README.md)\" >> README.md";
    let (bot, issue) = raced(world(add, &format!("{add}; rm src/main.py"))).await;
    let pull = bot.task(issue).await.pull.unwrap().0;
    bot.clock.advance(60_000);
    bot.say("octo", pull, "@prova race claude codex: once more")
        .await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(pull));
    let expected = [
        RIGHT.to_owned(),
        format!("{RIGHT}-1-claude"),
        format!("{RIGHT}-2-claude"),
    ];
    assert_eq!(bot.branches(), expected);
    assert_eq!(bot.file(RIGHT, "README.md").unwrap().lines().count(), 5);
    assert_eq!(
        bot.file(&expected[2], "README.md").unwrap().lines().count(),
        5
    );
}

#[tokio::test]
async fn a_branch_that_is_in_the_way_of_a_rivals_holds_nothing_up() {
    let bot = world(SLOPPY, FIX).start().await;
    let issue = bot.issue();
    bot.octo()
        .comment(REPO, issue, "@prova race codex claude")
        .unwrap();
    let theirs = format!("{RIGHT}-1-codex");
    let ours = File::new("ours.txt", "ours\n");
    bot.alice().push(REPO, &theirs, &[ours], &[]).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(
        bot.file(&theirs, "ours.txt").is_some(),
        "a person's push is gone"
    );
}

#[tokio::test]
async fn a_crash_at_a_request_ends_as_if_there_had_been_none() {
    let ask = |bot: &Bot| {
        let issue = bot.issue();
        let asked = "@prova race codex claude";
        bot.octo().comment(REPO, issue, asked).unwrap();
    };
    let mut clean = world(SLOPPY, FIX).start().await;
    ask(&clean);
    let _ = clean.requests();
    assert!(!clean.killed_at(1_000).await);
    let requests = clean.requests().len();
    let expected = clean.everything().replace(" (edited)", "");
    // Which of the two is at a request differs from run to run; what comes of it does not.
    for nth in (1..=requests).step_by(3) {
        let mut bot = world(SLOPPY, FIX).start().await;
        ask(&bot);
        assert!(bot.killed_at(nth).await, "it never came to request {nth}");
        bot.clock.advance(10 * 60_000);
        bot.settle().await;
        let end = bot.everything().replace(" (edited)", "");
        assert_eq!(end, expected, "after a crash at request {nth}");
    }
}
