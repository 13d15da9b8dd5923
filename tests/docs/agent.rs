//! The agent of `docs/agents.md`, run as the page says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::page::Page;

fn done(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{command:?}: {status}\n{out}{err}");
    out.into_owned()
}

fn git(repo: &Path, args: &[&str]) -> String {
    let person = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"];
    done(
        Command::new("git")
            .current_dir(repo)
            .args(person)
            .args(args),
    )
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[test]
fn the_complete_agent_works_as_shown() {
    let page = Page::open("docs/agents.md");
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (repo, bin) = (dir.path().join("repo"), dir.path().join("agents/bin"));
    for dir in [&repo, &bin] {
        fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{error}"));
    }
    let agent = bin.join("replacer");
    write(&agent, &page.blocks("sh").swap_remove(0));
    for path in [&agent, &bin, &dir.path().join("agents"), dir.path()] {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, open).unwrap_or_else(|error| panic!("{error}"));
    }
    write(&repo.join("paint.txt"), "the color of colors\n");
    git(&repo, &["init", "--quiet", "--initial-branch=main"]);
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "--quiet", "--message=first"]);
    let mut texts = page.blocks("markdown").into_iter();
    let issue = texts.find(|text| text.starts_with("# "));
    write(&repo.join("issue.md"), &issue.unwrap_or_default());

    let line = page.blocks("console").swap_remove(0);
    let words = line
        .trim()
        .strip_prefix("$ prova ")
        .unwrap_or_else(|| panic!("{line}"));
    let mount = dir.path().join("agents").display().to_string();
    let args = words
        .split_whitespace()
        .map(|word| word.replace("~/agents", &mount));
    let mut prova = Command::new(env!("CARGO_BIN_EXE_prova"));
    let said = done(
        prova
            .args(args)
            .current_dir(&repo)
            .env_remove("PROVA_CONFIG"),
    );

    assert!(
        said.starts_with("Proposed: 1 file on prova/1-call-it-colour"),
        "{said}"
    );
    let changed = git(&repo, &["show", "prova/1-call-it-colour:paint.txt"]);
    assert_eq!(changed, "the colour of colors\n");
    assert_eq!(
        git(
            &repo,
            &["log", "-1", "--format=%s", "prova/1-call-it-colour"]
        ),
        "Replace color with colour\n"
    );
    // Nothing of the person's own was touched.
    assert_eq!(git(&repo, &["status", "--porcelain"]), "?? issue.md\n");
    assert_eq!(git(&repo, &["branch", "--show-current"]), "main\n");
}
