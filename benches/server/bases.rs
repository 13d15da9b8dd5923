//! A base that moves under many open pull requests: all of their branches are compared with it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use prova::adapters::git::{GitCheckouts, Protocols, Settings};
use prova::adapters::store::SqlStore;
use prova::app::dispatch::changes;
use prova::domain::footing::{Merge, Pair};
use prova::domain::ids::{CommitSha, RepoId, ThreadKey, ThreadNumber};
use prova::domain::policy::BranchPolicy;
use prova::domain::rebase::{Found, found};
use prova::domain::render::parts::Links;
use prova::domain::task::State;
use prova::ports::checkouts::{Checkouts, Remote};
use prova::ports::store::{Changes, Tasks};

use crate::Bases;
use crate::figures::{Rounds, millis};
use crate::world::{at, branch, task, task_id};

const REPO: RepoId = RepoId(1);
/// Files in one directory.
const TOGETHER: usize = 50;
/// Files that each branch changes, and the base.
const CHANGED: usize = 5;

/// Measures, and prints.
pub(crate) async fn run(args: &Bases) {
    println!(
        "## {} branches of a repository of {} files",
        args.branches, args.files
    );
    let home = tempfile::tempdir().unwrap();
    let upstream = home.path().join("upstream");
    make(&upstream, args);
    let git = GitCheckouts::new(Settings {
        work_dir: home.path().join("work"),
        protocols: Protocols::NetworkAndLocal,
        fetch_limit: Duration::from_mins(10),
    })
    .unwrap();
    let store = SqlStore::open(&format!("sqlite://{}/prova.db", home.path().display()))
        .await
        .unwrap();
    for number in 1..=args.branches {
        store.commit(&open(number), at(1)).await.unwrap();
    }
    let (mut cpu, mut wall) = (Rounds::default(), Rounds::default());
    let mut conflicts = 0;
    for round in 0..args.rounds {
        push(&upstream, args, round);
        let remote = Remote {
            repo: REPO,
            url: upstream.to_str().unwrap().to_owned(),
            token: None,
        };
        let base = git.fetch(&remote, "main").await.unwrap();
        let (before, began) = (used(), Instant::now());
        conflicts = sweep(&git, &store, &base).await;
        wall.add(millis(began.elapsed()));
        cpu.add(millis(used().saturating_sub(before)));
    }
    println!("{conflicts} of them conflict");
    println!("CPU after the fetch, git's too: {}", cpu.show("ms", 0));
    println!("until all of it is in the store: {}", wall.show("ms", 0));
}

/// Does what follows a fetch, as `app::bases` does.
async fn sweep(git: &GitCheckouts, store: &SqlStore, base: &CommitSha) -> usize {
    let tasks = store.open_tasks_of(None, &[REPO]).await.unwrap();
    let heads = git.heads(REPO).await.unwrap();
    let pairs: Vec<_> = tasks
        .iter()
        .map(|one| Pair {
            base: base.clone(),
            head: heads[one.task.branch.as_str()].clone(),
        })
        .collect();
    let merged = git.merges(REPO, &pairs).await.unwrap();
    let links = Links {
        web_url: "https://github.com".to_owned(),
        slug: "prova".to_owned(),
        pages: None,
    };
    let mut conflicts = 0;
    for (one, (pair, merge)) in tasks.iter().zip(pairs.into_iter().zip(merged)) {
        conflicts += usize::from(matches!(merge, Merge::Conflicting(_)));
        let seen = Found::Merged(pair, merge);
        let decision = found(&one.task, "main", &seen, &BranchPolicy::default(), &links);
        let change = changes(decision, &one.task.repo, Some(one), "github", at(2));
        store.commit(&change, at(2)).await.unwrap();
    }
    conflicts
}

/// A task whose pull request waits for a review.
fn open(number: usize) -> Changes {
    let number = u64::try_from(number).unwrap();
    let thread = ThreadKey {
        repo: REPO,
        number: ThreadNumber(number),
    };
    let mut task = task(task_id(thread, 1));
    task.state = State::InReview;
    task.pull = Some(ThreadNumber(number + 10_000));
    task.branch = branch(&format!("prova/{number}-it"));
    Changes {
        task: Some((task, 0)),
        ..Changes::default()
    }
}

fn path(file: usize) -> String {
    format!("d{}/e{}/f{file}", file / TOGETHER / 50, file / TOGETHER)
}

/// Makes the repository, and on each branch a change of a few files and a new one.
fn make(upstream: &Path, args: &Bases) {
    std::fs::create_dir_all(upstream).unwrap();
    let commit = |branch: &str, from: &str, files: &[(String, String)]| {
        let mut text = format!(
            "commit refs/heads/{branch}\nmark :1\ncommitter a <a@b> 0 +0000\ndata 1\nx\n{from}"
        );
        for (path, content) in files {
            put(&mut text, path, content);
        }
        text
    };
    let content = |file: usize| format!("line of {file}\n").repeat(40);
    let all: Vec<_> = (0..args.files).map(|n| (path(n), content(n))).collect();
    let mut stream = commit("main", "", &all);
    for number in 1..=args.branches {
        let name = format!("prova/{number}-it");
        let mut files: Vec<_> = (0..CHANGED)
            .map(|k| (number * 7 + k * 977) % args.files)
            .map(|n| (path(n), format!("branch {number}\n{}", content(n))))
            .collect();
        files.push((format!("new/{number}"), "new\n".to_owned()));
        stream += &commit(&name, "from refs/heads/main\n", &files);
    }
    let file = upstream.join("stream");
    std::fs::write(&file, stream).unwrap();
    shell(
        upstream,
        "git init -q --bare -b main .; git fast-import --quiet < stream; rm stream",
    );
}

/// Moves the base on: each round changes files of its own at their ends, and one of a branch at its head.
fn push(upstream: &Path, args: &Bases, round: usize) {
    let mut stream = "commit refs/heads/main\ncommitter a <a@b> 0 +0000\ndata 1\ny\n\
                      from refs/heads/main^0\n"
        .to_owned();
    for k in 0..CHANGED {
        let file = (round * 131 + k * 333 + 3) % args.files;
        let content = format!("line of {file}\n").repeat(40) + "more\n";
        put(&mut stream, &path(file), &content);
    }
    put(&mut stream, &path(7), &format!("base {round}\n"));
    std::fs::write(upstream.join("stream"), stream).unwrap();
    shell(upstream, "git fast-import --quiet < stream; rm stream");
}

/// Adds a file to a commit of a stream.
fn put(stream: &mut String, path: &str, content: &str) {
    let length = content.len();
    let _ = writeln!(stream, "M 100644 inline {path}\ndata {length}\n{content}");
}

fn shell(dir: &Path, script: &str) {
    let status = Command::new("sh")
        .args(["-ec", script])
        .current_dir(dir)
        .status();
    assert!(status.unwrap().success(), "{script}");
}

/// Returns the CPU that this process and the children it waited for have used.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    // utime, stime, cutime and cstime, in hundredths of a second.
    let ticks: u64 = fields
        .skip(11)
        .take(4)
        .map(|one| one.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}
