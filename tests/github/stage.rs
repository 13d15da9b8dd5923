//! The simulator with a repository, a person, the App and the client: what the client promises, held
//! against a GitHub with state.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prova::adapters::github::{Client, Settings, Webhooks};
use prova::domain::event::Event;
use prova::domain::ids::{CommitSha, InstallationId, RepoId, TreeSha};
use prova::domain::repo::Repo;
use prova::domain::time::Timestamp;
use prova::ports::clock::Clock;
use prova::ports::github::{Repositories, Translate};
use prova::simulator::openapi::Description;
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::{File, RepositorySpec};
use prova::simulator::{Options, Simulator};
use secrecy::{ExposeSecret, SecretString};

use crate::fake::START;

pub(crate) const REPO: &str = "octo/hello";

/// A clock that a test moves.
#[derive(Clone, Debug)]
pub(crate) struct MovedClock(Arc<AtomicI64>);

impl MovedClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START.as_millis())))
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Everything that a test of the client needs.
pub(crate) struct Stage {
    pub(crate) sim: Simulator,
    pub(crate) client: Client,
    pub(crate) repo: Repo,
    /// The client's clock.
    pub(crate) ours: MovedClock,
    /// The simulator's clock.
    pub(crate) theirs: MovedClock,
    pub(crate) installation: u64,
}

impl Stage {
    /// `octo/hello` with files of every kind; alice writes; the App is installed.
    pub(crate) async fn new() -> Self {
        Self::with(
            "",
            vec![
                File::new("README.md", "# Hello\n"),
                File::new("swap", "a file that becomes a directory\n"),
                File::new("dir/one", "1\n"),
                File::new("dir/two", "2\n"),
                File::executable("bin/run", "#!/bin/sh\n"),
                File::link("latest", "README.md"),
            ],
        )
        .await
    }

    /// The same with other files, and with an API below another path.
    pub(crate) async fn with(prefix: &str, files: Vec<File>) -> Self {
        let (ours, theirs) = (MovedClock::new(), MovedClock::new());
        let reading = theirs.clone();
        let mut options = Options::new(Arc::new(move || reading.now().as_millis()));
        options.descriptions = ["2022-11-28", "2026-03-10"].map(description).into();
        options.key_file = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("app-key.pem"));
        let app_id = options.app_id;
        let sim = Simulator::start(options).await.unwrap();
        let id = sim
            .create_repository(&RepositorySpec::new(REPO, files))
            .unwrap();
        sim.set_role(REPO, "alice", Role::Write).unwrap();
        let installation = sim.install_app("octo", None).unwrap();
        let key = SecretString::from(sim.private_key_pem().to_owned());
        let settings = Settings::new(format!("{}{prefix}", sim.api_url()), app_id, key);
        let client = Client::new(&settings, Arc::new(ours.clone())).unwrap();
        Self {
            client,
            repo: Repo {
                id: RepoId(id),
                name: REPO.parse().unwrap(),
                installation: InstallationId(installation),
                default_branch: "main".to_owned(),
                archived: false,
            },
            sim,
            ours,
            theirs,
            installation,
        }
    }

    /// Opens an issue as alice.
    pub(crate) fn issue(&self) -> u64 {
        let alice = self.sim.as_person("alice");
        alice
            .open_issue(REPO, "It is broken", "Please mend it.", &["prova"])
            .unwrap()
    }

    /// Ends a test: nothing that was sent may contradict GitHub's own description, and everything
    /// that GitHub sent can be understood.
    pub(crate) fn end(&self) -> Vec<Event> {
        assert_eq!(self.sim.violations(), Vec::<String>::new());
        let deliveries = self.sim.take_deliveries();
        let translated = deliveries.iter().map(|delivery| {
            let now = self.theirs.now();
            Webhooks
                .translate(&delivery.event, &delivery.body, now)
                .unwrap()
        });
        translated.collect()
    }

    /// How many requests of that method and path were answered with that status.
    pub(crate) fn count(&self, method: &str, path: &str, status: u16) -> usize {
        let requests = self.sim.requests();
        let same = requests.iter().filter(|request| {
            request.method == method && request.path == path && request.status == status
        });
        same.count()
    }

    /// Clones the repository with a token that the client got.
    pub(crate) async fn clone_by_git(&self) -> Clone {
        let token = self.client.fetch_token(&self.repo).await.unwrap();
        let web = self.sim.web_url().replacen("://", "://x-access-token@", 1);
        let folder = tempfile::tempdir().unwrap();
        let clone = Clone { folder };
        let askpass = clone.folder.path().join("askpass");
        std::fs::write(&askpass, "#!/bin/sh\nprintf %s \"$TOKEN\"\n").unwrap();
        set_executable(&askpass);
        // The simulator answers on this thread, so nothing may block it.
        let status = tokio::process::Command::new("git")
            .args(["clone", "-q", &format!("{web}/{REPO}.git")])
            .arg(clone.tree())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", &askpass)
            .env("TOKEN", token.expose_secret())
            .status()
            .await;
        assert!(status.unwrap().success());
        clone
    }
}

fn description(version: &str) -> Description {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openapi");
    let text = std::fs::read_to_string(folder.join(format!("requests-{version}.tsv"))).unwrap();
    Description::parse(version, &text).unwrap()
}

pub(crate) fn set_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A clone, in which real git says what a tree is called.
pub(crate) struct Clone {
    folder: tempfile::TempDir,
}

impl Clone {
    pub(crate) fn tree(&self) -> std::path::PathBuf {
        self.folder.path().join("tree")
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.tree())
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn head(&self) -> (CommitSha, TreeSha) {
        let (commit, tree) = (
            self.git(&["rev-parse", "HEAD"]),
            self.git(&["rev-parse", "HEAD^{tree}"]),
        );
        (CommitSha::new(commit), TreeSha::new(tree))
    }

    /// The tree that the working files make.
    pub(crate) fn working_tree(&self) -> TreeSha {
        self.git(&["add", "-A"]);
        TreeSha::new(self.git(&["write-tree"]))
    }
}
