//! What every answer has in common.

use serde_json::{Value, json};

use crate::harness::{Github, REPO};

#[tokio::test]
async fn a_request_needs_a_user_agent() {
    let github = Github::new().await;
    let answer = github
        .send("GET", "/rate_limit", &[("user-agent", "")], Value::Null)
        .await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .message()
            .starts_with("Request forbidden by administrative rules.")
    );
}

#[tokio::test]
async fn an_unknown_address_is_a_404_in_githubs_words() {
    let github = Github::new().await;
    let answer = github.get(&format!("/repos/{REPO}/issues/7")).await;
    assert_eq!(
        (answer.status, answer.json),
        (
            404,
            json!({
                "message": "Not Found",
                "documentation_url": "https://docs.github.com/rest",
                "status": "404",
            })
        )
    );
}

#[tokio::test]
async fn an_etag_saves_the_body() {
    let github = Github::new().await;
    let path = format!("/repos/{REPO}/issues?state=all");
    let first = github.get(&path).await;
    let etag = first.header("etag").to_owned();
    let header = [("if-none-match", etag.as_str())];
    let same = github.call_with("GET", &path, &header, Value::Null).await;
    assert_eq!((same.status, same.text.as_str()), (304, ""));
    assert_eq!(
        same.header("x-ratelimit-remaining"),
        first.header("x-ratelimit-remaining"),
        "a 304 costs nothing"
    );
    github
        .sim
        .as_person("alice")
        .open_issue(REPO, "New", "", &[])
        .unwrap();
    let changed = github.call_with("GET", &path, &header, Value::Null).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn the_newest_version_lacks_what_it_has_retired() {
    let github = Github::new().await;
    let alice = github.sim.as_person("alice");
    let number = alice.open_issue(REPO, "Broken", "", &[]).unwrap();
    alice.assign(REPO, number, "alice").unwrap();
    let pull = github.pull("prova/1-x", "").await;
    for (path, key) in [
        (format!("/repos/{REPO}/issues/{number}"), "assignee"),
        (format!("/repos/{REPO}/pulls/{pull}"), "merge_commit_sha"),
        ("/rate_limit".to_owned(), "rate"),
    ] {
        let old = github.get(&path).await;
        assert!(
            old.json.get(key).is_some(),
            "{path} has {key} in 2022-11-28"
        );
        let version = [("x-github-api-version", "2026-03-10")];
        let new = github.call_with("GET", &path, &version, Value::Null).await;
        assert_eq!(new.json.get(key), None, "{path} has no {key} in 2026-03-10");
    }
    let version = [("x-github-api-version", "2099-01-01")];
    let answer = github
        .call_with("GET", "/rate_limit", &version, Value::Null)
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn lists_come_in_pages_with_links() {
    let github = Github::new().await;
    let number = github
        .sim
        .as_person("carol")
        .open_issue(REPO, "Long", "", &[])
        .unwrap();
    for text in ["a", "b", "c", "d", "e"] {
        github
            .sim
            .as_person("carol")
            .comment(REPO, number, text)
            .unwrap();
    }
    let path = format!("/repos/{REPO}/issues/{number}/comments?per_page=2");
    let first = github.get(&path).await;
    assert_eq!(first.json.as_array().map(Vec::len), Some(2));
    let link = first.header("link");
    let next = format!("<{}{path}&page=2>; rel=\"next\"", github.sim.api_url());
    assert!(
        link.contains(&next) && link.contains("page=3>; rel=\"last\""),
        "{link}"
    );
    let last = github.get(&format!("{path}&page=3")).await;
    assert_eq!(last.json[0]["body"], "e");
    assert!(!last.header("link").contains("next"));
}

#[tokio::test]
async fn content_is_counted_apart_from_reading() {
    let github = Github::new().await;
    github.sim.forget_requests();
    github.pull("prova/1-x", "").await;
    let requests = github.sim.requests();
    let writes = requests
        .iter()
        .filter(|request| request.creates_content)
        .count();
    assert_eq!((requests.len(), writes), (6, 4), "{requests:?}");
}

#[tokio::test]
async fn requests_at_once_are_all_answered_and_the_port_closes_at_the_end() {
    let github = std::sync::Arc::new(Github::new().await);
    let number = github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Busy", "", &[])
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for text in 0..16 {
        let github = std::sync::Arc::clone(&github);
        tasks.spawn(async move {
            let path = format!("/repos/{REPO}/issues/{number}/comments");
            github
                .call("POST", &path, json!({"body": text.to_string()}))
                .await
                .status
        });
    }
    assert!(tasks.join_all().await.iter().all(|status| *status == 201));
    let path = format!("/repos/{REPO}/issues/{number}/comments");
    let comments = github.get(&path).await.json;
    let ids: std::collections::BTreeSet<u64> = comments
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), 16);

    let address = github
        .sim
        .api_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    drop(github);
    let mut is_closed = false;
    for _ in 0..500 {
        is_closed = tokio::net::TcpStream::connect(&address).await.is_err();
        if is_closed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(is_closed);
}
