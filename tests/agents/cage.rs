//! A place for one agent: a workspace and a home of its own, no network but loopback, and at one
//! port of it the model. Ends with everything in it.
//!
//! Every path inside is the same on every machine, so that what an agent prints can be kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::installed;

/// What an agent is to use as a base URL.
pub(crate) const BASE: &str = "http://127.0.0.1:8099";
const PORT: &str = "8099";
pub(crate) const WORKSPACE: &str = "/workspace";
pub(crate) const HOME: &str = "/home/agent";

/// Programs and what they load. The rest of the machine is not there.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/ssl",
    "/etc/alternatives",
    "/etc/ld.so.cache",
];

/// A workspace and a home, for any number of programs after each other.
pub(crate) struct Cage {
    dir: TempDir,
    /// Paths in the workspace that an agent is shown empty.
    pub(crate) hidden: Vec<String>,
}

impl Cage {
    /// Makes a workspace with a repository of one commit.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for below in ["workspace", "home", "door"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        fs::write(
            dir.path().join("door/passwd"),
            "agent:x:1000:1000::/home/agent:/bin/sh\n",
        )
        .unwrap();
        fs::write(dir.path().join("door/hosts"), "127.0.0.1 localhost\n").unwrap();
        fs::write(dir.path().join("door/door.mjs"), include_str!("door.mjs")).unwrap();
        let cage = Self {
            dir,
            hidden: Vec::new(),
        };
        fs::write(cage.workspace().join("README.md"), "# Sample\n").unwrap();
        for args in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "."],
            &["commit", "--quiet", "--message=start"],
        ] {
            let done = std::process::Command::new("git")
                .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
                .args(args)
                .current_dir(cage.workspace())
                .status()
                .unwrap();
            assert!(done.success(), "git {args:?}");
        }
        cage
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    /// Where the model is to listen.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("door/model")
    }

    /// Writes a file at a path as it is inside.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let below = path
            .strip_prefix(HOME)
            .unwrap_or_else(|| panic!("{path} is not in {HOME}"));
        let file = self
            .dir
            .path()
            .join("home")
            .join(below.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Starts a program inside, with these variables and no others.
    pub(crate) fn start(&self, command: &[String], env: &BTreeMap<String, String>) -> Child {
        let mut bwrap = Command::new("bwrap");
        bwrap
            .args(["--unshare-all", "--die-with-parent", "--new-session"])
            .args(["--uid", "1000", "--gid", "1000", "--hostname", "cage"])
            .args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        for path in SYSTEM {
            bwrap.args(["--ro-bind-try", path, path]);
        }
        let door = self.dir.path().join("door");
        let mut bind = |how: &str, from: &Path, to: &str| {
            bwrap.arg(how).arg(from).arg(to);
        };
        bind("--ro-bind", &door.join("passwd"), "/etc/passwd");
        bind("--ro-bind", &door.join("hosts"), "/etc/hosts");
        bind("--ro-bind", &installed::directory(), "/agents");
        bind("--bind", &door, "/door");
        bind("--bind", &self.dir.path().join("home"), HOME);
        bind("--bind", &self.workspace(), WORKSPACE);
        for path in &self.hidden {
            let (there, inside) = (self.workspace().join(path), format!("{WORKSPACE}/{path}"));
            if there.is_dir() {
                bwrap.args(["--tmpfs", &inside]);
            } else if there.exists() {
                bwrap.args(["--ro-bind", "/dev/null", &inside]);
            }
        }
        bwrap.args(["--chdir", WORKSPACE, "--clearenv"]);
        let own = [
            ("PATH", "/agents/bin:/usr/bin:/bin"),
            ("HOME", HOME),
            ("USER", "agent"),
            ("SHELL", "/bin/sh"),
            ("LANG", "C.UTF-8"),
            ("TMPDIR", "/tmp"),
            ("PWD", WORKSPACE),
        ];
        for (name, value) in own {
            bwrap.args(["--setenv", name, value]);
        }
        for (name, value) in env {
            bwrap.args(["--setenv", name, value]);
        }
        bwrap
            .args([
                "--",
                "/agents/bin/node",
                "/door/door.mjs",
                "/door/model",
                PORT,
            ])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}
