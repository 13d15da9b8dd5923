//! Commits and branches.

use prova::domain::change::Mode;
use prova::domain::ids::{CommitSha, TreeSha};
use prova::ports::fault::Class;
use prova::ports::github::{Commits, NewCommit, TreeEntry};
use serde_json::{Value, json};

use crate::fake::{Fake, branch, refusal, reply, repo};

fn put(path: &str, mode: Mode, content: impl Into<Vec<u8>>) -> TreeEntry {
    TreeEntry {
        path: path.to_owned(),
        put: Some((mode, content.into())),
    }
}

fn delete(path: &str) -> TreeEntry {
    TreeEntry {
        path: path.to_owned(),
        put: None,
    }
}

fn commit(entries: Vec<TreeEntry>) -> NewCommit {
    NewCommit {
        message: "Fix it\n\nProva-Task: 77-1-1".to_owned(),
        parents: vec![CommitSha::new("parent")],
        base_tree: TreeSha::new("base"),
        entries,
        tree: TreeSha::new("tree"),
    }
}

/// A server that creates what it is asked for.
async fn creating() -> Fake {
    Fake::start(|seen| {
        let sha = match seen.line().as_str() {
            "POST /repos/octo/hello/git/blobs" => "blob",
            "POST /repos/octo/hello/git/trees" => "tree",
            "POST /repos/octo/hello/git/commits" => "commit",
            _ => return None,
        };
        Some(reply(201, &json!({ "sha": sha })))
    })
    .await
}

#[tokio::test]
async fn a_commit_of_text_takes_two_requests() {
    let fake = creating().await;
    let new = commit(vec![
        put("dir", Mode::File, "was a directory"),
        put("run.sh", Mode::Executable, "#!/bin/sh\n"),
        delete("dir/old"),
        delete("gone"),
        put("link", Mode::Link, "../target"),
        put("empty", Mode::File, ""),
    ]);
    let sha = fake.client.commit(&repo(), &new).await.unwrap();
    assert_eq!(sha, CommitSha::new("commit"));
    assert_eq!(
        fake.asked(),
        [
            "POST /repos/octo/hello/git/trees",
            "POST /repos/octo/hello/git/commits"
        ]
    );
    let text = |path: &str, mode: &str, content: &str| json!({ "path": path, "mode": mode, "type": "blob", "content": content });
    assert_eq!(
        fake.body_of("POST /repos/octo/hello/git/trees"),
        json!({ "base_tree": "base", "tree": [
            { "path": "gone", "mode": "100644", "type": "blob", "sha": null },
            text("dir", "100644", "was a directory"),
            text("run.sh", "100755", "#!/bin/sh\n"),
            text("link", "120000", "../target"),
            text("empty", "100644", ""),
        ]}),
        "deletions first, and none below what becomes a file"
    );
    assert_eq!(
        fake.body_of("POST /repos/octo/hello/git/commits"),
        json!({ "message": new.message, "tree": "tree", "parents": ["parent"] }),
        "an author or a committer would keep GitHub from signing"
    );
}

#[tokio::test]
async fn what_is_not_text_is_uploaded_first() {
    let fake = creating().await;
    let new = commit(vec![
        put("a.txt", Mode::File, "text"),
        put("b.png", Mode::Executable, [0x89, 0x50, 0xff]),
        put("c.link", Mode::Link, [0xff]),
    ]);
    fake.client.commit(&repo(), &new).await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(asked[..2], ["POST /repos/octo/hello/git/blobs"; 2]);
    let seen = fake.seen();
    let blob = seen
        .iter()
        .find(|seen| seen.path.ends_with("/blobs"))
        .unwrap();
    assert_eq!(
        blob.body,
        json!({ "content": "iVD/", "encoding": "base64" })
    );
    let tree = fake.body_of("POST /repos/octo/hello/git/trees");
    let expected = json!({ "path": "b.png", "mode": "100755", "type": "blob", "sha": "blob" });
    assert_eq!(tree["tree"][1], expected);
    assert_eq!(tree["tree"][2]["mode"], "120000");
}

#[tokio::test]
async fn a_tree_other_than_the_verified_one_is_not_committed() {
    let fake = creating().await;
    let new = NewCommit {
        tree: TreeSha::new("verified"),
        ..commit(vec![put("a", Mode::File, "x")])
    };
    let fault = fake.client.commit(&repo(), &new).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    let said = fault.to_string();
    assert!(
        said.contains("tree tree") && said.contains("verified tree verified"),
        "{said}"
    );
    assert_eq!(fake.asked(), ["POST /repos/octo/hello/git/trees"]);
}

#[tokio::test]
async fn a_commit_that_changes_nothing_needs_no_tree() {
    let fake = creating().await;
    let new = NewCommit {
        tree: TreeSha::new("base"),
        ..commit(Vec::new())
    };
    fake.client.commit(&repo(), &new).await.unwrap();
    assert_eq!(fake.asked(), ["POST /repos/octo/hello/git/commits"]);
}

#[tokio::test]
async fn a_workflow_that_may_not_be_changed_is_said() {
    for (status, message) in [
        (404, "Not Found"),
        (403, "Resource not accessible by integration"),
    ] {
        let fake = Fake::start(move |seen| (!seen.mints()).then(|| refusal(status, message))).await;
        let workflow = commit(vec![put(".github/workflows/ci.yml", Mode::File, "x")]);
        let fault = fake.client.commit(&repo(), &workflow).await.unwrap_err();
        assert_eq!(fault.class, Class::Permanent);
        assert!(fault.to_string().contains("workflows: write"), "{fault}");
        let other = commit(vec![put("ci.yml", Mode::File, "x")]);
        let fault = fake.client.commit(&repo(), &other).await.unwrap_err();
        assert!(!fault.to_string().contains("workflows: write"), "{fault}");
    }
}

#[tokio::test]
async fn a_limit_on_a_workflow_is_still_a_limit() {
    let fake = Fake::start(|seen| {
        (!seen.mints()).then(|| refusal(403, "wait").header("retry-after", "5"))
    })
    .await;
    let workflow = commit(vec![put(".github/workflows/ci.yml", Mode::File, "x")]);
    let fault = fake.client.commit(&repo(), &workflow).await.unwrap_err();
    assert!(matches!(fault.class, Class::RateLimited(_)), "{fault:?}");
}

async fn answering(status: u16, body: Value) -> Fake {
    Fake::start(move |seen| (!seen.mints()).then(|| reply(status, &body))).await
}

#[tokio::test]
async fn a_branch_is_created_once() {
    let (name, sha) = (branch("prova/1-x"), CommitSha::new("abc"));
    let fake = answering(201, json!({ "ref": "refs/heads/prova/1-x" })).await;
    fake.client
        .create_branch(&repo(), &name, &sha)
        .await
        .unwrap();
    assert_eq!(
        fake.body_of("POST /repos/octo/hello/git/refs"),
        json!({ "ref": "refs/heads/prova/1-x", "sha": "abc" })
    );
    for (status, message, class) in [
        (422, "Reference already exists", Class::Conflict),
        (422, "Object does not exist", Class::Permanent),
        (409, "Git Repository is empty.", Class::Permanent),
        (404, "Not Found", Class::NotFound),
    ] {
        let fake = answering(status, json!({ "message": message })).await;
        let fault = fake
            .client
            .create_branch(&repo(), &name, &sha)
            .await
            .unwrap_err();
        assert_eq!(fault.class, class, "{message}");
    }
}

#[tokio::test]
async fn a_branch_only_moves_forward() {
    let (name, sha) = (branch("prova/1-x"), CommitSha::new("abc"));
    let fake = answering(200, json!({ "ref": "refs/heads/prova/1-x" })).await;
    fake.client.move_branch(&repo(), &name, &sha).await.unwrap();
    let sent = fake.body_of("PATCH /repos/octo/hello/git/refs/heads/prova/1-x");
    assert_eq!(sent, json!({ "sha": "abc", "force": false }));
    for (status, message, class) in [
        (422, "Update is not a fast forward", Class::Conflict),
        (422, "Reference does not exist", Class::NotFound),
        (404, "Not Found", Class::NotFound),
        (422, "Repository rule violations found", Class::Permanent),
    ] {
        let fake = answering(status, json!({ "message": message })).await;
        let fault = fake
            .client
            .move_branch(&repo(), &name, &sha)
            .await
            .unwrap_err();
        assert_eq!(fault.class, class, "{message}");
    }
}

#[tokio::test]
async fn a_branch_is_deleted_unless_something_forbids_it() {
    let name = branch("prova/1-x");
    let fake = answering(204, Value::Null).await;
    fake.client.delete_branch(&repo(), &name).await.unwrap();
    for (status, message, class) in [
        (422, "Reference does not exist", Class::NotFound),
        (404, "Not Found", Class::NotFound),
        (422, "Cannot delete a protected branch", Class::Permanent),
        (422, "Repository rule violations found", Class::Permanent),
        (
            403,
            "Resource not accessible by integration",
            Class::AuthLost,
        ),
    ] {
        let fake = answering(status, json!({ "message": message })).await;
        let fault = fake.client.delete_branch(&repo(), &name).await;
        assert_eq!(fault.unwrap_err().class, class, "{message}");
    }
}
