//! Memory and log while nobody asks, while strangers flood it, and how soon it answers.

use std::time::{Duration, Instant};

use crate::Footprint;
use crate::child::{GitHub, Home, Server};
use crate::figures::{Rounds, megabytes, millis};
use crate::github::{self, UNREACHABLE};
use crate::load::{Plan, fire, payloads, shots};

/// How long memory is given to settle.
const CALM: Duration = Duration::from_secs(5);

/// Measures, and prints.
pub(crate) async fn run(args: &Footprint) {
    let sim = github::start().await;
    let github = GitHub {
        url: UNREACHABLE,
        key: sim.private_key_pem(),
    };
    starts(args, &github).await;
    idle(&GitHub {
        url: sim.api_url(),
        key: sim.private_key_pem(),
    })
    .await;
    let typical = payloads();
    let large = [("push".to_owned(), vec![b'x'; 1_000_000])];
    println!(
        "| flood of bad signatures, {} s | refused | memory before | most during | after {} s | log |",
        args.seconds,
        CALM.as_secs()
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for connections in [16, 64] {
        for (name, payloads) in [("typical", typical.as_slice()), ("1 MB", &large)] {
            let home = Home::new(&github);
            let server = home.serve().await;
            tokio::time::sleep(CALM).await;
            flood(args, &server, (name, payloads), connections).await;
        }
    }
}

async fn starts(args: &Footprint, github: &GitHub<'_>) {
    let (mut new, mut existing) = (Rounds::default(), Rounds::default());
    for _ in 0..args.starts {
        let home = Home::new(github);
        new.add(millis(home.serve().await.first_answer));
        existing.add(millis(home.serve().await.first_answer));
    }
    println!("start to first answer, new store: {}", new.show("ms", 1));
    println!(
        "start to first answer, existing store: {}",
        existing.show("ms", 1)
    );
}

async fn idle(github: &GitHub<'_>) {
    let home = Home::new(github);
    let server = home.serve().await;
    tokio::time::sleep(2 * CALM).await;
    let before = server.usage();
    tokio::time::sleep(2 * CALM).await;
    let after = server.usage();
    println!(
        "idle: {:.1} MB resident, {:.1} MB at most, {:.2} ms of CPU a second",
        megabytes(after.resident),
        megabytes(after.peak),
        millis(after.cpu_since(&before)) / (2 * CALM).as_secs_f64(),
    );
}

async fn flood(
    args: &Footprint,
    server: &Server,
    (name, payloads): (&str, &[(String, Vec<u8>)]),
    connections: usize,
) {
    let before = server.usage();
    let shots = shots(payloads, false);
    let began = Instant::now();
    let plan = Plan {
        port: server.port,
        connections,
        time: Duration::from_secs(args.seconds),
        pause: Duration::ZERO,
    };
    let seen = fire(plan, &shots).await;
    let took = began.elapsed();
    // The kernel keeps the most there ever was, so nothing between two looks is missed.
    let during = server.usage();
    tokio::time::sleep(CALM).await;
    let after = server.usage();
    let log = std::fs::metadata(&server.log).unwrap().len();
    assert_eq!(seen.accepted(), 0, "a bad signature was accepted");
    println!(
        "| {connections} connections, {name} | {:?} in {:.0} s | {:.1} MB | {:.1} MB | {:.1} MB | {:.1} kB |",
        seen.statuses,
        took.as_secs_f64(),
        megabytes(before.resident),
        megabytes(during.peak),
        megabytes(after.resident),
        megabytes(log) * 1_000.0,
    );
}
