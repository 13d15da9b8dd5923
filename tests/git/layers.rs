//! Checkouts that stand on layers, mounted as a sandbox mounts them.

use prova::ports::checkouts::Checkouts;
use prova::ports::tree::{Layers, Tree};

use crate::support::{REPO, World, changes, git, refused, write};

fn layers(tree: &Tree) -> &Layers {
    match tree {
        Tree::Layered(layers) => layers,
        Tree::Plain(dir) => panic!("every file was written to {}", dir.display()),
    }
}

/// Two files, and room for edits.
fn world() -> World {
    World::with(&[
        ("README.md", "# hello\n"),
        ("a/one.txt", "one\n"),
        ("a/two.txt", "two\n"),
        ("b/c/three.txt", "three\n"),
        (".gitignore", "*.log\nout/\n"),
    ])
}

#[tokio::test]
async fn a_checkout_shows_the_commit_and_costs_nothing_of_its_files() {
    let world = world();
    let checkout = world.layered_checkout().await;
    let seen = world.inside(
        &checkout.tree,
        "find . -path ./.git -prune -o -type f -print | sort; cat b/c/three.txt",
    );
    assert_eq!(
        seen,
        "./.gitignore\n./README.md\n./a/one.txt\n./a/two.txt\n./b/c/three.txt\nthree"
    );
    let written = std::fs::read_dir(checkout.tree.written()).unwrap();
    let written: Vec<_> = written.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, [".git"]);
    let harvest = world.harvest(&checkout).await;
    assert_eq!((harvest.changes, harvest.refused), (vec![], vec![]));
    assert_eq!(harvest.tree, harvest.base_tree);
}

#[tokio::test]
async fn git_inside_knows_the_base_without_reading_it_and_can_commit() {
    let world = world();
    let checkout = world.layered_checkout().await;
    let objects = checkout.objects.to_str().unwrap();
    let script = format!(
        "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory \
           GIT_CONFIG_VALUE_0='*'
         cat .git/objects/info/alternates
         echo {objects} > .git/objects/info/alternates
         git status --porcelain; git log -1 --format=%H; git symbolic-ref HEAD
         [ $(git ls-files --debug | grep -c 'mtime: [1-9]') = 5 ]
         echo more >> README.md; git rm -q a/one.txt; git commit -qam mine
         git status --porcelain; git rev-parse HEAD^"
    );
    let said = world.inside(&checkout.tree, &script);
    let base = checkout.base.as_str();
    assert_eq!(
        said,
        format!("/prova/objects\n{base}\nrefs/heads/prova/7-work\n{base}")
    );
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["~README.md", "-a/one.txt"]);
}

#[tokio::test]
async fn jobs_share_a_base_and_no_job_changes_it() {
    let mut world = world();
    let first = world.layered_checkout().await;
    world.inside(
        &first.tree,
        "echo spoiled > README.md; rm -r a; echo x > .git/index; mkdir a",
    );
    let base = layers(&first.tree).lower.clone();
    world.job = world.job.with_file_name("2");
    let second = world.layered_checkout().await;
    assert_eq!(layers(&second.tree).lower, base);
    assert_ne!(layers(&second.tree).upper, layers(&first.tree).upper);
    assert_eq!(
        world.inside(&second.tree, "cat README.md a/one.txt"),
        "# hello\none"
    );
    assert_eq!(world.harvest(&second).await.changes, []);
}

#[tokio::test]
async fn a_base_that_moved_is_a_second_layer_and_never_a_third() {
    let mut world = world();
    let first = world.layered_checkout().await;
    for (round, edit) in [
        "echo moved >> README.md; git rm -rq a; echo a > a; git rm -q b/c/three.txt; echo n > new",
        "rm a; mkdir -p a/d; echo d > a/d/x; rm README.md; ln -s new README.md; chmod +x new",
        "mkdir b; echo b > b/c; rm -r a",
    ]
    .iter()
    .enumerate()
    {
        crate::support::shell(&world.upstream(), edit);
        let commit = world.commit();
        world.job = world.job.with_file_name(format!("moved-{round}"));
        let checkout = world.layered_checkout().await;
        assert_eq!(checkout.base.as_str(), commit);
        let lower = &layers(&checkout.tree).lower;
        assert_eq!(lower.len(), 3, "files, what differs, .git: {lower:?}");
        assert_eq!(lower[0], layers(&first.tree).lower[0]);
        let listing = "find . -name .git -prune -o ! -type d -printf '%P %l %m\\n' | sort";
        let expected = crate::support::shell(&world.upstream(), listing);
        assert_eq!(world.inside(&checkout.tree, listing), expected);
        let objects = checkout.objects.to_str().unwrap();
        let status = format!(
            "echo {objects} > .git/objects/info/alternates
             GIT_OPTIONAL_LOCKS=0 git -c safe.directory=$PWD status --porcelain
             GIT_OPTIONAL_LOCKS=0 git -c safe.directory=$PWD ls-files --modified"
        );
        assert_eq!(world.inside(&checkout.tree, &status), "");
        assert_eq!(world.harvest(&checkout).await.changes, []);
    }
}

#[tokio::test]
async fn other_attributes_are_a_base_of_their_own() {
    let mut world = world();
    let first = world.layered_checkout().await;
    write(&world.upstream(), ".gitattributes", "*.txt eol=crlf\n");
    world.commit();
    world.job = world.job.with_file_name("2");
    let second = world.layered_checkout().await;
    assert_eq!(layers(&second.tree).lower.len(), 2);
    assert_ne!(layers(&second.tree).lower[0], layers(&first.tree).lower[0]);
    assert_eq!(world.inside(&second.tree, "cat a/one.txt"), "one\r");
    assert_eq!(world.harvest(&second).await.changes, []);
    world.inside(
        &second.tree,
        "printf 'ONE\\r\\n' > a/one.txt; : >> a/two.txt",
    );
    let harvest = world.harvest(&second).await;
    assert_eq!(changes(&harvest), ["~a/one.txt"]);
    assert_eq!(world.content(&harvest, "a/one.txt"), "ONE");
}

#[tokio::test]
async fn rules_of_lower_layers_hold_and_tracked_files_count_all_the_same() {
    let world = world();
    write(&world.upstream(), "out/tracked", "forced\n");
    git(&world.upstream(), ["add", "-f", "out/tracked"]);
    world.commit();
    let checkout = world.layered_checkout().await;
    world.inside(
        &checkout.tree,
        "echo noise > a/x.log; echo noise > out/build; echo real > a/x.txt; echo c > out/tracked",
    );
    assert_eq!(
        changes(&world.harvest(&checkout).await),
        ["+a/x.txt", "~out/tracked"]
    );
    world.inside(&checkout.tree, "rm .gitignore");
    assert_eq!(
        changes(&world.harvest(&checkout).await),
        [
            "-.gitignore",
            "+a/x.log",
            "+a/x.txt",
            "+out/build",
            "~out/tracked"
        ]
    );
}

#[tokio::test]
async fn directories_that_are_replaced_moved_or_emptied_are_what_they_seem() {
    let world = world();
    let checkout = world.layered_checkout().await;
    world.inside(
        &checkout.tree,
        "rm -r a; mkdir a; echo three > a/three.txt
         mv b moved 2>/dev/null || { cp -a b moved; rm -r b; }
         touch README.md; chmod +x README.md; chmod -x README.md",
    );
    let harvest = world.harvest(&checkout).await;
    assert_eq!(harvest.refused, []);
    assert_eq!(
        changes(&harvest),
        [
            "-a/one.txt",
            "+a/three.txt",
            "-a/two.txt",
            "-b/c/three.txt",
            "+moved/c/three.txt"
        ]
    );
}

#[tokio::test]
async fn no_mark_of_the_overlay_can_be_forged() {
    let world = world();
    let checkout = world.layered_checkout().await;
    // With every capability of a user namespace, as no sandbox gives them.
    let forge = "
import os
tried = 0
for name in ('trusted.overlay.opaque', 'user.overlay.opaque'):
    try:
        os.setxattr('a', name, b'y')
        tried += 1
    except OSError:
        pass
try:
    os.mknod('b/c/three.txt', 0o20000, 0)
except OSError:
    tried += 1
print(tried)
";
    let script = format!("unshare -Ur python3 -c \"{forge}\"; cat a/one.txt b/c/three.txt");
    let said = world.inside(&checkout.tree, &script);
    assert!(said.ends_with("one\nthree"), "{said}");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), [] as [&str; 0]);
}

#[tokio::test]
async fn a_repository_put_together_with_what_the_base_has_is_refused() {
    let world = World::with(&[("d/objects/x", "x\n"), ("d/refs/x", "x\n"), ("f", "f\n")]);
    let checkout = world.layered_checkout().await;
    world.inside(
        &checkout.tree,
        "echo ref: refs/heads/main > d/HEAD; echo g > f",
    );
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["~f"]);
    assert_eq!(refused(&harvest)[0].0, "d");
}

#[tokio::test]
async fn a_harvested_tree_is_a_layer_on_a_base() {
    let world = world();
    let checkout = world.layered_checkout().await;
    world.inside(
        &checkout.tree,
        "rm -r a; echo new > n; mkdir -p out; echo junk > out/junk; echo x > b/c/y",
    );
    let harvest = world.harvest(&checkout).await;
    let place = world.layered_place();
    let tree = world
        .git
        .materialise(REPO, &harvest.tree, &place)
        .await
        .unwrap();
    assert_eq!(layers(&tree).lower.len(), 2);
    let listing = "find . ! -type d | sort; cat n";
    let expected = "./.gitignore\n./README.md\n./b/c/three.txt\n./b/c/y\n./n\nnew";
    assert_eq!(world.inside(&tree, listing), expected);
    // What the checks leave is nowhere else.
    world.inside(&tree, "echo built > built; rm README.md");
    let again = world
        .git
        .materialise(REPO, &harvest.tree, &place)
        .await
        .unwrap();
    assert_eq!(world.inside(&again, listing), expected);
}

#[tokio::test]
async fn a_job_is_removed_with_what_the_kernel_left() {
    let world = world();
    let checkout = world.layered_checkout().await;
    world.inside(&checkout.tree, "rm -r a; mkdir a; chmod 0 b");
    let shared = layers(&checkout.tree).lower[0].clone();
    world.git.remove(&world.job).await.unwrap();
    assert!(!world.job.exists());
    assert!(shared.join("a/one.txt").exists());
}
