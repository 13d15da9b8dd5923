//! What a job needs to run in a sandbox, in a directory of the test's own.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prova::adapters::sandbox::select;
use prova::adapters::sandbox::settings::Settings;
use prova::adapters::system::SystemClock;
use prova::domain::time::Span;
use prova::ports::fault::Fault;
use prova::ports::sandbox::{Limits, Outcome, Profile, Sandbox, Spec, Unusable};
use prova::ports::tree::Tree;
use tokio_util::sync::CancellationToken;

/// More than any test needs.
pub(crate) const LIMITS: Limits = Limits {
    wall: Span::seconds(30),
    output_bytes: 1024 * 1024,
    file_bytes: 64 * 1024 * 1024,
    processes: 200,
    memory_bytes: 1024 * 1024 * 1024,
    milli_cpus: None,
    disk_bytes: 256 * 1024 * 1024,
};

pub(crate) struct Bed {
    dir: tempfile::TempDir,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) limits: Limits,
}

pub(crate) fn sandbox(settings: Settings) -> Result<Arc<dyn Sandbox>, Unusable> {
    let settings = Settings {
        stage: stage(),
        ..settings
    };
    select(settings, Arc::new(SystemClock))
}

/// The program that sets the stage: the one beside this test, when it was put there with it, since
/// another user cannot walk to where it was built.
fn stage() -> PathBuf {
    let beside = std::env::current_exe().unwrap().with_file_name(STAGE);
    if beside.exists() {
        beside
    } else {
        PathBuf::from(env!("CARGO_BIN_EXE_prova"))
    }
}

/// What that program is called beside a test.
pub(crate) const STAGE: &str = "prova-of-this-test";

impl Bed {
    /// A job below a directory that is closed to everybody else.
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let bed = Self {
            dir: tempfile::tempdir().unwrap(),
            sandbox: sandbox(settings).unwrap(),
            limits: LIMITS,
        };
        bed.make("checkout");
        bed.mode(0o700);
        bed
    }

    fn mode(&self, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.dir.path(), mode).unwrap();
    }

    /// The same with the way to the job open to all users.
    pub(crate) fn open() -> Self {
        let bed = Self::new();
        bed.mode(0o711);
        bed
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn checkout(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    /// Makes a directory that belongs to who runs inside.
    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let dir = self.dir.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        if let Some((uid, gid)) = self.sandbox.owner() {
            chown(&dir, Some(uid), Some(gid)).unwrap();
        }
        dir
    }

    pub(crate) fn spec(&self, command: &[&str]) -> Spec {
        Spec {
            command: command.iter().map(ToString::to_string).collect(),
            env: BTreeMap::new(),
            tree: Tree::Plain(self.checkout()),
            hide: Vec::new(),
            input: None,
            output: None,
            objects: None,
            home: None,
            own: None,
            log: self.dir.path().join("log"),
            limits: self.limits,
            profile: Profile::default(),
        }
    }

    pub(crate) async fn run(&self, spec: &Spec) -> Result<Outcome, Fault> {
        self.sandbox
            .run(spec, None, &CancellationToken::new())
            .await
    }

    /// Runs a shell script to its end.
    pub(crate) async fn sh(&self, script: &str) -> Outcome {
        self.run(&self.spec(&["sh", "-c", script])).await.unwrap()
    }

    /// Runs a shell script and returns what it printed.
    pub(crate) async fn prints(&self, script: &str) -> String {
        text(&self.sh(script).await)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // What the kernel makes for an overlay has no permissions; only root removes it as it is.
        for dir in ["work", "work/incompat", "work/incompat/volatile"] {
            let dir = self.dir.path().join("work").join(dir);
            let _missing = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
        }
    }
}

pub(crate) fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.tail).into_owned()
}

/// Returns an argument for `sleep` that no other process has, so that a test can look for it among
/// all processes of the host while other tests run. `which` is under a hundred.
pub(crate) fn nap(which: u32) -> String {
    nap_of(which, std::process::id())
}

/// The same, of the test that runs in process `pid`.
pub(crate) fn nap_of(which: u32, pid: u32) -> String {
    format!("{which}.{pid:09}")
}

/// Returns whether a process of the host has `word` among its arguments.
pub(crate) fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.filter_map(Result::ok).any(|process| {
        std::fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| line.split(|b| *b == 0).any(|arg| arg == word.as_bytes()))
    })
}

/// Waits for up to ten seconds.
pub(crate) async fn wait_until(reached: impl Fn() -> bool) {
    for _ in 0..500 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within ten seconds");
}
