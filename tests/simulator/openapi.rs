//! Requests are judged by GitHub's own description, in both of its versions.

use serde_json::{Value, json};

use crate::harness::{Github, REPO, description};

async fn violations(method: &str, path: &str, body: Value) -> Vec<String> {
    let github =
        Github::with(|options| options.descriptions = vec![description("2022-11-28")]).await;
    github.call(method, path, body).await;
    let found = github.sim.violations();
    github.forgive();
    let place = format!("2022-11-28: {method} {}: ", path.split('?').next().unwrap());
    found.iter().map(|one| one.replace(&place, "")).collect()
}

#[tokio::test]
async fn a_wrong_request_is_named_by_what_is_wrong() {
    let issues = format!("/repos/{REPO}/issues");
    let pulls = format!("/repos/{REPO}/pulls");
    let refs = format!("/repos/{REPO}/git/refs/heads/a/b");
    let trees = format!("/repos/{REPO}/git/trees");
    let comment = format!("{issues}/comments/x");
    let many = format!("{issues}?per_page=many&lables=prova&state=opened");
    let cases: [(&str, &str, Value, &[&str]); 9] = [
        (
            "POST",
            "/repos/a/b/nonsense",
            json!({}),
            &["no such operation"],
        ),
        (
            "POST",
            &issues,
            json!({"title": "T", "text": "x"}),
            &["body.text: not known"],
        ),
        (
            "POST",
            &pulls,
            json!({"head": "x", "draft": "yes"}),
            &[
                "body.base: required",
                "body.draft: want boolean, got \"yes\"",
            ],
        ),
        (
            "PATCH",
            &refs,
            json!({"force": true}),
            &["body.sha: required"],
        ),
        ("POST", &refs, Value::Null, &["no such operation"]),
        (
            "POST",
            &trees,
            json!({"tree": [{"path": "a", "mode": "100600", "sha": null}]}),
            &[
                "body.tree[0].mode: \"100600\" is none of \"100644\", \"100755\", \"040000\", \"160000\", \"120000\"",
            ],
        ),
        (
            "PATCH",
            &comment,
            json!({"body": "x"}),
            &["path parameter comment_id: want integer, got \"x\""],
        ),
        (
            "GET",
            &many,
            Value::Null,
            &[
                "query per_page: want integer, got \"many\"",
                "query lables: not known",
                "query state: \"opened\" is none of \"open\", \"closed\", \"all\"",
            ],
        ),
        (
            "GET",
            &pulls,
            json!({"state": "open"}),
            &["body: none is taken"],
        ),
    ];
    for (method, path, body, expected) in cases {
        assert_eq!(
            violations(method, path, body).await,
            expected,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn both_versions_are_asked() {
    let github = Github::new().await;
    github
        .call(
            "POST",
            &format!("/repos/{REPO}/issues"),
            json!({"titel": "T"}),
        )
        .await;
    let found = github.sim.violations();
    assert_eq!(
        found,
        [
            "2022-11-28: POST /repos/acme/widgets/issues: body.title: required",
            "2022-11-28: POST /repos/acme/widgets/issues: body.titel: not known",
            "2026-03-10: POST /repos/acme/widgets/issues: body.title: required",
            "2026-03-10: POST /repos/acme/widgets/issues: body.titel: not known",
        ]
    );
    github.forgive();
}

#[tokio::test]
async fn slashes_in_refs_and_paths_find_their_operation() {
    let github = Github::new().await;
    github
        .get(&format!("/repos/{REPO}/git/ref/heads/prova/1-a/b"))
        .await;
    github
        .get(&format!(
            "/repos/{REPO}/contents/.github/prova.toml?ref=main"
        ))
        .await;
    github
        .get(&format!(
            "/repos/{REPO}/commits/prova/1-a/check-runs?filter=all"
        ))
        .await;
    github
        .get(&format!("/repos/{REPO}/compare/main...prova/1-a"))
        .await;
    assert_eq!(github.sim.violations(), Vec::<String>::new());
}

#[test]
fn a_description_that_is_none_is_refused_by_line() {
    use prova::simulator::openapi::Description;
    let error = Description::parse("v", "GET /a\t{}\nnonsense\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "description v, line 2: want METHOD path<TAB>json"
    );
}
