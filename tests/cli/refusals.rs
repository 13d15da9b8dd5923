//! What cannot begin: exit code 2, nothing made, and what to do about it.

use std::process::Command;

use crate::bench::{Bench, FIX, ended};

/// Expects a refusal that says all of `words`.
fn refused(bench: &Bench, args: &[&str], words: &[&str]) {
    let ended = bench.run(args);
    assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
    assert_eq!(ended.out, "", "{args:?}");
    for word in words {
        assert!(
            ended.err.contains(word),
            "{args:?} does not say {word:?}: {}",
            ended.err
        );
    }
    assert!(bench.left().is_empty(), "{args:?} left {:?}", bench.left());
}

#[test]
fn an_issue_that_is_none() {
    let bench = Bench::new();
    let run = ["--command", FIX];
    bench.issue(" \n\n");
    refused(
        &bench,
        &run,
        &["issue.md has no title", "first heading or first line"],
    );
    std::fs::write(bench.path("issue.md"), b"# caf\xe9\n").unwrap();
    refused(&bench, &run, &["issue.md is not UTF-8"]);
    bench.issue(&"x".repeat(1024 * 1024 + 1));
    refused(&bench, &run, &["more than 1048576 bytes"]);
    std::fs::remove_file(bench.path("issue.md")).unwrap();
    refused(
        &bench,
        &run,
        &["cannot read the issue issue.md", "No such file"],
    );
}

#[test]
fn a_repository_that_is_none_or_not_ready() {
    let bench = Bench::new();
    let run = |repo: &'static str| ["--command", FIX, "--repo", repo];
    refused(&bench, &run("nowhere"), &["nowhere", "No such file"]);
    refused(
        &bench,
        &run("home"),
        &["is not in a git repository", "git init"],
    );
    bench.git(&["init", "-q", "../empty"]);
    refused(
        &bench,
        &run("empty"),
        &["has no commit yet", "commit something first"],
    );
    bench.git(&["init", "-q", "--object-format=sha256", "../newer"]);
    refused(&bench, &run("newer"), &["sha256 object ids"]);
    bench.write("more", "more");
    bench.commit_all("second");
    let url = format!("file://{}", bench.repo().display());
    bench.git(&["clone", "-q", "--depth=1", &url, "../shallow"]);
    refused(
        &bench,
        &run("shallow"),
        &["is a shallow clone", "git fetch --unshallow"],
    );
    bench.git(&["switch", "-q", "--detach"]);
    refused(
        &bench,
        &run("hello"),
        &["HEAD of", "is detached", "git switch"],
    );
    bench.git(&["switch", "-q", "main"]);
    bench.git(&["branch", "prova"]);
    refused(
        &bench,
        &run("hello"),
        &["a branch called `prova`", "git branch -m prova"],
    );
}

#[test]
fn nobody_to_do_it() {
    let bench = Bench::new().policy("agent = \"claude\"\n[recipes.fmt]\nrun = \"true\"\n");
    let settings = "[agents.claud]\ndriver = \"exec\"\ncommand = [\"true\"]\n\
                    [agents.fmt]\ndriver = \"exec\"\ncommand = [\"true\"]\n";
    std::fs::write(bench.path("prova.toml"), settings).unwrap();
    refused(&bench, &[], &["no agent called `claude`", "--config"]);
    let config = ["--config", "prova.toml"];
    refused(
        &bench,
        &config,
        &["`claude` in prova.toml", "Did you mean `claud`?"],
    );
    refused(
        &bench,
        &[&config[..], &["--agent", "nobody"]].concat(),
        &[
            "no agent called `nobody` in prova.toml",
            "It has claud, fmt",
        ],
    );
    refused(
        &bench,
        &[&config[..], &["--agent", "fmt"]].concat(),
        &["`fmt` is also a recipe in .github/prova.toml"],
    );
    refused(
        &bench,
        &["--recipe", "fnt"],
        &[
            "no recipe called `fnt` in .github/prova.toml",
            "Did you mean `fmt`?",
            "It has fmt",
        ],
    );
    refused(&bench, &["--command", "  "], &["--command is empty"]);
    refused(
        &bench,
        &["--agent", "A b"],
        &["--agent", "lower-case letters"],
    );
    refused(
        &bench,
        &["--agent", "x", "--recipe", "fmt"],
        &["cannot be used with"],
    );
    let bench = Bench::new();
    refused(
        &bench,
        &[],
        &["no agent is named", "--command 'my-agent {brief}'"],
    );
}

#[test]
fn settings_and_policies_that_cannot_be_used() {
    let bench = Bench::new().policy("chekcs = [\"true\"]\n");
    let words = [
        ".github/prova.toml:1",
        "chekcs",
        "checks",
        "mend it and commit",
    ];
    refused(&bench, &["--command", FIX], &words);
    // What is not committed is not in force.
    bench.write(".github/prova.toml", "");
    refused(&bench, &["--command", FIX], &words);
    let bench = Bench::new();
    let run = ["--command", FIX, "--config", "prova.toml"];
    refused(&bench, &run, &["cannot read prova.toml"]);
    std::fs::write(bench.path("prova.toml"), "[sandbox]\nbackend = \"jail\"\n").unwrap();
    refused(
        &bench,
        &run,
        &["prova.toml:2", "sandbox.backend", "bubblewrap"],
    );
    refused(
        &bench,
        &["--command", FIX, "--mount", "nowhere"],
        &["--mount nowhere", "No such file"],
    );
}

#[test]
fn a_machine_without_bubblewrap() {
    let bench = Bench::new();
    let prova = bench.prova(&["--command", FIX]);
    // The same machine, but where the program is there is nothing that could be run.
    let mut without = Command::new("bwrap");
    without
        .args([
            "--dev-bind",
            "/",
            "/",
            "--bind",
            "/dev/null",
            "/usr/bin/bwrap",
            "--",
        ])
        .arg(prova.get_program())
        .args(prova.get_args())
        .env_clear()
        .envs(
            prova
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(bench.path("."));
    let ended = ended(without.output().unwrap());
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.err.contains("apt-get install bubblewrap"),
        "{}",
        ended.err
    );
}
