//! Check runs.

use serde_json::{Value, json};

use crate::harness::{Github, REPO, payload};

#[tokio::test]
async fn a_check_run_is_created_updated_and_found() {
    let github = Github::new().await;
    let sha = github.tip("main").await;
    let runs = format!("/repos/{REPO}/check-runs");
    let body = json!({
        "name": "prova", "head_sha": sha, "external_id": "task-1", "status": "in_progress",
    });
    let created = github.call("POST", &runs, body).await;
    assert_eq!(
        (created.status, &created.json["app"]["slug"]),
        (201, &json!("prova"))
    );
    let one = format!("{runs}/{}", created.json["id"]);
    let action = json!({"label": "Retry", "description": "Again", "identifier": "retry"});
    let body = json!({
        "conclusion": "success",
        "output": {"title": "Passed", "summary": "All of it", "text": "log"},
        "actions": [action],
    });
    let done = github.call("PATCH", &one, body).await;
    assert_eq!(
        (&done.json["status"], &done.json["output"]["summary"]),
        (&json!("completed"), &json!("All of it"))
    );
    assert_eq!(done.json["external_id"], "task-1");
    let found = github
        .get(&format!(
            "/repos/{REPO}/commits/{sha}/check-runs?check_name=prova"
        ))
        .await;
    assert_eq!(
        (
            &found.json["total_count"],
            &found.json["check_runs"][0]["id"]
        ),
        (&json!(1), &created.json["id"])
    );
    let none = github
        .get(&format!("/repos/{REPO}/commits/{sha}/check-runs?app_id=1"))
        .await;
    assert_eq!(none.json["total_count"], 0);
    assert_eq!(
        github.events(),
        [
            "check_run.created",
            "check_run.completed",
            "check_suite.completed",
        ]
    );

    let id = created.json["id"].as_u64().unwrap();
    let alice = github.sim.as_person("alice");
    alice.rerequest_check(REPO, id).unwrap();
    alice.press_button(REPO, id, "retry").unwrap();
    assert_eq!(
        alice.press_button(REPO, id, "nope").unwrap_err().status(),
        422
    );
    let pressed = payload(github.sim.take_deliveries().last().unwrap());
    assert_eq!(pressed["requested_action"]["identifier"], "retry");
}

#[tokio::test]
async fn annotations_are_appended_fifty_at_a_time_and_no_more() {
    let github = Github::new().await;
    let sha = github.tip("main").await;
    let runs = format!("/repos/{REPO}/check-runs");
    let notes = |many: u64| -> Vec<Value> {
        let note = |line| {
            json!({
                "path": "a", "start_line": line, "end_line": line,
                "annotation_level": "failure", "message": "no",
            })
        };
        (1..=many).map(note).collect()
    };
    let output = |many| json!({"title": "t", "summary": "s", "annotations": notes(many)});
    let body = json!({
        "name": "prova", "head_sha": sha, "status": "completed", "conclusion": "failure",
        "output": output(50),
    });
    let created = github.call("POST", &runs, body.clone()).await;
    assert_eq!(created.json["output"]["annotations_count"], 50);
    let one = format!("{runs}/{}", created.json["id"]);
    let updated = github
        .call("PATCH", &one, json!({"output": output(7)}))
        .await;
    assert_eq!(updated.json["output"]["annotations_count"], 57);
    assert_eq!(updated.json["conclusion"], "failure");
    let mut many = body;
    many["output"] = output(51);
    let refused = github.call("POST", &runs, many).await;
    assert_eq!(refused.status, 422);
    assert!(refused.message().contains("No more than 50 items"));
    let button = json!({"label": "a", "description": "b", "identifier": "c"});
    let body = json!({"actions": [button, button, button, button]});
    let refused = github.call("PATCH", &one, body).await;
    assert_eq!(refused.status, 422);
    let violations = github.sim.violations();
    let says = |field: &str| violations.iter().any(|one| one.contains(field));
    assert!(says("annotations") && says("actions"), "{violations:?}");
    github.forgive();
    let pages = github.sim.check_runs(REPO).unwrap();
    assert_eq!(pages.matches("failure: no").count(), 57, "{pages}");

    // `Re-run all` names the suite, and no run.
    let alice = github.sim.as_person("alice");
    let _earlier = github.sim.take_deliveries();
    alice.rerequest_suite(REPO, "main").unwrap();
    assert_eq!(
        alice.rerequest_suite(REPO, "nope").unwrap_err().status(),
        404
    );
    let told = payload(github.sim.take_deliveries().last().unwrap());
    assert_eq!(
        (
            &told["action"],
            &told["check_suite"]["head_sha"],
            &told["check_suite"]["app"]["slug"]
        ),
        (&json!("rerequested"), &json!(sha), &json!("prova"))
    );
}

#[tokio::test]
async fn completed_needs_a_conclusion_and_a_commit() {
    let github = Github::new().await;
    let sha = github.tip("main").await;
    let runs = format!("/repos/{REPO}/check-runs");
    let open = json!({"name": "prova", "head_sha": sha, "status": "completed"});
    let refused = github.call("POST", &runs, open).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.message().contains("\"conclusion\" wasn't supplied"),
        "{}",
        refused.text
    );
    // Of an update the description says the same, so that request is a violation as well.
    let run = json!({"name": "prova", "head_sha": sha});
    let run = github.call("POST", &runs, run).await.json["id"].clone();
    let open = json!({"status": "completed"});
    let refused = github.call("PATCH", &format!("{runs}/{run}"), open).await;
    assert_eq!(refused.status, 422);
    let violations = github.sim.violations();
    assert_eq!(violations.len(), 2);
    assert!(
        violations[0].ends_with("body.conclusion: required"),
        "{violations:?}"
    );
    github.forgive();
    let nowhere = json!({"name": "prova", "head_sha": "6".repeat(40)});
    let refused = github.call("POST", &runs, nowhere).await;
    assert_eq!(
        refused.message(),
        format!("No commit found for SHA: {}", "6".repeat(40))
    );
    assert_eq!(
        github
            .call("GET", &format!("{runs}/1"), Value::Null)
            .await
            .status,
        404
    );
}

/// Status and conclusion of the suite of the check runs on a commit.
async fn suite(github: &Github, sha: &str) -> Value {
    let path = format!("/repos/{REPO}/commits/{sha}/check-suites?check_name=prova");
    let found = github.get(&path).await.json;
    assert_eq!(found["total_count"], 1, "{found}");
    let id = &found["check_suites"][0]["id"];
    let one = github
        .get(&format!("/repos/{REPO}/check-suites/{id}"))
        .await
        .json;
    assert_eq!(one, found["check_suites"][0]);
    assert_eq!(one["head_commit"]["id"], sha);
    json!([one["status"], one["conclusion"]])
}

#[tokio::test]
async fn a_suite_is_what_its_newest_runs_are() {
    let github = Github::new().await;
    let sha = github.tip("main").await;
    let runs = format!("/repos/{REPO}/check-runs");
    let put = |name: &str, conclusion: &str| {
        let body = json!({"name": name, "head_sha": sha, "conclusion": conclusion});
        github.call("POST", &runs, body)
    };
    put("prova", "failure").await;
    assert_eq!(suite(&github, &sha).await, json!(["completed", "failure"]));
    // The newest run of a name is what counts, and `timed_out` goes before `success` and `neutral`.
    put("prova", "success").await;
    put("other", "neutral").await;
    let timed_out = put("third", "timed_out").await.json;
    assert_eq!(
        suite(&github, &sha).await,
        json!(["completed", "timed_out"])
    );
    let path = format!(
        "/repos/{REPO}/check-suites/{}/check-runs?check_name=prova",
        timed_out["check_suite"]["id"]
    );
    let of_suite = github.get(&path).await.json;
    assert_eq!(of_suite["total_count"], 1);
    assert_eq!(of_suite["check_runs"][0]["conclusion"], "success");
    let _earlier = github.events();
    let body = json!({"name": "third", "head_sha": sha, "status": "in_progress"});
    let run = github.call("POST", &runs, body).await.json["id"].clone();
    assert_eq!(suite(&github, &sha).await, json!(["in_progress", null]));
    let one = format!("{runs}/{run}");
    let body = json!({"conclusion": "success"});
    github.call("PATCH", &one, body).await;
    assert_eq!(suite(&github, &sha).await, json!(["completed", "neutral"]));
    assert_eq!(
        github.events(),
        [
            "check_run.created",
            "check_run.completed",
            "check_suite.completed"
        ]
    );
}

#[tokio::test]
async fn a_suite_of_which_something_is_to_run_again_waits_for_a_report() {
    let github = Github::new().await;
    let sha = github.tip("main").await;
    let runs = format!("/repos/{REPO}/check-runs");
    let body = json!({"name": "prova", "head_sha": sha, "conclusion": "success"});
    let run = github.call("POST", &runs, body).await.json["id"].clone();
    let one = format!("{runs}/{run}");
    let alice = github.sim.as_person("alice");
    for all in [false, true] {
        let _earlier = github.sim.take_deliveries();
        if all {
            alice.rerequest_suite(REPO, "main").unwrap();
        } else {
            let run = run.as_u64().unwrap();
            alice.rerequest_check(REPO, run).unwrap();
        }
        assert_eq!(suite(&github, &sha).await, json!(["queued", null]));
        let told = payload(github.sim.take_deliveries().last().unwrap());
        let told = if all {
            &told["check_suite"]
        } else {
            &told["check_run"]["check_suite"]
        };
        assert_eq!(
            (&told["status"], &told["conclusion"]),
            (&json!("queued"), &Value::Null)
        );
        // The run itself is as it was, and words alone are no report.
        let output = json!({"output": {"title": "t", "summary": "s"}});
        let now = github.call("PATCH", &one, output).await.json;
        assert_eq!(now["conclusion"], "success");
        assert_eq!(suite(&github, &sha).await, json!(["queued", null]));
        assert_eq!(
            github.sim.unfinished_suites(REPO).unwrap(),
            [format!("prova on {sha}: queued")]
        );
        let _earlier = github.events();
        let report = json!({"status": "completed", "conclusion": "success"});
        github.call("PATCH", &one, report.clone()).await;
        assert_eq!(suite(&github, &sha).await, json!(["completed", "success"]));
        assert_eq!(github.events(), ["check_suite.completed"]);
        // What reports nothing new to a suite that waits for nothing is told to nobody.
        github.call("PATCH", &one, report).await;
        assert_eq!(github.events(), Vec::<String>::new());
    }
    assert_eq!(
        github.sim.unfinished_suites(REPO).unwrap(),
        Vec::<String>::new()
    );
}
