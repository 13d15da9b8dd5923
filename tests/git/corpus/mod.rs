//! The corpus of attacks in `fixtures/attacks`, each run against a real checkout: nothing of the
//! agent's runs, nothing of the host's leaks, nothing is hidden, time and memory are bounded, and
//! the tree that comes out is sound for whoever clones it.

mod attack;
mod judge;
mod race;
mod scene;
mod steps;

use std::collections::BTreeSet;

use prova::domain::change::Harvest;
use prova::ports::checkouts::Checkouts;

use crate::corpus::attack::{Attack, Expect};
use crate::corpus::race::PLACE;
use crate::corpus::scene::Scene;
use crate::support::{changes, refused};

/// Runs an attack thrice: on a harvest alone, on one with the agent's processes still writing, and
/// on somebody naive.
async fn run(name: &str) {
    let attack = Attack::named(name);
    let limits = attack.limits.whole();
    let scene = Scene::of(&attack).await;

    let harvest = judge::harvest(&scene, &limits, false).await;
    meets(&attack.expect, &scene, &harvest);
    judge::publish(&scene, &harvest).await;

    let raced = judge::harvest(&scene, &limits, true).await;
    meets(&attack.expect, &scene, &raced);

    if let Some(naive) = &attack.naive {
        judge::is_alive(naive, &scene);
    }
    scene.world.git.remove(&scene.world.job).await.unwrap();
    assert!(!scene.world.job.exists());
    let secret = std::fs::read_to_string(scene.world.outside("host/secret")).unwrap();
    assert_eq!(secret, scene::SECRET);
}

/// Compares with what is expected, but for what is fought over.
fn meets(expect: &Expect, scene: &Scene, harvest: &Harvest) {
    let fought = |path: &str| path.split('/').next() == Some(PLACE);
    let mut found = changes(harvest);
    found.retain(|change| !fought(&change[1..]));
    for change in &mut found {
        *change = shortened(change, expect.changes.iter());
    }
    found.dedup();
    assert_eq!(found, expect.changes);

    assert!(harvest.refused.len() < 2_000, "a flood of refusals");
    let mut found = refused(harvest);
    found.retain(|(path, _)| !fought(path));
    for (path, _) in &mut found {
        *path = shortened(path, expect.refused.keys());
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup();
    let expected: Vec<_> = expect.refused.clone().into_iter().collect();
    assert_eq!(found, expected);
    for (path, text) in &expect.content {
        assert_eq!(scene.world.content(harvest, path), *text, "{path}");
    }
    let listing = scene.world.listing(harvest);
    for line in &expect.modes {
        assert!(listing.contains(line), "{line} is not in {listing:?}");
    }
}

/// An expectation `many/*` stands for all paths below `many` that are not named themselves.
fn shortened<'a>(path: &str, expected: impl Iterator<Item = &'a String> + Clone) -> String {
    let starts = |expected: &&String| {
        let before = expected.strip_suffix('*');
        before.is_some_and(|before| path.starts_with(before))
    };
    let named = expected.clone().any(|expected| expected == path);
    let whole = expected.clone().find(starts).filter(|_| !named);
    whole.cloned().unwrap_or_else(|| path.to_owned())
}

/// A test for each attack, so that each is named, runs beside the others, and fails alone.
macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            run(stringify!($name)).await;
        })*

        #[test]
        fn every_attack_is_run() {
            let run = BTreeSet::from([$(stringify!($name)),*].map(str::to_owned));
            let files = std::fs::read_dir(attack::home()).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let there: BTreeSet<String> = names
                .filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned()))
                .collect();
            assert_eq!(run, there);
        }
    };
}

attacks! {
    alias,
    alternates,
    assume_unchanged,
    attribute_flood,
    attributes_of_the_change,
    attributes_too_long,
    broken_config,
    case_collision,
    case_only_rename,
    commondir,
    composed_names,
    control_characters,
    core_worktree,
    crafted_index,
    credential_helper,
    deep_directories,
    device,
    diff_command,
    diff_external,
    diff_textconv,
    dot_git_invisible,
    dot_git_spellings,
    editor,
    encoding,
    encoding_flood,
    ext_remote,
    fifo,
    filter_by_info_attributes,
    filter_clean,
    filter_process,
    filter_smudge,
    fsmonitor,
    git_proxy,
    gitfile,
    gitfile_to_another_repository,
    gpg_program,
    gpg_ssh_program,
    grafts,
    hard_linked_file,
    hard_linked_store,
    hooks,
    hooks_path,
    hostile_head,
    http_proxy,
    include,
    include_if,
    index_with_gitlink,
    info_exclude,
    instead_of,
    lfs_extension,
    lfsconfig,
    link_through_a_link,
    link_through_another_spelling,
    linked_directory,
    linked_file,
    linked_repository,
    linked_specials,
    long_names,
    many_files,
    many_small_files,
    merge_driver,
    module_flood,
    modules_carriage_return,
    modules_honest,
    modules_name,
    modules_path,
    modules_update,
    modules_url,
    names_not_utf8,
    nested_bare,
    nested_gitfile,
    nested_gitlink,
    nested_repository,
    new_links,
    no_repository,
    option_names,
    own_commits,
    pack_objects_hook,
    promisor,
    receivepack,
    refusal_flood,
    remote_vcs,
    reordered_names,
    replace_refs,
    setuid,
    skip_worktree,
    socket,
    sparse_terabyte,
    ssh_command,
    stat_cache,
    trailer_command,
    tree_bomb,
    uploadpack,
    windows_paths,
    worktree_config,
}
