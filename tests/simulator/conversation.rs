//! Issues, labels, comments and reactions.

use serde_json::{Value, json};

use crate::harness::{Github, REPO, payload};

fn issue(github: &Github) -> u64 {
    let number = github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Broken", "It is.", &[])
        .unwrap();
    let _ = github.sim.take_deliveries();
    number
}

#[tokio::test]
async fn labels_at_creation_arrive_again_one_by_one() {
    let github = Github::new().await;
    let alice = github.sim.as_person("alice");
    alice
        .open_issue(REPO, "Broken", "Really.", &["bug", "prova"])
        .unwrap();
    let deliveries = github.sim.take_deliveries();
    let names: Vec<String> = deliveries.iter().map(crate::harness::name).collect();
    assert_eq!(names, ["issues.opened", "issues.labeled", "issues.labeled"]);
    let opened = payload(&deliveries[0]);
    assert_eq!(opened["issue"]["labels"][1]["name"], "prova");
    assert_eq!(opened["sender"]["login"], "alice");
    assert_eq!(payload(&deliveries[2])["label"]["name"], "prova");
}

#[tokio::test]
async fn the_bots_own_comments_come_back_and_edits_are_visible() {
    let github = Github::new().await;
    let number = issue(&github);
    let path = format!("/repos/{REPO}/issues/{number}/comments");
    let created = github.call("POST", &path, json!({"body": "Working"})).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json["performed_via_github_app"]["slug"], "prova");
    let id = created.json["id"].as_u64().unwrap();
    let one = format!("/repos/{REPO}/issues/comments/{id}");
    github.advance(1_000);
    let edited = github.call("PATCH", &one, json!({"body": "Done"})).await;
    assert_eq!(edited.json["body"], "Done");
    assert_ne!(edited.json["updated_at"], edited.json["created_at"]);
    assert_eq!(github.get(&path).await.json[0]["body"], "Done");
    assert_eq!(github.call("DELETE", &one, Value::Null).await.status, 204);
    assert_eq!(github.get(&one).await.status, 404);
    let deliveries = github.sim.take_deliveries();
    let events: Vec<String> = deliveries.iter().map(crate::harness::name).collect();
    assert_eq!(
        events,
        [
            "issue_comment.created",
            "issue_comment.edited",
            "issue_comment.deleted"
        ]
    );
    let edited = payload(&deliveries[1]);
    assert_eq!(edited["changes"]["body"]["from"], "Working");
    assert_eq!(edited["sender"]["login"], "prova[bot]");
    assert_eq!(edited["sender"]["type"], "Bot");
    assert_eq!(edited["installation"]["id"], github.installation);
}

#[tokio::test]
async fn a_body_has_a_limit_in_characters() {
    let github = Github::new().await;
    let number = issue(&github);
    let path = format!("/repos/{REPO}/issues/{number}/comments");
    let full = github
        .call("POST", &path, json!({"body": "ü".repeat(65_536)}))
        .await;
    assert_eq!(full.status, 201);
    let over = github
        .call("POST", &path, json!({"body": "u".repeat(65_537)}))
        .await;
    assert_eq!((over.status, over.message()), (422, "Validation Failed"));
    assert_eq!(
        over.json["errors"],
        json!([{
            "resource": "IssueComment",
            "code": "unprocessable",
            "field": "data",
            "message": "Body is too long (maximum is 65536 characters)",
        }])
    );
    let blank = github.call("POST", &path, json!({"body": " "})).await;
    assert_eq!(blank.json["errors"][0]["message"], "Body cannot be blank");
}

#[tokio::test]
async fn a_reaction_is_new_once() {
    let github = Github::new().await;
    let number = issue(&github);
    let comment = github
        .sim
        .as_person("carol")
        .comment(REPO, number, "Please")
        .unwrap();
    for path in [
        format!("/repos/{REPO}/issues/{number}/reactions"),
        format!("/repos/{REPO}/issues/comments/{comment}/reactions"),
    ] {
        let first = github.call("POST", &path, json!({"content": "eyes"})).await;
        let again = github.call("POST", &path, json!({"content": "eyes"})).await;
        assert_eq!((first.status, again.status), (201, 200));
        assert_eq!(first.json["id"], again.json["id"]);
        assert_eq!(first.json["user"]["login"], "prova[bot]");
    }
    let shown = github.get(&format!("/repos/{REPO}/issues/{number}")).await;
    assert_eq!(shown.json["reactions"]["eyes"], 1);
    assert_eq!(
        github.events(),
        ["issue_comment.created"],
        "reactions send no webhook"
    );
}

#[tokio::test]
async fn labels_are_added_and_removed() {
    let github = Github::new().await;
    let number = issue(&github);
    let path = format!("/repos/{REPO}/issues/{number}/labels");
    let added = github
        .call("POST", &path, json!({"labels": ["prova:fmt", "bug"]}))
        .await;
    assert_eq!(added.json[0]["name"], "prova:fmt");
    let again = github.call("POST", &path, json!({"labels": ["bug"]})).await;
    assert_eq!(again.json.as_array().map(Vec::len), Some(2));
    let left = github
        .call("DELETE", &format!("{path}/prova%3Afmt"), Value::Null)
        .await;
    assert_eq!(left.json[0]["name"], "bug");
    let gone = github
        .call("DELETE", &format!("{path}/prova%3Afmt"), Value::Null)
        .await;
    assert_eq!((gone.status, gone.message()), (404, "Label does not exist"));
    assert_eq!(
        github.events(),
        ["issues.labeled", "issues.labeled", "issues.unlabeled"]
    );
}

#[tokio::test]
async fn issues_are_found_by_label_and_state() {
    let github = Github::new().await;
    let alice = github.sim.as_person("alice");
    let first = alice.open_issue(REPO, "One", "", &["prova"]).unwrap();
    let second = alice
        .open_issue(REPO, "Two", "", &["prova", "bug"])
        .unwrap();
    alice.open_issue(REPO, "Three", "", &[]).unwrap();
    alice.close(REPO, first).unwrap();
    let numbers = |answer: &Value| -> Vec<u64> {
        answer
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["number"].as_u64().unwrap())
            .collect()
    };
    let find = async |query: &str| {
        numbers(
            &github
                .get(&format!("/repos/{REPO}/issues?{query}"))
                .await
                .json,
        )
    };
    assert_eq!(find("labels=prova").await, [second]);
    assert_eq!(find("labels=prova&state=all").await, [second, first]);
    assert_eq!(
        find("labels=prova,bug&state=closed").await,
        Vec::<u64>::new()
    );
}

#[tokio::test]
async fn an_issue_is_closed_edited_and_assigned_through_the_api() {
    let github = Github::new().await;
    let path = format!("/repos/{REPO}/issues");
    let created = github
        .call("POST", &path, json!({"title": "Mine", "labels": ["bug"]}))
        .await;
    assert_eq!(
        (created.status, &created.json["user"]["type"]),
        (201, &json!("Bot"))
    );
    let one = format!("{path}/{}", created.json["number"]);
    let edit = json!({"title": "Ours", "state": "closed", "state_reason": "not_planned"});
    let closed = github.call("PATCH", &one, edit).await;
    assert_eq!(
        (&closed.json["state"], &closed.json["title"]),
        (&json!("closed"), &json!("Ours"))
    );
    assert_eq!(closed.json["state_reason"], "not_planned");
    let assigned = github
        .call(
            "POST",
            &format!("{one}/assignees"),
            json!({"assignees": ["alice", "ghosty"]}),
        )
        .await;
    assert_eq!(assigned.json["assignees"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        github.events(),
        [
            "issues.opened",
            "issues.labeled",
            "issues.edited",
            "issues.closed",
            "issues.assigned"
        ]
    );
}

#[tokio::test]
async fn a_locked_conversation_is_closed_to_the_bot() {
    let github = Github::new().await;
    let number = issue(&github);
    github
        .sim
        .as_person("alice")
        .lock(REPO, number, true)
        .unwrap();
    let path = format!("/repos/{REPO}/issues/{number}/comments");
    let refused = github.call("POST", &path, json!({"body": "hi"})).await;
    assert_eq!(
        (refused.status, refused.message()),
        (403, "Unable to create comment because issue is locked.")
    );
    assert_eq!(
        github
            .sim
            .as_person("carol")
            .comment(REPO, number, "hi")
            .unwrap_err()
            .status(),
        403
    );
    github
        .sim
        .as_person("alice")
        .comment(REPO, number, "I may")
        .unwrap();
    assert_eq!(
        github
            .get(&format!("/repos/{REPO}/issues/{number}"))
            .await
            .json["locked"],
        true
    );
}

#[tokio::test]
async fn a_deleted_issue_is_gone_and_a_transferred_one_moves() {
    let github = Github::new().await;
    let deleted = issue(&github);
    let moved = issue(&github);
    github
        .sim
        .as_person("acme")
        .delete_issue(REPO, deleted)
        .unwrap();
    let gone = github.get(&format!("/repos/{REPO}/issues/{deleted}")).await;
    assert_eq!(
        (gone.status, gone.message()),
        (410, "This issue was deleted")
    );
    let gone = github
        .call(
            "POST",
            &format!("/repos/{REPO}/issues/{deleted}/comments"),
            json!({"body": "x"}),
        )
        .await;
    assert_eq!(gone.status, 410);

    let spec = prova::simulator::world::repositories::RepositorySpec::new("acme/other", Vec::new());
    let other = github.sim.create_repository(&spec).unwrap();
    let number = github
        .sim
        .as_person("acme")
        .transfer(REPO, moved, "acme/other")
        .unwrap();
    let answer = github.get(&format!("/repos/{REPO}/issues/{moved}")).await;
    let target = format!(
        "{}/repositories/{other}/issues/{number}",
        github.sim.api_url()
    );
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, target.as_str())
    );
    let events = github.sim.take_deliveries();
    let transferred = payload(&events[1]);
    assert_eq!(
        transferred["changes"]["new_repository"]["full_name"],
        "acme/other"
    );
}
