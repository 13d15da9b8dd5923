//! What a hostile agent plants in its checkout, and that nothing of it runs, leaks, hangs or gets
//! into the tree.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prova::domain::change::{Harvest, HarvestLimits, RefusalReason as Reason};
use prova::ports::checkouts::{Checkout, Checkouts};

use crate::support::{REPO, World, changes, chmod, git, link, refused, write};

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
async fn a_gitfile_or_link_in_place_of_the_repository_is_not_followed() {
    for as_link in [true, false] {
        let scene = Scene::new().await;
        let evil = scene.world.outside("evil");
        git(scene.world.outside("").as_path(), ["init", "-q", "evil"]);
        write(
            &evil,
            ".git/config",
            format!("[core]\n\tfsmonitor = {}\n", scene.payload()),
        );
        std::fs::remove_dir_all(scene.dir().join(".git")).unwrap();
        if as_link {
            symlink(evil.join(".git"), scene.dir().join(".git")).unwrap();
        } else {
            write(
                scene.dir(),
                ".git",
                format!("gitdir: {}/.git\n", evil.display()),
            );
        }
        write(scene.dir(), "README.md", "# changed\n");
        scene.expect(&[], &["~README.md"]).await;
    }
}

#[tokio::test]
async fn repositories_inside_are_refused_in_every_spelling() {
    let scene = Scene::new().await;
    let run = scene.payload();
    for (place, name) in [
        ("", ".GIT"),
        ("", "git~1"),
        ("", ".g\u{200c}it"),
        ("a", ".git"),
        ("b", ".Git "),
        ("c", ".git::$INDEX_ALLOCATION"),
        ("src", ".git."),
    ] {
        let config = format!("[core]\n\tfsmonitor = {run}\n[filter \"x\"]\n\tclean = {run}\n");
        write(
            scene.dir(),
            format!("{place}/{name}/config").trim_start_matches('/'),
            config,
        );
        write(
            scene.dir(),
            format!("{place}/f").trim_start_matches('/'),
            "x\n",
        );
    }
    write(scene.dir(), "gitlink/.git", "gitdir: ../src/.git.\n");
    for part in ["HEAD", "config", "objects/x", "refs/x"] {
        write(
            scene.dir(),
            &format!("bare/{part}"),
            "ref: refs/heads/main\n",
        );
    }
    let git = Reason::NestedGit;
    scene
        .expect(
            &[
                (".GIT", git),
                (".g\\u{200c}it", git),
                ("a/.git", git),
                ("b/.Git ", git),
                ("bare", git),
                ("c/.git::$INDEX_ALLOCATION", git),
                ("gitlink/.git", git),
                ("git~1", git),
                ("src/.git.", git),
            ],
            &["+a/f", "+b/f", "+c/f", "+f", "+src/f"],
        )
        .await;
}

#[tokio::test]
async fn what_is_no_file_is_refused_without_being_opened() {
    use rustix::fs::{FileType, Mode, mkfifoat, mknodat};
    let scene = Scene::new().await;
    let dir = std::fs::File::open(scene.dir()).unwrap();
    mkfifoat(&dir, "fifo", Mode::RWXU).unwrap();
    std::fs::remove_file(scene.dir().join("README.md")).unwrap();
    mkfifoat(&dir, "README.md", Mode::RWXU).unwrap();
    mkfifoat(&dir, "src/.gitignore", Mode::RWXU).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(scene.dir().join("socket")).unwrap();
    let special = Reason::SpecialFile;
    let mut expected = vec![
        ("README.md", special),
        ("fifo", special),
        ("socket", special),
        ("src/.gitignore", special),
    ];
    // A device takes root to make.
    let null = rustix::fs::makedev(1, 3);
    if mknodat(&dir, "device", FileType::CharacterDevice, Mode::RUSR, null).is_ok() {
        expected.insert(1, ("device", special));
    }
    scene.expect(&expected, &[]).await;
}

#[tokio::test]
async fn links_that_lead_out_are_refused_and_never_read() {
    let scene = Scene::new().await;
    let (dir, secret) = (scene.dir(), scene.secret.clone());
    link(dir, "absolute", secret.as_os_str().as_bytes());
    link(dir, "above", "../../secret");
    link(dir, "src/inside", "../README.md");
    link(dir, "src/up", "../src/../../x");
    link(dir, "git", ".git/config");
    link(dir, ".gitignore", secret.as_os_str().as_bytes());
    link(dir, ".gitmodules", "README.md");
    // A tracked file and a tracked directory replaced by ways out.
    std::fs::remove_file(dir.join("README.md")).unwrap();
    link(dir, "README.md", secret.as_os_str().as_bytes());
    std::fs::rename(dir.join("src"), scene.world.outside("src")).unwrap();
    symlink(scene.world.outside("src"), dir.join("src")).unwrap();
    let out = Reason::EscapingLink;
    scene
        .expect(
            &[
                (".gitignore", Reason::HostileName),
                (".gitmodules", Reason::HostileModules),
                ("README.md", out),
                ("above", out),
                ("absolute", out),
                ("git", out),
                ("src", out),
            ],
            &[],
        )
        .await;
}

#[tokio::test]
async fn a_link_through_a_link_that_was_there_before_is_refused() {
    let world = World::with(&[("a", "x\n")]);
    link(&world.upstream(), "etc", "/etc");
    world.commit();
    let checkout = world.checkout().await;
    link(checkout.tree.written(), "passwd", "etc/passwd");
    link(checkout.tree.written(), "same", "etc");
    let harvest = world.harvest(&checkout).await;
    assert_eq!(
        refused(&harvest),
        [("passwd".to_owned(), Reason::EscapingLink)]
    );
    assert_eq!(changes(&harvest), ["+same"]);
}

#[tokio::test]
async fn huge_sparse_deep_and_countless_things_end_soon() {
    let scene = Scene::new().await;
    let sparse = std::fs::File::create(scene.dir().join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let readme = std::fs::File::create(scene.dir().join("README.md")).unwrap();
    readme.set_len(1 << 40).unwrap();
    let deep = std::fs::File::open(scene.dir()).unwrap();
    let mut at = rustix::fd::OwnedFd::from(deep);
    for _ in 0..3_000 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(
            &at,
            "d",
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    drop(at);
    let harvest = scene.harvest().await;
    let deepest = ["d"; 100].join("/");
    assert_eq!(
        refused(&harvest),
        [
            ("README.md".to_owned(), Reason::TooLarge),
            (deepest, Reason::TooDeep),
            ("sparse".to_owned(), Reason::TooLarge),
        ]
    );

    let scene = Scene::new().await;
    for number in 0..20_000 {
        write(scene.dir(), &format!("many/{number}"), "");
    }
    write(scene.dir(), "README.md", "# changed\n");
    std::fs::remove_file(scene.dir().join("src/main.rs")).unwrap();
    // The walk ends there: nothing that it did not reach is taken for deleted.
    scene
        .expect(&[("many", Reason::TooMany)], &["~README.md"])
        .await;
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
async fn hostile_names_are_refused_and_shown_on_one_line() {
    let scene = Scene::new().await;
    let dir = scene.dir();
    for name in [
        "a\nb",
        "tab\t",
        "\u{1b}[2J",
        "-rf",
        "x\\..\\y",
        "gitmod~1",
        "\u{202e}txt",
    ] {
        write(dir, name, "x\n");
    }
    std::fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    write(dir, "it's \"fine\"", "x\n");
    write(dir, "new\ndir/file", "x\n");
    let hostile = Reason::HostileName;
    scene
        .expect(
            &[
                ("\\u{1b}[2J", hostile),
                ("-rf", hostile),
                ("a\\nb", hostile),
                ("gitmod~1", hostile),
                ("new\\ndir", hostile),
                ("tab\\t", hostile),
                ("x\\\\..\\\\y", hostile),
                ("\\u{202e}txt", hostile),
                ("\\xff\\xfe", Reason::NotUtf8),
            ],
            &["+it's \"fine\""],
        )
        .await;
}

#[tokio::test]
async fn names_that_fall_together_elsewhere_are_refused() {
    let scene = Scene::new().await;
    write(scene.dir(), "readme.md", "x\n");
    write(scene.dir(), "A/modules/x/hooks/post-checkout", "x\n");
    link(scene.dir(), "a", "src");
    write(scene.dir(), "SRC/other.rs", "x\n");
    // A rename that only changes case is one name at a time.
    std::fs::rename(
        scene.dir().join("src/main.rs"),
        scene.dir().join("src/Main.rs"),
    )
    .unwrap();
    let collision = Reason::CaseCollision;
    scene
        .expect(
            &[
                ("SRC/other.rs", collision),
                ("a", collision),
                ("readme.md", collision),
            ],
            &[
                "+A/modules/x/hooks/post-checkout",
                "+src/Main.rs",
                "-src/main.rs",
            ],
        )
        .await;
}

#[tokio::test]
async fn hostile_modules_are_refused_and_honest_ones_taken() {
    for (text, refused) in [
        (
            "[submodule \"x\"]\n\tpath = x\n\turl = https://example.org/x\n",
            false,
        ),
        ("[submodule \"x\"]\n\tpath = x\n\turl = -uevil\n", true),
        (
            "[submodule \"../x\"]\n\tpath = x\n\turl = https://example.org/x\n",
            true,
        ),
        (
            "[submodule \"x\"]\n\tpath = -x\n\turl = https://example.org/x\n",
            true,
        ),
        (
            "[submodule \"x\"]\n\tpath = x\n\turl = https://e/x\n\tupdate = !touch /tmp/x\n",
            true,
        ),
        (
            "[submodule \"x\"]\n\tpath = \"x\r\"\n\turl = https://example.org/x\n",
            true,
        ),
    ] {
        let scene = Scene::new().await;
        write(scene.dir(), ".gitmodules", text);
        write(scene.dir(), "b", "x\n");
        if refused {
            scene
                .expect(&[(".gitmodules", Reason::HostileModules)], &["+b"])
                .await;
        } else {
            scene.expect(&[], &["+.gitmodules", "+b"]).await;
        }
    }
}

#[tokio::test]
async fn attributes_that_git_would_refuse_are_refused() {
    let scene = Scene::new().await;
    write(
        scene.dir(),
        "new/.gitattributes",
        format!("*.{} text\n", "x".repeat(4_000)),
    );
    write(scene.dir(), "b", "x\n");
    scene
        .expect(&[("new/.gitattributes", Reason::TooLarge)], &["+b"])
        .await;
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
