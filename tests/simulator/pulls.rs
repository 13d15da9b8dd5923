//! Pull requests follow their branches, and carry reviews.

use prova::simulator::world::repositories::File;
use prova::simulator::world::reviews::{ReviewDraft, Verdict};
use serde_json::{Value, json};

use crate::harness::{Github, REPO, payload};

#[tokio::test]
async fn a_pull_request_is_opened_once_for_a_branch() {
    let github = Github::new().await;
    let number = github.pull("prova/1-x", "Closes #9").await;
    let pulls = format!("/repos/{REPO}/pulls");
    let again = json!({"title": "Again", "head": "acme:prova/1-x", "base": "main"});
    let refused = github.call("POST", &pulls, again).await;
    assert_eq!(
        (refused.status, refused.message()),
        (422, "Validation Failed")
    );
    assert_eq!(
        refused.json["errors"],
        json!([{
            "resource": "PullRequest",
            "code": "custom",
            "message": "A pull request already exists for acme:prova/1-x.",
        }])
    );
    let found = github
        .get(&format!("{pulls}?head=acme:prova/1-x&state=all"))
        .await;
    assert_eq!(found.json[0]["number"], number);
    let none = github.get(&format!("{pulls}?head=acme:other")).await;
    assert_eq!(none.json, json!([]));
}

#[tokio::test]
async fn a_pull_request_needs_two_branches_that_differ() {
    let github = Github::new().await;
    let pulls = format!("/repos/{REPO}/pulls");
    let main = github.tip("main").await;
    let same = json!({"ref": "refs/heads/same", "sha": main});
    github
        .call("POST", &format!("/repos/{REPO}/git/refs"), same)
        .await;
    let open = async |head: &str, base: &str| {
        let body = json!({"title": "T", "head": head, "base": base});
        github.call("POST", &pulls, body).await.json["errors"][0].clone()
    };
    assert_eq!(
        open("same", "main").await["message"],
        "No commits between main and same"
    );
    assert_eq!(open("nope", "main").await["field"], "head");
    assert_eq!(open("same", "nope").await["field"], "base");
    let long = json!({"title": "T", "head": "same", "base": "main", "body": "x".repeat(65_537)});
    let long = github.call("POST", &pulls, long).await;
    assert_eq!(
        long.json["errors"][0]["message"],
        "body is too long (maximum is 65536 characters)"
    );
}

#[tokio::test]
async fn a_pull_request_follows_its_head() {
    let github = Github::new().await;
    let number = github.pull("prova/1-x", "").await;
    let _ = github.sim.take_deliveries();
    let files = [File::new("more.txt", "more\n")];
    let after = github
        .sim
        .as_person("alice")
        .push(REPO, "prova/1-x", &files, &["bin/run"])
        .unwrap();
    let deliveries = github.sim.take_deliveries();
    let names: Vec<String> = deliveries.iter().map(crate::harness::name).collect();
    assert_eq!(names, ["push", "pull_request.synchronize"]);
    let synchronize = payload(&deliveries[1]);
    assert_eq!(
        (&synchronize["after"], &synchronize["number"]),
        (&json!(after), &json!(number))
    );
    assert_eq!(synchronize["pull_request"]["head"]["sha"], json!(after));

    let path = format!("/repos/{REPO}/pulls/{number}");
    let shown = github.get(&path).await;
    assert_eq!(
        (&shown.json["commits"], &shown.json["changed_files"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(
        (&shown.json["additions"], &shown.json["deletions"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&shown.json["mergeable"], &shown.json["mergeable_state"]),
        (&json!(true), &json!("clean"))
    );
    let files = github.get(&format!("{path}/files")).await;
    let listed: Vec<String> = files
        .json
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                one["status"].as_str().unwrap(),
                one["filename"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        listed,
        ["removed bin/run", "added more.txt", "modified src/lib.rs"]
    );
    assert_eq!(
        files.json[2]["patch"],
        "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"
    );

    github
        .sim
        .as_person("alice")
        .force_push(REPO, "prova/1-x", None)
        .unwrap();
    assert_eq!(github.events(), ["push", "delete", "pull_request.closed"]);
}

#[tokio::test]
async fn merging_closes_what_the_body_promised() {
    let github = Github::new().await;
    let alice = github.sim.as_person("alice");
    let issue = alice.open_issue(REPO, "Broken", "", &[]).unwrap();
    let number = github.pull("prova/1-x", &format!("Closes #{issue}.")).await;
    // The base moves on meanwhile, in another file.
    alice
        .push(REPO, "main", &[File::new("other.txt", "o")], &[])
        .unwrap();
    let _ = github.sim.take_deliveries();
    alice.merge_pull(REPO, number).unwrap();
    assert_eq!(
        github.events(),
        ["push", "pull_request.closed", "issues.closed"]
    );
    let shown = github.get(&format!("/repos/{REPO}/pulls/{number}")).await;
    assert_eq!(
        (&shown.json["merged"], &shown.json["merged_by"]["login"]),
        (&json!(true), &json!("alice"))
    );
    let files: Vec<String> = github
        .sim
        .files(REPO, "main")
        .unwrap()
        .into_iter()
        .map(|file| file.path)
        .collect();
    assert_eq!(
        files,
        ["README.md", "bin/run", "latest", "other.txt", "src/lib.rs"]
    );
    let reopened = github
        .call(
            "PATCH",
            &format!("/repos/{REPO}/pulls/{number}"),
            json!({"state": "open"}),
        )
        .await;
    assert_eq!(reopened.status, 422);
}

#[tokio::test]
async fn a_conflict_is_seen_and_not_merged() {
    let github = Github::new().await;
    let number = github.pull("prova/1-x", "").await;
    let alice = github.sim.as_person("alice");
    alice
        .push(
            REPO,
            "main",
            &[File::new("src/lib.rs", "one\nzwei\nthree\n")],
            &[],
        )
        .unwrap();
    let shown = github.get(&format!("/repos/{REPO}/pulls/{number}")).await;
    assert_eq!(
        (&shown.json["mergeable"], &shown.json["mergeable_state"]),
        (&json!(false), &json!("dirty"))
    );
    assert_eq!(
        alice.merge_pull(REPO, number).unwrap_err().to_string(),
        "Pull Request is not mergeable"
    );
    let refused = github
        .call(
            "PUT",
            &format!("/repos/{REPO}/pulls/{number}/merge"),
            json!({}),
        )
        .await;
    assert_eq!(
        (refused.status, refused.message()),
        (405, "Pull Request is not mergeable")
    );
}

#[tokio::test]
async fn a_pull_request_is_edited_closed_and_reopened() {
    let github = Github::new().await;
    let number = github.pull("prova/1-x", "Old").await;
    let path = format!("/repos/{REPO}/pulls/{number}");
    let edited = github
        .call("PATCH", &path, json!({"title": "New", "body": "Newer"}))
        .await;
    assert_eq!(
        (&edited.json["title"], &edited.json["body"]),
        (&json!("New"), &json!("Newer"))
    );
    assert_eq!(github.get(&path).await.json["body"], "Newer");
    let base = github.call("PATCH", &path, json!({"base": "nope"})).await;
    assert_eq!(
        base.json["errors"][0]["message"],
        "Proposed base branch 'nope' was not found"
    );
    let closed = github
        .call("PATCH", &path, json!({"state": "closed"}))
        .await;
    assert_eq!(closed.json["state"], "closed");
    let open = github.call("PATCH", &path, json!({"state": "open"})).await;
    assert_eq!(open.json["state"], "open");
    assert_eq!(
        github
            .get(&format!("/repos/{REPO}/issues/{number}"))
            .await
            .json["pull_request"]["merged_at"],
        Value::Null
    );
}

#[tokio::test]
async fn reviews_and_answers_on_lines() {
    let github = Github::new().await;
    let number = github.pull("prova/1-x", "").await;
    let _ = github.sim.take_deliveries();
    let carol = github.sim.as_person("carol");
    let id = carol
        .review_comment(REPO, number, "src/lib.rs:2", "Spell it out")
        .unwrap();
    let deliveries = github.sim.take_deliveries();
    let names: Vec<String> = deliveries.iter().map(crate::harness::name).collect();
    assert_eq!(
        names,
        [
            "pull_request_review.submitted",
            "pull_request_review_comment.created"
        ]
    );
    let comment = &payload(&deliveries[1])["comment"];
    assert_eq!(
        (&comment["path"], &comment["line"]),
        (&json!("src/lib.rs"), &json!(2))
    );

    let replies = format!("/repos/{REPO}/pulls/{number}/comments/{id}/replies");
    let reply = github
        .call("POST", &replies, json!({"body": "Will do"}))
        .await;
    assert_eq!(
        (reply.status, &reply.json["in_reply_to_id"]),
        (201, &json!(id))
    );
    let reactions = format!("/repos/{REPO}/pulls/comments/{id}/reactions");
    assert_eq!(
        github
            .call("POST", &reactions, json!({"content": "eyes"}))
            .await
            .status,
        201
    );
    let listed = github
        .get(&format!("/repos/{REPO}/pulls/{number}/comments"))
        .await;
    assert_eq!(listed.json.as_array().map(Vec::len), Some(2));
    assert_eq!(listed.json[0]["reactions"]["eyes"], 1);
    let one = format!("/repos/{REPO}/pulls/comments/{}", reply.json["id"]);
    github.call("PATCH", &one, json!({"body": "Did"})).await;
    assert_eq!(github.get(&one).await.json["body"], "Did");
    assert_eq!(
        carol
            .review_comment(REPO, number, "nowhere:1", "?")
            .unwrap_err()
            .status(),
        422
    );

    carol
        .submit_review(REPO, number, Verdict::RequestChanges, "No")
        .unwrap();
    let reviews = github
        .get(&format!("/repos/{REPO}/pulls/{number}/reviews"))
        .await;
    assert_eq!(
        reviews.json.as_array().unwrap().last().unwrap()["state"],
        "CHANGES_REQUESTED"
    );
    let own = json!({"event": "APPROVE"});
    let own = github
        .call(
            "POST",
            &format!("/repos/{REPO}/pulls/{number}/reviews"),
            own,
        )
        .await;
    assert_eq!(
        (own.status, own.message()),
        (422, "Can not approve your own pull request")
    );
}

#[tokio::test]
async fn a_review_comes_with_all_its_comments_and_then_once_more_each() {
    let github = Github::new().await;
    let number = github.pull("prova/1-x", "").await;
    let _ = github.sim.take_deliveries();
    let carol = github.sim.as_person("carol");
    let draft = ReviewDraft {
        verdict: Verdict::RequestChanges,
        body: "No",
        lines: &[("src/lib.rs:1-2", "This"), ("src/lib.rs:2", "That")],
    };
    let (review, comments) = carol.review(REPO, number, draft).unwrap();
    let deliveries = github.sim.take_deliveries();
    let names: Vec<String> = deliveries.iter().map(crate::harness::name).collect();
    assert_eq!(
        names,
        [
            "pull_request_review.submitted",
            "pull_request_review_comment.created",
            "pull_request_review_comment.created"
        ]
    );
    assert_eq!(
        payload(&deliveries[0])["review"]["state"],
        "changes_requested"
    );
    let path = format!("/repos/{REPO}/pulls/{number}/comments");
    let newest = github
        .get(&format!("{path}?sort=created&direction=desc"))
        .await;
    let told = &newest.json[1];
    assert_eq!(told["id"], comments[0]);
    assert_eq!(told["pull_request_review_id"], review);
    assert_eq!((&told["start_line"], &told["line"]), (&json!(1), &json!(2)));
    assert!(told["diff_hunk"].as_str().unwrap().starts_with("@@ -"));

    let alice = github.sim.as_person("alice");
    let other = [File::new("src/lib.rs", "// another\n// another\n")];
    alice.push(REPO, "prova/1-x", &other, &[]).unwrap();
    let outdated = &github.get(&path).await.json[0];
    assert_eq!(
        (&outdated["line"], &outdated["original_line"]),
        (&Value::Null, &json!(2))
    );

    let _ = github.sim.take_deliveries();
    alice.dismiss_review(REPO, number, review).unwrap();
    alice.delete_review_comment(REPO, comments[1]).unwrap();
    let deliveries = github.sim.take_deliveries();
    let names: Vec<String> = deliveries.iter().map(crate::harness::name).collect();
    assert_eq!(
        names,
        [
            "pull_request_review.dismissed",
            "pull_request_review_comment.deleted"
        ]
    );
    let answer = format!("{path}/{}/replies", comments[1]);
    let gone = github.call("POST", &answer, json!({"body": "?"})).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_review_takes_comments_on_lines_of_the_diff_alone() {
    let github = Github::new().await;
    let number = github.pull("fix", "").await;
    let path = format!("/repos/{REPO}/pulls/{number}/reviews");
    let comment =
        |line: u64| json!({"path": "src/lib.rs", "line": line, "side": "RIGHT", "body": "Hm."});
    let review = |line: u64, commit: &str| json!({"event": "COMMENT", "body": "Look.", "commit_id": commit, "comments": [comment(line)]});
    let head = github.tip("fix").await;
    let refused = github.call("POST", &path, review(9_000, &head)).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let elsewhere = github.call("POST", &path, review(1, &"0".repeat(40))).await;
    assert_eq!(elsewhere.status, 422, "{}", elsewhere.text);
    let empty = github
        .call("POST", &path, json!({"event": "COMMENT"}))
        .await;
    assert_eq!(empty.status, 422, "{}", empty.text);
    assert_eq!(github.get(&path).await.json, json!([]));
    let posted = github.call("POST", &path, review(2, &head)).await;
    assert_eq!(posted.status, 200, "{}", posted.text);
    assert_eq!(posted.json["state"], "COMMENTED");
    let lines = github
        .get(&format!("/repos/{REPO}/pulls/{number}/comments"))
        .await;
    assert_eq!(lines.json[0]["line"], 2);
    assert_eq!(lines.json[0]["pull_request_review_id"], posted.json["id"]);
}

#[tokio::test]
async fn a_pull_request_from_a_fork_has_its_head_in_no_branch() {
    let github = Github::new().await;
    let file = File::new("new.txt", "new\n");
    let mallory = github.sim.as_person("mallory");
    let number = mallory
        .open_pull_from_fork(REPO, "From a fork", &[file])
        .unwrap();
    let pull = github.get(&format!("/repos/{REPO}/pulls/{number}")).await;
    assert_eq!(pull.json["head"]["label"], "mallory:patch-1");
    assert_ne!(
        pull.json["head"]["repo"]["id"],
        pull.json["base"]["repo"]["id"]
    );
    let branch = github
        .get(&format!("/repos/{REPO}/git/ref/heads/patch-1"))
        .await;
    assert_eq!(branch.status, 404);
}
