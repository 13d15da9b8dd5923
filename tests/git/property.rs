//! Any sequence of edits is harvested as `git add -A` would take it.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use crate::support::{World, shell, write};

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
    Again(usize),
    Touch(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let path = 0..PATHS.len();
    prop_oneof![
        4 => (path.clone(), 0..CONTENTS.len()).prop_map(|(p, c)| Edit::Write(p, c)),
        1 => (path.clone(), 0..TARGETS.len()).prop_map(|(p, t)| Edit::Link(p, t)),
        2 => path.clone().prop_map(Edit::Remove),
        1 => (path.clone(), any::<bool>()).prop_map(|(p, x)| Edit::Executable(p, x)),
        1 => (path.clone(), path.clone()).prop_map(|(p, q)| Edit::Move(p, q)),
        1 => path.clone().prop_map(Edit::Again),
        1 => path.prop_map(Edit::Touch),
    ]
}

/// Words a shell takes as they are.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Makes room: what stands at the path, and files or links where it needs directories, go away.
fn make_room(path: &str) -> String {
    let mut script = String::new();
    for (at, _) in path.match_indices('/') {
        let (parent, dir) = (quoted(&path[..at]), &path[..at]);
        writeln!(script, "[ -d {dir} ] && [ ! -L {dir} ] || rm -f {parent}").unwrap();
        writeln!(script, "mkdir -p {parent}").unwrap();
    }
    writeln!(script, "rm -rf {}", quoted(path)).unwrap();
    script
}

/// The edits as a script, so that they can be made wherever a tree is shown.
fn script(edits: &[Edit]) -> String {
    let mut script = String::new();
    for edit in edits {
        let line = match *edit {
            Edit::Write(path, content) => {
                let octal = CONTENTS[content]
                    .bytes()
                    .fold(String::new(), |mut text, byte| {
                        write!(text, "\\{byte:03o}").unwrap();
                        text
                    });
                let path = PATHS[path];
                format!("{}printf '{octal}' > {}", make_room(path), quoted(path))
            }
            // A link as `.gitignore` is refused on purpose.
            Edit::Link(path, target)
                if PATHS[path] != ".gitignore" && !PATHS[path].contains('/') =>
            {
                let path = PATHS[path];
                format!("{}ln -s {} {path}", make_room(path), TARGETS[target])
            }
            Edit::Link(_, _) => continue,
            // Not through a link: that would be another path.
            Edit::Remove(path) => match PATHS[path].rsplit_once('/') {
                Some((dir, _)) => format!(
                    "[ -L {} ] || [ -L {dir} ] || rm -rf {}",
                    first(dir),
                    PATHS[path]
                ),
                None => format!("rm -rf {}", PATHS[path]),
            },
            Edit::Executable(path, on) => {
                let (path, mode) = (PATHS[path], if on { "755" } else { "644" });
                format!("if {}; then chmod {mode} {path}; fi", is_file(path))
            }
            Edit::Move(from, to) => {
                let (from, to) = (PATHS[from], PATHS[to]);
                if to.starts_with(&format!("{from}/")) || from == to {
                    continue;
                }
                format!(
                    "if {}; then mv {from} .git/moved\n{}mv .git/moved {to}; fi",
                    is_file(from),
                    make_room(to)
                )
            }
            // Files below stay as they were, but where another directory stood.
            Edit::Again(path) => {
                let path = PATHS[path];
                format!(
                    "if [ -d {path} ] && [ ! -L {path} ]; then cp -a {path} .git/again; rm -rf {path}\n\
                     mkdir {path}; cp -a .git/again/. {path}/; rm -rf .git/again; fi"
                )
            }
            Edit::Touch(path) => {
                let path = PATHS[path];
                format!(
                    "if {}; then cat {path} > .git/same; cat .git/same > {path}; fi",
                    is_file(path)
                )
            }
        };
        writeln!(script, "{line}").unwrap();
    }
    script
}

fn first(path: &str) -> &str {
    path.split('/').next().unwrap()
}

fn is_file(path: &str) -> String {
    let parents = path
        .match_indices('/')
        .fold(String::new(), |mut text, (at, _)| {
            write!(text, " && [ ! -L {} ]", &path[..at]).unwrap();
            text
        });
    format!("[ -f {path} ] && [ ! -L {path} ]{parents}")
}

fn apply(dir: &Path, edits: &[Edit]) {
    shell(dir, &script(edits));
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
            prop_assert_eq!(harvest.tree.as_str(), &by_git);

            let layered = world.layered_checkout().await;
            world.inside(&layered.tree, &script(&after));
            let of_layers = world.harvest(&layered).await;
            prop_assert_eq!(&of_layers.refused, &vec![]);
            prop_assert_eq!(of_layers.changes, harvest.changes);
            prop_assert_eq!(of_layers.tree.as_str(), &by_git);
            Ok(())
        })?;
    }
}
