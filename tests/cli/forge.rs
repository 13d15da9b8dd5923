//! A local repository in GitHub's place, held to what the port promises of GitHub.

use std::sync::Arc;

use prova::adapters::git::local::{Asker, LocalForge};
use prova::adapters::system::SystemClock;
use prova::domain::branch::BranchName;
use prova::domain::change::Mode;
use prova::domain::effect::Conclusion;
use prova::domain::ids::{CommentId, CommitSha, ThreadNumber, TreeSha};
use prova::ports::fault::Class;
use prova::ports::github::{
    Checks as _, Commits as _, NewCheck, NewCommit, NewPull, PostedCheck, Pulls as _,
    Repositories as _, Threads as _, TreeEntry,
};

use crate::bench::Bench;

async fn open(bench: &Bench) -> LocalForge {
    let asker = Asker {
        home: Some(bench.path("home")),
        ..Asker::default()
    };
    let within = bench.path("bench");
    let clock = Arc::new(SystemClock);
    LocalForge::open(&bench.repo(), within, &asker, clock)
        .await
        .unwrap()
}

fn branch(name: &str) -> BranchName {
    name.parse().unwrap()
}

fn commit_of(bench: &Bench, revision: &str) -> CommitSha {
    CommitSha::new(bench.git(&["rev-parse", revision]))
}

/// The commit that puts `content` at `path`, and the tree that comes of it.
fn change(bench: &Bench, path: &str, content: &str) -> NewCommit {
    bench.write(path, content);
    bench.git(&["add", "-A"]);
    let tree = TreeSha::new(bench.git(&["write-tree"]));
    bench.git(&["reset", "-q", "--hard"]);
    NewCommit {
        message: "Change it\n".to_owned(),
        parents: vec![commit_of(bench, "main")],
        base_tree: TreeSha::new(bench.git(&["rev-parse", "main^{tree}"])),
        entries: vec![TreeEntry {
            path: path.to_owned(),
            put: Some((Mode::File, content.as_bytes().to_vec())),
        }],
        tree,
    }
}

#[tokio::test]
async fn a_branch_is_created_once_and_only_moved_forward() {
    let bench = Bench::new();
    let forge = open(&bench).await;
    let repo = forge.repo();
    let ours = branch("prova/1-x");
    let base = commit_of(&bench, "main");
    let next = forge.commit(repo, &change(&bench, "a", "a")).await.unwrap();
    let other = forge.commit(repo, &change(&bench, "b", "b")).await.unwrap();

    let missing = forge.move_branch(repo, &ours, &next).await.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
    forge.create_branch(repo, &ours, &base).await.unwrap();
    let twice = forge.create_branch(repo, &ours, &next).await.unwrap_err();
    assert_eq!(twice.class, Class::Conflict);
    forge.move_branch(repo, &ours, &next).await.unwrap();
    forge.move_branch(repo, &ours, &next).await.unwrap();
    let aside = forge.move_branch(repo, &ours, &other).await.unwrap_err();
    assert_eq!(aside.class, Class::Conflict);
    assert_eq!(forge.branch(repo, &ours).await.unwrap(), Some(next));
    assert_eq!(forge.branch(repo, &branch("prova/2")).await.unwrap(), None);
}

#[tokio::test]
async fn branches_of_the_person_are_never_written() {
    let bench = Bench::new();
    let forge = open(&bench).await;
    let repo = forge.repo();
    let base = commit_of(&bench, "main");
    let next = forge.commit(repo, &change(&bench, "a", "a")).await.unwrap();
    for theirs in ["main", "feature"] {
        let theirs = branch(theirs);
        assert!(forge.create_branch(repo, &theirs, &next).await.is_err());
        assert!(forge.move_branch(repo, &theirs, &next).await.is_err());
    }
    let ours = branch("prova/1-x");
    forge.create_branch(repo, &ours, &base).await.unwrap();
    bench.git(&["worktree", "add", "-q", "../linked", "prova/1-x"]);
    let held = forge.move_branch(repo, &ours, &next).await.unwrap_err();
    assert!(held.to_string().contains("checked out"), "{held}");
    assert_eq!(commit_of(&bench, "main"), base);
    assert_eq!(commit_of(&bench, "prova/1-x"), base);
}

#[tokio::test]
async fn a_commit_whose_tree_is_not_the_verified_one_is_not_made() {
    let bench = Bench::new();
    let forge = open(&bench).await;
    let count = || bench.git(&["count-objects"]);
    let mut commit = change(&bench, "a", "a");
    let before = count();
    commit.entries[0].put = Some((Mode::File, b"something else".to_vec()));
    let fault = forge.commit(forge.repo(), &commit).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(
        fault.to_string().contains("is not the verified tree"),
        "{fault}"
    );
    assert_eq!(count(), before, "objects were left in the repository");
}

#[tokio::test]
async fn files_come_from_the_last_commit() {
    let bench = Bench::new();
    bench.write("README.md", "not committed");
    let forge = open(&bench).await;
    let read = async |path| forge.file(forge.repo(), path).await.unwrap();
    assert_eq!(
        read("README.md").await.unwrap(),
        b"# Hello\n\nThis is teh readme.\n"
    );
    assert_eq!(read("src").await, None);
    let outside = forge.file(forge.repo(), "../home/.gitconfig").await;
    assert!(outside.is_err(), "{outside:?}");
    assert_eq!(forge.actor().login.as_str(), "ada-lovelace");
    assert_eq!(forge.repo().name.to_string(), "local/hello");
}

#[tokio::test]
async fn a_taken_name_is_counted_and_so_is_one_that_is_in_the_way() {
    let bench = Bench::new();
    let forge = open(&bench).await;
    let taken = async || forge.taken(ThreadNumber(1), "Fix it").await.unwrap();
    assert_eq!(taken().await, 0);
    bench.git(&["branch", "prova/1-fix-it"]);
    assert_eq!(taken().await, 1);
    bench.git(&["branch", "prova/1-fix-it-2/below"]);
    assert_eq!(taken().await, 2);
    bench.git(&["branch", "prova/1-fix-it-33"]);
    assert_eq!(taken().await, 2);
}

#[tokio::test]
async fn what_is_written_is_found_again() {
    let bench = Bench::new();
    let forge = open(&bench).await;
    let (repo, issue) = (forge.repo(), ThreadNumber(1));
    let id = forge.comment(repo, issue, "first").await.unwrap();
    forge.edit_comment(repo, id, "second").await.unwrap();
    let comments = forge.comments(repo, issue).await.unwrap();
    let bodies: Vec<&str> = comments.iter().map(|c| c.remark.body.as_str()).collect();
    assert_eq!(bodies, ["second"]);
    let gone = forge
        .edit_comment(repo, CommentId(9), "x")
        .await
        .unwrap_err();
    assert_eq!(gone.class, Class::NotFound);

    let head = branch("prova/1-x");
    let pull = NewPull {
        head: head.clone(),
        base: "main".to_owned(),
        title: "x".to_owned(),
        body: String::new(),
        draft: true,
    };
    assert!(
        forge.open_pull(repo, &pull).await.is_err(),
        "there is no branch"
    );
    assert_eq!(forge.pull_from(repo, &head).await.unwrap(), None);
    let commit = commit_of(&bench, "main");
    forge.create_branch(repo, &head, &commit).await.unwrap();
    let opened = forge.open_pull(repo, &pull).await.unwrap();
    assert_eq!((opened.number, &opened.head), (ThreadNumber(2), &commit));
    assert_eq!(forge.pull_from(repo, &head).await.unwrap(), Some(opened));
    let twice = forge.open_pull(repo, &pull).await.unwrap_err();
    assert_eq!(twice.class, Class::Conflict);

    let check = NewCheck {
        commit: commit.clone(),
        external_id: "a".to_owned(),
        conclusion: Conclusion::Success,
        title: String::new(),
        summary: String::new(),
        annotations: Vec::new(),
        buttons: Vec::new(),
    };
    let id = forge.create_check(repo, &check).await.unwrap();
    let posted = PostedCheck { id, annotations: 0 };
    assert_eq!(forge.check(repo, &commit, "a").await.unwrap(), Some(posted));
    assert_eq!(forge.check(repo, &commit, "b").await.unwrap(), None);
}
