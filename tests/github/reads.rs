//! Questions, and how their answers are read.

use prova::domain::home::Source;
use prova::domain::ids::{CommitSha, InstallationId, Login, ThreadNumber};
use prova::domain::repo::Permission;
use prova::ports::fault::Class;
use prova::ports::github::{App, Checks, Commits, Pulls, Repositories, ThreadNow, Threads};
use serde_json::{Value, json};

use crate::fake::{APP_ID, Fake, branch, refusal, reply, repo};

/// A server that gives one answer to everything but tokens.
async fn answering(status: u16, body: Value) -> Fake {
    Fake::start(move |seen| (!seen.mints()).then(|| reply(status, &body))).await
}

#[tokio::test]
async fn a_permission_is_the_role_or_what_a_custom_role_is_built_on() {
    for (body, permission) in [
        (
            json!({ "permission": "admin", "role_name": "admin" }),
            Permission::Admin,
        ),
        (
            json!({ "permission": "write", "role_name": "maintain" }),
            Permission::Maintain,
        ),
        (
            json!({ "permission": "write", "role_name": "write" }),
            Permission::Write,
        ),
        (
            json!({ "permission": "read", "role_name": "triage" }),
            Permission::Triage,
        ),
        (
            json!({ "permission": "read", "role_name": "read" }),
            Permission::Read,
        ),
        (
            json!({ "permission": "none", "role_name": "" }),
            Permission::None,
        ),
        (
            json!({ "permission": "write", "role_name": "Release captain" }),
            Permission::Write,
        ),
        (json!({ "permission": "write" }), Permission::Write),
        (
            json!({ "permission": "owner of everything" }),
            Permission::None,
        ),
        (json!({}), Permission::None),
    ] {
        let fake = answering(200, body).await;
        let login = Login::new("some-one");
        assert_eq!(
            fake.client.permission(&repo(), &login).await.unwrap(),
            permission
        );
        assert_eq!(
            fake.asked(),
            ["GET /repos/octo/hello/collaborators/some-one/permission"]
        );
    }
}

#[tokio::test]
async fn who_is_not_known_may_do_nothing_and_a_failed_look_up_is_no_permission() {
    let fake = answering(404, json!({ "message": "Not Found" })).await;
    let login = Login::new("../../../user[bot]?x");
    assert_eq!(
        fake.client.permission(&repo(), &login).await.unwrap(),
        Permission::None
    );
    let escaped = "GET /repos/octo/hello/collaborators/..%2F..%2F..%2Fuser%5Bbot%5D%3Fx/permission";
    assert_eq!(fake.asked(), [escaped]);
    for status in [403, 500] {
        let fake = answering(status, json!({ "message": "no" })).await;
        fake.client.permission(&repo(), &login).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_file_is_asked_again_with_its_tag_and_read_again_only_when_it_changed() {
    let fake = Fake::start(|seen| {
        if seen.mints() {
            return None;
        }
        let file = json!({ "type": "file", "encoding": "base64", "content": "bGFi\nZWw=\n" });
        Some(match seen.header("if-none-match") {
            Some("W/\"abc\"") => reply(304, &json!({})).body(""),
            Some(tag) => panic!("an unknown tag: {tag}"),
            None => reply(200, &file).header("etag", "W/\"abc\""),
        })
    })
    .await;
    for _ in 0..3 {
        let file = fake
            .client
            .file(&repo(), ".github/prova.toml")
            .await
            .unwrap();
        assert_eq!(file.as_deref(), Some(&b"label"[..]));
    }
    let asked = fake.asked();
    assert_eq!(
        asked,
        ["GET /repos/octo/hello/contents/.github/prova.toml"; 3]
    );
}

#[tokio::test]
async fn what_is_no_file_is_no_file() {
    for (status, body) in [
        (404, json!({ "message": "Not Found" })),
        (404, json!({ "message": "This repository is empty." })),
        (200, json!([{ "type": "file", "name": "a" }])),
        (
            200,
            json!({ "type": "submodule", "submodule_git_url": "x" }),
        ),
        (200, json!({ "type": "symlink", "target": "/nowhere" })),
    ] {
        let fake = answering(status, body).await;
        assert_eq!(fake.client.file(&repo(), "docs").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_file_that_github_does_not_hand_out_is_said() {
    let file = json!({ "type": "file", "encoding": "none", "content": "" });
    let fake = answering(200, file).await;
    let fault = fake.client.file(&repo(), "huge").await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.to_string().contains("larger than 1 MB"), "{fault}");
}

#[tokio::test]
async fn a_path_cannot_leave_the_repository() {
    let fake = answering(200, json!({})).await;
    for path in ["", "/etc", "a/../../../../user", "./a", "a//b", "a/"] {
        let fault = fake.client.file(&repo(), path).await.unwrap_err();
        assert_eq!(fault.class, Class::Permanent, "{path}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn a_thread_is_open_or_closed_locked_or_not() {
    let pull = |at: Value| json!({ "state": "closed", "pull_request": { "merged_at": at } });
    for (body, open, locked, merged) in [
        (
            json!({ "state": "open", "locked": true }),
            true,
            true,
            false,
        ),
        (
            json!({ "state": "closed", "locked": false }),
            false,
            false,
            false,
        ),
        (json!({ "state": "open" }), true, false, false),
        (pull(Value::Null), false, false, false),
        (pull(json!("2026-01-01T00:00:00Z")), false, false, true),
    ] {
        let fake = answering(200, body).await;
        let now = fake.client.thread(&repo(), ThreadNumber(7)).await.unwrap();
        assert_eq!(
            now,
            ThreadNow {
                open,
                locked,
                merged
            }
        );
        assert_eq!(fake.asked(), ["GET /repos/octo/hello/issues/7"]);
    }
    for status in [404, 410] {
        let fake = answering(status, json!({ "message": "This issue was deleted" })).await;
        let fault = fake
            .client
            .thread(&repo(), ThreadNumber(7))
            .await
            .unwrap_err();
        assert_eq!(fault.class, Class::NotFound);
    }
}

fn comment(login: &str, kind: &str, via: &Value, association: &str) -> Value {
    json!({
        "id": 1, "body": "text", "user": { "login": login, "type": kind },
        "author_association": association, "performed_via_github_app": via,
        "created_at": "2026-11-21T01:13:06Z", "updated_at": "2026-11-21T01:13:07Z",
    })
}

#[tokio::test]
async fn a_comment_is_ours_only_when_our_bot_wrote_it() {
    let ours = json!({ "id": APP_ID });
    for (body, is_ours, insider) in [
        (comment("prova[bot]", "Bot", &ours, "NONE"), true, false),
        (
            comment("prova[bot]", "Bot", &Value::Null, "NONE"),
            true,
            false,
        ),
        (
            comment("other[bot]", "Bot", &json!({ "id": 2 }), "NONE"),
            false,
            false,
        ),
        (
            comment("prova[bot]", "Bot", &json!({ "id": 2 }), "NONE"),
            false,
            false,
        ),
        (comment("someone", "User", &ours, "OWNER"), false, true),
        (
            comment("someone", "User", &Value::Null, "MEMBER"),
            false,
            true,
        ),
        (
            comment("someone", "User", &Value::Null, "COLLABORATOR"),
            false,
            true,
        ),
        (
            comment("someone", "User", &Value::Null, "CONTRIBUTOR"),
            false,
            false,
        ),
    ] {
        let fake = Fake::start(move |seen| match seen.path.as_str() {
            "/app" => Some(reply(200, &json!({ "id": APP_ID, "slug": "prova" }))),
            _ if seen.mints() => None,
            _ => Some(reply(200, &json!([body]))),
        })
        .await;
        fake.client.app().await.unwrap();
        let comments = fake
            .client
            .comments(&repo(), ThreadNumber(1))
            .await
            .unwrap();
        assert_eq!(
            (comments[0].ours, comments[0].remark.insider),
            (is_ours, insider)
        );
        assert_eq!(
            comments[0]
                .updated_at
                .since(comments[0].created_at)
                .as_millis(),
            1_000
        );
    }
}

#[tokio::test]
async fn a_comment_of_a_deleted_account_is_a_ghosts() {
    let body =
        json!([{ "id": 1, "body": null, "user": null, "created_at": "2026-11-21T01:13:06Z" }]);
    let fake = answering(200, body).await;
    let comments = fake
        .client
        .comments(&repo(), ThreadNumber(1))
        .await
        .unwrap();
    assert_eq!(comments[0].remark.author, Login::new("ghost"));
    assert_eq!(
        (comments[0].ours, comments[0].remark.body.as_str()),
        (false, "")
    );
}

#[tokio::test]
async fn at_most_a_thousand_comments_are_read() {
    let fake = Fake::start(|seen| {
        let page: u64 = seen
            .path
            .rsplit_once("&page=")
            .map_or(1, |(_, n)| n.parse().unwrap());
        let body = json!([{ "id": page, "created_at": "2026-11-21T01:13:06Z" }]);
        let next = format!(
            "<{}&page={}>; rel=\"next\"",
            "http://x/repos/octo/hello/issues/1/comments?per_page=100",
            page + 1
        );
        (!seen.mints()).then(|| reply(200, &body).header("link", next))
    })
    .await;
    let comments = fake
        .client
        .comments(&repo(), ThreadNumber(1))
        .await
        .unwrap();
    assert_eq!(comments.len(), 10);
    assert_eq!(comments[9].id.0, 10);
}

#[tokio::test]
async fn a_branch_points_somewhere_or_does_not_exist() {
    let fake = answering(
        200,
        json!({ "ref": "refs/heads/x", "object": { "type": "commit", "sha": "abc" } }),
    )
    .await;
    let found = fake
        .client
        .branch(&repo(), &branch("prova/1-it's\"odd\""))
        .await
        .unwrap();
    assert_eq!(found, Some(CommitSha::new("abc")));
    assert_eq!(
        fake.asked(),
        ["GET /repos/octo/hello/git/ref/heads/prova/1-it%27s%22odd%22"]
    );
    for (status, message) in [(404, "Not Found"), (409, "Git Repository is empty.")] {
        let fake = answering(status, json!({ "message": message })).await;
        assert_eq!(
            fake.client.branch(&repo(), &branch("main")).await.unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn only_our_own_branch_has_our_pull_request() {
    let pull = |number: u64, branch: &str, repo: Value| json!({ "number": number, "head": { "ref": branch, "sha": "abc", "repo": repo } });
    let body = json!([
        pull(1, "other", json!({ "id": 77 })),
        pull(2, "prova/1-x", json!({ "id": 78 })),
        pull(3, "prova/1-x", Value::Null),
        pull(4, "prova/1-x", json!({ "id": 77 })),
    ]);
    let fake = answering(200, body).await;
    let found = fake
        .client
        .pull_from(&repo(), &branch("prova/1-x"))
        .await
        .unwrap();
    assert_eq!(found.unwrap().number, ThreadNumber(4));
    let expected = "GET /repos/octo/hello/pulls?state=open&head=octo:prova%2F1-x&per_page=100";
    assert_eq!(fake.asked(), [expected]);
    let fake = answering(200, json!([])).await;
    assert_eq!(
        fake.client
            .pull_from(&repo(), &branch("prova/1-x"))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn pull_requests_from_here_are_told_apart_by_who_opened_them() {
    let pull = |number: u64, branch: &str, repo: Value, user: Value| json!({ "number": number, "head": { "ref": branch, "sha": "abc", "repo": repo }, "base": { "ref": "main" }, "user": user });
    let (here, fork, us) = (
        json!({ "id": 77 }),
        json!({ "id": 78 }),
        json!({ "login": "prova[bot]" }),
    );
    let body = json!([
        pull(1, "prova/1-x", here.clone(), json!({ "login": "ada" })),
        pull(2, "prova/2-x", fork, us.clone()),
        pull(3, "prova/3-x", Value::Null, us.clone()),
        pull(4, "prova/4-x", here.clone(), Value::Null),
        pull(5, "prova/5-x", here, us),
    ]);
    let fake = answering(200, body).await;
    let us = Login::new("prova[bot]");
    let found = fake.client.proposals(&repo(), &us).await.unwrap();
    let told = found.iter().map(|found| (found.number.0, found.ours));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(1, false), (4, false), (5, true)]
    );
    assert_eq!(found[2].branch, branch("prova/5-x"));
    assert_eq!(found[2].base, "main");
}

#[tokio::test]
async fn a_pull_request_says_where_its_head_is() {
    let here = json!({ "id": 77 });
    for (name, repo_of, expected) in [
        ("fix", here.clone(), Some(Source::Here(branch("fix")))),
        ("fix", json!({ "id": 78 }), Some(Source::Fork)),
        ("fix", Value::Null, Some(Source::Gone)),
        ("-x", here, None),
    ] {
        let body = json!({ "number": 4, "head": { "ref": name, "sha": "abc", "repo": repo_of }, "base": { "ref": "main" } });
        let fake = answering(200, body).await;
        let found = fake.client.pull(&repo(), ThreadNumber(4)).await;
        assert_eq!(found.ok().map(|found| found.source), expected, "{name}");
    }
}

#[tokio::test]
async fn a_check_run_is_found_by_its_key_among_ours() {
    let run = |id: u64, key: Value, app: u64| json!({ "id": id, "external_id": key, "app": { "id": app } });
    let body = json!({ "total_count": 3, "check_runs": [
        run(1, json!("77-1-1.1"), 99), run(2, Value::Null, APP_ID), run(3, json!("77-1-1.1"), APP_ID),
    ]});
    let fake = answering(200, body).await;
    let sha = CommitSha::new("abc");
    let found = fake.client.check(&repo(), &sha, "77-1-1.1").await.unwrap();
    assert_eq!(found.unwrap().id.0, 3);
    assert_eq!(
        fake.client.check(&repo(), &sha, "77-1-1.2").await.unwrap(),
        None
    );
    let expected =
        "GET /repos/octo/hello/commits/abc/check-runs?check_name=prova&filter=all&per_page=100";
    assert_eq!(fake.asked()[0], expected);
}

#[tokio::test]
async fn the_app_tells_what_it_was_granted_and_what_time_it_is() {
    let fake = Fake::start(|_| {
        let body = json!({
            "id": APP_ID, "slug": "prova-here", "name": "Prova here",
            "permissions": { "issues": "write", "metadata": "read" }, "events": ["issues"],
        });
        Some(reply(200, &body).header("date", "Sat, 21 Nov 2026 01:13:16 GMT"))
    })
    .await;
    let app = fake.client.app().await.unwrap();
    assert_eq!(
        (app.id, app.slug.as_str(), app.name.as_str()),
        (APP_ID, "prova-here", "Prova here")
    );
    let granted = [("issues", "write"), ("metadata", "read")];
    assert_eq!(
        app.permissions,
        granted.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(app.events, ["issues"]);
    assert_eq!(app.clock_offset_ms, Some(10_000));
}

#[tokio::test]
async fn installations_are_listed_to_the_last_page() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/app/installations?per_page=100" => Some(
            reply(200, &json!([{ "id": 1, "account": { "login": "octo" } }])).header(
                "link",
                "</app/installations?per_page=100&page=2>; rel=\"next\"",
            ),
        ),
        "/app/installations?per_page=100&page=2" => Some(reply(
            200,
            &json!([{ "id": 2, "account": { "slug": "corp" } }, { "id": 3, "account": null }]),
        )),
        _ => Some(refusal(404, "Not Found")),
    })
    .await;
    let found = fake.client.installations().await.unwrap();
    let expected = [(1, "octo"), (2, "corp"), (3, "ghost")];
    assert_eq!(
        found,
        expected.map(|(id, name)| (InstallationId(id), Login::new(name)))
    );
}
