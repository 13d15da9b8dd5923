//! What steers agents is put back to what the default branch says, whatever the branch says.

use prova::domain::ids::CommitSha;
use prova::domain::verify::onto_base;
use prova::ports::checkouts::Checkouts;

use crate::support::{REPO, World, changes, git, link, write};

/// A remote whose `prova/7-work` was made of `main` by `change`; `main` has moved on since.
async fn with_branch(change: impl FnOnce(&std::path::Path)) -> (World, CommitSha, CommitSha) {
    let world = World::with(&[
        ("CLAUDE.md", "good\n"),
        (".claude/settings.json", "{}\n"),
        ("sub/AGENTS.md", "good\n"),
        ("src/main.rs", "fn main() {}\n"),
    ]);
    let upstream = world.upstream();
    git(&upstream, ["checkout", "-q", "-b", "prova/7-work"]);
    write(&upstream, "src/work.rs", "work\n");
    change(&upstream);
    world.commit();
    git(&upstream, ["checkout", "-q", "main"]);
    write(&upstream, "CLAUDE.md", "better\n");
    world.commit();
    let main = world.fetch("main").await.unwrap();
    let branch = world.fetch("prova/7-work").await.unwrap();
    (world, branch, main)
}

fn poison(dir: &std::path::Path) {
    write(dir, "CLAUDE.md", "evil\n");
    write(dir, ".claude/settings.json", "{\"hooks\": \"evil\"}\n");
    write(dir, "deep/down/.mcp.json", "evil\n");
    write(dir, ".cursor/rules/evil.mdc", "evil\n");
    link(dir, "GEMINI.md", "src/work.rs");
    std::fs::remove_file(dir.join("sub/AGENTS.md")).unwrap();
}

#[tokio::test]
async fn an_agent_gets_what_steers_it_from_the_default_branch() {
    let (world, branch, main) = with_branch(poison).await;
    let restored = world
        .git
        .restore(REPO, &branch, &main)
        .await
        .unwrap()
        .unwrap();
    let again = world
        .git
        .restore(REPO, &branch, &main)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(restored, again, "it is made once");
    let paths: Vec<_> = restored
        .files
        .iter()
        .map(|file| file.path.to_string())
        .collect();
    assert_eq!(
        paths,
        [
            ".claude/settings.json",
            ".cursor/rules/evil.mdc",
            "CLAUDE.md",
            "GEMINI.md",
            "deep/down/.mcp.json",
            "sub/AGENTS.md",
        ]
    );
    let place = world.place();
    let checkout = world
        .git
        .checkout(REPO, &restored.start, "prova/7-work", &place)
        .await
        .unwrap();
    let dir = checkout.tree.written();
    let read = |path: &str| std::fs::read_to_string(dir.join(path)).ok();
    assert_eq!(read("CLAUDE.md").as_deref(), Some("better\n"));
    assert_eq!(read(".claude/settings.json").as_deref(), Some("{}\n"));
    assert_eq!(read("sub/AGENTS.md").as_deref(), Some("good\n"));
    assert_eq!(read("src/work.rs").as_deref(), Some("work\n"));
    for gone in ["deep", ".cursor", "GEMINI.md"] {
        assert!(!dir.join(gone).exists(), "{gone}");
    }
    // Nothing of it is the agent's change, and nothing of it is undone on the branch.
    write(dir, "src/more.rs", "more\n");
    write(dir, ".claude/settings.json", "mine\n");
    let mut harvest = world.harvest(&checkout).await;
    assert_eq!(
        changes(&harvest),
        ["~.claude/settings.json", "+src/more.rs"]
    );
    let left_out = onto_base(&mut harvest, &restored);
    assert_eq!(left_out.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0]);
    harvest.tree = world
        .git
        .narrow(REPO, &world.job, &harvest, &[1])
        .await
        .unwrap();
    assert_eq!(world.content(&harvest, "CLAUDE.md"), "evil");
    assert_eq!(
        world.content(&harvest, ".claude/settings.json"),
        "{\"hooks\": \"evil\"}"
    );
    assert_eq!(world.content(&harvest, "src/more.rs"), "more");
    assert!(
        !world
            .listing(&harvest)
            .iter()
            .any(|line| line.contains("AGENTS.md"))
    );
}

#[tokio::test]
async fn a_file_that_is_a_directory_there_and_a_link_in_the_way_are_replaced() {
    let (world, branch, main) = with_branch(|dir| {
        std::fs::remove_file(dir.join("CLAUDE.md")).unwrap();
        write(dir, "CLAUDE.md/evil", "evil\n");
        std::fs::remove_dir_all(dir.join("sub")).unwrap();
        link(dir, "sub", "src");
        write(dir, "src/AGENTS.md", "evil\n");
    })
    .await;
    let restored = world
        .git
        .restore(REPO, &branch, &main)
        .await
        .unwrap()
        .unwrap();
    let place = world.place();
    let checkout = world
        .git
        .checkout(REPO, &restored.start, "prova/7-work", &place)
        .await
        .unwrap();
    let dir = checkout.tree.written();
    assert_eq!(
        std::fs::read_to_string(dir.join("CLAUDE.md")).unwrap(),
        "better\n"
    );
    assert_eq!(
        std::fs::read_to_string(dir.join("sub/AGENTS.md")).unwrap(),
        "good\n"
    );
    assert!(!dir.join("src/AGENTS.md").exists());
}

#[tokio::test]
async fn a_branch_that_left_it_alone_is_taken_as_it_is() {
    let world = World::with(&[("CLAUDE.md", "good\n")]);
    let upstream = world.upstream();
    git(&upstream, ["checkout", "-q", "-b", "prova/7-work"]);
    write(&upstream, "src/work.rs", "work\n");
    world.commit();
    let main = world.fetch("main").await.unwrap();
    let branch = world.fetch("prova/7-work").await.unwrap();
    assert_eq!(world.git.restore(REPO, &branch, &main).await.unwrap(), None);
}
