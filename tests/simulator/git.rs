//! The Git data API and real git are two views of one repository.

use std::path::Path;
use std::process::{Command, Output};

use prova::simulator::world::installations::Access;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Github, REPO};

/// Runs git the way a client would, with the token in a header and not in the address.
async fn git(github: &Github, dir: &Path, arguments: &[&str]) -> Output {
    use base64::Engine as _;
    let credential = format!("x-access-token:{}", github.token);
    let basic = base64::engine::general_purpose::STANDARD.encode(credential);
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .args(["-c", "user.name=Bob", "-c", "user.email=bob@example.com"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "http.extraHeader")
        .env(
            "GIT_CONFIG_VALUE_0",
            format!("Authorization: Basic {basic}"),
        );
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn run(github: &Github, dir: &Path, arguments: &[&str]) -> String {
    let output = git(github, dir, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

async fn clone(github: &Github) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/{REPO}.git", github.sim.web_url());
    run(github, dir.path(), &["clone", "-q", &url, "."]).await;
    dir
}

#[tokio::test]
async fn a_clone_sees_what_the_api_committed() {
    let github = Github::new().await;
    let big = "x".repeat(200_000);
    let blob = json!({"content": "AAEC\n/w==\n", "encoding": "base64"});
    let blob = github
        .call("POST", &format!("/repos/{REPO}/git/blobs"), blob)
        .await;
    let entries = json!([
        {"path": "data/raw.bin", "mode": "100644", "type": "blob", "sha": blob.json["sha"]},
        {"path": "data/big.txt", "mode": "100644", "type": "blob", "content": big},
        {"path": "tools/go", "mode": "100755", "type": "blob", "content": "#!/bin/sh\n"},
        {"path": "newest", "mode": "120000", "type": "blob", "content": "src/lib.rs"},
        {"path": "bin/run", "mode": "100755", "type": "blob", "sha": null},
        {"path": "vendor/lib", "mode": "160000", "type": "commit", "sha": "1".repeat(40)},
    ]);
    let commit = github.commit("prova/1-data", entries).await;
    assert_eq!(commit["verification"]["verified"], true);
    assert_eq!(commit["author"]["name"], "prova[bot]");
    assert_eq!(commit["committer"]["name"], "GitHub");
    let dir = clone(&github).await;
    let listed = run(
        &github,
        dir.path(),
        &["ls-tree", "-r", "origin/prova/1-data"],
    )
    .await;
    let modes: Vec<String> = listed
        .lines()
        .map(|line| {
            let (meta, path) = line.split_once('\t').unwrap();
            format!("{} {path}", meta.split(' ').next().unwrap())
        })
        .collect();
    assert_eq!(
        modes,
        [
            "100644 README.md",
            "100644 data/big.txt",
            "100644 data/raw.bin",
            "120000 latest",
            "120000 newest",
            "100644 src/lib.rs",
            "100755 tools/go",
            "160000 vendor/lib",
        ]
    );
    let shown = git(
        &github,
        dir.path(),
        &["show", "origin/prova/1-data:data/raw.bin"],
    )
    .await;
    assert_eq!(shown.stdout, [0, 1, 2, 255]);
    run(&github, dir.path(), &["fsck", "--strict", "--full"]).await;
    let head = commit["sha"].as_str().unwrap();
    assert_eq!(
        run(&github, dir.path(), &["rev-parse", "origin/prova/1-data"])
            .await
            .trim(),
        head
    );
}

#[tokio::test]
async fn the_bare_repository_passes_fsck_after_api_writes() {
    let github = Github::new().await;
    github.pull("prova/1-x", "").await;
    github.sim.as_person("alice").merge_pull(REPO, 1).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/{REPO}.git", github.sim.web_url());
    run(&github, dir.path(), &["clone", "-q", "--mirror", &url, "."]).await;
    let report = git(&github, dir.path(), &["fsck", "--strict", "--full"]).await;
    assert!(report.status.success());
    assert_eq!(String::from_utf8_lossy(&report.stderr).trim(), "");
    let refs = run(
        &github,
        dir.path(),
        &["for-each-ref", "--format=%(refname)"],
    )
    .await;
    assert!(refs.contains("refs/pull/1/head"), "{refs}");
}

#[tokio::test]
async fn the_api_sees_what_was_pushed() {
    let github = Github::new().await;
    let dir = clone(&github).await;
    // Incompressible and large enough for chunked transfer.
    let mut noise = Vec::new();
    let mut state = 1_u32;
    for _ in 0..600_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.extend_from_slice(&state.to_be_bytes());
    }
    std::fs::write(dir.path().join("noise.bin"), &noise).unwrap();
    run(&github, dir.path(), &["checkout", "-q", "-b", "feature/x"]).await;
    run(&github, dir.path(), &["add", "."]).await;
    run(&github, dir.path(), &["commit", "-q", "-m", "Add noise"]).await;
    run(&github, dir.path(), &["push", "-q", "origin", "feature/x"]).await;
    let pushed = run(&github, dir.path(), &["rev-parse", "HEAD"]).await;
    assert_eq!(github.tip("feature/x").await, pushed.trim());
    let commit = github
        .get(&format!("/repos/{REPO}/commits/feature/x"))
        .await;
    assert_eq!(commit.json["commit"]["message"], "Add noise\n");
    assert_eq!(commit.json["commit"]["verification"]["verified"], false);
    assert_eq!(commit.json["files"][0]["filename"], "noise.bin");
    let deliveries = github.sim.take_deliveries();
    let push = crate::harness::payload(&deliveries[0]);
    assert_eq!(
        (&push["ref"], &push["created"]),
        (&json!("refs/heads/feature/x"), &json!(true))
    );
    assert_eq!(push["commits"][0]["added"], json!(["noise.bin"]));
    assert_eq!(push["sender"]["login"], "prova[bot]");
    assert_eq!(deliveries[1].event, "create");
    run(&github, dir.path(), &["push", "-q", "origin", ":feature/x"]).await;
    assert_eq!(github.events(), ["push", "delete"]);
    assert_eq!(
        github
            .get(&format!("/repos/{REPO}/git/ref/heads/feature/x"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn pushing_needs_a_token_with_contents() {
    let mut github = Github::new().await;
    let dir = clone(&github).await;
    run(
        &github,
        dir.path(),
        &["commit", "-q", "--allow-empty", "-m", "Nothing"],
    )
    .await;
    github.token = github
        .mint(json!({"permissions": {"contents": "read"}}))
        .await;
    let refused = git(
        &github,
        dir.path(),
        &["push", "origin", "HEAD:refs/heads/no"],
    )
    .await;
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("403"),
        "{refused:?}"
    );
    github.token = "ghs_wrong".to_owned();
    let refused = git(
        &github,
        dir.path(),
        &["push", "origin", "HEAD:refs/heads/no"],
    )
    .await;
    assert!(!refused.status.success());
    assert_eq!(github.sim.branch(REPO, "no").unwrap(), None);
}

#[tokio::test]
async fn pushing_workflows_needs_a_permission_of_its_own() {
    let mut github = Github::new().await;
    let dir = clone(&github).await;
    std::fs::create_dir_all(dir.path().join(".github/workflows")).unwrap();
    std::fs::write(dir.path().join(".github/workflows/ci.yml"), "on: push\n").unwrap();
    run(&github, dir.path(), &["add", "."]).await;
    run(&github, dir.path(), &["commit", "-q", "-m", "Add workflow"]).await;
    let push = ["push", "-q", "origin", "HEAD:refs/heads/ci"];
    let refused = git(&github, dir.path(), &push).await;
    let words = "refusing to allow a GitHub App to create or update workflow \
        `.github/workflows/ci.yml` without `workflows` permission";
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && error.contains(words),
        "{error}"
    );
    assert_eq!(github.sim.branch(REPO, "ci").unwrap(), None);
    let all = ["contents", "workflows"].map(|name| (name.to_owned(), Access::Write));
    github
        .sim
        .grant(github.installation, all.into_iter().collect())
        .unwrap();
    github.token = github.mint(json!({})).await;
    run(&github, dir.path(), &push).await;
    assert!(github.sim.branch(REPO, "ci").unwrap().is_some());
}

#[tokio::test]
async fn a_long_history_is_read_in_one_go() {
    let github = Github::new().await;
    let dir = clone(&github).await;
    for number in 0..40 {
        let message = format!("Step {number}");
        run(
            &github,
            dir.path(),
            &["commit", "-q", "--allow-empty", "-m", &message],
        )
        .await;
    }
    run(&github, dir.path(), &["push", "-q", "origin", "HEAD:main"]).await;
    let commits = github
        .get(&format!("/repos/{REPO}/commits?per_page=100"))
        .await;
    assert_eq!(commits.json.as_array().map(Vec::len), Some(41));
    let push = crate::harness::payload(&github.sim.take_deliveries()[0]);
    assert_eq!(push["commits"][0]["message"], "Step 0\n");
    assert_eq!(push["head_commit"]["message"], "Step 39\n");
}

#[tokio::test]
async fn a_private_repository_is_hidden_from_git_too() {
    let mut github = Github::new().await;
    let files = vec![prova::simulator::world::repositories::File::new("a", "b")];
    let spec = prova::simulator::world::repositories::RepositorySpec::new("acme/secret", files);
    github.sim.create_repository(&spec.private()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/acme/secret.git", github.sim.web_url());
    run(&github, dir.path(), &["ls-remote", &url]).await;
    github.token = github.mint(json!({"repositories": ["widgets"]})).await;
    let hidden = git(&github, dir.path(), &["ls-remote", &url]).await;
    assert!(!hidden.status.success());
}

#[tokio::test]
async fn refs_move_forward_unless_forced() {
    let github = Github::new().await;
    let commit = github
        .commit(
            "work",
            json!([
                {"path": "a", "mode": "100644", "type": "blob", "content": "a"},
            ]),
        )
        .await;
    let main = github.tip("main").await;
    let refs = format!("/repos/{REPO}/git/refs");
    let answer = github
        .call(
            "POST",
            &refs,
            json!({"ref": "refs/heads/work", "sha": main}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.message()),
        (422, "Reference already exists")
    );
    let below = json!({"ref": "refs/heads/work/deeper", "sha": main});
    assert_eq!(
        github.call("POST", &refs, below).await.message(),
        "Reference update failed"
    );
    let nowhere = json!({"ref": "refs/heads/new", "sha": "2".repeat(40)});
    assert_eq!(
        github.call("POST", &refs, nowhere).await.message(),
        "Object does not exist"
    );
    for name in [
        "refs/heads/a..b",
        "refs/heads/-/.x",
        "refs/heads/a b",
        "refs/heads/x.lock",
    ] {
        let answer = github
            .call("POST", &refs, json!({"ref": name, "sha": main}))
            .await;
        assert_eq!(answer.status, 422, "{name}");
    }
    let work = format!("{refs}/heads/work");
    let back = github.call("PATCH", &work, json!({"sha": main})).await;
    assert_eq!(
        (back.status, back.message()),
        (422, "Update is not a fast forward")
    );
    let forced = github
        .call("PATCH", &work, json!({"sha": main, "force": true}))
        .await;
    assert_eq!(
        (forced.status, &forced.json["object"]["sha"]),
        (200, &json!(main))
    );
    let forward = github
        .call("PATCH", &work, json!({"sha": commit["sha"]}))
        .await;
    assert_eq!(forward.status, 200);
    assert_eq!(github.call("DELETE", &work, Value::Null).await.status, 204);
    let gone = github.call("DELETE", &work, Value::Null).await;
    assert_eq!(
        (gone.status, gone.message()),
        (422, "Reference does not exist")
    );
    let gone = github.call("PATCH", &work, json!({"sha": main})).await;
    assert_eq!(gone.message(), "Reference does not exist");
    // The file of the deleted ref no longer blocks the directory of this one.
    let deeper = json!({"ref": "refs/heads/work/deeper", "sha": main});
    assert_eq!(github.call("POST", &refs, deeper).await.status, 201);
    let matching = github
        .get(&format!("/repos/{REPO}/git/matching-refs/heads/work"))
        .await;
    assert_eq!(matching.json[0]["ref"], "refs/heads/work/deeper");
}

#[tokio::test]
async fn a_bad_tree_is_refused() {
    let github = Github::new().await;
    let base = github.tip("main").await;
    let blob = json!("100644");
    let cases = [
        (
            json!({"path": "gone", "mode": blob, "type": "blob", "sha": null}),
            422,
            "GitRPC::BadObjectState",
        ),
        (
            json!({"path": "../x", "mode": blob, "type": "blob", "content": ""}),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            json!({"path": "a/.git/config", "mode": blob, "type": "blob", "content": ""}),
            422,
            "tree.path contains a malformed path component",
        ),
        (
            json!({"path": "x", "type": "blob", "content": ""}),
            422,
            "Must supply a valid tree.mode",
        ),
        (
            json!({"path": "x", "mode": blob, "type": "blob", "sha": "3".repeat(40)}),
            422,
            "tree.sha 3333333333333333333333333333333333333333 is not a valid blob",
        ),
        (
            json!({"path": ".github/workflows/ci.yml", "mode": blob, "type": "blob", "content": ""}),
            403,
            "Resource not accessible by integration",
        ),
    ];
    for (entry, status, message) in cases {
        let body = json!({"base_tree": base, "tree": [entry]});
        let answer = github
            .call("POST", &format!("/repos/{REPO}/git/trees"), body)
            .await;
        assert_eq!((answer.status, answer.message()), (status, message));
    }
}

#[tokio::test]
async fn a_commit_with_an_author_of_its_own_is_not_verified() {
    let github = Github::new().await;
    let parent = github.tip("main").await;
    let tree = github
        .get(&format!("/repos/{REPO}/git/trees/main?recursive=1"))
        .await;
    let paths: Vec<&str> = tree.json["tree"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["README.md", "bin", "bin/run", "latest", "src", "src/lib.rs"]
    );
    let commits = format!("/repos/{REPO}/git/commits");
    let author =
        json!({"name": "Mona", "email": "mona@example.com", "date": "2020-01-02T03:04:05Z"});
    let body = json!({
        "message": "By hand", "tree": tree.json["sha"], "parents": [parent], "author": author,
    });
    let commit = github.call("POST", &commits, body).await;
    assert_eq!(commit.json["verification"]["verified"], false);
    assert_eq!(commit.json["committer"], author);
    let body = json!({"message": "x", "tree": "4".repeat(40), "parents": []});
    assert_eq!(
        github.call("POST", &commits, body).await.message(),
        "Tree SHA does not exist"
    );
    let body = json!({"message": "x", "tree": tree.json["sha"], "parents": ["5".repeat(40)]});
    assert_eq!(
        github.call("POST", &commits, body).await.message(),
        "Parent SHA does not exist or is not a commit object"
    );
}

#[tokio::test]
async fn comparisons_tell_ahead_from_behind() {
    let github = Github::new().await;
    github
        .commit(
            "work",
            json!([
                {"path": "README.md", "mode": "100644", "type": "blob", "content": "# Gadgets\n"},
            ]),
        )
        .await;
    let path = |range: &str| format!("/repos/{REPO}/compare/{range}");
    let ahead = github.get(&path("main...work")).await;
    assert_eq!(
        (&ahead.json["status"], &ahead.json["ahead_by"]),
        (&json!("ahead"), &json!(1))
    );
    assert_eq!(
        ahead.json["files"][0]["patch"],
        "@@ -1 +1 @@\n-# Widgets\n+# Gadgets"
    );
    github
        .sim
        .as_person("alice")
        .push(REPO, "main", &[], &["bin/run"])
        .unwrap();
    let diverged = github.get(&path("main...acme:work")).await;
    assert_eq!(diverged.json["status"], "diverged");
    assert_eq!(
        (&diverged.json["ahead_by"], &diverged.json["behind_by"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(diverged.json["files"].as_array().map(Vec::len), Some(1));
    let missing = github.get(&format!("/repos/{REPO}/commits/nope")).await;
    assert_eq!(
        (missing.status, missing.message()),
        (422, "No commit found for SHA: nope")
    );
}
