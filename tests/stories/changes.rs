//! Changes of every kind reach GitHub as they are: modes, links, deletions, bytes.

use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World};

/// Runs a script on a repository with these files and returns the files of the branch.
async fn changed(files: Vec<File>, script: &str) -> (Bot, Vec<File>) {
    let mut world = World::new().agent("editor", script);
    for file in files {
        world = world.put(file);
    }
    let bot = world.start().await;
    let issue = bot.labelled_issue("Change it", "");
    let _ = bot.requests();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    let pull = bot.thread(issue + 1);
    assert!(pull.contains("by prova[bot] (verified)"), "{pull}");
    let files = bot.files("prova/1-change-it");
    (bot, files)
}

fn find<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    files.iter().find(|file| file.path == path)
}

#[tokio::test]
async fn modes_links_deletions_and_renames() {
    let files = vec![
        File::new("tool", "#!/bin/sh\n"),
        File::executable("old-tool", "#!/bin/sh\n"),
        File::link("link", "README.md"),
        File::new("gone", "x\n"),
        File::new("dir/only", "x\n"),
        File::new("before", "the same text\n"),
    ];
    let script = "chmod +x tool\nchmod -x old-tool\nln -sfn src/main.py link\nln -s tool new-link\n\
                  rm gone\nrm -r dir\nmv before after";
    let (bot, files) = changed(files, script).await;
    let expected = [
        File::new("README.md", "# Hello\n\nThis is teh readme.\n"),
        File::new("after", "the same text\n"),
        File::link("link", "src/main.py"),
        File::link("new-link", "tool"),
        File::new("old-tool", "#!/bin/sh\n"),
        File::new("src/main.py", "print('hello')\n"),
        File::executable("tool", "#!/bin/sh\n"),
    ];
    assert_eq!(files, expected);
    insta::assert_snapshot!(bot.thread(2));
}

#[tokio::test]
async fn bytes_stay_as_they_are() {
    let script = "printf '\\000\\377\\001binary' > blob.bin\n: > empty\n\
                  printf 'one\\r\\ntwo\\r\\n' > dos.txt\nprintf 'no newline' > open\n\
                  printf '\\357\\273\\277bom\\n' > bom.txt\nprintf 'caf\\351\\n' > latin1.txt";
    let (_bot, files) = changed(Vec::new(), script).await;
    for (path, content) in [
        ("blob.bin", &b"\0\xff\x01binary"[..]),
        ("empty", b""),
        ("dos.txt", b"one\r\ntwo\r\n"),
        ("open", b"no newline"),
        ("bom.txt", b"\xef\xbb\xbfbom\n"),
        ("latin1.txt", b"caf\xe9\n"),
    ] {
        assert_eq!(find(&files, path).unwrap().content, content, "{path}");
    }
}

#[tokio::test]
async fn a_large_file() {
    let script =
        "yes 'a line of text' | head -c 2000000 > large.txt\nhead -c 2000000 /dev/zero > zeros.bin";
    let (_bot, files) = changed(Vec::new(), script).await;
    assert_eq!(find(&files, "large.txt").unwrap().content.len(), 2_000_000);
    assert!(
        find(&files, "zeros.bin")
            .unwrap()
            .content
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[tokio::test]
async fn many_files_take_few_requests() {
    let script = "for n in $(seq 60); do mkdir -p d$((n % 7)); echo $n > d$((n % 7))/f$n.txt; done";
    let (bot, files) = changed(Vec::new(), script).await;
    assert_eq!(files.len(), 62);
    let sent = bot.sim.requests();
    let api = sent
        .iter()
        .filter(|request| !request.path.contains(".git/"))
        .count();
    assert!(api <= 14, "{:#?}", bot.requests());
    insta::assert_snapshot!(bot.thread(2));
}

#[tokio::test]
async fn many_binary_files_stay_below_githubs_limit_on_creating_content() {
    let script = "for n in $(seq 30); do printf '\\377%s' $n > f$n.bin; done";
    let (bot, files) = changed(Vec::new(), script).await;
    assert_eq!(files.len(), 32);
    let created = bot
        .sim
        .requests()
        .iter()
        .filter(|request| request.creates_content)
        .count();
    assert!(created <= 40, "{created}");
}

#[tokio::test]
async fn a_file_that_becomes_a_directory_and_the_other_way_round() {
    let files = vec![File::new("thing", "x\n"), File::new("place/inner", "x\n")];
    let script = "rm thing; mkdir thing; echo y > thing/inner; rm -r place; echo y > place";
    let (_bot, files) = changed(files, script).await;
    assert_eq!(find(&files, "thing/inner").unwrap().content, b"y\n");
    assert_eq!(find(&files, "place").unwrap().content, b"y\n");
    assert!(find(&files, "thing").is_none() && find(&files, "place/inner").is_none());
}

#[tokio::test]
async fn files_that_the_repository_ignores_are_not_published() {
    let files = vec![File::new(".gitignore", "*.log\nbuild/\n")];
    let script = "echo x > debug.log; mkdir build; echo x > build/out; echo x > kept.txt";
    let (_bot, files) = changed(files, script).await;
    assert!(find(&files, "kept.txt").is_some());
    assert!(find(&files, "debug.log").is_none() && find(&files, "build/out").is_none());
}

#[tokio::test]
async fn the_trailers_name_the_task_and_who_asked() {
    let (bot, _) = changed(Vec::new(), "echo x > x").await;
    let pull = bot.thread(2);
    assert!(pull.contains("Prova-Task: "), "{pull}");
    assert!(pull.contains("Co-authored-by: octo <"), "{pull}");
    assert!(bot.sim.branch(REPO, "prova/1-change-it").unwrap().is_some());
}

#[tokio::test]
async fn line_ends_are_those_that_the_repository_asks_for() {
    let files = vec![File::new(".gitattributes", "*.txt text eol=lf\n")];
    let script = "printf 'one\\r\\ntwo\\r\\n' > dos.txt; printf 'one\\r\\n' > dos.other";
    let (_bot, files) = changed(files, script).await;
    assert_eq!(find(&files, "dos.txt").unwrap().content, b"one\ntwo\n");
    assert_eq!(find(&files, "dos.other").unwrap().content, b"one\r\n");
}
