//! Building a tree from another one and a few changes, at the cost of the directories that change:
//! an index would have to list every path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::paths::{last, prefixes};
use crate::adapters::git::process;
use crate::adapters::git::removal;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::{Change, ChangeKind};

const DIRECTORY: u32 = 0o40_000;

/// One tree object: what stands at each name.
type Tree = BTreeMap<Vec<u8>, (u32, ObjectId)>;

/// Writes the trees of `base` with `changes` to the repository and returns the root.
pub(crate) async fn graft(
    git_dir: &Path,
    base: ObjectId,
    changes: &[&Change],
) -> Result<ObjectId, Trouble> {
    let trees = read(git_dir, base, directories(changes)).await?;
    let trees = apply(trees, changes).ok_or_else(|| odd("changes that do not go together"))?;
    let (written, root) = fold(trees);
    let spool = git_dir.join("trees");
    let paths = {
        let spool = spool.clone();
        blocking(move || spooled(&spool, &written)).await?
    };
    let args = [
        "hash-object",
        "-w",
        "-t",
        "tree",
        "--no-filters",
        "--stdin-paths",
    ];
    let mut call = Call::new(git_dir, args);
    call.stdin = paths;
    let stored = process::run(&call).await?;
    blocking(move || removal::remove_tree(&spool)).await?;
    // Git says of each what it has taken it for; the root comes last.
    if stored.ends_with(format!("{root}\n").as_bytes()) {
        Ok(root)
    } else {
        Err(odd("another content than it stored"))
    }
}

fn odd(what: &str) -> Trouble {
    Trouble::new(Kind::Lasting, format!("git was asked for a tree of {what}"))
}

/// Returns every directory in which something changes, with all above it and the root.
fn directories(changes: &[&Change]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::from([Vec::new()]);
    for change in changes {
        let path = change.path.as_bytes();
        let above = prefixes(path).filter(|prefix| prefix.len() < path.len());
        found.extend(above.map(<[u8]>::to_vec));
    }
    found
}

/// Reads directories of `base`; one that it does not have is empty.
async fn read(
    git_dir: &Path,
    base: ObjectId,
    directories: BTreeSet<Vec<u8>>,
) -> Result<BTreeMap<Vec<u8>, Tree>, Trouble> {
    let asked: Vec<(Vec<u8>, Vec<u8>)> = directories
        .into_iter()
        .map(|dir| ([format!("{base}:").as_bytes(), &dir].concat(), dir))
        .collect();
    let mut call = Call::new(git_dir, ["cat-file", "--batch", "-z"]);
    for (question, _) in &asked {
        call.stdin.extend(question);
        call.stdin.push(0);
    }
    let printed = process::run(&call).await?;
    let mut rest = printed.as_slice();
    let mut trees = BTreeMap::new();
    for (question, dir) in asked {
        let (tree, left) =
            answer(&question, rest).ok_or_else(|| odd("what it does not show as one"))?;
        rest = left;
        trees.insert(dir, tree);
    }
    Ok(trees)
}

/// Reads `QUESTION missing\n`, or `ID TYPE SIZE\n` and the object; returns what comes after as well.
fn answer<'a>(question: &[u8], printed: &'a [u8]) -> Option<(Tree, &'a [u8])> {
    let missing = [question, b" missing\n"].concat();
    if let Some(rest) = printed.strip_prefix(missing.as_slice()) {
        return Some((Tree::new(), rest));
    }
    let end = printed.iter().position(|&byte| byte == b'\n')?;
    let mut header = std::str::from_utf8(printed.get(..end)?).ok()?.split(' ');
    let (_, kind, size) = (header.next()?, header.next()?, header.next()?);
    let start = end + 1;
    let stop = start.checked_add(size.parse().ok()?)?;
    let object = printed.get(start..stop)?;
    let rest = printed.get(stop..)?.strip_prefix(b"\n")?;
    // A file that gives way to a directory has nothing in it.
    let tree = if kind == "tree" {
        parse(object)?
    } else {
        Tree::new()
    };
    Some((tree, rest))
}

/// Reads `MODE NAME\0ID` again and again.
fn parse(mut object: &[u8]) -> Option<Tree> {
    let mut tree = Tree::new();
    while !object.is_empty() {
        let space = object.iter().position(|&byte| byte == b' ')?;
        let (mode, rest) = object.split_at_checked(space)?;
        let rest = rest.get(1..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        let (name, rest) = rest.split_at_checked(end)?;
        let (id, rest) = rest.get(1..)?.split_at_checked(20)?;
        let mode = u32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?;
        tree.insert(
            name.to_vec(),
            (usual(mode), ObjectId::parse(hex::encode(id).as_bytes())?),
        );
        object = rest;
    }
    Some(tree)
}

/// Returns the mode as git writes it today; old trees have others for files.
const fn usual(mode: u32) -> u32 {
    match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        kind => kind,
    }
}

/// Makes the changes: what is deleted first, so that it makes room. A file takes the place of a
/// directory with all that is left in it, and the other way round; `None` when two changes want one
/// place.
fn apply(
    mut trees: BTreeMap<Vec<u8>, Tree>,
    changes: &[&Change],
) -> Option<BTreeMap<Vec<u8>, Tree>> {
    let mut files = BTreeSet::new();
    for change in changes {
        let (dir, name) = split(change.path.as_bytes());
        match &change.kind {
            ChangeKind::Deleted => {
                trees.get_mut(dir)?.remove(name);
            }
            ChangeKind::Added(_) | ChangeKind::Modified(_) => {
                files.insert(change.path.as_bytes());
            }
        }
    }
    for change in changes {
        if let ChangeKind::Added(entry) | ChangeKind::Modified(entry) = &change.kind {
            let (dir, name) = split(change.path.as_bytes());
            let mode = u32::from_str_radix(entry.mode.octal(), 8).ok()?;
            let id = ObjectId::parse(entry.blob.as_bytes())?;
            trees.get_mut(dir)?.insert(name.to_vec(), (mode, id));
            if !dir.is_empty() && prefixes(dir).any(|above| files.contains(above)) {
                return None;
            }
        }
    }
    trees.retain(|path, _| path.is_empty() || !prefixes(path).any(|above| files.contains(above)));
    Some(trees)
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let name = last(path);
    let dir = path.len().saturating_sub(name.len() + 1);
    (path.get(..dir).unwrap_or_default(), name)
}

/// Puts directories into those above them, the deepest first; returns the objects, and the root.
fn fold(mut trees: BTreeMap<Vec<u8>, Tree>) -> (Vec<Vec<u8>>, ObjectId) {
    let mut objects = Vec::new();
    while let Some((path, tree)) = trees.pop_last() {
        let object = serialize(&tree);
        let id = ObjectId::of_tree(&object);
        if path.is_empty() {
            objects.push(object);
            return (objects, id);
        }
        let (dir, name) = split(&path);
        let Some(above) = trees.get_mut(dir) else {
            continue;
        };
        if !tree.is_empty() {
            objects.push(object);
            above.insert(name.to_vec(), (DIRECTORY, id));
        } else if above.get(name).is_some_and(|(mode, _)| *mode == DIRECTORY) {
            above.remove(name);
        }
    }
    (objects, ObjectId::of_tree(b""))
}

/// Writes a tree as git does: directories are sorted as if their names ended in a slash.
fn serialize(tree: &Tree) -> Vec<u8> {
    let mut entries: Vec<(Vec<u8>, &[u8], u32, ObjectId)> = tree
        .iter()
        .map(|(name, &(mode, id))| {
            let end: &[u8] = if mode == DIRECTORY { b"/" } else { b"" };
            ([name, end].concat(), name.as_slice(), mode, id)
        })
        .collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut object = Vec::new();
    for (_, name, mode, id) in entries {
        object.extend(format!("{mode:o} ").into_bytes());
        object.extend(name);
        object.push(0);
        object.extend(id.bytes());
    }
    object
}

/// Writes each object to a file of its own and returns their paths, a line each.
fn spooled(dir: &Path, objects: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    removal::remove_tree(dir)?;
    fs::create_dir_all(dir)?;
    let mut paths = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        let path = dir.join(n.to_string());
        fs::write(&path, object)?;
        paths.extend_from_slice(path.as_os_str().as_bytes());
        paths.push(b'\n');
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::{Entry, Mode, RepoPath};

    #[test]
    fn the_empty_tree_is_the_one_that_git_knows() {
        let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        assert_eq!(
            ObjectId::of_tree(&serialize(&Tree::new())).to_string(),
            empty
        );
    }

    #[test]
    fn a_tree_is_written_as_it_was_read() {
        let id = |byte: u8| ObjectId::of_blob(&[byte]);
        let tree = Tree::from([
            (b"a".to_vec(), (DIRECTORY, id(1))),
            (b"a.c".to_vec(), (0o100_644, id(2))),
            (b"a-b".to_vec(), (0o160_000, id(3))),
            (b"z".to_vec(), (0o120_000, id(4))),
        ]);
        let object = serialize(&tree);
        assert_eq!(parse(&object).unwrap(), tree);
        let at = |name: &[u8]| object.windows(name.len()).position(|w| w == name).unwrap();
        assert!(at(b" a-b\0") < at(b" a.c\0") && at(b" a.c\0") < at(b" a\0"));
        assert_eq!(usual(0o100_664), 0o100_644);
        assert!(parse(b"100644 x").is_none());
    }

    #[test]
    fn files_and_directories_take_each_others_place() {
        let id = ObjectId::of_blob(b"");
        let put = |path: &str| Change {
            path: RepoPath::new(path.as_bytes()),
            kind: ChangeKind::Modified(Entry {
                mode: Mode::File,
                blob: id.to_string(),
                bytes: 0,
            }),
        };
        let gone = |path: &str| Change {
            path: RepoPath::new(path.as_bytes()),
            kind: ChangeKind::Deleted,
        };
        let file = |name: &str| Tree::from([(name.as_bytes().to_vec(), (0o100_644, id))]);
        let dir = |name: &str, tree: &Tree| {
            let id = ObjectId::of_tree(&serialize(tree));
            Tree::from([(name.as_bytes().to_vec(), (DIRECTORY, id))])
        };
        let build = |root: &Tree, below: &Tree, changes: &[Change]| {
            let trees =
                BTreeMap::from([(Vec::new(), root.clone()), (b"a".to_vec(), below.clone())]);
            apply(trees, &changes.iter().collect::<Vec<_>>()).map(|trees| fold(trees).1)
        };
        let is = |tree: &Tree| Some(ObjectId::of_tree(&serialize(tree)));
        let (none, x) = (Tree::new(), file("x"));
        assert_eq!(build(&dir("a", &x), &x, &[gone("a/x")]), is(&none));
        assert_eq!(
            build(&dir("a", &x), &x, &[put("a"), gone("a/x")]),
            is(&file("a"))
        );
        assert_eq!(build(&dir("a", &x), &x, &[put("a")]), is(&file("a")));
        assert_eq!(
            build(&file("a"), &none, &[gone("a"), put("a/x")]),
            is(&dir("a", &x))
        );
        assert_eq!(build(&file("a"), &none, &[put("a/x")]), is(&dir("a", &x)));
        assert_eq!(build(&none, &none, &[put("a"), put("a/x")]), None);
    }

    #[test]
    fn an_answer_ends_where_the_next_begins() {
        let printed = b"t:a\nb missing\nabc blob 2\nxy\nrest";
        let (tree, rest) = answer(b"t:a\nb", printed).unwrap();
        assert!(tree.is_empty());
        let (tree, rest) = answer(b"t:c", rest).unwrap();
        assert_eq!((tree.len(), rest), (0, &b"rest"[..]));
        assert!(answer(b"t:d", b"abc tree 9\nshort\n").is_none());
    }
}
