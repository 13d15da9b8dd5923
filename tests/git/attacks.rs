//! What a hostile agent plants in its checkout all at once, what depends on who reads it, and what
//! is made to be slow. One by one, attacks are in the [corpus](crate::corpus).

use std::path::{Path, PathBuf};
use std::time::Duration;

use prova::domain::change::{Harvest, HarvestLimits, RefusalReason as Reason};
use prova::ports::checkouts::{Checkout, Checkouts};

use crate::support::{REPO, World, changes, chmod, git, refused, write};

/// What the host knows and no tree may hold.
const SECRET: &str = "the host's secret";

/// A world with a checkout, a secret beside it and a place for a canary that only executed code
/// would make.
struct Scene {
    world: World,
    checkout: Checkout,
    canary: PathBuf,
    secret: PathBuf,
}

impl Scene {
    async fn new() -> Self {
        let world = World::with(&[
            ("README.md", "# hello\n"),
            ("src/lib.rs", "//! lib\n"),
            ("src/main.rs", "fn main() {}\n"),
            (".gitattributes", "*.txt text\n"),
        ]);
        let checkout = world.checkout().await;
        let (canary, secret) = (world.outside("canary"), world.outside("secret"));
        std::fs::write(&secret, SECRET).unwrap();
        Self {
            world,
            checkout,
            canary,
            secret,
        }
    }

    fn dir(&self) -> &Path {
        self.checkout.tree.written()
    }

    /// A script that makes the canary, as one word of shell.
    fn payload(&self) -> String {
        let script = self.world.outside("payload.sh");
        let text = format!("#!/bin/sh\ntouch {}\ncat\n", self.canary.display());
        std::fs::write(&script, text).unwrap();
        chmod(&script, 0o755);
        script.display().to_string()
    }

    /// Writes into the throw-away repository.
    fn config(&self, text: &str) {
        let config = self.dir().join(".git/config");
        let before = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, before + text).unwrap();
    }

    /// Harvests in bounded time and holds the result against what must be true of every harvest.
    async fn harvest(&self) -> Harvest {
        let limits = HarvestLimits {
            entries: 5_000,
            ..HarvestLimits::default()
        };
        let harvest = self.world.harvest_within(&self.checkout, &limits);
        let harvest = tokio::time::timeout(Duration::from_mins(1), harvest)
            .await
            .unwrap();
        assert!(!self.canary.exists(), "the agent's code ran on the host");
        let store = self.world.job.join("objects");
        git(
            &store,
            ["fsck", "--strict", "--no-dangling", harvest.tree.as_str()],
        );
        for line in git(&store, ["ls-tree", "-r", harvest.tree.as_str()]).lines() {
            let blob = line.split_whitespace().nth(2).unwrap();
            let content = git(&store, ["cat-file", "blob", blob]);
            assert!(!content.contains(SECRET), "{line} holds host data");
        }
        let place = self.world.place();
        let verify = self.world.git.materialise(REPO, &harvest.tree, &place);
        verify.await.unwrap();
        assert!(!self.canary.exists(), "the agent's code ran at checkout");
        self.world.git.remove(&self.world.job).await.unwrap();
        assert!(!self.world.job.exists() && self.secret.exists());
        harvest
    }

    /// Harvests and expects these refusals and changes.
    async fn expect(&self, refusals: &[(&str, Reason)], expected: &[&str]) {
        let harvest = self.harvest().await;
        let named: Vec<(String, Reason)> = refusals
            .iter()
            .map(|&(path, reason)| (path.to_owned(), reason))
            .collect();
        assert_eq!(refused(&harvest), named);
        assert_eq!(changes(&harvest), expected);
    }
}

#[tokio::test]
async fn nothing_in_the_agents_repository_is_obeyed() {
    let scene = Scene::new().await;
    let run = scene.payload();
    let outside = scene.world.outside("other");
    std::fs::create_dir(&outside).unwrap();
    scene.config(&format!(
        "[core]\n\tfsmonitor = {run}\n\thooksPath = {home}\n\tsshCommand = {run}\n\teditor = {run}\n\
         \tpager = {run}\n\taskPass = {run}\n\tgitProxy = {run}\n\tworktree = {home}\n\
         \tattributesFile = {home}/attributes\n\talternateRefsCommand = {run}\n\
         [filter \"x\"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n\trequired = true\n\
         [diff]\n\texternal = {run}\n[diff \"x\"]\n\ttextconv = {run}\n\tcommand = {run}\n\
         [merge \"x\"]\n\tdriver = {run}\n[gpg]\n\tprogram = {run}\n[gpg \"ssh\"]\n\tprogram = {run}\n\
         [commit]\n\tgpgSign = true\n[credential]\n\thelper = !{run}\n\
         [include]\n\tpath = {home}/included\n[includeIf \"gitdir:**\"]\n\tpath = {home}/included\n\
         [extensions]\n\tworktreeConfig = true\n\tpartialClone = origin\n\
         [alias]\n\tls-tree = !{run}\n\tfsck = !{run}\n\twrite-tree = !{run}\n\
         [remote \"origin\"]\n\turl = ext::{run}\n\tpromisor = true\n\tvcs = x\n\
         \tuploadpack = {run}\n\treceivepack = {run}\n\
         [url \"ext::{run} \"]\n\tinsteadOf = https://\n[trailer \"x\"]\n\tcommand = {run}\n\
         [lfs]\n\tcustomtransfer = {run}\n[uploadpack]\n\tpackObjectsHook = {run}\n",
        home = outside.display(),
    ));
    for hook in [
        "pre-commit",
        "post-checkout",
        "post-index-change",
        "fsmonitor-watchman",
    ] {
        let file = scene.dir().join(".git/hooks").join(hook);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(&run, file).unwrap();
    }
    let secret = scene.secret.display();
    write(
        scene.dir(),
        ".git/objects/info/alternates",
        format!("{secret}\n"),
    );
    write(
        scene.dir(),
        ".git/info/attributes",
        "* filter=x diff=x merge=x\n",
    );
    write(scene.dir(), ".git/info/grafts", "junk\n");
    write(scene.dir(), ".git/shallow", "junk\n");
    write(
        scene.dir(),
        ".git/commondir",
        format!("{}\n", outside.display()),
    );
    write(
        scene.dir(),
        ".git/config.worktree",
        format!("[core]\n\tfsmonitor = {run}\n"),
    );
    write(scene.dir(), ".git/index", "not an index");
    write(scene.dir(), ".git/HEAD", "ref: ../../../secret\n");
    write(scene.dir(), ".git/refs/replace/x", "junk");
    write(
        scene.dir(),
        ".lfsconfig",
        format!("[lfs]\n\turl = ext::{run}\n"),
    );
    write(
        scene.dir(),
        "new/.gitattributes",
        "* filter=x diff=x merge=x ident export-subst\n",
    );
    write(scene.dir(), "new/file.txt", "changed\n");
    write(scene.dir(), "README.md", "# changed\n");
    let expected = [
        "+.lfsconfig",
        "~README.md",
        "+new/.gitattributes",
        "+new/file.txt",
    ];
    scene.expect(&[], &expected).await;
}

#[tokio::test]
async fn patterns_made_to_be_slow_end_the_walk() {
    let scene = Scene::new().await;
    let slow = "a*".repeat(60);
    let patterns: Vec<String> = (0..5_000).map(|n| format!("*{slow}*{n}")).collect();
    write(scene.dir(), "many/.gitignore", patterns.join("\n"));
    for number in 0..3_000 {
        write(
            scene.dir(),
            &format!("many/{}{number}x", "a".repeat(200)),
            "",
        );
    }
    let harvest = scene.harvest().await;
    assert_eq!(harvest.refused.last().unwrap().reason, Reason::TooMany);
}

#[tokio::test]
async fn unreadable_files_are_read_or_refused_and_never_dropped() {
    let scene = Scene::new().await;
    write(scene.dir(), "README.md", "# changed\n");
    write(scene.dir(), "hidden/file", "x\n");
    chmod(&scene.dir().join("README.md"), 0);
    chmod(&scene.dir().join("src"), 0);
    chmod(&scene.dir().join("hidden"), 0);
    if rustix::process::geteuid().is_root() {
        scene.expect(&[], &["~README.md", "+hidden/file"]).await;
    } else {
        let no = Reason::Unreadable;
        scene
            .expect(&[("README.md", no), ("hidden", no), ("src", no)], &[])
            .await;
    }
}
