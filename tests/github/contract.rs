//! Every promise of the ports, against the simulator.

use std::os::unix::fs::symlink;

use prova::domain::annotation::{Level, Mark, Place};
use prova::domain::button::Button;
use prova::domain::change::Mode;
use prova::domain::drift::Proposal;
use prova::domain::effect::{Conclusion, ReactionTarget};
use prova::domain::event::{Event, Happening, ThreadKind};
use prova::domain::ids::{CommentId, CommitSha, Login, ThreadNumber};
use prova::domain::repo::Permission;
use prova::domain::time::Span;
use prova::ports::clock::Clock as _;
use prova::ports::fault::Class;
use prova::ports::github::{
    App, Checks, Commits, NewCheck, NewCommit, NewPull, PostedCheck, Pulls, Repositories,
    ThreadNow, Threads, TreeEntry,
};
use prova::simulator::faults::{Fault, FaultKind, Loss};
use prova::simulator::world::accounts::Role;
use prova::simulator::world::integration::Finding;
use prova::simulator::world::repositories::File;
use serde_json::json;

use crate::fake::branch;
use crate::stage::{Clone, REPO, Stage, set_executable};

fn put(path: &str, mode: Mode, content: &[u8]) -> TreeEntry {
    TreeEntry {
        path: path.to_owned(),
        put: Some((mode, content.to_vec())),
    }
}

fn delete(path: &str) -> TreeEntry {
    TreeEntry {
        path: path.to_owned(),
        put: None,
    }
}

/// Makes every kind of change in a clone, and says the same to the client.
fn change_everything(clone: &Clone) -> NewCommit {
    let (parent, base_tree) = clone.head();
    let tree = clone.tree();
    let write = |path: &str, content: &[u8]| {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    std::fs::remove_file(tree.join("swap")).unwrap();
    std::fs::remove_dir_all(tree.join("dir")).unwrap();
    std::fs::remove_file(tree.join("latest")).unwrap();
    write("swap/inside", b"now a directory\n");
    write("dir", b"now a file\n");
    write("README.md", "# Höllo\r\nwith \"quotes\"\t\n".as_bytes());
    write("bin/run", b"#!/bin/sh\necho\n");
    write("new.sh", b"#!/bin/sh\n");
    set_executable(&tree.join("new.sh"));
    write("blob.bin", &[0, 159, 146, 150, 255]);
    write("nul.txt", b"a\0b");
    write("empty", b"");
    write("sp ace/\u{e9}\u{20ac} 'q'.txt", b"x");
    symlink("bin/run", tree.join("latest")).unwrap();
    symlink("../outside", tree.join("link")).unwrap();
    NewCommit {
        message: "Mend it\n\nProva-Task: 1-1-1".to_owned(),
        parents: vec![parent],
        base_tree,
        entries: vec![
            put("swap/inside", Mode::File, b"now a directory\n"),
            delete("swap"),
            put("dir", Mode::File, b"now a file\n"),
            delete("dir/one"),
            delete("dir/two"),
            put(
                "README.md",
                Mode::File,
                "# Höllo\r\nwith \"quotes\"\t\n".as_bytes(),
            ),
            put("bin/run", Mode::Executable, b"#!/bin/sh\necho\n"),
            put("new.sh", Mode::Executable, b"#!/bin/sh\n"),
            put("blob.bin", Mode::File, &[0, 159, 146, 150, 255]),
            put("nul.txt", Mode::File, b"a\0b"),
            put("empty", Mode::File, b""),
            put("sp ace/\u{e9}\u{20ac} 'q'.txt", Mode::File, b"x"),
            put("latest", Mode::Link, b"bin/run"),
            put("link", Mode::Link, b"../outside"),
        ],
        tree: clone.working_tree(),
    }
}

#[tokio::test]
async fn a_change_of_every_kind_becomes_the_tree_that_git_makes_of_it() {
    let stage = Stage::new().await;
    let (client, repo, name) = (&stage.client, &stage.repo, branch("prova/1-mend-it"));
    let new = change_everything(&stage.clone_by_git().await);
    assert_eq!(client.branch(repo, &name).await.unwrap(), None);
    let commit = client.commit(repo, &new).await.unwrap();
    client.create_branch(repo, &name, &commit).await.unwrap();
    assert_eq!(
        client.branch(repo, &name).await.unwrap(),
        Some(commit.clone())
    );
    let again = client
        .create_branch(repo, &name, &commit)
        .await
        .unwrap_err();
    assert_eq!(again.class, Class::Conflict);

    let clone = stage.clone_by_git().await;
    let shown = clone.git(&["log", "-1", "--format=%T %P %an|%B", commit.as_str()]);
    let expected = format!("{} {} prova[bot]|{}", new.tree, new.parents[0], new.message);
    assert_eq!(shown, expected);
    clone.git(&["fsck", "--strict"]);
    let blobs = stage.count("POST", "/repos/octo/hello/git/blobs", 201);
    assert_eq!(blobs, 2, "only what is not text is uploaded apart");
    stage.end();
}

#[tokio::test]
async fn a_branch_moves_forward_and_never_back() {
    let stage = Stage::new().await;
    let (client, repo, name) = (&stage.client, &stage.repo, branch("prova/1-x"));
    let new = change_everything(&stage.clone_by_git().await);
    let commit = client.commit(repo, &new).await.unwrap();
    let gone = client.move_branch(repo, &name, &commit).await.unwrap_err();
    assert_eq!(gone.class, Class::NotFound);
    client
        .create_branch(repo, &name, &new.parents[0])
        .await
        .unwrap();
    client.move_branch(repo, &name, &commit).await.unwrap();
    let back = client
        .move_branch(repo, &name, &new.parents[0])
        .await
        .unwrap_err();
    assert_eq!(back.class, Class::Conflict);
    assert_eq!(client.branch(repo, &name).await.unwrap(), Some(commit));
    let unknown = CommitSha::new("0123456789012345678901234567890123456789");
    let nothing = client
        .create_branch(repo, &branch("x"), &unknown)
        .await
        .unwrap_err();
    assert_eq!(nothing.class, Class::Permanent);
    stage.end();
}

#[tokio::test]
async fn a_branch_is_deleted_once() {
    let stage = Stage::new().await;
    let (client, repo, name) = (&stage.client, &stage.repo, branch("prova/1-x"));
    let never = client.delete_branch(repo, &name).await.unwrap_err();
    assert_eq!(never.class, Class::NotFound);
    let head = stage.clone_by_git().await.git(&["rev-parse", "HEAD"]);
    let head = CommitSha::new(head);
    client.create_branch(repo, &name, &head).await.unwrap();
    client.delete_branch(repo, &name).await.unwrap();
    assert_eq!(client.branch(repo, &name).await.unwrap(), None);
    let again = client.delete_branch(repo, &name).await.unwrap_err();
    assert_eq!(again.class, Class::NotFound);
    // What is on it stays, and is found by whoever knows its name.
    client.create_branch(repo, &name, &head).await.unwrap();
    stage.end();
}

#[tokio::test]
async fn another_tree_is_not_committed() {
    let stage = Stage::new().await;
    let mut new = change_everything(&stage.clone_by_git().await);
    new.entries.pop();
    let fault = stage.client.commit(&stage.repo, &new).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.to_string().contains(new.tree.as_str()), "{fault}");
    assert_eq!(stage.count("POST", "/repos/octo/hello/git/commits", 201), 0);
    stage.end();
}

fn pull() -> NewPull {
    NewPull {
        head: branch("prova/1-mend-it"),
        base: "main".to_owned(),
        title: "Mend it".to_owned(),
        body: "Closes #1".to_owned(),
        draft: true,
    }
}

#[tokio::test]
async fn a_pull_request_is_opened_once_and_found_again() {
    let stage = Stage::new().await;
    let (client, repo, pull) = (&stage.client, &stage.repo, pull());
    let new = change_everything(&stage.clone_by_git().await);
    client
        .create_branch(repo, &pull.head, &new.parents[0])
        .await
        .unwrap();
    assert_eq!(client.pull_from(repo, &pull.head).await.unwrap(), None);
    let nothing = client.open_pull(repo, &pull).await.unwrap_err();
    assert_eq!(nothing.class, Class::Permanent);
    assert!(
        nothing.to_string().contains("already contains"),
        "{nothing}"
    );

    let commit = client.commit(repo, &new).await.unwrap();
    client.move_branch(repo, &pull.head, &commit).await.unwrap();
    let posted = client.open_pull(repo, &pull).await.unwrap();
    assert_eq!(posted.head, commit);
    let again = client.open_pull(repo, &pull).await.unwrap_err();
    assert_eq!(again.class, Class::Conflict);
    assert_eq!(
        client.pull_from(repo, &pull.head).await.unwrap(),
        Some(posted.clone())
    );
    let us = Login::new("prova[bot]");
    let proposed = client.proposals(repo, &us).await.unwrap();
    let proposal = Proposal {
        number: posted.number,
        branch: pull.head.clone(),
        head: commit.clone(),
        base: "main".to_owned(),
        ours: true,
    };
    assert_eq!(proposed, [proposal]);

    let alice = stage.sim.as_person("alice");
    alice.set_draft(REPO, posted.number.0, false).unwrap();
    alice.merge_pull(REPO, posted.number.0).unwrap();
    assert_eq!(client.pull_from(repo, &pull.head).await.unwrap(), None);
    assert_eq!(client.proposals(repo, &us).await.unwrap(), []);
    let now = client.thread(repo, posted.number).await.unwrap();
    assert!(now.merged && !now.open);
    let merged = stage.end().into_iter().any(|event| match event {
        Event::Thread(event) => {
            event.what == Happening::Merged && event.actor.login == Login::new("alice")
        }
        Event::Checked(_)
        | Event::Pressed(_)
        | Event::Pushed(_)
        | Event::Retargeted(_)
        | Event::InstallationLost(_)
        | Event::RepositoriesLost(_)
        | Event::RepositoryRenamed { .. }
        | Event::NotOurs(_) => false,
    });
    assert!(merged);
}

/// What is wrong with so many lines of a file.
fn marks(lines: u32) -> Vec<Mark> {
    let mark = |line| Mark {
        place: Place {
            path: "src/a.rs".to_owned(),
            line,
            column: (line % 2 == 0).then_some(5),
            level: Level::Failure,
            message: format!("wrong {line}"),
        },
        title: "make test".to_owned(),
    };
    (1..=lines).map(mark).collect()
}

#[tokio::test]
async fn a_check_run_is_created_and_found_by_its_key() {
    let stage = Stage::new().await;
    let (client, repo) = (&stage.client, &stage.repo);
    let head = client.branch(repo, &branch("main")).await.unwrap().unwrap();
    assert_eq!(client.check(repo, &head, "1-1-1.1").await.unwrap(), None);
    for (ordinal, conclusion) in [
        (1, Conclusion::Success),
        (2, Conclusion::Failure),
        (3, Conclusion::Neutral),
    ] {
        let check = NewCheck {
            commit: head.clone(),
            external_id: format!("1-1-1.{ordinal}"),
            conclusion,
            title: "checks".to_owned(),
            summary: "| a | b |".to_owned(),
            annotations: marks(60),
            buttons: vec![Button::Retry, Button::Undo],
        };
        let id = client.create_check(repo, &check).await.unwrap();
        let posted = |annotations| Some(PostedCheck { id, annotations });
        assert_eq!(
            client.check(repo, &head, &check.external_id).await.unwrap(),
            posted(50),
            "no more than GitHub takes at once"
        );
        let rest = check.annotations.get(50..).unwrap();
        client.annotate(repo, id, &check, rest).await.unwrap();
        assert_eq!(
            client.check(repo, &head, &check.external_id).await.unwrap(),
            posted(60)
        );
        let shown = stage.sim.check_runs(REPO).unwrap();
        assert!(shown.contains("src/a.rs:60:5 failure: wrong 60"), "{shown}");
        assert!(shown.contains("[Try again] [Undo]"), "{shown}");
    }
    stage.end();
}

#[tokio::test]
async fn what_others_found_wrong_is_read_and_ours_is_not() {
    let stage = Stage::new().await;
    let (client, repo) = (&stage.client, &stage.repo);
    let head = client.branch(repo, &branch("main")).await.unwrap().unwrap();
    assert_eq!(client.failed_checks(repo, &head).await.unwrap(), []);
    let ours = NewCheck {
        commit: head.clone(),
        external_id: "1-1-1.1".to_owned(),
        conclusion: Conclusion::Failure,
        title: "checks".to_owned(),
        summary: String::new(),
        annotations: Vec::new(),
        buttons: Vec::new(),
    };
    client.create_check(repo, &ours).await.unwrap();
    let report = |name: &str, conclusion: &str, notes: u64| {
        let note = |line| {
            json!({
                "path": "src/a.rs", "start_line": line, "end_line": line,
                "annotation_level": "failure", "message": format!("wrong {line}"),
            })
        };
        let found = Finding {
            name: name.to_owned(),
            conclusion: conclusion.to_owned(),
            title: Some("1 failed".to_owned()),
            summary: None,
            annotations: (1..=notes).map(note).collect(),
            ..Finding::default()
        };
        stage.sim.integration(REPO, "main", found).unwrap();
    };
    report("build", "failure", 12);
    report("build", "success", 0);
    report("lint", "success", 3);
    report("test", "failure", 12);
    report("slow", "timed_out", 0);
    let failed = client.failed_checks(repo, &head).await.unwrap();
    let told: Vec<_> = failed
        .iter()
        .map(|check| (check.name.as_str(), check.annotations.len()))
        .collect();
    assert_eq!(told, [("slow", 0), ("test", 10)], "the newest of each name");
    assert_eq!(failed[1].conclusion, "failure");
    assert_eq!(
        (failed[1].title.as_str(), failed[1].summary.as_str()),
        ("1 failed", "")
    );
    let first = &failed[1].annotations[0];
    assert_eq!((first.path.as_str(), first.line), ("src/a.rs", 1));
    assert_eq!(first.message, "wrong 1");
    for n in 0..9 {
        report(&format!("many {n}"), "failure", 0);
    }
    assert_eq!(client.failed_checks(repo, &head).await.unwrap().len(), 5);
    stage.end();
}

#[tokio::test]
async fn the_text_of_a_thread_is_read() {
    let stage = Stage::new().await;
    let (client, repo) = (&stage.client, &stage.repo);
    let stranger = stage.sim.as_person("stranger");
    let number = stranger
        .open_issue(REPO, "Slow", "It is slow.", &[])
        .unwrap();
    let posted = client.text(repo, ThreadNumber(number)).await.unwrap();
    let thread = &posted.thread;
    assert_eq!(
        (thread.title.as_str(), thread.body.as_str()),
        ("Slow", "It is slow.")
    );
    assert_eq!(
        (thread.author.as_str(), thread.insider),
        ("stranger", false)
    );
    assert_eq!((thread.kind, thread.open), (ThreadKind::Issue, true));
    assert_eq!(posted.created_at, posted.updated_at);
    stage.theirs.advance(5_000);
    stranger
        .edit(REPO, number, None, Some("It was slow."))
        .unwrap();
    let posted = client.text(repo, ThreadNumber(number)).await.unwrap();
    assert_eq!(
        posted.updated_at.since(posted.created_at).as_millis(),
        5_000
    );
    let missing = client.text(repo, ThreadNumber(99)).await.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
    stage.end();
}

#[tokio::test]
async fn a_conversation_is_held() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
    let alice = stage.sim.as_person("alice");
    let stranger = stage.sim.as_person("stranger");
    let asked = CommentId(alice.comment(REPO, number.0, "@prova please").unwrap());
    stranger.comment(REPO, number.0, "me too").unwrap();

    client
        .react(repo, number, ReactionTarget::Thread)
        .await
        .unwrap();
    for _ in 0..2 {
        client
            .react(repo, number, ReactionTarget::Comment(asked))
            .await
            .unwrap();
    }
    client.app().await.unwrap();
    let status = client
        .comment(repo, number, "On it. <!-- prova:x -->")
        .await
        .unwrap();
    stage.theirs.advance(5_000);
    client
        .edit_comment(repo, status, "Done. <!-- prova:x -->")
        .await
        .unwrap();

    let comments = client.comments(repo, number).await.unwrap();
    let told: Vec<_> = comments
        .iter()
        .map(|c| {
            (
                c.remark.author.as_str(),
                c.remark.insider,
                c.ours,
                c.remark.body.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("alice", true, false, "@prova please"),
            ("stranger", false, false, "me too"),
            ("prova[bot]", false, true, "Done. <!-- prova:x -->"),
        ]
    );
    assert_eq!(
        comments[2].updated_at.since(comments[2].created_at),
        Span::seconds(5)
    );

    stranger.delete_comment(REPO, status.0).unwrap_err();
    alice.delete_comment(REPO, status.0).unwrap();
    let fault = client.edit_comment(repo, status, "x").await.unwrap_err();
    assert_eq!(fault.class, Class::NotFound);
    let ours = stage.end().into_iter().filter(|event| match event {
        Event::Thread(event) => event.actor.login == Login::new("prova[bot]"),
        Event::Checked(_)
        | Event::Pressed(_)
        | Event::Pushed(_)
        | Event::Retargeted(_)
        | Event::InstallationLost(_)
        | Event::RepositoriesLost(_)
        | Event::RepositoryRenamed { .. }
        | Event::NotOurs(_) => false,
    });
    assert_eq!(ours.count(), 1, "our own comment comes back to us");
}

#[tokio::test]
async fn a_long_conversation_is_read_to_its_end() {
    let stage = Stage::new().await;
    let number = stage.issue();
    for n in 0..230 {
        stage
            .sim
            .as_person("alice")
            .comment(REPO, number, &n.to_string())
            .unwrap();
    }
    let comments = stage
        .client
        .comments(&stage.repo, ThreadNumber(number))
        .await
        .unwrap();
    let bodies: Vec<_> = comments.into_iter().map(|c| c.remark.body).collect();
    assert_eq!(bodies, (0..230).map(|n| n.to_string()).collect::<Vec<_>>());
    let path = format!("/repos/octo/hello/issues/{number}/comments");
    assert_eq!(stage.count("GET", &path, 200), 3);
    stage.end();
}

#[tokio::test]
async fn a_thread_shows_what_happened_to_it() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, stage.issue());
    let alice = stage.sim.as_person("alice");
    let thread = ThreadNumber(number);
    let now = |open, locked| ThreadNow {
        open,
        locked,
        merged: false,
    };
    assert_eq!(client.thread(repo, thread).await.unwrap(), now(true, false));
    alice.lock(REPO, number, true).unwrap();
    alice.close(REPO, number).unwrap();
    assert_eq!(client.thread(repo, thread).await.unwrap(), now(false, true));
    stage.sim.set_role(REPO, "boss", Role::Admin).unwrap();
    stage
        .sim
        .as_person("boss")
        .delete_issue(REPO, number)
        .unwrap();
    assert_eq!(
        client.thread(repo, thread).await.unwrap_err().class,
        Class::NotFound
    );
    let fault = client.comment(repo, thread, "hi").await.unwrap_err();
    assert_eq!(fault.class, Class::NotFound);
    stage.end();
}

#[tokio::test]
async fn permissions_are_those_of_this_moment() {
    let stage = Stage::new().await;
    let (client, repo, alice) = (&stage.client, &stage.repo, Login::new("alice"));
    for (role, permission) in [
        (Role::Admin, Permission::Admin),
        (Role::Maintain, Permission::Maintain),
        (Role::Write, Permission::Write),
        (Role::Triage, Permission::Triage),
        (Role::Read, Permission::Read),
    ] {
        stage.sim.set_role(REPO, "alice", role).unwrap();
        assert_eq!(client.permission(repo, &alice).await.unwrap(), permission);
    }
    stage.sim.set_role(REPO, "alice", Role::None).unwrap();
    assert!(!client.permission(repo, &alice).await.unwrap().starts_work());
    let nobody = client
        .permission(repo, &Login::new("nobody-of-that-name"))
        .await
        .unwrap();
    assert_eq!(nobody, Permission::None);
    stage.end();
}

#[tokio::test]
async fn a_file_is_the_one_on_the_default_branch_now() {
    let stage = Stage::new().await;
    let (client, repo, path) = (&stage.client, &stage.repo, ".github/prova.toml");
    assert_eq!(client.file(repo, path).await.unwrap(), None);
    assert_eq!(client.file(repo, "dir").await.unwrap(), None);
    let alice = stage.sim.as_person("alice");
    for content in ["draft = true\n", "draft = false\n"] {
        alice
            .push(REPO, "main", &[File::new(path, content)], &[])
            .unwrap();
        for _ in 0..2 {
            let file = client.file(repo, path).await.unwrap();
            assert_eq!(file.as_deref(), Some(content.as_bytes()));
        }
    }
    alice.push(REPO, "main", &[], &[path]).unwrap();
    assert_eq!(client.file(repo, path).await.unwrap(), None);
    let unchanged = stage.count("GET", "/repos/octo/hello/contents/.github/prova.toml", 304);
    assert_eq!(unchanged, 2);
    stage.end();
}

#[tokio::test]
async fn an_empty_repository_has_no_branch_and_no_file() {
    let stage = Stage::with("", Vec::new()).await;
    let (client, repo) = (&stage.client, &stage.repo);
    assert_eq!(client.branch(repo, &branch("main")).await.unwrap(), None);
    assert_eq!(client.file(repo, "README.md").await.unwrap(), None);
    stage.end();
}

#[tokio::test]
async fn the_app_and_its_installations_are_told() {
    let stage = Stage::with("/api/v3", vec![File::new("a", "a")]).await;
    let app = stage.client.app().await.unwrap();
    assert_eq!(app.slug, "prova");
    for needed in prova::adapters::github::PERMISSIONS {
        let needed = (needed.0.to_owned(), needed.1.to_owned());
        assert!(
            app.permissions.contains(&needed),
            "{needed:?} in {:?}",
            app.permissions
        );
    }
    let installations = stage.client.installations().await.unwrap();
    assert_eq!(
        installations,
        [(stage.repo.installation, Login::new("octo"))]
    );
    let number = stage.issue();
    stage
        .client
        .comment(&stage.repo, ThreadNumber(number), "hi")
        .await
        .unwrap();
    stage.end();
}

#[tokio::test]
async fn a_renamed_repository_is_reached_by_its_old_name() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
    stage
        .sim
        .as_person("octo")
        .rename_repository(REPO, "greetings")
        .unwrap();
    assert!(client.thread(repo, number).await.unwrap().open);
    let id = client.comment(repo, number, "still here").await.unwrap();
    client.edit_comment(repo, id, "and again").await.unwrap();
    assert_eq!(client.comments(repo, number).await.unwrap().len(), 1);
    let expected = Event::RepositoryRenamed {
        repo: repo.id,
        to: "octo/greetings".parse().unwrap(),
    };
    assert!(stage.end().contains(&expected));
}

#[tokio::test]
async fn an_expired_token_is_replaced_without_a_word() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
    client.comment(repo, number, "one").await.unwrap();
    stage.sim.expire_tokens();
    client.comment(repo, number, "two").await.unwrap();
    assert_eq!(client.comments(repo, number).await.unwrap().len(), 2);
    stage.end();
}

#[tokio::test]
async fn a_lost_access_is_said() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
    client.comment(repo, number, "one").await.unwrap();
    stage.sim.suspend(stage.installation, true).unwrap();
    let fault = client.comment(repo, number, "two").await.unwrap_err();
    assert_eq!(fault.class, Class::AuthLost);
    assert!(fault.to_string().contains("suspended"), "{fault}");
    stage.sim.suspend(stage.installation, false).unwrap();
    client.comment(repo, number, "three").await.unwrap();
    stage.sim.uninstall_app(stage.installation).unwrap();
    let fault = client.comment(repo, number, "four").await.unwrap_err();
    assert_eq!(fault.class, Class::AuthLost, "{fault}");
    let lost = Event::InstallationLost(repo.installation);
    assert_eq!(
        stage.end().iter().filter(|event| **event == lost).count(),
        2
    );
}

#[tokio::test]
async fn an_archived_repository_and_a_locked_conversation_are_said() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
    stage.sim.as_person("octo").archive(REPO, true).unwrap();
    let fault = client.comment(repo, number, "hi").await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.to_string().contains("unarchive"), "{fault}");
    stage.end();
}

#[tokio::test]
async fn a_lost_answer_is_not_asked_for_twice() {
    for loss in [Loss::Connection, Loss::BadGateway] {
        let stage = Stage::new().await;
        let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
        client.thread(repo, number).await.unwrap();
        let kind = FaultKind::AppliedButLost(loss);
        stage.sim.arm(Fault::on("POST", "*/comments", kind));
        let fault = client.comment(repo, number, "once").await.unwrap_err();
        assert_eq!(fault.class, Class::Transient);
        let comments = client.comments(repo, number).await.unwrap();
        assert_eq!(comments.len(), 1, "it was applied, and once");
        stage.end();
    }
}

#[tokio::test]
async fn limits_say_until_when() {
    let stage = Stage::new().await;
    let (client, repo, number) = (&stage.client, &stage.repo, ThreadNumber(stage.issue()));
    let over = Span::minutes(10);
    let last = stage.ours.now().plus(over).plus(over);
    let reset = last.plus(Span::minutes(7)).as_millis() / 1_000;
    for (kind, until) in [
        (
            FaultKind::SecondaryLimit {
                status: 403,
                retry_after: Some(30),
            },
            Span::seconds(30),
        ),
        (
            FaultKind::SecondaryLimit {
                status: 429,
                retry_after: None,
            },
            Span::seconds(60),
        ),
        (FaultKind::PrimaryLimit { reset }, Span::minutes(7)),
    ] {
        stage.sim.arm(Fault::on("POST", "*/comments", kind));
        let now = stage.ours.now();
        let fault = client.comment(repo, number, "hi").await.unwrap_err();
        assert_eq!(fault.class, Class::RateLimited(now.plus(until)), "{fault}");
        for clock in [&stage.ours, &stage.theirs] {
            clock.advance(over.as_millis().try_into().unwrap());
        }
    }
    for (kind, class) in [
        (FaultKind::Forbidden, Class::AuthLost),
        (FaultKind::FailWith(500), Class::Transient),
        (FaultKind::Cut, Class::Transient),
    ] {
        stage.sim.arm(Fault::on("POST", "*/comments", kind));
        let fault = client.comment(repo, number, "hi").await.unwrap_err();
        assert_eq!(fault.class, class, "{fault}");
    }
    client.comment(repo, number, "at last").await.unwrap();
    assert_eq!(client.comments(repo, number).await.unwrap().len(), 1);
    stage.end();
}

#[tokio::test]
async fn clocks_may_differ_by_minutes() {
    for seconds in [-3_600, -300, -61, 59, 300, 3_600] {
        let stage = Stage::new().await;
        stage.theirs.advance(seconds * 1_000);
        let number = ThreadNumber(stage.issue());
        stage
            .client
            .comment(&stage.repo, number, "hi")
            .await
            .unwrap();
        let offset = stage.client.app().await.unwrap().clock_offset_ms;
        assert_eq!(offset, Some(seconds * 1_000));
        stage.end();
    }
}
