//! What must be true of every harvest, whatever the attack.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prova::domain::change::{Harvest, HarvestLimits};
use prova::ports::checkouts::Checkouts;

use crate::corpus::attack::{Naive, Shows};
use crate::corpus::race::Race;
use crate::corpus::scene::{SECRET, Scene};
use crate::corpus::steps::os;
use crate::support::{REPO, git, git_reading};

/// The longest that a harvest of any corpus entry may take; all but the floods take a tenth of a
/// second.
const LONGEST: Duration = Duration::from_secs(30);

/// How much memory a harvest may take beyond what the test had, in KiB.
const MOST_MEMORY: u64 = 256 * 1024;

/// Harvests, in bounded time and memory, alone or while the agent goes on writing.
pub(crate) async fn harvest(scene: &Scene, limits: &HarvestLimits, raced: bool) -> Harvest {
    let (started, memory) = (Instant::now(), peak());
    let race = raced.then(|| Race::start(scene.dir(), &scene.world.outside("host")));
    let harvest = scene.world.harvest_within(&scene.checkout, limits);
    let harvest = tokio::time::timeout(LONGEST, harvest).await.unwrap();
    drop(race);
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
    let grown = peak().saturating_sub(memory);
    assert!(grown < MOST_MEMORY, "the harvest took {grown} KiB");
    quiet(scene, "harvested");
    tree_is_sound(scene, &harvest);
    harvest
}

/// Writes the tree out as the server does for its checks, and as whoever clones the result.
pub(crate) async fn publish(scene: &Scene, harvest: &Harvest) {
    let place = scene.world.place();
    let verify = (scene.world.git).materialise(REPO, &harvest.tree, &place);
    let tree = verify.await.unwrap();
    no_secret_below(tree.written(), harvest);
    quiet(scene, "written out for the checks");
    clone_is_safe(scene, harvest);
}

/// The most memory that this process has had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

fn quiet(scene: &Scene, when: &str) {
    assert!(
        !scene.canary().exists(),
        "the agent's program ran on the host while it was {when}"
    );
    assert!(
        !scene.was_called(),
        "the agent's server was called while it was {when}"
    );
}

fn tree_is_sound(scene: &Scene, harvest: &Harvest) {
    let store = scene.world.job.join("objects");
    let tree = harvest.tree.as_str();
    git(&store, ["fsck", "--strict", "--no-dangling", tree]);
    let mut spellings: HashMap<String, String> = HashMap::new();
    let mut blobs = String::new();
    for line in git(&store, ["ls-tree", "-r", "-t", "-z", tree]).split_terminator('\0') {
        let (entry, path) = line.split_once('\t').unwrap();
        let fields: Vec<&str> = entry.split(' ').collect();
        assert!(
            ["100644", "100755", "120000", "040000"].contains(&fields[0]),
            "{line}"
        );
        let before = spellings.insert(path.to_lowercase(), path.to_owned());
        assert_eq!(before, None, "one name elsewhere");
        if fields[1] == "blob" {
            blobs.push_str(fields[2]);
            blobs.push('\n');
        }
    }
    fs::write(scene.world.outside("blobs"), blobs).unwrap();
    let list = scene.world.outside("blobs");
    let content = git_reading(&store, list.to_str().unwrap(), ["cat-file", "--batch"]);
    assert!(
        !content.contains(SECRET),
        "the tree holds what is the host's"
    );
}

/// Publishes the tree and clones it as a person does, with git's defaults and the switches that
/// stand for other systems.
fn clone_is_safe(scene: &Scene, harvest: &Harvest) {
    let published = scene.world.outside("published");
    let clone = scene.world.outside("clone");
    for dir in [&published, &clone] {
        let _ = fs::remove_dir_all(dir);
    }
    let home = scene.world.outside("");
    git(&home, ["init", "-q", "--bare", "-b", "main", "published"]);
    let store = scene.world.job.join("objects/objects");
    fs::write(
        published.join("objects/info/alternates"),
        format!("{}\n", store.display()),
    )
    .unwrap();
    let tree = harvest.tree.as_str();
    let commit = git(&published, ["commit-tree", "-m", "work", tree]);
    git(&published, ["update-ref", "refs/heads/main", &commit]);
    let cloned = Command::new("git")
        .args(["clone", "-q", "--no-local", "--recurse-submodules"])
        .args(["-c", "core.ignoreCase=true", "-c", "core.protectHFS=true"])
        .args(["-c", "transfer.fsckObjects=true"])
        .args([&published, &clone])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&cloned.stderr);
    assert!(cloned.status.success(), "the result does not clone: {said}");
    no_secret_below(&clone, harvest);
    quiet(scene, "cloned");
}

/// Reads everything below as a person's tools do. Where a link leads that was there before is the
/// repository's own affair.
fn no_secret_below(root: &Path, harvest: &Harvest) {
    let root = root.canonicalize().unwrap();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                dirs.push(path);
            } else if meta.is_file() {
                let content = fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&content);
                assert!(!text.contains(SECRET), "{}", path.display());
            }
        }
    }
    for change in &harvest.changes {
        let path = root.join(change.path.as_str().unwrap());
        if path.is_symlink()
            && let Ok(led) = path.canonicalize()
        {
            assert!(
                led.starts_with(&root),
                "{} leads to {}",
                path.display(),
                led.display()
            );
        }
    }
}

/// Does what the naive do, and looks at what happens to them.
pub(crate) fn is_alive(naive: &Naive, scene: &Scene) {
    let mut told = String::new();
    for (number, args) in naive.git.iter().enumerate() {
        let input = if number + 1 == naive.git.len() {
            &naive.input
        } else {
            ""
        };
        told = plainly(scene, args, input);
    }
    if let Some(path) = &naive.read {
        told = fs::read_to_string(scene.dir().join(path)).unwrap();
    }
    match naive.shows {
        Shows::Execution => assert!(scene.canary().exists(), "nothing ran: {told}"),
        Shows::Leak => assert!(told.contains(SECRET), "nothing leaked: {told}"),
        Shows::Connection => assert!(scene.was_called(), "nobody called: {told}"),
        Shows::Hiding => assert!(!told.contains("changed"), "nothing is hidden: {told}"),
    }
}

/// Runs git in the checkout as if nothing could be wrong with it, for at most five seconds:
/// nobody answers at the agent's server.
fn plainly(scene: &Scene, args: &[String], input: &str) -> String {
    let args = args.iter().map(|arg| os(scene.words.expand(arg)));
    let file = scene.world.outside("input");
    fs::write(&file, input).unwrap();
    let said = Command::new("timeout")
        .args(["--kill-after=1", "5", "git", "-c", "user.name=N"])
        .args(["-c", "user.email=n@example.org"])
        .args(args)
        .current_dir(scene.dir())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::from(fs::File::open(&file).unwrap()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr)
}
