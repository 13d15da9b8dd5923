//! Writes besides commits.

use prova::domain::annotation::{Level, Mark, Place};
use prova::domain::button::Button;
use prova::domain::effect::{Conclusion, ReactionTarget};
use prova::domain::ids::{CheckRunId, CommentId, CommitSha, ThreadNumber};
use prova::ports::fault::Class;
use prova::ports::github::{Checks, NewCheck, NewPull, PostedPull, Pulls, Reviews, Threads};
use serde_json::{Value, json};

use crate::fake::{Fake, branch, refusal, reply, repo};

async fn answering(status: u16, body: Value) -> Fake {
    Fake::start(move |seen| (!seen.mints()).then(|| reply(status, &body))).await
}

#[tokio::test]
async fn eyes_go_where_the_person_spoke() {
    for (target, path) in [
        (ReactionTarget::Thread, "/issues/7/reactions"),
        (
            ReactionTarget::Comment(CommentId(5)),
            "/issues/comments/5/reactions",
        ),
        (
            ReactionTarget::ReviewComment(CommentId(5)),
            "/pulls/comments/5/reactions",
        ),
    ] {
        for status in [200, 201] {
            let fake = answering(status, json!({ "id": 1, "content": "eyes" })).await;
            fake.client
                .react(&repo(), ThreadNumber(7), target)
                .await
                .unwrap();
            let line = format!("POST /repos/octo/hello{path}");
            assert_eq!(fake.body_of(&line), json!({ "content": "eyes" }));
        }
    }
}

#[tokio::test]
async fn a_comment_is_written_and_edited() {
    let fake = answering(201, json!({ "id": 5 })).await;
    let id = fake
        .client
        .comment(&repo(), ThreadNumber(7), "a\n\"b\" é")
        .await
        .unwrap();
    fake.client.edit_comment(&repo(), id, "c").await.unwrap();
    assert_eq!(id, CommentId(5));
    let written = fake.body_of("POST /repos/octo/hello/issues/7/comments");
    assert_eq!(written, json!({ "body": "a\n\"b\" é" }));
    let edited = fake.body_of("PATCH /repos/octo/hello/issues/comments/5");
    assert_eq!(edited, json!({ "body": "c" }));
    let fake = answering(404, json!({ "message": "Not Found" })).await;
    let fault = fake
        .client
        .edit_comment(&repo(), id, "c")
        .await
        .unwrap_err();
    assert_eq!(fault.class, Class::NotFound);
}

fn pull() -> NewPull {
    NewPull {
        head: branch("prova/7-x"),
        base: "main".to_owned(),
        title: "Fix it".to_owned(),
        body: "Closes #7".to_owned(),
        draft: true,
    }
}

fn validation(message: &str) -> Value {
    let error = json!({ "resource": "PullRequest", "code": "custom", "message": message });
    json!({ "message": "Validation Failed", "errors": [error] })
}

#[tokio::test]
async fn a_pull_request_is_opened_as_a_draft() {
    let fake = answering(
        201,
        json!({ "number": 8, "head": { "ref": "prova/7-x", "sha": "abc" } }),
    )
    .await;
    let posted = fake.client.open_pull(&repo(), &pull()).await.unwrap();
    let expected = PostedPull {
        number: ThreadNumber(8),
        head: CommitSha::new("abc"),
    };
    assert_eq!(posted, expected);
    assert_eq!(
        fake.body_of("POST /repos/octo/hello/pulls"),
        json!({
            "title": "Fix it", "head": "prova/7-x", "base": "main", "body": "Closes #7", "draft": true,
        })
    );
}

#[tokio::test]
async fn a_plan_without_drafts_gets_an_ordinary_one() {
    let fake = Fake::start(|seen| {
        if seen.mints() {
            return None;
        }
        let refused = "Draft pull requests are not supported in this repository.";
        let opened = json!({ "number": 8, "head": { "ref": "x", "sha": "abc" } });
        Some(if seen.body["draft"] == true {
            refusal(422, refused)
        } else {
            reply(201, &opened)
        })
    })
    .await;
    let posted = fake.client.open_pull(&repo(), &pull()).await.unwrap();
    assert_eq!(posted.number, ThreadNumber(8));
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_pull_request_that_cannot_be_opened_says_why() {
    for (message, class, words) in [
        (
            "A pull request already exists for octo:prova/7-x.",
            Class::Conflict,
            "already exists",
        ),
        (
            "No commits between main and prova/7-x",
            Class::Permanent,
            "main already contains all of prova/7-x",
        ),
        (
            "The base branch was not found",
            Class::Permanent,
            "base branch",
        ),
        (
            "Draft pull requests are not supported in this repository.",
            Class::Permanent,
            "Draft",
        ),
    ] {
        let fake = answering(422, validation(message)).await;
        let fault = fake.client.open_pull(&repo(), &pull()).await.unwrap_err();
        assert_eq!(fault.class, class, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        let tries = if message.starts_with("Draft") { 2 } else { 1 };
        assert_eq!(fake.asked().len(), tries);
    }
}

#[tokio::test]
async fn a_check_run_is_created_completed() {
    for (conclusion, word) in [
        (Conclusion::Success, "success"),
        (Conclusion::Failure, "failure"),
        (Conclusion::Neutral, "neutral"),
    ] {
        let fake = answering(201, json!({ "id": 3 })).await;
        let check = NewCheck {
            commit: CommitSha::new("abc"),
            external_id: "77-7-1.1".to_owned(),
            conclusion,
            title: "2 of 2 checks pass".to_owned(),
            summary: "| command | exit |".to_owned(),
            annotations: Vec::new(),
            buttons: vec![Button::Retry],
        };
        assert_eq!(
            fake.client.create_check(&repo(), &check).await.unwrap(),
            CheckRunId(3)
        );
        assert_eq!(
            fake.body_of("POST /repos/octo/hello/check-runs"),
            json!({
                "name": "prova", "head_sha": "abc", "external_id": "77-7-1.1",
                "status": "completed", "conclusion": word,
                "output": { "title": "2 of 2 checks pass", "summary": "| command | exit |" },
                "actions": [{
                    "label": "Try again",
                    "description": "Have an agent try this once more",
                    "identifier": "retry",
                }],
            })
        );
    }
}

#[tokio::test]
async fn annotations_are_added_to_a_check_run_that_keeps_its_words() {
    let fake = answering(200, json!({ "id": 3 })).await;
    let mark = |column| Mark {
        place: Place {
            path: "src/a.rs".to_owned(),
            line: 4,
            column,
            level: Level::Warning,
            message: "unused".to_owned(),
        },
        title: "cargo build".to_owned(),
    };
    let check = NewCheck {
        commit: CommitSha::new("abc"),
        external_id: "77-7-1.1".to_owned(),
        conclusion: Conclusion::Failure,
        title: "1 of 2 checks failed".to_owned(),
        summary: "| command | exit |".to_owned(),
        annotations: Vec::new(),
        buttons: Vec::new(),
    };
    let batch = [mark(None), mark(Some(9))];
    let (repo, run) = (repo(), CheckRunId(3));
    let added = fake.client.annotate(&repo, run, &check, &batch).await;
    added.unwrap();
    let note = json!({
        "path": "src/a.rs", "start_line": 4, "end_line": 4,
        "annotation_level": "warning", "message": "unused", "title": "cargo build",
    });
    let mut exact = note.clone();
    exact["start_column"] = json!(9);
    exact["end_column"] = json!(9);
    assert_eq!(
        fake.body_of("PATCH /repos/octo/hello/check-runs/3"),
        json!({ "output": {
            "title": "1 of 2 checks failed", "summary": "| command | exit |",
            "annotations": [note, exact],
        }})
    );
}

#[tokio::test]
async fn a_locked_conversation_is_said() {
    let locked = "Unable to create comment because issue is locked.";
    let fake = Fake::start(move |seen| (!seen.mints()).then(|| refusal(403, locked))).await;
    let fault = fake
        .client
        .comment(&repo(), ThreadNumber(7), "hi")
        .await
        .unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.to_string().contains("locked"), "{fault}");
}

#[tokio::test]
async fn a_comment_on_a_line_is_answered_in_its_conversation() {
    let fake = answering(201, json!({ "id": 9 })).await;
    let (number, to) = (ThreadNumber(7), CommentId(5));
    let id = fake
        .client
        .reply(&repo(), number, to, "done")
        .await
        .unwrap();
    fake.client.edit_reply(&repo(), id, "undone").await.unwrap();
    assert_eq!(id, CommentId(9));
    let written = fake.body_of("POST /repos/octo/hello/pulls/7/comments/5/replies");
    assert_eq!(written, json!({ "body": "done" }));
    let edited = fake.body_of("PATCH /repos/octo/hello/pulls/comments/9");
    assert_eq!(edited, json!({ "body": "undone" }));
    let fake = answering(404, json!({ "message": "Not Found" })).await;
    let gone = fake.client.reply(&repo(), number, to, "done").await;
    assert_eq!(gone.unwrap_err().class, Class::NotFound);
}
