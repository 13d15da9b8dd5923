//! Servers that are not root, and servers that die: by running this test program again.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use prova::domain::evidence::Ending;

use crate::bed::{Bed, STAGE, is_running, nap, nap_of, text};

/// Writes an executable that every user can run.
pub(crate) fn program(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.join(name);
    // By another process: what this one has open for writing, a test that starts a process at this
    // moment holds open, too, and what is open for writing cannot be executed.
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = install.stdin.take().unwrap();
    input.write_all(content.as_ref()).unwrap();
    drop(input);
    assert!(install.wait().unwrap().success());
    path
}

/// Runs the test called `name` again as an ordinary user, when this is root; returns whether it did.
pub(crate) fn again_as_ordinary_user(name: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let own = std::env::current_exe().unwrap();
    let stage = Path::new(env!("CARGO_BIN_EXE_prova"));
    for (from, to) in [(own.as_path(), "again"), (stage, STAGE)] {
        let mut install = Command::new("install");
        install
            .args(["-m", "755"])
            .arg(from)
            .arg(dir.path().join(to));
        assert!(install.status().unwrap().success());
    }
    let again = Command::new(dir.path().join("again"))
        .args(["--exact", name])
        .env_clear()
        .current_dir("/")
        .uid(65_533)
        .gid(65_533)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(said.contains("1 passed"), "{said}");
    true
}

#[tokio::test]
async fn an_ordinary_user_can_be_the_server() {
    if again_as_ordinary_user("users::an_ordinary_user_can_be_the_server") {
        return;
    }
    let bed = Bed::new();
    assert_eq!(bed.sandbox.owner(), None);
    let line = bed.sandbox.probe().await.unwrap();
    assert!(
        line.starts_with("bubblewrap as the server's user"),
        "{line}"
    );
    let outcome = bed
        .sh("id -u; echo x > made; cat /proc/1/environ; exit 5")
        .await;
    assert_eq!(outcome.ending, Ending::Exited(5));
    assert!(text(&outcome).starts_with("1000\n"), "{}", text(&outcome));
    assert_eq!(std::fs::read(bed.checkout().join("made")).unwrap(), b"x\n");
}

#[tokio::test]
async fn a_sandbox_dies_with_its_server() {
    const NAME: &str = "users::a_sandbox_dies_with_its_server";
    const AS_SERVER: &str = "as-the-server";
    if std::env::args().any(|arg| arg == AS_SERVER) {
        let nap = nap(64);
        Bed::new()
            .sh(&format!("setsid sleep {nap} & sleep {nap}"))
            .await;
        return;
    }
    // It leaves its directory behind.
    let dir = tempfile::tempdir().unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, AS_SERVER])
        .env("TMPDIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let nap = nap_of(64, server.id());
    wait_until(|| is_running(&nap)).await;
    server.kill().unwrap();
    server.wait().unwrap();
    wait_until(|| !is_running(&nap)).await;
}

pub(crate) async fn wait_until(reached: impl Fn() -> bool) {
    for _ in 0..500 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within ten seconds");
}
