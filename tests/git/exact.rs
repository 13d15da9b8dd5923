//! A harvest is exact to the byte, and stores what git would store under the base's attributes.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use prova::domain::change::RefusalReason as Reason;

use crate::corpus::os;
use crate::support::{World, changes, chmod, git, link, refused, write};

#[tokio::test]
async fn every_kind_of_change_is_what_git_would_make_of_it() {
    let world = World::with(&[
        ("crlf", "one\r\ntwo\r\n"),
        ("mode", "x\n"),
        ("gone", "x\n"),
        ("moved", "the same before and after\n"),
        ("file-to-dir", "x\n"),
        ("dir-to-file/x", "x\n"),
        ("file-to-link", "x\n"),
        ("dir-to-link/x", "x\n"),
        ("-n", "a name like an option\n"),
        ("empty", ""),
    ]);
    link(&world.upstream(), "link-to-file", "crlf");
    link(&world.upstream(), "link-to-link", "crlf");
    world.commit();
    let edit = |dir: &Path| {
        let clear = |path: &str| {
            let path = dir.join(path);
            if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        };
        write(dir, "crlf", "one\r\ntwo\nthree\r");
        chmod(&dir.join("mode"), 0o755);
        clear("gone");
        std::fs::rename(dir.join("moved"), dir.join("elsewhere")).unwrap();
        for path in ["file-to-dir", "dir-to-file", "file-to-link", "dir-to-link"] {
            clear(path);
        }
        write(dir, "file-to-dir/x", "y\n");
        write(dir, "dir-to-file", "y\n");
        link(dir, "file-to-link", "crlf");
        link(dir, "dir-to-link", "file-to-dir");
        clear("link-to-file");
        write(dir, "link-to-file", "crlf");
        clear("link-to-link");
        link(dir, "link-to-link", "mode");
        write(dir, "-n", "changed\n");
        write(dir, "empty", "no more\n");
        write(dir, "new-empty", "");
        std::fs::create_dir(dir.join("nothing-in-it")).unwrap();
        write(dir, "binary", b"\0\x01\xff\r\n\0");
        write(dir, "line", "x".repeat(1 << 20));
        write(dir, "no-end", "no line end");
        write(dir, "script", "#!/bin/sh\n");
        chmod(&dir.join("script"), 0o700);
    };
    let checkout = world.checkout().await;
    edit(checkout.tree.written());
    let harvest = world.harvest(&checkout).await;
    assert_eq!(refused(&harvest), []);
    assert_eq!(harvest.tree.as_str(), world.tree_by_git(edit));
    assert_eq!(world.content(&harvest, "crlf"), "one\r\ntwo\nthree\r");
    assert!(world.listing(&harvest).contains(&"100755 mode".to_owned()));
}

#[tokio::test]
async fn names_that_are_not_utf8_stay_as_they_are_and_cannot_be_changed() {
    let world = World::with(&[("a", "x\n")]);
    for name in [&b"\xff kept"[..], b"\xfe changed", b"\xfd gone"] {
        std::fs::write(world.upstream().join(os(name.to_vec())), "x\n").unwrap();
    }
    world.commit();
    let checkout = world.checkout().await;
    let dir = checkout.tree.written();
    std::fs::write(dir.join(os(b"\xfe changed".to_vec())), "y\n").unwrap();
    std::fs::remove_file(dir.join(os(b"\xfd gone".to_vec()))).unwrap();
    write(dir, "a", "y\n");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["~a"]);
    let no = Reason::NotUtf8;
    let expected = [
        ("\\xfd gone".to_owned(), no),
        ("\\xfe changed".to_owned(), no),
    ];
    assert_eq!(refused(&harvest), expected);
    assert_eq!(world.listing(&harvest).len(), 4);
}

#[tokio::test]
async fn pointers_of_lfs_are_left_alone() {
    let pointer = |digit: &str| {
        let digest = digit.repeat(64);
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n")
    };
    let world = World::with(&[
        (
            ".gitattributes",
            "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        ),
        ("a.bin", &pointer("a")),
        ("b.bin", &pointer("b")),
    ]);
    let checkout = world.checkout().await;
    let read = |path: &str| std::fs::read_to_string(checkout.tree.written().join(path)).unwrap();
    assert_eq!(read("a.bin"), pointer("a"));
    write(checkout.tree.written(), "b.bin", pointer("c"));
    write(checkout.tree.written(), "c.bin", b"the thing itself\0");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["~b.bin", "+c.bin"]);
    assert_eq!(world.content(&harvest, "b.bin"), pointer("c").trim_end());
    assert_eq!(world.content(&harvest, "c.bin"), "the thing itself\0");
}

/// Attributes that convert, each in its own way.
const ATTRIBUTES: &[&str] = &[
    "* text=auto\n",
    "* text=auto eol=crlf\n",
    "*.txt text eol=lf\n*.bin -text\n",
    "*.txt ident\n*.bin ident text\n",
    "*.u16 text working-tree-encoding=UTF-16LE\n",
    "[attr]wide text working-tree-encoding=UTF-16LE eol=crlf\n*.u16 wide\n* text=auto\n",
];

/// What content is made of where attributes can make a difference.
const PIECES: &[&str] = &[
    "a",
    "\n",
    "\r\n",
    "\r",
    "$Id$",
    "$Id: 0123 $",
    "\0",
    "\u{e9}",
    "text text text\n",
];

fn content() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Files of three kinds, the last in another encoding.
fn files() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec!["a.txt", "b.txt", "c.bin", "d/e.bin", "f.u16", "g"]);
    let file = (name.prop_map(str::to_owned), content());
    prop::collection::vec(file, 0..6)
}

/// A file's bytes: text of some is wide.
fn bytes(path: &str, text: &str) -> Vec<u8> {
    let wide = Path::new(path)
        .extension()
        .is_some_and(|kind| kind == "u16");
    if wide {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        text.into()
    }
}

fn put(dir: &Path, files: &[(String, String)]) {
    for (path, text) in files {
        write(dir, path, bytes(path, text));
    }
}

/// Those of `files`, the last of each name, that are not in `dir` as they are.
fn other_than_in(dir: &Path, files: &[(String, String)]) -> Vec<(String, String)> {
    let last: BTreeMap<_, _> = files.iter().cloned().collect();
    let differs = |path: &str, text: &str| {
        let there = std::fs::read(dir.join(path)).ok();
        there != Some(bytes(path, text))
    };
    (last.into_iter())
        .filter(|(path, text)| differs(path, text))
        .collect()
}

/// Line ends that were stored in spite of the attributes: git itself would store other ones as
/// soon as it looks at the file again.
#[tokio::test]
async fn what_no_blob_comes_back_from_is_unchanged_until_it_is_changed() {
    let world = World::with(&[(".gitattributes", ATTRIBUTES[4]), ("other", "x\n")]);
    write(&world.upstream(), "f.u16", bytes("f.u16", "\r\r\n"));
    world.commit();
    let checkout = world.checkout().await;
    let file = checkout.tree.written().join("f.u16");
    let as_checked_out = bytes("f.u16", "\r\n");
    assert_eq!(std::fs::read(&file).unwrap(), as_checked_out);
    assert_eq!(changes(&world.harvest(&checkout).await), [""; 0]);

    write(checkout.tree.written(), "f.u16", as_checked_out);
    chmod(&file, 0o755);
    let harvest = world.harvest(&checkout).await;
    assert_eq!(changes(&harvest), ["~f.u16"]);
    assert_eq!(world.content(&harvest, "f.u16"), "\r");
    assert!(world.listing(&harvest).contains(&"100755 f.u16".to_owned()));

    write(checkout.tree.written(), "f.u16", bytes("f.u16", "a\r\n"));
    let harvest = world.harvest(&checkout).await;
    assert_eq!(world.content(&harvest, "f.u16"), "a");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_attributes_of_the_base_are_honoured(
        attributes in prop::sample::select(ATTRIBUTES),
        before in files(),
        after in files(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::with(&[(".gitattributes", attributes)]);
            put(&world.upstream(), &before);
            world.commit();
            let checkout = world.checkout().await;
            prop_assert_eq!(world.harvest(&checkout).await.changes, vec![]);
            let edited = other_than_in(checkout.tree.written(), &after);
            put(checkout.tree.written(), &after);
            let harvest = world.harvest(&checkout).await;
            prop_assert_eq!(&harvest.refused, &vec![]);
            let paths: Vec<&str> = edited.iter().map(|(path, _)| path.as_str()).collect();
            let by_git = world.tree_by_git_adding(&paths, |copy| put(copy, &edited));
            prop_assert_eq!(harvest.tree.as_str(), by_git);
            let tree = harvest.tree.as_str();
            git(&world.job.join("objects"), ["fsck", "--strict", "--no-dangling", tree]);
            Ok(())
        })?;
    }
}
