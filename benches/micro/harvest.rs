//! What a large change costs to harvest.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use prova::adapters::git::{GitCheckouts, Protocols, Settings};
use prova::domain::change::HarvestLimits;
use prova::domain::ids::RepoId;
use prova::ports::checkouts::{Checkouts as _, Place, Remote};
use tokio::runtime::Runtime;

const REPO: RepoId = RepoId(1);

/// How many files the change has.
const CHANGED: usize = 5_000;

pub(crate) fn all(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = bench.benchmark_group("harvest");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(CHANGED as u64));
    for (name, attributes) in [("no attributes", ""), ("text=auto", "* text=auto\n")] {
        let home = tempfile::tempdir().unwrap();
        let upstream = home.path().join("upstream");
        fill(&upstream, "before");
        std::fs::write(upstream.join(".gitattributes"), attributes).unwrap();
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "-A"],
            &[
                "-c",
                "user.name=Dev",
                "-c",
                "user.email=d@example.org",
                "commit",
                "-q",
                "-m",
                "x",
            ],
        ] {
            let git = Command::new("git")
                .args(args)
                .current_dir(&upstream)
                .status();
            assert!(git.unwrap().success());
        }
        let git = GitCheckouts::new(Settings {
            work_dir: home.path().join("work"),
            protocols: Protocols::NetworkAndLocal,
            fetch_limit: Duration::from_mins(1),
        })
        .unwrap();
        let remote = Remote {
            repo: REPO,
            url: upstream.to_str().unwrap().to_owned(),
            token: None,
        };
        let job = home.path().join("work/jobs/1");
        let limits = HarvestLimits {
            changes: 2 * CHANGED as u64,
            ..HarvestLimits::default()
        };
        let checkout = runtime.block_on(async {
            let base = git.fetch(&remote, "main").await.unwrap();
            let place = Place {
                job: &job,
                owner: None,
                layers: false,
            };
            let checkout = git.checkout(REPO, &base, "work", &place).await;
            checkout.unwrap()
        });
        fill(checkout.tree.written(), "after");
        group.bench_function(format!("{CHANGED} changed files, {name}"), |b| {
            b.iter(|| {
                let harvest = runtime.block_on(git.harvest(REPO, &checkout, &job, &limits));
                assert_eq!(harvest.unwrap().changes.len(), CHANGED);
            });
        });
    }
    group.finish();
}

fn fill(dir: &Path, word: &str) {
    for number in 0..CHANGED {
        let file = dir.join(format!("src/{}/{number}.txt", number % 100));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let line = format!("line of file {number}, as it was {word} the change\n");
        std::fs::write(file, line.repeat(20)).unwrap();
    }
}
