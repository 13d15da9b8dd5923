//! Names of all kinds: titles, labels, branches, files.

use prova::simulator::world::repositories::{File, RepositorySpec};

use crate::harness::{REPO, World};

#[tokio::test]
async fn odd_titles_become_branches_and_pull_requests() {
    for (title, branch) in [
        ("🎉🎉🎉", "prova/1-"),
        ("--force \"quoted\" 'and' `ticked`", "prova/1-"),
        ("line one\nline two", "prova/1-line-one"),
        ("Fix #12 for @everyone; closes #3", "prova/1-fix"),
        ("../../etc/passwd", "prova/1-"),
        ("Überprüfung der Größe", "prova/1-"),
        ("\u{202e}gnp.exe\u{200b}", "prova/1-"),
        ("x", "prova/1-x"),
    ] {
        let bot = World::fixer().start().await;
        let issue = bot.labelled_issue(title, "");
        bot.settle().await;
        assert_eq!(
            bot.state(issue).await,
            "in review",
            "{title:?}: {}",
            bot.thread(issue)
        );
        let name = bot.branches().remove(0);
        assert!(
            name.starts_with(branch.trim_end_matches('-')),
            "{title:?}: {name}"
        );
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-/".contains(&b)),
            "{name}"
        );
        let pull = bot.thread(issue + 1);
        let first = pull.lines().next().unwrap();
        for acting in ["@everyone", "#12", "#3", "\u{202e}", "\u{200b}"] {
            assert!(!first.contains(acting), "{first}");
        }
    }
}

#[tokio::test]
async fn a_title_of_only_emoji() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue("🎉🚀", "");
    bot.settle().await;
    insta::assert_snapshot!(bot.thread(issue + 1));
}

#[tokio::test]
async fn a_title_as_long_as_github_allows() {
    let bot = World::fixer().start().await;
    let issue = bot.labelled_issue(&"long ".repeat(51), "");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert!(bot.branches()[0].len() < 100);
}

#[tokio::test]
async fn odd_labels_are_none_of_ours_or_answered() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    for label in [
        "-prova",
        "\"prova\"",
        "prova\u{200b}",
        "🎉",
        "prova/../x",
        "'; drop table",
    ] {
        bot.octo().label(REPO, issue, label).unwrap();
        bot.settle().await;
    }
    assert_eq!(bot.tasks().await.len(), 0);
    assert!(
        !bot.thread(issue).contains("prova[bot]"),
        "{}",
        bot.thread(issue)
    );
    bot.octo().label(REPO, issue, "prova:\"quoted\"").unwrap();
    bot.settle().await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn odd_file_names_are_published() {
    let script = "echo x > 'with space.txt'; echo x > \"it's\"; echo x > 'quo\"te'; \
                  echo x > 'Ünï.txt'; echo x > '🎉'; mkdir dir; echo x > 'dir/@octo #1'; echo x > 'a`b|c'";
    let bot = World::new().agent("namer", script).start().await;
    let issue = bot.labelled_issue("Names", "");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(
        bot.paths("prova/1-names"),
        [
            "README.md",
            "a`b|c",
            "dir/@octo #1",
            "it's",
            "quo\"te",
            "src/main.py",
            "with space.txt",
            "Ünï.txt",
            "🎉",
        ]
    );
    insta::assert_snapshot!(bot.thread(issue + 1));
}

#[tokio::test]
async fn file_names_that_cannot_be_published_are_refused_and_said() {
    let script = "sed -i s/teh/the/ README.md; touch ./-dash \"$(printf 'new\\nline')\" \"$(printf 'caf\\351')\" \
                  'aux.txt:stream' \"$(printf 'bell\\007')\"; mkdir -p .GIT; touch .GIT/config Readme.md";
    let bot = World::new().agent("namer", script).start().await;
    let issue = bot.labelled_issue("Names", "");
    bot.settle().await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn a_default_branch_with_an_odd_name() {
    let bot = World::fixer().start().await;
    let spec = RepositorySpec {
        default_branch: "trunk/ünï-'quoted'&more".to_owned(),
        ..RepositorySpec::new("octo/odd", vec![File::new("README.md", "teh\n")])
    };
    bot.sim.create_repository(&spec).unwrap();
    let issue = bot
        .octo()
        .open_issue("octo/odd", "Fix it", "", &["prova"])
        .unwrap();
    bot.settle().await;
    let tasks = bot.tasks().await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(
        tasks[0].state.word(),
        "in review",
        "{}",
        bot.sim.transcript("octo/odd", issue).unwrap()
    );
    let files = bot.sim.files("octo/odd", "prova/1-fix-it").unwrap();
    assert_eq!(files[0].content, b"the\n");
}
