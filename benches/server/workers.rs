//! Jobs a second by the number of workers, when jobs wait rather than compute: as those do whose
//! agents wait for a model.

use std::time::{Duration, Instant};

use prova::simulator::Simulator;
use prova::simulator::world::repositories::{File, RepositorySpec};

use crate::Workers;
use crate::child::{GitHub, Home};
use crate::cluster::Cluster;
use crate::figures::Rounds;
use crate::github;
use crate::queue::value;

/// Repositories, each with a lane of its own, so that no lane is at its limit.
const LANES: usize = 16;

/// How many workers are compared.
const FEW: usize = 1;
const MANY: usize = 4;

/// Measures, and prints.
pub(crate) async fn run(args: &Workers, cluster: &Cluster) {
    let (mut few, mut many, mut ratio) = (Rounds::default(), Rounds::default(), Rounds::default());
    for round in 0..args.rounds {
        let one = rate(
            args,
            FEW,
            cluster.database(&format!("few{round}"), "template0"),
        )
        .await;
        let four = rate(
            args,
            MANY,
            cluster.database(&format!("many{round}"), "template0"),
        )
        .await;
        few.add(one);
        many.add(four);
        ratio.add(four / one);
    }
    println!(
        "{} jobs that wait {} s, {} at once on each worker: {FEW} worker {}, {MANY} workers {}, ratio {}",
        args.jobs,
        args.wait,
        args.at_once,
        few.show("jobs/s", 2),
        many.show("jobs/s", 2),
        ratio.show("", 2),
    );
}

/// Returns how many jobs a second that many workers take to their pull requests.
async fn rate(args: &Workers, workers: usize, url: String) -> f64 {
    let sim = github::start().await;
    let repos: Vec<String> = (0..LANES).map(|n| format!("octo/lane{n}")).collect();
    for repo in &repos {
        let files = vec![File::new("README.md", "# Hello\n")];
        sim.create_repository(&RepositorySpec::new(repo, files))
            .unwrap();
    }
    let home = home(&sim, &url, args.wait);
    let at_once = args.at_once.to_string();
    let front = home
        .start("serve", "front", &[("PROVA_WORK__JOBS", "0")])
        .await;
    sim.deliver_to(&format!("http://127.0.0.1:{}/webhook", front.port))
        .unwrap();
    for n in 0..args.jobs {
        sim.as_person("octo")
            .open_issue(
                &repos[n % LANES],
                &format!("Wait {n}"),
                "Quietly.",
                &["prova"],
            )
            .unwrap();
    }
    while value(&front, "prova_jobs_queued ").await < args.jobs as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    let mut crew = Vec::new();
    for n in 0..workers {
        let dir = format!("worker{n}");
        let jobs = [("PROVA_WORK__JOBS", at_once.as_str())];
        crew.push(home.start("worker", &dir, &jobs).await);
    }
    front.settle().await;
    let took = began.elapsed();
    let pulls = (sim.requests().iter())
        .filter(|r| r.method == "POST" && r.path.ends_with("/pulls") && r.status == 201)
        .count();
    assert_eq!(pulls, args.jobs, "each job ends in one pull request");
    #[expect(clippy::cast_precision_loss, reason = "a number of jobs")]
    let jobs = args.jobs as f64;
    jobs / took.as_secs_f64()
}

/// Settings on that store, with an agent that waits before it changes a file.
fn home(sim: &Simulator, url: &str, wait: u64) -> Home {
    let home = Home::new(&GitHub {
        url: sim.api_url(),
        key: sim.private_key_pem(),
    });
    let settings = home.path().join("prova.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let file = format!("sqlite://{}/prova.db", home.path().display());
    let text = text
        .replace(&file, url)
        .replace("echo done", &format!("sleep {wait}; echo done"));
    std::fs::write(&settings, text).unwrap();
    home
}
