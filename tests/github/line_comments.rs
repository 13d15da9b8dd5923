//! Comments on lines, as GitHub answers them.

use prova::domain::ids::{CommentId, CommitSha, Login, ReviewId, ThreadNumber};
use prova::domain::review::{Side, Spot, comments_of};
use prova::ports::fault::Class;
use prova::ports::github::{NewLineComment, NewReview, Reviews as _};
use serde_json::json;

use crate::fake::{Fake, reply, repo};

#[tokio::test]
async fn they_are_read_newest_first_whoever_wrote_them() {
    let user = |login: &str| json!({ "login": login, "id": 1 });
    let comments = json!([
        {
            "id": 12, "pull_request_review_id": 3, "in_reply_to_id": 10, "user": user("alice"),
            "author_association": "MEMBER", "body": "so", "path": "a.rs", "line": 4, "start_line": 2,
            "side": "LEFT", "diff_hunk": "@@ -1 +1 @@\n-a", "subject_type": "line", "new": {},
        },
        { "id": 11, "pull_request_review_id": 2, "user": user("prova[bot]"), "path": "a.rs", "line": null },
        { "id": 10, "pull_request_review_id": 1, "user": null, "body": null, "path": "a.rs", "line": null,
          "original_line": 9, "author_association": "NONE" },
    ]);
    let fake = Fake::start(move |seen| {
        if seen.mints() {
            return None;
        }
        let is_app = seen.line().starts_with("GET /app");
        let app = json!({ "id": 1, "slug": "prova", "name": "Prova" });
        Some(reply(200, if is_app { &app } else { &comments }))
    })
    .await;
    let posted = fake
        .client
        .line_comments(&repo(), ThreadNumber(7))
        .await
        .unwrap();
    let told: Vec<_> = posted
        .iter()
        .map(|one| (one.comment.id.0, one.author.as_str(), one.insider, one.ours))
        .collect();
    assert_eq!(
        told,
        [
            (12, "alice", true, false),
            (11, "prova[bot]", false, true),
            (10, "ghost", false, false)
        ]
    );
    let spots: Vec<_> = posted.iter().map(|one| one.comment.spot).collect();
    assert_eq!(
        spots,
        [
            Spot::Lines(2, 4, Side::Before),
            Spot::File,
            Spot::Outdated(9, 9)
        ]
    );
    let review = comments_of(ReviewId(3), posted);
    assert_eq!(review.len(), 1);
    assert_eq!(
        (review[0].id, review[0].root),
        (CommentId(12), CommentId(10))
    );
    assert_eq!(review[0].earlier[0].author, Login::new("ghost"));
    let asked = "GET /repos/octo/hello/pulls/7/comments?sort=created&direction=desc&per_page=100";
    assert!(
        fake.asked().contains(&asked.to_owned()),
        "{:?}",
        fake.asked()
    );
}

#[tokio::test]
async fn a_review_is_a_comment_and_a_refusal_of_its_lines_a_conflict() {
    let review = NewReview {
        commit: Some(CommitSha::new("a".repeat(40))),
        body: "So far.".to_owned(),
        comments: vec![
            NewLineComment {
                path: "a.rs".to_owned(),
                line: 4,
                start: None,
                body: "Here.".to_owned(),
            },
            NewLineComment {
                path: "a.rs".to_owned(),
                line: 9,
                start: Some(7),
                body: "And these.".to_owned(),
            },
        ],
    };
    for (status, answer, posted) in [
        (200, json!({ "id": 9 }), Ok(ReviewId(9))),
        (
            422,
            json!({ "message": "Unprocessable Entity", "errors": ["Line could not be resolved"] }),
            Err(Class::Conflict),
        ),
        (404, json!({ "message": "Not Found" }), Err(Class::NotFound)),
    ] {
        let fake = Fake::start(move |seen| (!seen.mints()).then(|| reply(status, &answer))).await;
        let (repo, number) = (repo(), ThreadNumber(7));
        let outcome = fake.client.post_review(&repo, number, &review).await;
        assert_eq!(outcome.map_err(|fault| fault.class), posted);
        let line = json!({ "path": "a.rs", "line": 4, "side": "RIGHT", "body": "Here." });
        let lines = json!({
            "path": "a.rs", "start_line": 7, "start_side": "RIGHT", "line": 9, "side": "RIGHT",
            "body": "And these.",
        });
        let asked = json!({
            "event": "COMMENT", "commit_id": "a".repeat(40), "body": "So far.",
            "comments": [line, lines],
        });
        assert_eq!(
            fake.body_of("POST /repos/octo/hello/pulls/7/reviews"),
            asked
        );
    }
}

#[tokio::test]
async fn reviews_are_read_leniently_and_ours_are_known() {
    let reviews = json!([
        { "id": 1, "user": null, "body": null, "new": {} },
        { "id": 2, "user": { "login": "prova[bot]" }, "body": "ours" },
    ]);
    let fake = Fake::start(move |seen| {
        let is_app = seen.line().starts_with("GET /app");
        let app = json!({ "id": 1, "slug": "prova", "name": "Prova" });
        (!seen.mints()).then(|| reply(200, if is_app { &app } else { &reviews }))
    })
    .await;
    let found = fake.client.reviews(&repo(), ThreadNumber(7)).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.id.0, one.ours, one.body.as_str()))
        .collect();
    assert_eq!(told, [(1, false, ""), (2, true, "ours")]);
}
