//! What setup commands leave, laid under later jobs.

use std::path::PathBuf;

use prova::domain::ids::TreeSha;
use prova::ports::checkouts::{Checkout, Checkouts, Setup};
use prova::ports::tree::Tree;

use crate::support::{REPO, World, changes, git, write};

const INSTALL: &str = "mkdir node_modules; cp package-lock.json node_modules/installed; \
                       echo '*' > node_modules/.gitignore; echo built > out.txt";

fn world() -> World {
    World::with(&[
        ("package-lock.json", "{}\n"),
        ("src/main.js", "main\n"),
        ("packages/a/index.js", "a\n"),
        (".gitignore", "node_modules/\n"),
    ])
}

/// Starts the next job.
async fn next_job(world: &mut World) -> Checkout {
    let number: u32 = world
        .job
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    world.job = world.job.with_file_name((number + 1).to_string());
    world.layered_checkout().await
}

fn setup(tree: &TreeSha) -> Setup<'_> {
    Setup {
        recipe: "npm ci",
        tree,
    }
}

async fn find(world: &World, tree: &Tree, of: &TreeSha) -> Option<Tree> {
    let place = world.layered_place();
    let found = world.git.find_setup(REPO, &setup(of), tree, &place).await;
    found.unwrap()
}

async fn keep(world: &World, checkout: &mut Checkout) {
    let place = world.layered_place();
    let setup = setup(&checkout.base_tree);
    let kept = world
        .git
        .keep_setup(REPO, Some(&setup), &checkout.tree, &place);
    checkout.tree = kept.await.unwrap();
}

/// Lets setup have been done a minute ago.
fn a_minute_passes(world: &World) {
    for kept in kept(world) {
        let file = kept.join("facts");
        let text = std::fs::read_to_string(&file).unwrap();
        let (made, rest) = text
            .strip_prefix("made ")
            .unwrap()
            .split_once('\n')
            .unwrap();
        let made = made.parse::<i64>().unwrap() - 60;
        std::fs::write(file, format!("made {made}\n{rest}")).unwrap();
    }
}

/// The directories of what is kept.
fn kept(world: &World) -> Vec<PathBuf> {
    let all = world.outside("work/setups").join(REPO.to_string());
    match std::fs::read_dir(all) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn what_setup_left_is_there_for_later_jobs_and_nobodys_change() {
    let mut world = world();
    let mut first = world.layered_checkout().await;
    assert!(find(&world, &first.tree, &first.base_tree).await.is_none());
    world.inside(&first.tree, INSTALL);
    keep(&world, &mut first).await;
    assert_eq!(
        world.inside(&first.tree, "cat node_modules/installed out.txt"),
        "{}\nbuilt"
    );
    world.inside(
        &first.tree,
        "echo spoiled > node_modules/installed; rm out.txt; echo x >> src/main.js",
    );
    assert_eq!(changes(&world.harvest(&first).await), ["~src/main.js"]);

    let second = next_job(&mut world).await;
    let ready = find(&world, &second.tree, &second.base_tree).await.unwrap();
    let second = Checkout {
        tree: ready,
        ..second
    };
    assert_eq!(
        world.inside(&second.tree, "cat node_modules/installed out.txt"),
        "{}\nbuilt"
    );
    assert_eq!(world.harvest(&second).await.changes, []);
    // Changed by the agent it counts as any other file.
    world.inside(
        &second.tree,
        "echo mine > out.txt; echo mine > node_modules/mine",
    );
    assert_eq!(changes(&world.harvest(&second).await), ["+out.txt"]);

    let harvest = world.harvest(&second).await;
    let verify = world
        .git
        .materialise(REPO, &harvest.tree, &world.layered_place())
        .await
        .unwrap();
    assert!(
        find(&world, &verify, &harvest.tree).await.is_none(),
        "what setup made stands where the change has a file"
    );
}

#[tokio::test]
async fn checks_stand_on_it_while_the_lockfiles_are_the_same() {
    let world = world();
    let mut checkout = world.layered_checkout().await;
    world.inside(
        &checkout.tree,
        "mkdir node_modules; echo installed > node_modules/m",
    );
    keep(&world, &mut checkout).await;
    let place = world.layered_place();
    world.inside(&checkout.tree, "echo more >> src/main.js; rm -r packages");
    let harvest = world.harvest(&checkout).await;
    let verify = world
        .git
        .materialise(REPO, &harvest.tree, &place)
        .await
        .unwrap();
    let ready = find(&world, &verify, &harvest.tree).await.unwrap();
    let said = world.inside(&ready, "cat node_modules/m src/main.js; [ ! -e packages ]");
    assert_eq!(said, "installed\nmain\nmore");

    world.inside(&checkout.tree, "echo '{\"a\":1}' > package-lock.json");
    let harvest = world.harvest(&checkout).await;
    let verify = world
        .git
        .materialise(REPO, &harvest.tree, &place)
        .await
        .unwrap();
    assert!(find(&world, &verify, &harvest.tree).await.is_none());
}

#[tokio::test]
async fn a_base_that_moved_keeps_it_until_a_lockfile_changes() {
    let mut world = world();
    let mut first = world.layered_checkout().await;
    world.inside(&first.tree, INSTALL);
    keep(&world, &mut first).await;
    for (file, fits) in [
        ("src/main.js", true),
        ("src/other.js", true),
        ("package-lock.json", false),
    ] {
        a_minute_passes(&world);
        write(&world.upstream(), file, "changed\n");
        world.commit();
        let checkout = next_job(&mut world).await;
        let found = find(&world, &checkout.tree, &checkout.base_tree).await;
        assert_eq!(found.is_some(), fits, "{file}");
        if let Some(ready) = found {
            let read = format!("cat {file} node_modules/installed");
            assert_eq!(world.inside(&ready, &read), "changed\n{}");
        }
    }
}

#[tokio::test]
async fn output_never_looks_newer_than_a_source_that_changed_since() {
    let mut world = world();
    let old = world.layered_checkout().await;
    write(&world.upstream(), "src/main.js", "newer\n");
    world.commit();
    let mut new = next_job(&mut world).await;
    world.inside(&new.tree, "mkdir node_modules; touch node_modules/m");
    keep(&world, &mut new).await;
    // The source that setup has seen as newer is older than the output here.
    assert!(find(&world, &old.tree, &old.base_tree).await.is_none());
    // A second later something else changed, but what setup has seen is still so.
    a_minute_passes(&world);
    write(&world.upstream(), "packages/a/index.js", "newer\n");
    world.commit();
    let next = next_job(&mut world).await;
    assert!(find(&world, &next.tree, &next.base_tree).await.is_some());
    // And here it is not.
    git(
        &world.upstream(),
        ["checkout", "-q", "HEAD~2", "--", "src/main.js"],
    );
    world.commit();
    let next = next_job(&mut world).await;
    assert!(find(&world, &next.tree, &next.base_tree).await.is_none());
}

#[tokio::test]
async fn nothing_is_kept_that_would_hide_what_a_commit_has() {
    for edit in [
        "echo changed > src/main.js",
        "rm src/main.js",
        "chmod +x src/main.js",
        "rm -r packages; mkdir packages; echo x > packages/x",
        "rm -r src; echo file > src",
        "rm src/main.js; ln -s x src/main.js",
    ] {
        let mut world = world();
        let mut first = world.layered_checkout().await;
        world.inside(&first.tree, &format!("{INSTALL}; {edit}"));
        keep(&world, &mut first).await;
        assert_eq!(kept(&world), [] as [PathBuf; 0], "{edit}");
        // This job goes on with it, and none of it is the agent's.
        assert_eq!(world.inside(&first.tree, "cat out.txt"), "built");
        assert_eq!(world.harvest(&first).await.changes, [], "{edit}");
        let second = next_job(&mut world).await;
        assert!(
            find(&world, &second.tree, &second.base_tree)
                .await
                .is_none()
        );
    }
}

#[tokio::test]
async fn what_setup_only_touched_is_not_part_of_it() {
    let mut world = world();
    let mut first = world.layered_checkout().await;
    world.inside(
        &first.tree,
        &format!("{INSTALL}; touch src/main.js packages/a/index.js"),
    );
    keep(&world, &mut first).await;
    let files = kept(&world)[0].join("files");
    let mut names: Vec<_> = std::fs::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["node_modules", "out.txt"]);
    a_minute_passes(&world);
    write(&world.upstream(), "node_modules", "a file now\n");
    git(&world.upstream(), ["add", "-f", "node_modules"]);
    world.commit();
    let next = next_job(&mut world).await;
    assert!(find(&world, &next.tree, &next.base_tree).await.is_none());
}

#[tokio::test]
async fn a_job_on_its_own_branch_gives_nothing_away() {
    let mut world = world();
    let mut first = world.layered_checkout().await;
    world.inside(&first.tree, INSTALL);
    let place = world.layered_place();
    first.tree = world
        .git
        .keep_setup(REPO, None, &first.tree, &place)
        .await
        .unwrap();
    assert_eq!(world.harvest(&first).await.changes, []);
    assert_eq!(kept(&world), [] as [PathBuf; 0]);
    let second = next_job(&mut world).await;
    assert!(
        find(&world, &second.tree, &second.base_tree)
            .await
            .is_none()
    );
}
