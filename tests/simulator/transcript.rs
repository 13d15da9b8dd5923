//! What a person sees.

use serde_json::{Value, json};

use crate::harness::{Github, REPO};

/// The bot works on an issue: comment, branch, pull request, check run.
async fn work(github: &Github, pause: i64) -> (u64, u64) {
    let alice = github.sim.as_person("alice");
    let issue = alice
        .open_issue(REPO, "Broken", "It is.\n\nVery.", &["prova"])
        .unwrap();
    let path = format!("/repos/{REPO}/issues/{issue}");
    github
        .call(
            "POST",
            &format!("{path}/reactions"),
            json!({"content": "eyes"}),
        )
        .await;
    let body = json!({"body": "<!-- prova:status -->\nWorking"});
    let comment = github.call("POST", &format!("{path}/comments"), body).await;
    github.advance(pause);
    let pull = github
        .pull("prova/1-broken", &format!("Closes #{issue}"))
        .await;
    let head = github.tip("prova/1-broken").await;
    let run = json!({
        "name": "prova", "head_sha": head, "conclusion": "success",
        "output": {"title": "1 check passed", "summary": "`npm test` exited 0"},
    });
    github
        .call("POST", &format!("/repos/{REPO}/check-runs"), run)
        .await;
    let done = format!("<!-- prova:status -->\nDone in {}: {head}", &head[..8]);
    let one = format!("/repos/{REPO}/issues/comments/{}", comment.json["id"]);
    github.advance(1_000);
    github.call("PATCH", &one, json!({"body": done})).await;
    (issue, pull)
}

#[tokio::test]
async fn a_thread_reads_like_a_page() {
    let github = Github::new().await;
    let (issue, pull) = work(&github, 0).await;
    github
        .sim
        .as_person("carol")
        .review_comment(REPO, pull, "src/lib.rs:2", "Why?")
        .unwrap();
    let issue = github.sim.transcript(REPO, issue).unwrap();
    let (issue, done) = issue.split_once("Done in").unwrap();
    insta::assert_snapshot!(issue, @r"
    # Broken (#1)
    open issue by alice
    labels: prova

      It is.

      Very.
      [eyes prova[bot]]

    --- prova[bot] commented (edited)

      <!-- prova:status -->
    ");
    assert_eq!(done.split_once(": ").unwrap().1.trim().len(), 40);
    insta::assert_snapshot!(github.sim.transcript(REPO, pull).unwrap(), @r"
    # Count right (#2)
    open pull request by prova[bot]
    prova/1-broken -> main

      Closes #1

    files:
      modified src/lib.rs (100644)
    commits:
      by prova[bot] (verified)
        Change widgets
    checks:
      prova: success 1 check passed
        `npm test` exited 0

    --- carol commented on src/lib.rs:2

      Why?
    ");
    let page = github
        .send("GET", &format!("/{REPO}/pull/{pull}"), &[], Value::Null)
        .await;
    assert_eq!(page.text, github.sim.transcript(REPO, pull).unwrap());
}

#[tokio::test]
async fn runs_that_end_alike_compare_equal() {
    let (one, other) = (Github::new().await, Github::new().await);
    // Another pace and a detour give other times, ids and commits.
    other.get(&format!("/repos/{REPO}/issues")).await;
    work(&one, 0).await;
    work(&other, 61_000).await;
    assert_ne!(
        one.tip("prova/1-broken").await,
        other.tip("prova/1-broken").await
    );
    assert_eq!(
        one.sim.final_state(REPO).unwrap(),
        other.sim.final_state(REPO).unwrap()
    );
    assert_eq!(
        one.sim.state_digest().unwrap(),
        other.sim.state_digest().unwrap()
    );
    assert!(
        one.sim
            .final_state(REPO)
            .unwrap()
            .contains("Done in <commit>: <commit>")
    );
    other
        .sim
        .as_person("carol")
        .comment(REPO, 1, "Thanks")
        .unwrap();
    assert_ne!(
        one.sim.state_digest().unwrap(),
        other.sim.state_digest().unwrap()
    );
}
