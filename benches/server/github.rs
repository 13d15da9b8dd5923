//! The GitHub that servers are measured with.

use std::sync::Arc;

use prova::adapters::system::SystemClock;
use prova::ports::clock::Clock as _;
use prova::simulator::world::repositories::{File, RepositorySpec};
use prova::simulator::{Options, Simulator};

use crate::child::SECRET;

/// Nobody listens there.
pub(crate) const UNREACHABLE: &str = "http://127.0.0.1:9";

/// A repository without checks, and one with a check.
pub(crate) const REPOS: [&str; 2] = ["octo/plain", "octo/checked"];

/// Starts one with two repositories of some dozen files.
pub(crate) async fn start() -> Simulator {
    let mut options = Options::new(Arc::new(|| SystemClock.now().as_millis()));
    SECRET.clone_into(&mut options.webhook_secret);
    let sim = Simulator::start(options).await.unwrap();
    for repo in REPOS {
        let mut files: Vec<_> = (0..48)
            .map(|n| {
                File::new(
                    &format!("src/part{}/file{n}.txt", n % 6),
                    "text\n".repeat(100),
                )
            })
            .collect();
        files.push(File::new("README.md", "# Hello\n"));
        if repo == "octo/checked" {
            files.push(File::new(
                ".github/prova.toml",
                "checks = [\"test -s NOTE.md\"]\n",
            ));
        }
        sim.create_repository(&RepositorySpec::new(repo, files))
            .unwrap();
    }
    sim.install_app("octo", None).unwrap();
    let _installation = sim.take_deliveries();
    sim
}
