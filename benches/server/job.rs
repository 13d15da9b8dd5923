//! What Prova adds to a job: from the delivery to the pull request, with an agent that does next to
//! nothing and a GitHub that answers at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use prova::simulator::{Request, Simulator};

use crate::Job;
use crate::child::{GitHub, Home};
use crate::figures::{Rounds, millis};
use crate::github::{self, REPOS};

/// A job of this kind is over by then, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures, and prints.
pub(crate) async fn run(args: &Job) {
    for repo in REPOS {
        let sim = github::start().await;
        let home = Home::new(&GitHub {
            url: sim.api_url(),
            key: sim.private_key_pem(),
        });
        let server = home.serve().await;
        sim.deliver_to(&format!("http://127.0.0.1:{}/webhook", server.port))
            .unwrap();
        // Until it has been told who it is and has looked at its sandbox.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut times, mut cpu) = (Rounds::default(), Rounds::default());
        let mut requests = Vec::new();
        for n in 0..=args.jobs {
            sim.forget_requests();
            let before = server.usage();
            let took = one(&sim, repo, n).await;
            server.settle().await;
            // The answers to our own writes come back as webhooks.
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.settle().await;
            requests = sim.requests();
            if n == 0 {
                println!(
                    "## {repo}\nfirst job, with mirror and tokens to get: {:.0} ms",
                    millis(took)
                );
                count(&requests);
            } else {
                times.add(millis(took));
                cpu.add(millis(server.usage().cpu_since(&before)));
            }
        }
        if !times.is_empty() {
            println!(
                "{} jobs more: {}, CPU of the server {}",
                args.jobs,
                times.show("ms", 0),
                cpu.show("ms", 0)
            );
            count(&requests);
        }
        let violations = sim.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

/// Labels an issue and waits for its pull request.
async fn one(sim: &Simulator, repo: &str, n: usize) -> Duration {
    let began = Instant::now();
    sim.as_person("octo")
        .open_issue(repo, &format!("Write note {n}"), "A short one.", &["prova"])
        .unwrap();
    loop {
        let there = (sim.requests().iter())
            .any(|r| r.method == "POST" && r.path.ends_with("/pulls") && r.status == 201);
        if there {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < PATIENCE,
            "no pull request; GitHub was asked:\n{:#?}",
            sim.requests()
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Operations whose description says that they notify people and that calling them too quickly may
/// run into the secondary limits.
fn notifies(request: &Request) -> bool {
    request.method == "POST"
        && ["/comments", "/pulls", "/issues", "/reviews"]
            .iter()
            .any(|end| request.path.ends_with(end))
}

fn count(requests: &[Request]) {
    let is_git = |r: &&Request| r.path.contains(".git/");
    let (git, rest): (Vec<_>, Vec<_>) = requests.iter().partition(is_git);
    let writes = rest.iter().filter(|r| r.creates_content).count();
    let notifying = rest.iter().filter(|r| notifies(r)).count();
    println!(
        "{} REST requests, {writes} of them writes below /repos, {notifying} of these notify; {} of git",
        rest.len(),
        git.len()
    );
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for request in rest.iter().chain(&git) {
        let parts: Vec<_> = request
            .path
            .split('/')
            .map(|part| {
                let is_id = part.len() >= 40 || part.bytes().all(|b| b.is_ascii_digit());
                if is_id && !part.is_empty() { "N" } else { part }
            })
            .collect();
        let kind = format!(
            "{} {} -> {}",
            request.method,
            parts.join("/"),
            request.status
        );
        *kinds.entry(kind).or_default() += 1;
    }
    for (kind, count) in kinds {
        println!("  {count} x {kind}");
    }
}
