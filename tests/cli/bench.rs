//! A repository, an issue, and the program to run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with a repository, in an environment that holds nothing else.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

/// How the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The result as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An agent that corrects the spelling mistake of the README.
pub(crate) const FIX: &str = "sed -i s/teh/the/ README.md";

impl Bench {
    /// A repository of Ada's with one commit on `main`, and an issue about it.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("prova-cli-")
            .tempdir()
            .unwrap();
        let bench = Self { dir };
        std::fs::create_dir_all(bench.path("home")).unwrap();
        let settings = "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n";
        std::fs::write(bench.path("home/.gitconfig"), settings).unwrap();
        std::fs::create_dir_all(bench.repo().join("src")).unwrap();
        bench.git(&["init", "-q", "-b", "main"]);
        bench.write("README.md", "# Hello\n\nThis is teh readme.\n");
        bench.write("src/main.py", "print('hello')\n");
        bench.commit_all("first");
        bench.issue("# Fix the typo in the readme\n\nIt says `teh`.\n");
        bench
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("hello")
    }

    /// Writes a file of the working tree.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.repo().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn issue(&self, text: &str) {
        std::fs::write(self.path("issue.md"), text).unwrap();
    }

    /// With that policy on the branch.
    pub(crate) fn policy(self, text: &str) -> Self {
        self.write(".github/prova.toml", text);
        self.commit_all("policy");
        self
    }

    pub(crate) fn commit_all(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.temporary())
            .stdin(Stdio::null());
        command
    }

    /// Where the program puts what is temporary.
    pub(crate) fn temporary(&self) -> PathBuf {
        let dir = self.path("tmp");
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// Runs git as Ada does and returns what it prints.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.repo(), args)
    }

    pub(crate) fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let out = self
            .command("git")
            .arg("-C")
            .arg(dir)
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "git {args:?}: {said}");
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }

    /// The program, about to run on the repository and the issue.
    pub(crate) fn prova(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_prova"));
        command.arg("run").args(args).current_dir(self.dir.path());
        for (option, usual) in [("--issue", "issue.md"), ("--repo", "hello")] {
            if !args.contains(&option) {
                command.args([option, usual]);
            }
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        ended(self.prova(args).output().unwrap())
    }

    /// Returns what was left in the temporary directory.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let left = std::fs::read_dir(self.temporary()).unwrap();
        left.map(|entry| entry.unwrap().path()).collect()
    }

    /// Replaces what differs from run to run.
    pub(crate) fn normal(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "DIR");
        let mut out = String::new();
        for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let is_hex = bare.len() >= 10 && bare.bytes().all(|b| b.is_ascii_hexdigit());
            let replaced = word.replace(bare, if is_hex { "HEX" } else { bare });
            out.push_str(&replaced);
        }
        durations(&out)
    }
}

/// Takes a finished process apart.
pub(crate) fn ended(out: std::process::Output) -> Ended {
    Ended {
        code: out.status.code().unwrap_or(-1),
        out: String::from_utf8(out.stdout).unwrap(),
        err: String::from_utf8(out.stderr).unwrap(),
    }
}

/// Replaces `0.3 s`, and the numbers of `milliseconds`.
fn durations(text: &str) -> String {
    let lines = text.lines().map(|line| {
        if let Some((key, _)) = line.split_once("\"milliseconds\": ") {
            return format!("{key}\"milliseconds\": N,");
        }
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 1..words.len() {
            let number = words[at - 1].trim_start_matches('[');
            let is_number =
                number.contains('.') && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            if is_number && words[at].trim_end_matches([',', ']', ')']) == "s" {
                words[at - 1] = words[at - 1].replace(number, "N");
            }
        }
        words.join(" ")
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}
