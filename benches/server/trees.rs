//! Checkouts and harvests on repositories of several sizes, as a job makes them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use prova::adapters::git::{GitCheckouts, Protocols, Settings};
use prova::domain::change::HarvestLimits;
use prova::domain::ids::RepoId;
use prova::ports::checkouts::{Checkout, Checkouts, Place, Remote};
use prova::ports::tree::{Layers, Tree};

use crate::Trees;
use crate::figures::{Rounds, millis};

const REPO: RepoId = RepoId(1);
/// Files in one directory.
const TOGETHER: usize = 50;

struct Ground {
    home: tempfile::TempDir,
    git: GitCheckouts,
    files: usize,
}

/// Measures, and prints.
pub(crate) async fn run(args: &Trees) {
    for &files in &args.files {
        println!("## {files} files");
        let ground = Ground::new(files);
        ground.checkouts(args.rounds).await;
        ground.moved(args.rounds).await;
        ground.harvests(args.rounds).await;
    }
}

impl Ground {
    fn new(files: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let upstream = home.path().join("upstream");
        for n in 0..files {
            let file = upstream.join(path(n));
            if n % TOGETHER == 0 {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            }
            std::fs::write(file, format!("line of {n}\n").repeat(40)).unwrap();
        }
        shell(
            &upstream,
            "git init -q -b main; git add -A; git commit -qm base",
        );
        let git = GitCheckouts::new(Settings {
            work_dir: home.path().join("work"),
            protocols: Protocols::NetworkAndLocal,
            fetch_limit: Duration::from_mins(10),
        })
        .unwrap();
        Self { home, git, files }
    }

    fn upstream(&self) -> PathBuf {
        self.home.path().join("upstream")
    }

    fn job(&self, name: &str) -> PathBuf {
        self.home.path().join("work/jobs").join(name)
    }

    async fn fetch(&self) -> prova::domain::ids::CommitSha {
        let remote = Remote {
            repo: REPO,
            url: self.upstream().to_str().unwrap().to_owned(),
            token: None,
        };
        self.git.fetch(&remote, "main").await.unwrap()
    }

    async fn check_out(&self, job: &Path, layers: bool) -> (Checkout, Duration) {
        let base = self.fetch().await;
        let place = Place {
            job,
            owner: None,
            layers,
        };
        let began = Instant::now();
        let checkout = self.git.checkout(REPO, &base, "work", &place).await;
        (checkout.unwrap(), began.elapsed())
    }

    async fn checkouts(&self, rounds: usize) {
        let job = self.job("first");
        let (_, took) = self.check_out(&job, true).await;
        println!("base made, once: {:.0} ms", millis(took));
        let (mut ready, mut plain) = (Rounds::default(), Rounds::default());
        let (mut removed, mut status) = (Rounds::default(), Rounds::default());
        let mut worktree = Rounds::default();
        for _ in 0..rounds {
            let (checkout, took) = self.check_out(&job, true).await;
            ready.add(millis(took));
            status.add(first_status(&checkout, self.home.path()));
            let began = Instant::now();
            self.git.remove(&job).await.unwrap();
            removed.add(millis(began.elapsed()));
            plain.add(millis(self.check_out(&job, false).await.1));
            // Else the next would have to take all of it away first.
            self.git.remove(&job).await.unwrap();
            worktree.add(self.worktree());
        }
        println!("checkout ready: {}", ready.show("ms", 1));
        println!(
            "every file written, without layers: {}",
            plain.show("ms", 0)
        );
        println!("the same by git worktree add: {}", worktree.show("ms", 0));
        println!("first git status inside: {}", status.show("ms", 0));
        println!("removed after it: {}", removed.show("ms", 1));
        self.ten_at_once().await;
    }

    /// Times `git worktree add`, in milliseconds, and takes it away again.
    fn worktree(&self) -> f64 {
        let began = Instant::now();
        shell(&self.upstream(), "git worktree add -q --detach ../worktree");
        let took = began.elapsed();
        shell(&self.upstream(), "git worktree remove --force ../worktree");
        millis(took)
    }

    async fn ten_at_once(&self) {
        let base = self.fetch().await;
        let jobs: Vec<PathBuf> = (0..10).map(|n| self.job(&format!("ten-{n}"))).collect();
        let began = Instant::now();
        let checkouts = jobs.iter().map(|job| {
            let base = base.clone();
            async move {
                let place = Place {
                    job,
                    owner: None,
                    layers: true,
                };
                self.git
                    .checkout(REPO, &base, "work", &place)
                    .await
                    .unwrap()
            }
        });
        let all = together(checkouts).await;
        let took = began.elapsed();
        let disk = shell(&jobs[0], "du -sk . | cut -f1");
        println!(
            "ten at once: {:.0} ms, {disk} KiB each ({})",
            millis(took),
            all.len()
        );
    }

    async fn moved(&self, rounds: usize) {
        let mut times = Rounds::default();
        for round in 0..rounds.min(5) {
            for commit in 0..50 {
                let n = (round * 50 + commit) * 7 % self.files;
                std::fs::write(self.upstream().join(path(n)), format!("{round} {commit}\n"))
                    .unwrap();
                shell(&self.upstream(), "git commit -qam moved");
            }
            let job = self.job("moved");
            times.add(millis(self.check_out(&job, true).await.1));
            self.git.remove(&job).await.unwrap();
        }
        println!("ready after 50 commits: {}", times.show("ms", 0));
    }

    async fn harvests(&self, rounds: usize) {
        for (what, changed) in [("ten lines", 1), ("5,000 files", 5_000.min(self.files))] {
            let job = self.job("harvest");
            let (checkout, _) = self.check_out(&job, true).await;
            for n in 0..changed {
                let file = checkout.tree.written().join(path(n));
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, format!("changed {n}\n").repeat(10)).unwrap();
            }
            let limits = HarvestLimits {
                changes: 10_000,
                ..HarvestLimits::default()
            };
            let mut times = Rounds::default();
            for _ in 0..rounds {
                let began = Instant::now();
                let harvest = self.git.harvest(REPO, &checkout, &job, &limits).await;
                times.add(millis(began.elapsed()));
                assert_eq!(harvest.unwrap().changes.len(), changed);
            }
            println!("harvest of {what}: {}", times.show("ms", 0));
            self.git.remove(&job).await.unwrap();
        }
    }
}

/// Runs futures side by side and returns what they come to. On one task: what takes long is git, in
/// processes of its own.
async fn together<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (future, done) in &mut running {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => waits = true,
                }
            }
        }
        if waits {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

fn path(n: usize) -> String {
    format!("d{}/e{}/f{n}.txt", n / 2_500, n / TOGETHER)
}

fn shell(dir: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "dev")
        .env("GIT_AUTHOR_EMAIL", "dev@example.org")
        .env("GIT_COMMITTER_NAME", "dev")
        .env("GIT_COMMITTER_EMAIL", "dev@example.org")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns the milliseconds that the first `git status` takes where the layers are mounted.
fn first_status(checkout: &Checkout, home: &Path) -> f64 {
    let Tree::Layered(Layers { lower, upper, work }) = &checkout.tree else {
        return f64::NAN;
    };
    let lower: Vec<&str> = lower
        .iter()
        .rev()
        .map(|dir| dir.to_str().unwrap())
        .collect();
    let script = format!(
        "mkdir -p shown; exec unshare $([ $(id -u) = 0 ] && echo -m || echo -Urm) sh -euc '
           mount -t overlay -o lowerdir={},upperdir={},workdir={},index=off,metacopy=off\
             $([ $1 = 0 ] || echo ,userxattr) prova shown
           cd shown
           echo {} > .git/objects/info/alternates
           began=$(date +%s%N)
           [ -z \"$(git -c safe.directory=* status --porcelain)\" ]
           echo $((($(date +%s%N) - began) / 1000))' sh $(id -u)",
        lower.join(":"),
        upper.display(),
        work.display(),
        checkout.objects.display(),
    );
    let micros: f64 = shell(home, &script).parse().unwrap();
    micros / 1_000.0
}
