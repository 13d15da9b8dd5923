//! Mirrors: made once, brought up to date, healed.

use prova::domain::diff::shown;
use prova::domain::footing::Pair;
use prova::domain::ids::{CommitSha, ThreadNumber};
use prova::ports::checkouts::{Checkouts, Remote};
use prova::ports::fault::Class;

use crate::support::{REPO, World, git, link, write};

#[tokio::test]
async fn a_fetch_follows_the_remote() {
    let world = World::with(&[("a", "1\n")]);
    let first = world.fetch("main").await.unwrap();
    assert_eq!(world.fetch("main").await.unwrap(), first);
    write(&world.upstream(), "a", "2\n");
    let second = world.commit();
    assert_eq!(world.fetch("main").await.unwrap().as_str(), second);
    // Force-pushed, and a directory of branches where a branch was.
    git(&world.upstream(), ["reset", "-q", "--hard", first.as_str()]);
    git(&world.upstream(), ["branch", "topic"]);
    assert_eq!(world.fetch("main").await.unwrap(), first);
    assert_eq!(world.fetch("topic").await.unwrap(), first);
    git(&world.upstream(), ["branch", "-D", "-q", "topic"]);
    git(&world.upstream(), ["branch", "topic/one"]);
    assert_eq!(world.fetch("topic/one").await.unwrap(), first);
    let gone = world.fetch("topic").await.unwrap_err();
    assert_eq!(gone.class, Class::NotFound);
    // What a running job was made from is still there.
    let old = world.git.read(REPO, &CommitSha::new(second), "a", 10).await;
    assert_eq!(old.unwrap().unwrap(), b"2\n");
}

#[tokio::test]
async fn packs_are_gathered_and_nothing_is_dropped() {
    let world = World::with(&[("a", "0\n")]);
    let mut commits = vec![world.fetch("main").await.unwrap()];
    for number in 1..25 {
        // Each replaces the last, so that all but one are reachable from nothing.
        write(&world.upstream(), "a", format!("{number}\n"));
        git(
            &world.upstream(),
            ["commit", "-q", "-a", "--amend", "-m", "again"],
        );
        commits.push(world.fetch("main").await.unwrap());
    }
    let packs = std::fs::read_dir(world.outside("work/mirrors/7.git/objects/pack")).unwrap();
    let packs = packs.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|end| end == "pack")
    });
    assert!(packs.count() < 20);
    for (number, commit) in commits.iter().enumerate() {
        let content = world.git.read(REPO, commit, "a", 10).await.unwrap();
        assert_eq!(content.unwrap(), format!("{number}\n").as_bytes());
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::empty();
    for branch in ["main", "a..b", "-x", "main^{tree}", "", "x\ny"] {
        let fault = world.fetch(branch).await.unwrap_err();
        assert_eq!(fault.class, Class::NotFound, "{fault}");
        assert!(
            fault.to_string().contains(&format!("{branch:?}")),
            "{fault}"
        );
    }
    let nowhere = Remote {
        url: world.outside("nowhere").to_str().unwrap().to_owned(),
        ..world.remote()
    };
    let fault = world.git.fetch(&nowhere, "main").await.unwrap_err();
    assert_eq!(fault.class, Class::NotFound, "{fault}");
}

#[tokio::test]
async fn a_damaged_mirror_is_built_anew() {
    let world = World::with(&[("a", "1\n")]);
    let commit = world.fetch("main").await.unwrap();
    let mirror = world.outside("work/mirrors/7.git");
    let damage: [&dyn Fn(); 5] = [
        &|| std::fs::remove_file(mirror.join("HEAD")).unwrap(),
        &|| {
            std::fs::remove_dir_all(mirror.join("objects")).unwrap();
            std::fs::create_dir(mirror.join("objects")).unwrap();
        },
        &|| cut_short(&mirror.join("objects")),
        &|| write(&mirror, "refs/heads/main.lock", ""),
        &|| write(&mirror, "refs/heads/main", "garbage"),
    ];
    for (number, harm) in damage.iter().enumerate() {
        harm();
        write(&world.upstream(), "a", format!("{number}\n"));
        let new = world.commit();
        let fetched = world.fetch("main").await.unwrap();
        assert_eq!(fetched.as_str(), new, "damage {number}");
    }
    world.checkout().await;
    assert_ne!(world.fetch("main").await.unwrap(), commit);
}

/// Cuts every object and pack in half.
fn cut_short(objects: &std::path::Path) {
    let mut waiting = vec![objects.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, content.split_at(content.len() / 2).0).unwrap();
        }
    }
}

#[tokio::test]
async fn damage_found_at_checkout_heals_by_trying_again() {
    let world = World::with(&[("a", "1\n"), ("b", "2\n")]);
    let commit = world.fetch("main").await.unwrap();
    let mirror = world.outside("work/mirrors/7.git");
    unpack(&mirror);
    let blob = git(&world.upstream(), ["rev-parse", "main:b"]);
    let (dir, file) = blob.split_at(2);
    std::fs::remove_file(mirror.join("objects").join(dir).join(file)).unwrap();
    let place = world.place();
    let checkout = || world.git.checkout(REPO, &commit, "work", &place);
    let fault = checkout().await.unwrap_err();
    assert_eq!(fault.class, Class::Transient, "{fault}");
    world.fetch("main").await.unwrap();
    checkout().await.unwrap();
}

#[tokio::test]
async fn calls_for_one_repository_wait_for_each_other() {
    let world = World::with(&[("a", "1\n")]);
    let fetches = (0..8).map(|_| world.fetch("main"));
    let mut commits = Vec::new();
    for fetch in futures_of(fetches).await {
        commits.push(fetch.unwrap());
    }
    commits.dedup();
    assert_eq!(commits.len(), 1);
}

/// Runs futures side by side.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut waiting = false;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    futures
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

#[tokio::test]
async fn files_are_read_from_a_commit() {
    let world = World::with(&[(".github/prova.toml", "draft = true\n"), ("d/e", "x")]);
    link(&world.upstream(), "link", "d/e");
    let commit = CommitSha::new(world.commit());
    world.fetch("main").await.unwrap();
    let read = |path: &'static str, max| world.git.read(REPO, &commit, path, max);
    let policy = read(".github/prova.toml", 13).await.unwrap();
    assert_eq!(policy.unwrap(), b"draft = true\n");
    for absent in ["nothing", "d", "link", "d/*", ".github", "d/e/f", "*"] {
        assert_eq!(read(absent, 100).await.unwrap(), None, "{absent}");
    }
    let large = read(".github/prova.toml", 12).await.unwrap_err();
    assert_eq!(large.class, Class::Permanent);
    assert!(large.to_string().contains("13 bytes"), "{large}");
    let unknown = CommitSha::new("1".repeat(40));
    assert!(world.git.read(REPO, &unknown, "d/e", 100).await.is_err());
    let option = CommitSha::new("--help");
    assert!(world.git.read(REPO, &option, "d/e", 100).await.is_err());
}

#[tokio::test]
async fn a_repository_with_other_object_ids_is_refused() {
    let world = World::empty();
    let other = world.outside("sha256");
    std::fs::create_dir(&other).unwrap();
    git(
        &other,
        ["init", "-q", "-b", "main", "--object-format=sha256"],
    );
    git(&other, ["commit", "-q", "--allow-empty", "-m", "x"]);
    let remote = Remote {
        url: other.to_str().unwrap().to_owned(),
        ..world.remote()
    };
    let fault = world.git.fetch(&remote, "main").await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent, "{fault}");
    assert!(fault.to_string().contains("sha256"), "{fault}");
}

#[tokio::test]
async fn a_branch_name_for_the_checkout_cannot_break_out() {
    let world = World::with(&[("a", "1\n")]);
    let base = world.fetch("main").await.unwrap();
    for bad in ["../../x", "a\nb refs/heads/c", "-b", "a b"] {
        let fault = world.git.checkout(REPO, &base, bad, &world.place()).await;
        assert_eq!(fault.unwrap_err().class, Class::Permanent, "{bad:?}");
    }
}

/// Takes the packs of a repository apart into single objects.
fn unpack(mirror: &std::path::Path) {
    for entry in std::fs::read_dir(mirror.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        let moved = mirror.join(path.file_name().unwrap());
        std::fs::rename(&path, &moved).unwrap();
        if moved.extension().is_some_and(|end| end == "pack") {
            let pack = std::fs::File::open(&moved).unwrap();
            let mut git = std::process::Command::new("git");
            git.arg("--git-dir")
                .arg(mirror)
                .args(["unpack-objects", "-q"]);
            assert!(git.stdin(pack).status().unwrap().success());
        }
    }
}

#[tokio::test]
async fn the_head_of_a_pull_request_is_fetched_and_compared_and_runs_nothing() {
    let world = World::with(&[("a", "1\n2\n3\n4\n5\n6\n7\n8\n")]);
    let parted = world.fetch("main").await.unwrap();
    let up = world.upstream();
    write(&up, "a", "1\n2\n3\nfour\n5\n6\n7\n8\n");
    write(&up, "b c.txt", "new\n");
    // What a fork could hope to have run.
    write(&up, ".gitattributes", "* diff=evil\n");
    let head = world.commit();
    git(&up, ["update-ref", "refs/pull/9/head", &head]);
    git(&up, ["reset", "-q", "--hard", parted.as_str()]);
    write(&up, "a", "0\n1\n2\n3\n4\n5\n6\n7\n8\n");
    let base = CommitSha::new(world.commit());
    let number = ThreadNumber(9);
    let found = world.git.fetch_pull(&world.remote(), number).await;
    assert_eq!(found.unwrap().as_str(), head);
    let mirror = world.outside("work/mirrors/7.git");
    let ran = world.outside("ran");
    let command = format!("touch {}", ran.display());
    git(&mirror, ["config", "diff.evil.command", &command]);
    git(&mirror, ["config", "diff.evil.textconv", &command]);
    git(&mirror, ["config", "diff.external", &command]);
    let pair = Pair {
        base,
        head: CommitSha::new(head),
    };
    let diff = world.git.diff(REPO, &pair, 10_000).await.unwrap();
    assert_eq!((&diff.since, diff.whole), (&parted, true));
    let lines = shown(&diff.text);
    assert!(lines.has("a", 1) && lines.has("a", 7) && !lines.has("a", 8));
    assert!(lines.has("b c.txt", 1), "{}", diff.text);
    assert!(diff.text.contains("\n-4\n+four\n"), "{}", diff.text);
    assert!(!ran.exists(), "a program of the repository ran");
    let cut = world.git.diff(REPO, &pair, 60).await.unwrap();
    assert!(!cut.whole && cut.text.len() <= 60 && cut.text.ends_with('\n'));
    let missing = world.git.fetch_pull(&world.remote(), ThreadNumber(8)).await;
    let missing = missing.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
    assert!(missing.to_string().contains("no pull request #8"));
}
