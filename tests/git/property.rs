//! Any sequence of edits is harvested as `git add -A` would take it.

use std::path::Path;

use proptest::prelude::*;

use crate::support::{World, chmod, link, write};

/// Few names, so that edits meet: files become directories, links become files.
const PATHS: &[&str] = &[
    "a",
    "a/x",
    "a/y",
    "b",
    "b/c",
    "b/c/d",
    "e.log",
    "f.txt",
    "g.bin",
    ".gitignore",
];
const CONTENTS: &[&str] = &[
    "",
    "one\n",
    "one\r\ntwo\r\n",
    "*.log\n",
    "b/\n!b/c\n",
    "/a\nf*\n",
    "\0\u{1}binary",
];
const TARGETS: &[&str] = &["b", "f.txt", "nowhere", "./g.bin"];

#[derive(Clone, Debug)]
enum Edit {
    Write(usize, usize),
    Link(usize, usize),
    Remove(usize),
    Executable(usize, bool),
    Move(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let path = 0..PATHS.len();
    prop_oneof![
        4 => (path.clone(), 0..CONTENTS.len()).prop_map(|(p, c)| Edit::Write(p, c)),
        1 => (path.clone(), 0..TARGETS.len()).prop_map(|(p, t)| Edit::Link(p, t)),
        2 => path.clone().prop_map(Edit::Remove),
        1 => (path.clone(), any::<bool>()).prop_map(|(p, x)| Edit::Executable(p, x)),
        1 => (path.clone(), path).prop_map(|(p, q)| Edit::Move(p, q)),
    ]
}

fn clear(dir: &Path, path: &str) {
    let place = dir.join(path);
    if place.is_dir() && !place.is_symlink() {
        std::fs::remove_dir_all(place).unwrap();
    } else if place.symlink_metadata().is_ok() {
        std::fs::remove_file(place).unwrap();
    }
}

/// Makes room: what stands at the path, and files or links where it needs directories, go away.
fn make_room(dir: &Path, path: &str) {
    for (at, _) in path.match_indices('/') {
        let parent = dir.join(&path[..at]);
        if parent.is_symlink() || parent.is_file() {
            std::fs::remove_file(parent).unwrap();
        }
    }
    clear(dir, path);
}

fn apply(dir: &Path, edits: &[Edit]) {
    for edit in edits {
        match *edit {
            Edit::Write(path, content) => {
                make_room(dir, PATHS[path]);
                write(dir, PATHS[path], CONTENTS[content]);
            }
            Edit::Link(path, target) => {
                // A link as `.gitignore` is refused on purpose.
                if PATHS[path] != ".gitignore" && !PATHS[path].contains('/') {
                    make_room(dir, PATHS[path]);
                    link(dir, PATHS[path], TARGETS[target]);
                }
            }
            Edit::Remove(path) => clear(dir, PATHS[path]),
            Edit::Executable(path, on) => {
                if dir
                    .join(PATHS[path])
                    .symlink_metadata()
                    .is_ok_and(|meta| meta.is_file())
                {
                    chmod(&dir.join(PATHS[path]), if on { 0o755 } else { 0o644 });
                }
            }
            Edit::Move(from, to) => {
                let (from, to) = (PATHS[from], PATHS[to]);
                let file = dir
                    .join(from)
                    .symlink_metadata()
                    .is_ok_and(|meta| meta.is_file());
                if file && !to.starts_with(&format!("{from}/")) && from != to {
                    let content = std::fs::read(dir.join(from)).unwrap();
                    clear(dir, from);
                    make_room(dir, to);
                    write(dir, to, content);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_harvest_equals_git_add(
        before in prop::collection::vec(edit(), 0..12),
        after in prop::collection::vec(edit(), 1..16),
        attributes in prop::option::of(prop::sample::select(vec!["* text=auto\n", "*.txt eol=crlf\n", "*.bin binary\n"])),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::empty();
            if let Some(attributes) = attributes {
                write(&world.upstream(), ".gitattributes", attributes);
            }
            apply(&world.upstream(), &before);
            world.commit();
            let checkout = world.checkout().await;
            prop_assert_eq!(world.harvest(&checkout).await.changes, vec![]);
            apply(checkout.tree.written(), &after);
            let harvest = world.harvest(&checkout).await;
            prop_assert_eq!(&harvest.refused, &vec![]);
            let by_git = world.tree_by_git(|copy| apply(copy, &after));
            prop_assert_eq!(harvest.tree.as_str(), by_git);
            Ok(())
        })?;
    }
}
