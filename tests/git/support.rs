//! A remote, a server's work directory and a job, thrown away after each test.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use prova::adapters::git::{GitCheckouts, Protocols, Settings};
use prova::domain::change::{ChangeKind, Harvest, HarvestLimits, RefusalReason};
use prova::domain::ids::{CommitSha, RepoId};
use prova::ports::checkouts::{Checkout, Checkouts, Place, Remote};
use prova::ports::fault::Fault;
use prova::ports::tree::{Layers, Tree};

/// The only repository of each world.
pub(crate) const REPO: RepoId = RepoId(7);

/// A remote with a working tree to commit in, and a server that works on it.
pub(crate) struct World {
    home: tempfile::TempDir,
    /// The server's git work.
    pub(crate) git: GitCheckouts,
    /// The job's directory.
    pub(crate) job: PathBuf,
}

impl World {
    /// Makes a remote with these files on `main`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::empty();
        for (path, content) in files {
            write(&world.upstream(), path, content);
        }
        world.commit();
        world
    }

    /// Makes a remote without any branch.
    pub(crate) fn empty() -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = GitCheckouts::new(Settings {
            work_dir: home.path().join("work"),
            protocols: Protocols::NetworkAndLocal,
            fetch_limit: Duration::from_mins(1),
        })
        .unwrap();
        let job = home.path().join("work/jobs/1");
        std::fs::create_dir_all(home.path().join("upstream")).unwrap();
        let world = Self {
            home,
            git: server,
            job,
        };
        git(&world.upstream(), ["init", "-q", "-b", "main"]);
        world
    }

    /// The remote's working tree.
    pub(crate) fn upstream(&self) -> PathBuf {
        self.home.path().join("upstream")
    }

    /// A path beside everything else, that no agent's change may reach.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Commits the remote's working tree and returns the commit.
    pub(crate) fn commit(&self) -> String {
        git(&self.upstream(), ["add", "-A"]);
        git(
            &self.upstream(),
            ["commit", "-q", "--allow-empty", "-m", "work"],
        );
        git(&self.upstream(), ["rev-parse", "HEAD"])
    }

    /// The remote as the server knows it.
    pub(crate) fn remote(&self) -> Remote {
        Remote {
            repo: REPO,
            url: self.upstream().to_str().unwrap().to_owned(),
            token: None,
        }
    }

    /// Fetches a branch.
    pub(crate) async fn fetch(&self, branch: &str) -> Result<CommitSha, Fault> {
        self.git.fetch(&self.remote(), branch).await
    }

    /// Where the job's files go.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            job: &self.job,
            owner: None,
            layers: false,
        }
    }

    /// Where the job's files go when its sandbox can show layers.
    pub(crate) fn layered_place(&self) -> Place<'_> {
        Place {
            layers: true,
            ..self.place()
        }
    }

    /// Fetches `main` and checks it out as layers.
    pub(crate) async fn layered_checkout(&self) -> Checkout {
        let base = self.fetch("main").await.unwrap();
        let place = self.layered_place();
        self.git
            .checkout(REPO, &base, "prova/7-work", &place)
            .await
            .unwrap()
    }

    /// Runs a script in a working tree as a sandbox would show it, and returns what it printed.
    pub(crate) fn inside(&self, tree: &Tree, script: &str) -> String {
        match tree {
            Tree::Plain(dir) => shell(dir, script),
            Tree::Layered(layers) => {
                let shown = self.outside("shown");
                std::fs::create_dir_all(&shown).unwrap();
                in_overlay(layers, &shown, script)
            }
        }
    }

    /// Fetches `main` and checks it out.
    pub(crate) async fn checkout(&self) -> Checkout {
        let base = self.fetch("main").await.unwrap();
        self.git
            .checkout(REPO, &base, "prova/7-work", &self.place())
            .await
            .unwrap()
    }

    /// Harvests within limits.
    pub(crate) async fn harvest_within(
        &self,
        checkout: &Checkout,
        limits: &HarvestLimits,
    ) -> Harvest {
        self.git
            .harvest(REPO, checkout, &self.job, limits)
            .await
            .unwrap()
    }

    /// Harvests.
    pub(crate) async fn harvest(&self, checkout: &Checkout) -> Harvest {
        self.harvest_within(checkout, &HarvestLimits::default())
            .await
    }

    /// Lists the harvested tree as `mode path`, a line each.
    pub(crate) fn listing(&self, harvest: &Harvest) -> Vec<String> {
        let store = self.job.join("objects");
        let tree = harvest.tree.as_str();
        let text = git(
            &store,
            ["ls-tree", "-r", "--format=%(objectmode) %(path)", tree],
        );
        text.lines().map(str::to_owned).collect()
    }

    /// Reads a file of the harvested tree.
    pub(crate) fn content(&self, harvest: &Harvest, path: &str) -> String {
        let store = self.job.join("objects");
        git(&store, ["show", &format!("{}:{path}", harvest.tree)])
    }

    /// The tree that git itself would make of a directory's files on top of `main`.
    pub(crate) fn tree_by_git(&self, edit: impl FnOnce(&Path)) -> String {
        self.tree_by_git_adding(&["-A"], edit)
    }

    /// The same, when only this is added.
    pub(crate) fn tree_by_git_adding(&self, what: &[&str], edit: impl FnOnce(&Path)) -> String {
        let copy = self.outside("copy");
        let upstream = self.upstream();
        let from = upstream.to_str().unwrap();
        git(
            self.home.path(),
            ["clone", "-q", "--no-local", from, "copy"],
        );
        edit(&copy);
        git(&copy, [&["add"], what].concat());
        git(&copy, ["write-tree"])
    }
}

/// Runs git as a developer would and returns what it printed, without the last line's end.
pub(crate) fn git<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> String {
    git_reading(dir, "/dev/null", args)
}

/// Runs git with a file of `dir` as its input.
pub(crate) fn git_reading<S: AsRef<OsStr>>(
    dir: &Path,
    input: &str,
    args: impl IntoIterator<Item = S>,
) -> String {
    let args: Vec<_> = args
        .into_iter()
        .map(|arg| arg.as_ref().to_owned())
        .collect();
    let output = Command::new("git")
        .args(["-c", "user.name=Dev", "-c", "user.email=dev@example.org"])
        .args([
            "-c",
            "core.protectNTFS=false",
            "-c",
            "core.protectHFS=false",
        ])
        .args(["-c", "protocol.file.allow=always"])
        .args(&args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(std::fs::File::open(dir.join(input)).unwrap())
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end_matches('\n')
        .to_owned()
}

/// Runs a script with a shell and returns what it printed, without the last line's end.
pub(crate) fn shell(dir: &Path, script: &str) -> String {
    said(Command::new("sh").args(["-euc", script]).current_dir(dir))
}

/// Mounts layers for as long as a script runs in them: in a mount namespace of its own, and as an
/// ordinary user in a user namespace, as sandboxes do.
fn in_overlay(layers: &Layers, shown: &Path, script: &str) -> String {
    let is_root = rustix::process::geteuid().is_root();
    let (how, marks) = if is_root {
        ("-m", "")
    } else {
        ("-Urm", ",userxattr")
    };
    let lower: Vec<&str> = layers
        .lower
        .iter()
        .rev()
        .map(|l| l.to_str().unwrap())
        .collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},index=off,metacopy=off,redirect_dir=off,xino=off{marks}",
        lower.join(":"),
        layers.upper.display(),
        layers.work.display()
    );
    let mount = "mount -t overlay -o \"$1\" prova \"$2\"; cd \"$2\"; exec sh -euc \"$3\"";
    said(
        Command::new("unshare")
            .args([how, "sh", "-euc", mount, "sh", &options])
            .arg(shown)
            .arg(script),
    )
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end_matches('\n')
        .to_owned()
}

/// Writes a file and the directories it needs.
pub(crate) fn write(dir: &Path, path: &str, content: impl AsRef<[u8]>) {
    let file = dir.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

/// Makes a symbolic link.
pub(crate) fn link(dir: &Path, path: &str, target: impl AsRef<[u8]>) {
    let file = dir.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(OsStr::from_bytes(target.as_ref()), file).unwrap();
}

/// Changes a file's permissions.
pub(crate) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The changes as `+path`, `~path`, `-path`.
pub(crate) fn changes(harvest: &Harvest) -> Vec<String> {
    let sign = |kind: &ChangeKind| match kind {
        ChangeKind::Added(_) => '+',
        ChangeKind::Modified(_) => '~',
        ChangeKind::Deleted => '-',
    };
    harvest
        .changes
        .iter()
        .map(|change| format!("{}{}", sign(&change.kind), change.path))
        .collect()
}

/// The refusals as path and reason.
pub(crate) fn refused(harvest: &Harvest) -> Vec<(String, RefusalReason)> {
    harvest
        .refused
        .iter()
        .map(|refusal| (refusal.path.to_string(), refusal.reason))
        .collect()
}
