//! `prova serve`, killed at random moments of its work and started again each time.
//!
//! A run kills a few. `make sweep` kills hundreds: `PROVA_SWEEP_KILLS` says how many, and
//! `PROVA_SWEEP_SEED`, which is printed, when.

use std::time::Duration;

use crate::home::Home;
use crate::simulated::{ask, ends_in_one_pull_request, settle_in, world};

/// Kills before a request may come to its end.
const KILLS_A_REQUEST: u64 = 3;
/// Longer than a request takes from its label to its pull request, in milliseconds.
const WHOLE_WAY: u64 = 1_500;

const AGENT: &str = "[agents.fixer]\ndriver = \"exec\"\n\
    command = [\"sh\", \"-c\", \"sleep 0.2; sed -i s/teh/the/ README.md\"]\n";

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var_os(variable);
    text.map_or(default, |text| text.to_str().unwrap().parse().unwrap())
}

/// The next number of a `SplitMix64` sequence.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_random_moments_does_everything_once() {
    let (mut seed, kills) = (
        number("PROVA_SWEEP_SEED", 1),
        number("PROVA_SWEEP_KILLS", 6),
    );
    println!("seed {seed}, {kills} kills");
    for request in 0..kills.div_ceil(KILLS_A_REQUEST) {
        let (home, sim) = (Home::new(), world().await);
        settle_in(&home, &sim, AGENT);
        let mut server = home.serve();
        sim.deliver_to(&home.webhook()).unwrap();
        ask(&sim);
        for _ in 0..KILLS_A_REQUEST {
            let moment = random(&mut seed) % WHOLE_WAY;
            println!("request {request}: killed after {moment} ms");
            tokio::time::sleep(Duration::from_millis(moment)).await;
            server.kill();
            server = home.serve();
        }
        ends_in_one_pull_request(&home, &sim, server);
    }
}
