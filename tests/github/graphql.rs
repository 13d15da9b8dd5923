//! Conversations about lines, by the GraphQL API.

use prova::domain::ids::{CommentId, ThreadNumber};
use prova::domain::time::Span;
use prova::ports::fault::Class;
use prova::ports::github::{Reviews as _, Threads as _};
use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::world::repositories::File;
use serde_json::{Value, json};

use crate::fake::{Fake, START, reply, repo};
use crate::stage::{REPO, Stage};

/// A pull request of alice's, with a comment on each of the first lines of its file.
fn commented(stage: &Stage, comments: u64) -> (ThreadNumber, Vec<CommentId>) {
    let alice = stage.sim.as_person("alice");
    let text: Vec<_> = (1..=comments)
        .map(|line| format!("line {line}\n"))
        .collect();
    let file = File::new("long.txt", text.concat());
    alice.push(REPO, "long", &[file], &[]).unwrap();
    let pull = alice.open_pull(REPO, "long", "main", "Long").unwrap();
    let each = (1..=comments).map(|line| {
        let at = format!("long.txt:{line}");
        CommentId(alice.review_comment(REPO, pull, &at, "Hm.").unwrap())
    });
    (ThreadNumber(pull), each.collect())
}

fn resolved(stage: &Stage, pull: ThreadNumber) -> usize {
    let thread = stage.sim.transcript(REPO, pull.0).unwrap();
    thread.matches("(resolved)").count()
}

#[tokio::test]
async fn conversations_are_found_by_their_first_comments_and_resolved() {
    for prefix in ["", "/api/v3"] {
        let stage = Stage::with(prefix, vec![File::new("a", "a\n")]).await;
        let (pull, comments) = commented(&stage, 3);
        let alice = stage.sim.as_person("alice");
        alice.reply(REPO, pull.0, comments[0].0, "And?").unwrap();
        let wanted = [comments[0], comments[2], CommentId(999_999)];
        for _ in 0..2 {
            let done = stage.client.resolve(&stage.repo, pull, &wanted).await;
            done.unwrap();
            assert_eq!(resolved(&stage, pull), 2, "{prefix}");
        }
        let nowhere = ThreadNumber(99);
        let lost = stage.client.resolve(&stage.repo, nowhere, &wanted).await;
        assert_eq!(lost.unwrap_err().class, Class::NotFound);
        stage.end();
    }
}

#[tokio::test]
async fn many_are_found_on_several_pages_and_resolved_by_fifties() {
    let stage = Stage::with("", vec![File::new("a", "a\n")]).await;
    let (pull, comments) = commented(&stage, 120);
    let before = stage.sim.requests().len();
    let done = stage.client.resolve(&stage.repo, pull, &comments).await;
    done.unwrap();
    assert_eq!(resolved(&stage, pull), 120);
    let asked = stage.sim.requests().split_off(before);
    let asked = asked.iter().filter(|one| one.path == "/graphql").count();
    assert_eq!(asked, 2 + 3, "pages, and fifties");
    stage.end();
}

#[tokio::test]
async fn what_is_refused_with_200_is_a_fault_of_its_class() {
    let stage = Stage::with("", vec![File::new("a", "a\n")]).await;
    let (pull, comments) = commented(&stage, 1);
    let resolve = || stage.client.resolve(&stage.repo, pull, &comments);
    let arm = |kind| stage.sim.arm(Fault::on("POST", "/graphql", kind));

    arm(FaultKind::Forbidden);
    let fault = resolve().await.unwrap_err();
    assert_eq!(fault.class, Class::AuthLost);
    assert!(
        fault.to_string().contains("accept new permissions"),
        "{fault}"
    );

    arm(FaultKind::FailWith(502));
    assert_eq!(resolve().await.unwrap_err().class, Class::Transient);

    // Its hour is one of its own: comments are written all the same.
    let reset = START.as_millis() / 1_000 + 600;
    arm(FaultKind::PrimaryLimit { reset });
    let until = START.plus(Span::minutes(10));
    assert_eq!(
        resolve().await.unwrap_err().class,
        Class::RateLimited(until)
    );
    let written = stage.client.comment(&stage.repo, pull, "hi").await;
    written.unwrap();

    // What is too much at once is too much for everything.
    arm(FaultKind::SecondaryLimit {
        status: 403,
        retry_after: Some(30),
    });
    let until = START.plus(Span::seconds(30));
    assert_eq!(
        resolve().await.unwrap_err().class,
        Class::RateLimited(until)
    );
    let held = stage.client.comment(&stage.repo, pull, "hi").await;
    assert_eq!(held.unwrap_err().class, Class::RateLimited(until));
    assert_eq!(resolved(&stage, pull), 0);
    stage.end();
}

/// Each answer as GitHub words it, with 200.
#[tokio::test]
async fn the_words_of_github_are_understood() {
    let cases: [(Value, Class); 4] = [
        (
            json!({ "data": { "repository": null }, "errors": [{
                "type": "NOT_FOUND", "path": ["repository"], "locations": [{ "line": 1, "column": 2 }],
                "message": "Could not resolve to a Repository with the name 'octo/hello'.",
            }] }),
            Class::NotFound,
        ),
        (
            json!({ "data": { "resolveReviewThread": null }, "errors": [{
                "type": "FORBIDDEN", "path": ["resolveReviewThread"],
                "message": "Resource not accessible by integration",
            }] }),
            Class::AuthLost,
        ),
        (
            json!({ "errors": [{ "message": "Something went wrong while executing your query." }] }),
            Class::Transient,
        ),
        (
            json!({ "errors": [{
                "message": "Field 'reviewThreads' doesn't exist on type 'PullRequest'",
                "extensions": { "code": "undefinedField" },
            }] }),
            Class::Permanent,
        ),
    ];
    for (body, class) in cases {
        let answer = body.clone();
        let fake = Fake::start(move |seen| (!seen.mints()).then(|| reply(200, &answer))).await;
        let (repo, comments) = (repo(), [CommentId(1)]);
        let done = fake.client.resolve(&repo, ThreadNumber(7), &comments);
        let fault = done.await.unwrap_err();
        assert_eq!(fault.class, class, "{body}: {fault}");
    }
}
