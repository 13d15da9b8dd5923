//! Whose repository it is, and what may not happen to it.

use std::os::unix::fs::PermissionsExt as _;

use crate::bench::{Bench, FIX};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

#[test]
fn files_index_and_branch_of_the_person_stay_as_they_are() {
    let bench = Bench::new();
    bench.write("staged.txt", "staged");
    bench.git(&["add", "staged.txt"]);
    bench.write("README.md", "# Mine, half done\n");
    bench.write("untracked.txt", "untracked");
    let state = || {
        let index = std::fs::read(bench.repo().join(".git/index")).unwrap();
        let head = std::fs::read(bench.repo().join(".git/HEAD")).unwrap();
        let names = bench.git(&[
            "for-each-ref",
            "--format=%(refname) %(objectname)",
            "refs/heads/main",
        ]);
        (
            index,
            head,
            names,
            bench.git(&["status", "--porcelain=v2", "--branch"]),
        )
    };
    // Git itself refreshes the index when it is first asked for the status.
    let _ = state();
    let before = state();
    let ended = bench.run(&["--command", FIX]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(before == state(), "the repository was touched");
    let readme = std::fs::read_to_string(bench.repo().join("README.md")).unwrap();
    assert_eq!(readme, "# Mine, half done\n");
    // What is not committed is not what the agent works on.
    let tree = bench.git(&["ls-tree", "-r", "--name-only", BRANCH]);
    assert_eq!(tree, "README.md\nsrc/main.py");
}

/// Everything in a repository by which git runs programs of its owner's choosing.
#[test]
fn nothing_that_the_repository_is_set_up_to_run_is_run() {
    let bench = Bench::new();
    let canary = bench.path("ran");
    let script = bench.path("canary");
    let text = format!(
        "#!/bin/sh\necho \"$0 $*\" >> {}\nexit 0\n",
        canary.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    bench.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    bench.commit_all("attributes");
    let hooks = [
        "reference-transaction",
        "pre-commit",
        "post-commit",
        "post-checkout",
        "post-index-change",
        "prepare-commit-msg",
        "commit-msg",
        "pre-auto-gc",
        "post-rewrite",
        "update",
    ];
    for hook in hooks {
        std::fs::copy(&script, bench.repo().join(".git/hooks").join(hook)).unwrap();
    }
    let script = script.display().to_string();
    for (key, value) in [
        ("core.fsmonitor", script.clone()),
        ("core.sshCommand", script.clone()),
        ("core.editor", script.clone()),
        ("core.pager", script.clone()),
        ("core.alternateRefsCommand", script.clone()),
        ("filter.evil.clean", script.clone()),
        ("filter.evil.smudge", script.clone()),
        ("filter.evil.process", script.clone()),
        ("diff.evil.command", script.clone()),
        ("diff.evil.textconv", script.clone()),
        ("merge.evil.driver", script.clone()),
        ("diff.external", script.clone()),
        ("gpg.program", script.clone()),
        ("commit.gpgSign", "true".to_owned()),
        ("credential.helper", format!("!{script}")),
        ("uploadpack.packObjectsHook", script.clone()),
        ("core.splitIndex", "true".to_owned()),
        ("core.sparseCheckout", "true".to_owned()),
    ] {
        bench.git(&["config", key, &value]);
    }
    let _ = std::fs::remove_file(&canary);
    let ended = bench.run(&["--command", FIX]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let ran = std::fs::read_to_string(&canary).unwrap_or_default();
    assert_eq!(ran, "", "the person's own programs ran");
    let shared = std::fs::read_dir(bench.repo().join(".git")).unwrap();
    let shared = shared.flatten().map(|entry| entry.file_name());
    let mut shared = shared.filter(|name| name.to_string_lossy().starts_with("sharedindex"));
    assert_eq!(shared.next(), None, "an index was split in the repository");
    // The canary sings: git without our care does run them.
    bench.git(&["update-ref", "refs/heads/canary", "main"]);
    bench.git(&["ls-files", "--others"]);
    let ran = std::fs::read_to_string(&canary).unwrap();
    assert!(
        ran.contains("hooks/reference-transaction prepared"),
        "{ran}"
    );
    assert!(ran.contains("/canary 2"), "the monitor of files: {ran}");
}

#[test]
fn modes_links_and_deletions_arrive_as_the_agent_left_them() {
    let bench = Bench::new();
    let agent = "rm src/main.py; mkdir -p 'src/main.py'; printf 'a\\0b' > src/main.py/blob; \
                 echo run > tool; chmod +x tool; ln -s tool link; echo ü > 'a name with ü'";
    let ended = bench.run(&["--command", agent]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let tree = bench.git(&["-c", "core.quotePath=false", "ls-tree", "-r", BRANCH]);
    let entries: Vec<(&str, &str)> = tree
        .lines()
        .map(|line| {
            (
                line.split(' ').next().unwrap(),
                line.split('\t').nth(1).unwrap(),
            )
        })
        .collect();
    let expected = [
        ("100644", "README.md"),
        ("100644", "a name with ü"),
        ("120000", "link"),
        ("100644", "src/main.py/blob"),
        ("100755", "tool"),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn bare_repositories_subdirectories_and_linked_working_trees_are_found() {
    let bench = Bench::new();
    bench.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    bench.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
    for (dir, branch) in [
        ("hello/src", "main"),
        ("bare.git", "main"),
        ("linked", "side"),
    ] {
        let ended = bench.run(&["--repo", dir, "--json", "--command", FIX]);
        assert_eq!(ended.code, 0, "{dir}: {ended:?}");
        assert_eq!(ended.json()["base"]["branch"], branch);
    }
    let there = |dir: &str| {
        bench.git_in(
            &bench.path(dir),
            &["branch", "--list", "--format=%(refname:short)", "prova/*"],
        )
    };
    assert_eq!(there("bare.git"), BRANCH);
    // A linked working tree shares its branches, and the second run found the first one's.
    assert_eq!(there("hello"), format!("{BRANCH}\n{BRANCH}-2"));
}

#[test]
fn a_repository_of_another_user_is_worked_on_when_it_is_named() {
    let bench = Bench::new();
    if rustix::process::geteuid().is_root() {
        let owned = std::process::Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(bench.repo())
            .status()
            .unwrap();
        assert!(owned.success());
    }
    let ended = bench.run(&["--command", FIX]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn without_an_identity_prova_commits_under_its_own() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("home/.gitconfig")).unwrap();
    assert_eq!(bench.run(&["--command", FIX]).code, 0);
    let author = bench.git(&["log", "-1", "--format=%an <%ae>", BRANCH]);
    assert_eq!(author, "prova <prova@localhost>");
    let named = bench
        .prova(&["--command", FIX])
        .env("GIT_AUTHOR_NAME", "Grace\nHopper <x>")
        .env("GIT_AUTHOR_EMAIL", "grace@example.com")
        .output()
        .unwrap();
    assert_eq!(named.status.code(), Some(0));
    let author = bench.git(&["log", "-1", "--format=%an <%ae>", &format!("{BRANCH}-2")]);
    assert_eq!(author, "GraceHopper x <grace@example.com>");
}
