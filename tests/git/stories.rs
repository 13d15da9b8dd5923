//! What an honest agent does, and what becomes of it.

use prova::domain::change::{ChangeKind, HarvestLimits, Mode, RefusalReason};
use prova::ports::checkouts::Checkouts;
use prova::ports::sandbox::INSIDE_OBJECTS;

use crate::support::{REPO, World, changes, chmod, git, link, refused, write};

const EVERYTHING: &[(&str, &str)] = &[
    ("README.md", "# hello\n"),
    ("crlf.txt", "one\r\ntwo\r\n"),
    ("empty", ""),
    ("src/main.rs", "fn main() {}\n"),
    ("src/lib/deep.rs", "//! deep\n"),
    ("old/gone.txt", "bye\n"),
];

fn world() -> World {
    let world = World::empty();
    for (path, content) in EVERYTHING {
        write(&world.upstream(), path, content);
    }
    write(&world.upstream(), "run.sh", "#!/bin/sh\n");
    chmod(&world.upstream().join("run.sh"), 0o755);
    link(&world.upstream(), "link", "src/main.rs");
    world.commit();
    world
}

#[tokio::test]
async fn an_untouched_checkout_is_no_change() {
    let world = world();
    let checkout = world.checkout().await;
    for (path, content) in EVERYTHING {
        let written = std::fs::read(checkout.tree.written().join(path)).unwrap();
        assert_eq!(written, content.as_bytes(), "{path}");
    }
    let harvest = world.harvest(&checkout).await;
    assert_eq!(harvest.changes, []);
    assert_eq!(harvest.refused, []);
    assert_eq!(harvest.tree, harvest.base_tree);
}

#[tokio::test]
async fn every_kind_of_edit_is_taken_as_git_would_take_it() {
    let world = world();
    let checkout = world.checkout().await;
    let edit = |dir: &std::path::Path| {
        write(dir, "README.md", "# changed\n");
        write(dir, "crlf.txt", "one\r\ntwo\r\nthree\r\n");
        write(dir, "binary", [0_u8, 255, 13, 10, 0]);
        write(dir, "new/dir/file.txt", "new\n");
        write(dir, "new/empty", "");
        chmod(&dir.join("README.md"), 0o755);
        chmod(&dir.join("run.sh"), 0o644);
        chmod(&dir.join("src/main.rs"), 0o4755);
        std::fs::rename(dir.join("old/gone.txt"), dir.join("moved.txt")).unwrap();
        std::fs::remove_dir(dir.join("old")).unwrap();
        // A file by a link, a link by a file, a directory by a file, a file by a directory.
        std::fs::remove_file(dir.join("empty")).unwrap();
        link(dir, "empty", "src");
        std::fs::remove_file(dir.join("link")).unwrap();
        write(dir, "link", "a file now\n");
        std::fs::remove_dir_all(dir.join("src/lib")).unwrap();
        write(dir, "src/lib", "a file now\n");
        link(dir, "new/up", "../README.md");
    };
    edit(checkout.tree.written());
    let harvest = world.harvest(&checkout).await;
    assert_eq!(harvest.refused, []);
    assert_eq!(
        changes(&harvest),
        [
            "~README.md",
            "+binary",
            "~crlf.txt",
            "~empty",
            "~link",
            "+moved.txt",
            "+new/dir/file.txt",
            "+new/empty",
            "+new/up",
            "-old/gone.txt",
            "~run.sh",
            "+src/lib",
            "-src/lib/deep.rs",
            "~src/main.rs",
        ]
    );
    assert_eq!(harvest.tree.as_str(), world.tree_by_git(edit));
    let mode = |path: &str| {
        let change = harvest
            .changes
            .iter()
            .find(|c| c.path.as_str() == Some(path));
        match &change.unwrap().kind {
            ChangeKind::Added(entry) | ChangeKind::Modified(entry) => (entry.mode, entry.bytes),
            ChangeKind::Deleted => panic!("{path} is deleted"),
        }
    };
    assert_eq!(mode("empty"), (Mode::Link, 3));
    assert_eq!(mode("run.sh"), (Mode::File, 10));
    assert_eq!(mode("src/main.rs"), (Mode::Executable, 13));
    assert_eq!(mode("binary"), (Mode::File, 5));
}

#[tokio::test]
async fn commits_of_the_agent_count_as_the_files_they_left() {
    let world = world();
    let checkout = world.checkout().await;
    // As the sandbox does: the objects stand where the checkout expects them.
    let inside = |args: &[&str]| {
        let alternates = checkout.tree.written().join(".git/objects/info/alternates");
        assert_eq!(
            std::fs::read_to_string(&alternates).unwrap().trim_end(),
            INSIDE_OBJECTS
        );
        std::fs::write(&alternates, checkout.objects.to_str().unwrap()).unwrap();
        let printed = git(checkout.tree.written(), args);
        std::fs::write(&alternates, format!("{INSIDE_OBJECTS}\n")).unwrap();
        printed
    };
    assert_eq!(inside(&["status", "--porcelain"]), "");
    assert_eq!(inside(&["symbolic-ref", "HEAD"]), "refs/heads/prova/7-work");
    assert_eq!(inside(&["rev-parse", "HEAD"]), checkout.base.as_str());
    write(checkout.tree.written(), "README.md", "# by the agent\n");
    inside(&["commit", "-q", "-a", "-m", "agent's own"]);
    inside(&["rm", "-q", "run.sh"]);
    inside(&["commit", "-q", "-m", "another"]);
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["~README.md", "-run.sh"]);
    assert_eq!(world.content(&harvest, "README.md"), "# by the agent");
}

#[tokio::test]
async fn git_inside_trusts_its_index_and_the_harvest_trusts_nothing() {
    let world = world();
    let checkout = world.checkout().await;
    let file = checkout.tree.written().join("README.md");
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    // Another content of the same length and age: only reading it would tell.
    write(checkout.tree.written(), "README.md", "# HELLO\n");
    let touched = std::fs::File::options().write(true).open(&file).unwrap();
    touched.set_modified(written).unwrap();
    let modified = || git(checkout.tree.written(), ["ls-files", "--modified"]);
    assert_eq!(modified(), "", "git read files that it need not have read");
    assert_eq!(changes(&world.harvest(&checkout).await), ["~README.md"]);
    write(checkout.tree.written(), "README.md", "# HeLLO\n");
    assert_eq!(modified(), "README.md");
}

#[tokio::test]
async fn what_gitignore_names_is_left_alone_unless_it_is_tracked() {
    let world = World::with(&[
        (".gitignore", "target/\n*.log\n!keep.log\n"),
        ("src/.gitignore", "/generated\n"),
        ("src/main.rs", "x\n"),
    ]);
    write(&world.upstream(), "target/tracked.txt", "forced\n");
    git(&world.upstream(), ["add", "-f", "target/tracked.txt"]);
    world.commit();
    let checkout = world.checkout().await;
    let edit = |dir: &std::path::Path| {
        write(dir, "target/debug/huge", "build output\n");
        write(dir, "target/tracked.txt", "changed\n");
        write(dir, "a.log", "noise\n");
        write(dir, "d/keep.log", "kept\n");
        write(dir, "src/generated/x", "noise\n");
        write(dir, "generated", "not that one\n");
        write(dir, "node_modules/.gitignore", "*\n");
        write(
            dir,
            "node_modules/m/.git/config",
            "a repository nobody asked for\n",
        );
        write(dir, ".git/info/exclude", "hidden.txt\n");
        write(dir, "hidden.txt", "not hidden\n");
    };
    edit(checkout.tree.written());
    let harvest = world.harvest(&checkout).await;
    assert_eq!(harvest.refused, []);
    assert_eq!(
        changes(&harvest),
        [
            "+d/keep.log",
            "+generated",
            "+hidden.txt",
            "~target/tracked.txt"
        ]
    );
}

#[tokio::test]
async fn line_ends_and_encodings_are_those_of_the_base_commit() {
    let attributes = "*.bat text eol=crlf\n*.txt text=auto\nu16 text working-tree-encoding=UTF-16LE\n\
                      id.c ident\n*.psd filter=lfs diff=lfs merge=lfs -text\n";
    let world = World::with(&[
        (".gitattributes", attributes),
        ("run.bat", "one\ntwo\n"),
        ("same.bat", "same\n"),
        ("notes.txt", "a\n"),
        ("id.c", "/* $Id$ */\n"),
        (
            "art.psd",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        ),
    ]);
    let utf16: Vec<u8> = "h\u{e9}\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    write(&world.upstream(), "u16", &utf16);
    world.commit();
    let checkout = world.checkout().await;
    let written = |path: &str| std::fs::read(checkout.tree.written().join(path)).unwrap();
    assert_eq!(written("same.bat"), b"same\r\n");
    assert_eq!(written("u16"), utf16);
    assert!(written("id.c").starts_with(b"/* $Id: "));
    assert!(written("art.psd").starts_with(b"version https://git-lfs"));
    assert_eq!(world.harvest(&checkout).await.changes, [], "untouched");

    let edit = |dir: &std::path::Path| {
        write(dir, "run.bat", "one\r\nTWO\r\n");
        write(dir, "notes.txt", "a\r\nb\r\n");
        write(dir, "new.bat", "new\r\n");
    };
    edit(checkout.tree.written());
    // The agent's own attributes do not decide how other files are read.
    write(checkout.tree.written(), "sub/.gitattributes", "* -text\n");
    write(checkout.tree.written(), "sub/x.bat", "x\r\n");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(harvest.refused, []);
    assert_eq!(
        changes(&harvest),
        [
            "+new.bat",
            "~notes.txt",
            "~run.bat",
            "+sub/.gitattributes",
            "+sub/x.bat"
        ]
    );
    let blob = |path: &str| world.content(&harvest, path);
    assert_eq!(blob("run.bat"), "one\nTWO");
    assert_eq!(blob("notes.txt"), "a\nb");
    assert_eq!(blob("new.bat"), "new");
    assert_eq!(blob("sub/x.bat"), "x");
    let entry = harvest
        .changes
        .iter()
        .find(|c| c.path.as_str() == Some("run.bat"));
    let ChangeKind::Modified(entry) = &entry.unwrap().kind else {
        panic!("{entry:?}");
    };
    assert_eq!(entry.bytes, 8, "the size is that of the blob");

    // One file that is not in its encoding is refused, the others are taken.
    write(checkout.tree.written(), "u16", [0x00, 0xd8, 0x00]);
    let harvest = world.harvest(&checkout).await;
    assert_eq!(
        refused(&harvest),
        [("u16".to_owned(), RefusalReason::Unreadable)]
    );
    assert!(changes(&harvest).contains(&"~run.bat".to_owned()));
}

#[tokio::test]
async fn crlf_in_a_blob_that_attributes_would_normalise_is_no_change() {
    let world = World::with(&[("a.txt", "x\r\ny\r\n")]);
    write(&world.upstream(), ".gitattributes", "* text=auto\n");
    git(&world.upstream(), ["add", ".gitattributes"]);
    git(&world.upstream(), ["commit", "-q", "-m", "attributes only"]);
    let checkout = world.checkout().await;
    assert_eq!(world.harvest(&checkout).await.changes, []);
}

#[tokio::test]
async fn a_submodule_stays_whatever_happens_to_its_empty_directory() {
    let world = World::with(&[("a", "x\n")]);
    let sub = "160000,1111111111111111111111111111111111111111,lib/sub";
    git(
        &world.upstream(),
        ["update-index", "--add", "--cacheinfo", sub],
    );
    git(&world.upstream(), ["commit", "-q", "-m", "submodule"]);
    let checkout = world.checkout().await;
    assert!(checkout.tree.written().join("lib/sub").is_dir());
    write(checkout.tree.written(), "b", "y\n");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["+b"]);
    std::fs::remove_dir_all(checkout.tree.written().join("lib")).unwrap();
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["+b"]);
    assert_eq!(
        world.listing(&harvest),
        ["100644 a", "100644 b", "160000 lib/sub"]
    );
    write(checkout.tree.written(), "lib/sub/file", "inside\n");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(
        refused(&harvest),
        [("lib/sub".to_owned(), RefusalReason::NestedGit)]
    );
}

#[tokio::test]
async fn a_harvest_can_be_narrowed_materialised_read_and_removed() {
    let world = world();
    let checkout = world.checkout().await;
    write(checkout.tree.written(), "README.md", "# changed\n");
    write(checkout.tree.written(), "secret/token", "no\n");
    std::fs::remove_file(checkout.tree.written().join("run.sh")).unwrap();
    let harvest = world.harvest(&checkout).await;
    assert_eq!(
        changes(&harvest),
        ["~README.md", "-run.sh", "+secret/token"]
    );
    let (git, job) = (&world.git, &world.job);

    let all = git.narrow(REPO, job, &harvest, &[0, 1, 2]).await.unwrap();
    assert_eq!(all, harvest.tree);
    let none = git.narrow(REPO, job, &harvest, &[]).await.unwrap();
    assert_eq!(none, harvest.base_tree);
    let some = git.narrow(REPO, job, &harvest, &[0]).await.unwrap();
    assert!(git.narrow(REPO, job, &harvest, &[3]).await.is_err());

    assert!(git.holds(REPO, job, &some).await);
    assert!(git.holds(REPO, job, &harvest.tree).await);
    let tree = git.materialise(REPO, &some, &world.place()).await.unwrap();
    let dir = tree.written();
    assert_eq!(
        std::fs::read_to_string(dir.join("README.md")).unwrap(),
        "# changed\n"
    );
    assert!(dir.join("run.sh").is_file() && dir.join("link").is_symlink());
    assert!(!dir.join("secret").exists() && !dir.join(".git").exists());
    // Again, over what the first run left.
    std::fs::write(dir.join("leftover"), "x").unwrap();
    git.materialise(REPO, &some, &world.place()).await.unwrap();
    assert!(!dir.join("leftover").exists());

    let ChangeKind::Modified(entry) = &harvest.changes.first().unwrap().kind else {
        panic!("{:?}", harvest.changes);
    };
    assert_eq!(
        git.blob(REPO, job, &entry.blob).await.unwrap(),
        b"# changed\n"
    );
    assert!(git.blob(REPO, job, "--help").await.is_err());

    git.remove(job).await.unwrap();
    assert!(!job.exists());
    assert!(!git.holds(REPO, job, &some).await);
    git.remove(job).await.unwrap();
}

#[tokio::test]
async fn a_store_that_lost_something_does_not_hold_the_tree() {
    let world = world();
    let checkout = world.checkout().await;
    write(checkout.tree.written(), "new.txt", "new\n".repeat(100));
    let harvest = world.harvest(&checkout).await;
    let packs = std::fs::read_dir(world.job.join("objects/objects/pack")).unwrap();
    let object = packs
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|kind| kind == "pack"))
        .unwrap();
    let whole = std::fs::read(&object).unwrap();
    assert!(world.git.holds(REPO, &world.job, &harvest.tree).await);
    chmod(&object, 0o644);
    let mut spoilt = whole.clone();
    spoilt[whole.len() - 30] ^= 1;
    std::fs::write(&object, spoilt).unwrap();
    assert!(
        !world.git.holds(REPO, &world.job, &harvest.tree).await,
        "one bit is another"
    );
    std::fs::write(&object, whole.split_at(10).0).unwrap();
    assert!(
        !world.git.holds(REPO, &world.job, &harvest.tree).await,
        "cut short"
    );
    std::fs::remove_file(&object).unwrap();
    assert!(
        !world.git.holds(REPO, &world.job, &harvest.tree).await,
        "gone"
    );
}

#[tokio::test]
async fn limits_refuse_the_rest_and_keep_what_fits() {
    let world = world();
    let checkout = world.checkout().await;
    write(checkout.tree.written(), "big", vec![b'x'; 2_000]);
    write(checkout.tree.written(), "c1", vec![b'x'; 600]);
    write(checkout.tree.written(), "c2", vec![b'x'; 600]);
    std::fs::remove_file(checkout.tree.written().join("README.md")).unwrap();
    let limits = HarvestLimits {
        file_bytes: 1_000,
        total_bytes: 1_000,
        ..HarvestLimits::default()
    };
    let harvest = world.harvest_within(&checkout, &limits).await;
    assert_eq!(changes(&harvest), ["-README.md", "+c1"]);
    assert_eq!(
        refused(&harvest),
        [
            ("big".to_owned(), RefusalReason::TooLarge),
            ("c2".to_owned(), RefusalReason::TooLarge)
        ]
    );
    let limits = HarvestLimits {
        changes: 2,
        ..HarvestLimits::default()
    };
    let harvest = world.harvest_within(&checkout, &limits).await;
    assert_eq!(harvest.changes.len(), 2);
    assert_eq!(refused(&harvest).last().unwrap().1, RefusalReason::TooMany);
    assert_eq!(
        harvest.tree,
        world
            .git
            .narrow(REPO, &world.job, &harvest, &[0, 1])
            .await
            .unwrap(),
        "the tree is the base with the changes that are listed"
    );
}

#[tokio::test]
async fn a_large_file_that_was_there_before_is_no_change() {
    let world = World::with(&[("large", &"x".repeat(5_000))]);
    let checkout = world.checkout().await;
    let limits = HarvestLimits {
        file_bytes: 100,
        total_bytes: 100,
        ..HarvestLimits::default()
    };
    let harvest = world.harvest_within(&checkout, &limits).await;
    assert_eq!((harvest.changes.len(), harvest.refused.len()), (0, 0));
}

#[tokio::test]
async fn the_checkout_belongs_to_the_one_who_runs_the_agent() {
    use std::os::unix::fs::MetadataExt;
    if !rustix::process::geteuid().is_root() {
        // Giving files away takes root; as anyone else the server runs the agent as itself.
        return;
    }
    let world = world();
    let base = world.fetch("main").await.unwrap();
    let owner = Some((12_345, 23_456));
    let place = prova::ports::checkouts::Place {
        owner,
        ..world.place()
    };
    let checkout = world
        .git
        .checkout(REPO, &base, "work", &place)
        .await
        .unwrap();
    for path in [
        "",
        "link",
        "src",
        "src/lib/deep.rs",
        ".git",
        ".git/index",
        ".git/refs/heads",
    ] {
        let meta = std::fs::symlink_metadata(checkout.tree.written().join(path)).unwrap();
        assert_eq!(Some((meta.uid(), meta.gid())), owner, "{path}");
    }
    let mirror = world.outside("work/mirrors/7.git/HEAD");
    assert_eq!(std::fs::metadata(mirror).unwrap().uid(), 0);
}

#[tokio::test]
async fn no_file_of_a_checkout_is_a_file_of_the_mirror() {
    use std::os::unix::fs::MetadataExt;
    let world = world();
    let checkout = world.checkout().await;
    let mut waiting = vec![checkout.tree.written().to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                waiting.push(path);
            } else {
                assert_eq!(meta.nlink(), 1, "{}", path.display());
            }
        }
    }
}
