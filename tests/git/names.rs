//! Which patterns of `.gitignore` match what, held against git itself.

use crate::support::{World, changes, git, write};

#[tokio::test]
async fn gitignore_is_read_as_git_reads_it() {
    let patterns = [
        "*.o",
        "/top",
        "dir/",
        "!dir/keep",
        "a/**/z",
        "**/deep",
        "x/**",
        "[a-c]1",
        "[!a-c]2",
        "q?",
        "brace.{js,ts}",
        "trail  ",
        "esc\\*",
        "\\#hash",
        "\\!bang",
        "m*d*e",
        "[[:digit:]]n",
        "a**b",
        "sub/only",
        "un[closed",
        "/w/*",
        "!/w/keep",
        "**",
        "!*.*",
        "!*/",
        "kept\\ ",
    ];
    let paths = [
        "a.o",
        "s/a.o",
        "top",
        "s/top",
        "dir/keep",
        "dir/other",
        "s/dir/f",
        "a/z",
        "a/b/z",
        "a/b/c/z",
        "deep",
        "p/q/deep",
        "x/1",
        "x/y/2",
        "a1",
        "d1",
        "a2",
        "d2",
        "q1",
        "q12",
        "brace.js",
        "brace.{js,ts}",
        "trail",
        "esc*",
        "escx",
        "#hash",
        "!bang",
        "middle",
        "5n",
        "axxb",
        "a/b",
        "sub/only",
        "t/sub/only",
        "un[closed",
        "w/1",
        "w/keep",
        "plain",
        "kept ",
    ];
    // Every pattern alone, then all of them together and in reverse: the last match decides.
    let mut files: Vec<String> = patterns.iter().map(|p| format!("{p}\n")).collect();
    files.push(patterns.join("\n"));
    files.push(
        patterns
            .iter()
            .rev()
            .copied()
            .collect::<Vec<_>>()
            .join("\r\n"),
    );
    files.push(format!("\u{feff}{}", patterns[0]));
    let world = World::with(&[("README", "x\n")]);
    let checkout = world.checkout().await;
    for text in files {
        for entry in std::fs::read_dir(checkout.tree.written()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() && entry.file_name() != ".git" {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        for path in paths {
            // Two of the paths cannot stand beside each other.
            if path != "a/b" {
                write(checkout.tree.written(), path, "x\n");
            }
        }
        write(checkout.tree.written(), ".gitignore", &text);
        let listed = git(
            checkout.tree.written(),
            [
                "-c",
                "core.quotePath=false",
                "ls-files",
                "-o",
                "--exclude-standard",
                "-z",
            ],
        );
        let mut expected: Vec<String> = listed
            .split_terminator('\0')
            .map(|path| format!("+{path}"))
            .collect();
        expected.sort_unstable();
        let harvest = world.harvest(&checkout).await;
        assert_eq!(harvest.refused, []);
        assert_eq!(changes(&harvest), expected, "{text:?}");
    }
}
