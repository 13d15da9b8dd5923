//! Who the App is, and what its tokens reach.

use prova::simulator::world::repositories::{File, RepositorySpec};
use serde_json::{Value, json};

use crate::harness::{Github, REPO};

#[tokio::test]
async fn the_app_names_itself_by_a_json_web_token() {
    let github = Github::new().await;
    let app = github.as_app("GET", "/app", Value::Null).await;
    assert_eq!(
        (app.status, app.json["slug"].as_str()),
        (200, Some("prova"))
    );
    let on_ghes = github.as_app("GET", "/api/v3/app", Value::Null).await;
    assert_eq!(on_ghes.json["id"], 12345);
}

#[tokio::test]
async fn a_bad_json_web_token_hears_why() {
    let github = Github::new().await;
    let now = crate::harness::START / 1000;
    let cases = [
        (
            json!({"iat": now + 60}),
            "'Issued at' claim ('iat') must be an Integer",
        ),
        (
            json!({"exp": now - 1}),
            "'Expiration time' claim ('exp') must be a numeric value",
        ),
        (
            json!({"exp": now + 700}),
            "'Expiration time' claim ('exp') is too far in the future",
        ),
    ];
    for (change, message) in cases {
        let jwt = format!("Bearer {}", github.jwt(change));
        let answer = github
            .send("GET", "/app", &[("authorization", &jwt)], Value::Null)
            .await;
        assert_eq!(answer.status, 401);
        assert!(answer.message().starts_with(message), "{}", answer.text);
    }
    let other = github.jwt(json!({"iss": 99}));
    let bearer = format!("Bearer {other}");
    let answer = github
        .send("GET", "/app", &[("authorization", &bearer)], Value::Null)
        .await;
    assert_eq!(
        (answer.status, answer.message()),
        (404, "Integration not found")
    );
    // One letter of the claims changed: the signature no longer fits.
    let forged = format!("Bearer {}", other.replacen(".ey", ".eX", 1));
    let answer = github
        .send("GET", "/app", &[("authorization", &forged)], Value::Null)
        .await;
    assert_eq!(answer.message(), "A JSON web token could not be decoded");
    assert_eq!(answer.json["status"], "401");
}

#[tokio::test]
async fn a_token_is_opaque_and_lives_one_hour() {
    let github = Github::new().await;
    let token = github.token.clone();
    assert!(token.starts_with("ghs_12345_") && token.contains('.') && token.len() > 500);
    github.advance(3_599_000);
    assert_eq!(github.get(&format!("/repos/{REPO}")).await.status, 200);
    github.advance(1_000);
    let expired = github.get(&format!("/repos/{REPO}")).await;
    assert_eq!(
        (expired.status, expired.message()),
        (401, "Bad credentials")
    );
}

#[tokio::test]
async fn a_token_can_be_narrowed_but_not_widened() {
    let mut github = Github::new().await;
    let other = RepositorySpec::new("acme/private", vec![File::new("a", "b")]).private();
    let other_id = github.sim.create_repository(&other).unwrap();
    let path = format!("/app/installations/{}/access_tokens", github.installation);

    let wide = github
        .as_app("POST", &path, json!({"permissions": {"contents": "admin"}}))
        .await;
    // The description itself knows no `admin` for contents, so this request is a violation too.
    assert_eq!(wide.status, 422);
    let unknown = github
        .as_app(
            "POST",
            &path,
            json!({"permissions": {"workflows": "write"}}),
        )
        .await;
    assert_eq!(
        (unknown.status, unknown.message()),
        (
            422,
            "The permissions requested are not granted to this installation."
        )
    );
    let nowhere = github
        .as_app("POST", &path, json!({"repositories": ["nope"]}))
        .await;
    assert_eq!(nowhere.status, 422);

    let narrow = json!({"repositories": ["widgets"], "permissions": {"contents": "read"}});
    github.token = github.mint(narrow).await;
    let listed = github.get("/installation/repositories").await;
    assert_eq!(listed.json["total_count"], 1);
    assert_eq!(github.get("/repos/acme/private").await.status, 404);
    assert_eq!(
        github
            .get(&format!("/repositories/{other_id}"))
            .await
            .status,
        404
    );
    let written = github
        .call(
            "POST",
            &format!("/repos/{REPO}/issues/1/labels"),
            json!({"labels": ["a"]}),
        )
        .await;
    assert_eq!(
        (written.status, written.message()),
        (403, "Resource not accessible by integration")
    );
    let violations = github.sim.violations();
    assert!(
        violations
            .iter()
            .all(|one| one.contains("\"admin\" is none of")),
        "{violations:?}"
    );
    github.forgive();
}

#[tokio::test]
async fn an_installation_can_be_suspended_and_removed() {
    let github = Github::new().await;
    github.sim.suspend(github.installation, true).unwrap();
    let answer = github.get(&format!("/repos/{REPO}")).await;
    assert_eq!(
        (answer.status, answer.message()),
        (403, "This installation has been suspended")
    );
    github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Unseen", "", &[])
        .unwrap();
    github.sim.suspend(github.installation, false).unwrap();
    assert_eq!(github.get(&format!("/repos/{REPO}")).await.status, 200);
    assert_eq!(
        github.events(),
        ["installation.suspend", "installation.unsuspend"]
    );

    github.sim.uninstall_app(github.installation).unwrap();
    assert_eq!(github.get(&format!("/repos/{REPO}")).await.status, 401);
    github
        .sim
        .as_person("alice")
        .open_issue(REPO, "Unseen", "", &[])
        .unwrap();
    assert_eq!(github.events(), ["installation.deleted"]);
}

#[tokio::test]
async fn an_installation_covers_what_was_selected() {
    let github = Github::new().await;
    let spec = RepositorySpec::new("globex/site", Vec::new());
    github.sim.create_repository(&spec).unwrap();
    github
        .sim
        .create_repository(&RepositorySpec::new("globex/api", Vec::new()))
        .unwrap();
    let installation = github
        .sim
        .install_app("globex", Some(&["globex/site"]))
        .unwrap();
    let found = github
        .as_app("GET", "/repos/globex/site/installation", Value::Null)
        .await;
    assert_eq!(found.json["id"], installation);
    assert_eq!(found.json["repository_selection"], "selected");
    let missing = github
        .as_app("GET", "/repos/globex/api/installation", Value::Null)
        .await;
    assert_eq!((missing.status, missing.message()), (404, "Not Found"));
    github.sim.select(installation, "globex/api", true).unwrap();
    let found = github
        .as_app("GET", "/repos/globex/api/installation", Value::Null)
        .await;
    assert_eq!(found.status, 200);
    assert_eq!(
        github.events(),
        ["installation.created", "installation_repositories.added"]
    );
}

#[tokio::test]
async fn requests_are_counted_by_the_hour() {
    let github = Github::with(|options| options.hourly_limit = 2).await;
    let first = github.get(&format!("/repos/{REPO}")).await;
    assert_eq!(
        (
            first.header("x-ratelimit-limit"),
            first.header("x-ratelimit-remaining")
        ),
        ("2", "1")
    );
    github.get(&format!("/repos/{REPO}")).await;
    let spent = github.get(&format!("/repos/{REPO}")).await;
    assert_eq!(
        (spent.status, spent.header("x-ratelimit-remaining")),
        (403, "0")
    );
    assert!(
        spent
            .message()
            .starts_with("API rate limit exceeded for installation ID")
    );
    let limit = github.get("/rate_limit").await;
    assert_eq!(limit.json["resources"]["core"]["remaining"], 0);
    github.advance(3_600_000);
    assert_eq!(limit.status, 200);
    let reset: i64 = spent.header("x-ratelimit-reset").parse().unwrap();
    assert_eq!(reset, crate::harness::START / 1000 + 3600);
}
