//! GitHub's limits: kept where they are known, obeyed where they are not, and what people look out for
//! comes first.

use std::time::Duration;

use prova::app::dispatch::dispatch_next;
use prova::app::publish::publish_next;
use prova::domain::effect::{Effect, EffectKey};
use prova::ports::clock::Clock as _;
use prova::ports::store::{Changes, NewEffect};
use prova::simulator::Request;
use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::limits::ContentLimits;

use crate::harness::{Bot, REPO, World};

/// Has so many issues labelled at the same moment, and brings all to their end.
async fn labelled_at_once(bot: &Bot, count: u64) -> Vec<u64> {
    let issues = (0..count).map(|n| bot.labelled_issue(&format!("Fix typo {n}"), "It says `teh`."));
    let issues: Vec<u64> = issues.collect();
    bot.settle().await;
    issues
}

/// Everything has arrived, and nothing twice.
async fn assert_all_arrived_once(bot: &Bot, issues: &[u64]) {
    for issue in issues {
        assert_eq!(bot.state(*issue).await, "in review", "#{issue}");
        assert_eq!(bot.answers(*issue).len(), 1, "#{issue}");
    }
    assert_eq!(bot.tasks().await.len(), issues.len());
    assert_eq!(bot.branches().len(), issues.len());
    let threads = u64::try_from(issues.len() * 2).unwrap();
    assert!(bot.sim.transcript(REPO, threads).is_ok());
    assert!(
        bot.sim.transcript(REPO, threads + 1).is_err(),
        "one pull request each"
    );
}

fn refused(requests: &[Request]) -> Vec<&Request> {
    let refused = requests
        .iter()
        .filter(|request| matches!(request.status, 403 | 429));
    refused.collect()
}

#[tokio::test]
async fn thirty_tasks_at_once_are_never_refused() {
    let bot = World::fixer().start().await;
    bot.sim.limit_content(ContentLimits {
        a_minute: 80,
        an_hour: 500,
    });
    let began = bot.clock.seconds();
    let issues = labelled_at_once(&bot, 30).await;
    let requests = bot.sim.requests();
    assert_eq!(refused(&requests), Vec::<&Request>::new());
    let created = requests
        .iter()
        .filter(|request| request.creates_content)
        .count();
    assert!(
        created > 160,
        "{created} changes fit into two minutes anyhow"
    );
    let took = bot.clock.seconds() - began;
    assert!(took >= 120, "{created} changes in {took} s");
    assert_all_arrived_once(&bot, &issues).await;
}

#[tokio::test]
async fn limits_that_nobody_knows_are_obeyed_as_github_tells_them() {
    let bot = World::fixer().start().await;
    bot.sim.limit_content(ContentLimits {
        a_minute: 10,
        an_hour: 500,
    });
    let issues = labelled_at_once(&bot, 4).await;
    let requests = bot.sim.requests();
    let of_repository = |request: &&Request| request.path.starts_with("/repos/");
    let requests: Vec<_> = requests.iter().filter(of_repository).collect();
    let mut refusals = 0;
    for pair in requests.windows(2) {
        if let [refused, next] = pair
            && refused.status == 403
        {
            refusals += 1;
            assert!(
                next.at > refused.at,
                "{next:?} did not wait after {refused:?}"
            );
        }
    }
    let created = requests
        .iter()
        .filter(|r| r.creates_content && r.status < 400)
        .count();
    assert!(refusals > 1, "{created} changes");
    assert!(
        refusals <= created / 10 + 1,
        "{refusals} refusals for {created} changes"
    );
    assert_all_arrived_once(&bot, &issues).await;
}

#[tokio::test]
async fn after_a_pause_people_are_answered_first() {
    let bot = World::fixer().start().await;
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    assert!(bot.work().await, "its branch is to be sent");
    bot.clock.advance(1_000);
    let later = bot.labelled_issue("Fix another typo", "It says `teh`.");
    bot.deliver().await;
    while dispatch_next(bot.ctx()).await.unwrap() {}
    let kind = FaultKind::SecondaryLimit {
        status: 429,
        retry_after: Some(300),
    };
    bot.sim.arm(Fault::on("POST", "*/git/refs", kind));
    while publish_next(bot.ctx()).await.unwrap() {}
    let _ = bot.requests();
    bot.settle().await;
    let mut sent = bot.requests();
    sent.retain(|line| line.contains(" /repos/"));
    let place = |what: &str| sent.iter().position(|line| line.starts_with(what)).unwrap();
    let thread = format!("POST /repos/{REPO}/issues/{later}");
    assert_eq!(place(&format!("{thread}/reactions")), 0, "{sent:#?}");
    assert_eq!(place(&format!("{thread}/comments")), 1, "{sent:#?}");
    assert!(
        place(&format!("POST /repos/{REPO}/git/refs")) > 1,
        "{sent:#?}"
    );
}

#[tokio::test]
async fn what_was_said_while_nothing_could_be_sent_is_said_in_one_request() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    let task = bot.task(issue).await;
    let kind = FaultKind::SecondaryLimit {
        status: 403,
        retry_after: Some(600),
    };
    bot.sim.arm(Fault::on("PATCH", "*", kind));
    let _ = bot.requests();
    for n in 1..=200 {
        let effect = NewEffect {
            key: EffectKey::status(task.id),
            thread: task.id.thread,
            task: Some(task.id),
            repo: task.repo.clone(),
            effect: Effect::Comment {
                body: format!("Edit {n}."),
            },
        };
        let changes = Changes {
            effects: vec![effect],
            ..Changes::default()
        };
        bot.ctx()
            .store
            .commit(&changes, bot.clock.now())
            .await
            .unwrap();
        while publish_next(bot.ctx()).await.unwrap() {}
        bot.clock.advance(1_000);
    }
    bot.settle().await;
    let edits = format!(
        "PATCH /repos/{REPO}/issues/comments/{}",
        bot.last_comment_of_ours(issue).await
    );
    let expected = [format!("{edits} -> 403"), format!("{edits} -> 200")];
    assert_eq!(bot.requests(), expected);
    assert!(bot.thread(issue).contains("Edit 200."));
}

/// Seconds of GitHub's clock that the agent talks for.
const TALKS: i64 = 120;

#[tokio::test]
async fn however_fast_an_agent_talks_its_status_is_edited_seldom() {
    let program = toml::Value::String(include_str!("chatty.py").to_owned());
    let agent = format!(
        "\n[agents.chatty]\ndriver = \"acp\"\ncommand = [\"python3\", \"-c\", {program}]\n"
    );
    let bot = World::new().settings(&agent).start().await;
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    let mut edits = Vec::new();
    let talk = async {
        bot.agent_has_made("talks").await;
        while publish_next(bot.ctx()).await.unwrap() {}
        bot.sim.forget_requests();
        for _ in 0..TALKS {
            bot.clock.advance(1_000);
            // For the agent, which is another process, to talk, and for it to be looked at.
            tokio::time::sleep(Duration::from_millis(50)).await;
            while publish_next(bot.ctx()).await.unwrap() {}
        }
        edits = bot.sim.requests();
        bot.let_the_agent_go_on("enough");
    };
    bot.work_while(talk).await;
    assert!(
        edits.iter().all(|request| request.method == "PATCH"),
        "{edits:#?}"
    );
    let apart: Vec<i64> = edits
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(apart.len() > 1, "it was not shown: {edits:#?}");
    assert!(apart.iter().all(|millis| *millis >= 5_000), "{apart:?}");
}
