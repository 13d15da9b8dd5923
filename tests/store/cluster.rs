//! A PostgreSQL of a test's own: a temporary cluster that is reached by a socket in its directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Who runs it: PostgreSQL refuses root.
const NOBODY: u32 = 65_534;

/// A running server. Dropped, it is killed, and what it kept is removed.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    server: Child,
}

/// Finds one of the server's programs: where Debian has them, which is not on the `PATH`, or there.
fn find(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let bins = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let mut bins: Vec<_> = bins.collect();
    bins.sort();
    bins.reverse(); // the newest
    let path = std::env::var_os("PATH").unwrap_or_default();
    bins.extend(std::env::split_paths(&path));
    let found = bins
        .into_iter()
        .map(|bin| bin.join(name))
        .find(|program| program.exists());
    found.unwrap_or_else(|| {
        panic!("PostgreSQL's {name} is missing: `scripts/setup test` installs it")
    })
}

/// Returns a command that is ended with this process, whatever ends it, and does not run as root.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    command.arg(find(name)).env("LC_ALL", "C.UTF-8");
    command
}

impl Cluster {
    /// Makes a cluster and waits until it answers.
    ///
    /// Must be called by a thread that lives as long as the cluster: the server dies with it.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = directory.path().join("data");
        let made = program("initdb")
            .args(["--auth=trust", "--username=prova", "--encoding=UTF8"])
            .args(["--no-sync", "--no-instructions", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");
        let server = Self::serve(directory.path());
        let cluster = Self { directory, server };
        cluster.wait();
        cluster
    }

    fn serve(directory: &Path) -> Child {
        let log = std::fs::File::create(directory.join("log")).unwrap();
        program("postgres")
            .arg("-D")
            .arg(directory.join("data"))
            .arg("-k")
            .arg(directory)
            // No word of it leaves the directory. Without fsync: a test does not cut the power.
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .args(["-c", "max_connections=200", "-c", "shared_buffers=32MB"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.asks("SELECT 1") {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            assert!(Instant::now() < deadline, "no answer: {log:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn asks(&self, sql: &str) -> bool {
        let asked = Command::new(find("psql"))
            .args([
                "-qAtX",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "prova",
                "-d",
                "postgres",
                "-h",
            ])
            .arg(self.directory.path())
            .args(["-c", sql])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.unwrap().success()
    }

    /// Makes a database, of another one's content when there is a template, and returns its URL.
    pub(crate) fn database(&self, name: &str, template: &str) -> String {
        let made = self.asks(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        assert!(made, "{name} was not made");
        self.url(name)
    }

    /// Returns the URL of a database.
    pub(crate) fn url(&self, name: &str) -> String {
        let directory = self.directory.path().display();
        format!("postgres:///{name}?host={directory}&user=prova")
    }

    /// Ends the server as a crash does, and starts it again on what it kept.
    pub(crate) fn crash(&mut self) {
        self.kill();
        self.server = Self::serve(self.directory.path());
        self.wait();
    }

    fn kill(&mut self) {
        // At once, with all that it runs; its own children go with SIGQUIT.
        let pid = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(pid.unwrap(), Signal::QUIT);
        let _ = self.server.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}
