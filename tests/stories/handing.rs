//! What is asked for while an agent runs that can be handed more.

use std::sync::Arc;

use prova::domain::job::Entry;
use prova::domain::traffic::Traffic;
use prova::simulator::world::reviews::{ReviewDraft, Verdict};

use crate::gateway::Script;
use crate::harness::{Bot, REPO, World};
use crate::spending::MODELS;

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// An agent that is handed more when it has ended a turn; `how` is how it does that.
pub(crate) fn handed(how: &str) -> World {
    let program = toml::Value::String(include_str!("handed.py").to_owned());
    let agent = format!(
        "\n[agents.handy]\ndriver = \"acp\"\ncommand = [\"python3\", \"-c\", {program}, \"{how}\"]\n"
    );
    // It thinks, and somebody answers.
    let script = Arc::new(Script {
        models: Traffic {
            answered: 1,
            ..Traffic::default()
        },
        ..Script::default()
    });
    World::new()
        .settings(MODELS)
        .settings(&agent)
        .gateway(&script)
}

/// An issue for which the agent is to begin.
async fn asked() -> (Bot, u64) {
    let bot = handed("waits").start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    (bot, issue)
}

/// The pull request that came of it.
async fn in_review() -> (Bot, u64, u64) {
    let (bot, issue) = asked().await;
    bot.work_while(async {
        let_go(&bot, 1).await;
    })
    .await;
    bot.settle().await;
    let pull = bot.task(issue).await.pull.map(|number| number.0).unwrap();
    (bot, issue, pull)
}

/// Waits for a turn, and lets the agent do it.
async fn let_go(bot: &Bot, turn: usize) {
    bot.agent_has_made(&format!("turn-{turn}")).await;
    bot.let_the_agent_go_on(&format!("go-{turn}"));
}

/// Says something, and lets it be decided and answered.
async fn meanwhile(bot: &Bot, who: &str, number: u64, text: &str) {
    bot.sim.as_person(who).comment(REPO, number, text).unwrap();
    bot.decide().await;
}

fn readme(bot: &Bot) -> String {
    bot.file(BRANCH, "README.md").unwrap()
}

const FIXED: &str = "# Hello\n\nThis is the readme.\n";

/// What was handed on, job by job.
async fn handed_on(bot: &Bot, issue: u64) -> Vec<Vec<String>> {
    let jobs = bot.jobs(issue).await;
    let text = |entry: &Entry| match entry {
        Entry::Steered(request) => Some(request.text.clone()),
        Entry::Briefed(_)
        | Entry::Ran(_)
        | Entry::Harvested(_)
        | Entry::Checked { .. }
        | Entry::PassedOver(_)
        | Entry::Committed { .. }
        | Entry::Offered(_)
        | Entry::Of { .. } => None,
    };
    let of_job = |journal: &[_]| journal.iter().filter_map(|(_, _, one)| text(one)).collect();
    jobs.iter().map(|job| of_job(&job.journal)).collect()
}

#[tokio::test]
async fn a_running_agent_is_handed_what_is_asked_for_meanwhile() {
    let (bot, issue) = asked().await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        meanwhile(&bot, "octo", issue, "@prova add the line two").await;
        insta::assert_snapshot!("a_request_is_to_be_handed_on", bot.thread(issue));
        let_go(&bot, 1).await;
        bot.agent_has_made("turn-2").await;
        bot.decide().await;
        insta::assert_snapshot!("a_request_is_handed_on", bot.thread(issue));
        let_go(&bot, 2).await;
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(readme(&bot), format!("{FIXED}two\n"));
    insta::assert_snapshot!("a_request_was_handed_on", bot.thread(issue));
    let pull = bot.task(issue).await.pull.map(|number| number.0).unwrap();
    insta::assert_snapshot!("a_pull_request_for_two_requests", bot.thread(pull));
}

#[tokio::test]
async fn a_review_and_a_comment_on_a_line_are_handed_on_and_answered_in_place() {
    let (bot, issue, pull) = in_review().await;
    meanwhile(&bot, "alice", pull, "@prova add the line one").await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        let draft = ReviewDraft {
            verdict: Verdict::RequestChanges,
            body: "Nearly.",
            lines: &[
                ("README.md:3", "add the line two"),
                ("README.md:1", "add the line three"),
            ],
        };
        bot.alice().review(REPO, pull, draft).unwrap();
        bot.decide().await;
        let line = "@prova add the line four";
        bot.alice()
            .review_comment(REPO, pull, "README.md:3", line)
            .unwrap();
        bot.decide().await;
        for turn in 1..=3 {
            let_go(&bot, turn).await;
        }
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(readme(&bot), format!("{FIXED}one\ntwo\nthree\nfour\n"));
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn what_the_agent_cannot_take_waits_for_a_job_of_its_own() {
    for (who, text) in [
        ("octo", "@prova add the line two"),
        ("alice", "@prova ask why?"),
        ("alice", "@prova with handy add the line two"),
    ] {
        let (bot, issue, pull) = in_review().await;
        meanwhile(&bot, "alice", pull, "@prova add the line one").await;
        bot.work_while(async {
            bot.agent_has_made("turn-1").await;
            meanwhile(&bot, who, pull, text).await;
            let_go(&bot, 1).await;
        })
        .await;
        assert_eq!(handed_on(&bot, issue).await.concat(), [""; 0], "{text}");
        assert_eq!(readme(&bot), FIXED, "{text}");
        bot.say("alice", pull, "@prova stop").await;
    }
}

#[tokio::test]
async fn what_comes_when_the_agent_has_ended_waits_for_a_job_of_its_own() {
    let (bot, issue, pull) = in_review().await;
    meanwhile(&bot, "alice", pull, "@prova add the line one").await;
    bot.work_while(let_go(&bot, 1)).await;
    assert_eq!(bot.state(issue).await, "publishing");
    bot.alice()
        .comment(REPO, pull, "@prova add the line two")
        .unwrap();
    bot.deliver().await;
    while prova::app::dispatch::dispatch_next(bot.ctx())
        .await
        .unwrap()
    {}
    assert_eq!(bot.task(issue).await.waiting.len(), 1);
    bot.decide().await;
    bot.work_while(let_go(&bot, 1)).await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 3);
    assert_eq!(readme(&bot), format!("{FIXED}one\ntwo\n"));
}

#[tokio::test]
async fn an_agent_that_has_failed_is_handed_nothing() {
    let (bot, issue, pull) = in_review().await;
    meanwhile(&bot, "alice", pull, "@prova add the line one and refuse").await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        meanwhile(&bot, "alice", pull, "@prova add the line two").await;
        let_go(&bot, 1).await;
    })
    .await;
    bot.decide().await;
    bot.work_while(let_go(&bot, 1)).await;
    bot.settle().await;
    assert_eq!(handed_on(&bot, issue).await, vec![vec![""; 0]; 3]);
    assert_eq!(readme(&bot), format!("{FIXED}one\ntwo\n"));
}

#[tokio::test]
async fn when_the_agent_fails_at_the_second_neither_is_done_and_both_are_tried_again() {
    let (bot, issue, pull) = in_review().await;
    meanwhile(&bot, "alice", pull, "@prova add the line one").await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        meanwhile(&bot, "alice", pull, "@prova add the line two and refuse").await;
        let_go(&bot, 1).await;
        let_go(&bot, 2).await;
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!("neither_is_done", bot.thread(pull));
    meanwhile(&bot, "alice", pull, "@prova retry").await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        let brief = bot.agents_file("prompts.jsonl").unwrap();
        for text in ["add the line one", "add the line two and refuse"] {
            assert_eq!(brief.matches(text).count(), 1, "{text}: {brief}");
        }
        let_go(&bot, 1).await;
    })
    .await;
    bot.settle().await;
}

#[tokio::test]
async fn a_stop_ends_what_was_handed_on_and_retry_does_it() {
    let (bot, issue, pull) = in_review().await;
    meanwhile(&bot, "alice", pull, "@prova add the line one").await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        meanwhile(&bot, "alice", pull, "@prova add the line two").await;
        meanwhile(&bot, "octo", pull, "@prova add the line three").await;
        let_go(&bot, 1).await;
        bot.agent_has_made("turn-2").await;
        meanwhile(&bot, "alice", pull, "@prova stop").await;
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "stopped");
    assert_eq!(bot.task(issue).await.waiting.len(), 0);
    insta::assert_snapshot!("what_was_handed_on_is_stopped", bot.thread(pull));
    meanwhile(&bot, "alice", pull, "@prova retry").await;
    bot.work_while(let_go(&bot, 1)).await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(readme(&bot), format!("{FIXED}one\ntwo\n"));
    insta::assert_snapshot!("what_was_handed_on_is_done_after_a_stop", bot.thread(pull));
}

#[tokio::test]
async fn after_a_crash_the_next_attempt_does_what_was_handed_on() {
    let (mut bot, issue, pull) = in_review().await;
    meanwhile(&bot, "alice", pull, "@prova add the line one").await;
    let begins = async {
        bot.agent_has_made("turn-1").await;
        meanwhile(&bot, "alice", pull, "@prova add the line two").await;
        let_go(&bot, 1).await;
        bot.agent_has_made("turn-2").await;
    };
    tokio::select! {
        _ = bot.work() => panic!("it was to die before its end"),
        () = begins => {}
    }
    bot.restart().await;
    for made in ["turn-1", "turn-2", "go-1", "prompts.jsonl"] {
        bot.forget_made(made);
    }
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        let prompts = bot.agents_file("prompts.jsonl").unwrap();
        assert_eq!(prompts.lines().count(), 1, "{prompts}");
        for text in ["add the line one", "add the line two"] {
            assert_eq!(prompts.matches(text).count(), 1, "{text}: {prompts}");
        }
        let_go(&bot, 1).await;
    })
    .await;
    bot.settle().await;
    let jobs = bot.jobs(issue).await;
    assert_eq!((jobs.len(), jobs[1].attempts), (2, 2));
    assert_eq!(handed_on(&bot, issue).await[1], ["add the line two"]);
    assert_eq!(readme(&bot), format!("{FIXED}one\ntwo\n"));
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn several_wishes_in_one_comment_keep_their_answer() {
    let (bot, issue) = asked().await;
    bot.work_while(async {
        bot.agent_has_made("turn-1").await;
        let text = "@prova add the line two\n\n@prova budget";
        meanwhile(&bot, "octo", issue, text).await;
        let_go(&bot, 1).await;
        let_go(&bot, 2).await;
    })
    .await;
    bot.settle().await;
    insta::assert_snapshot!(bot.thread(issue));
}
