//! What one accepted delivery costs the server, durable on disk, alone and next to another server.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::Intake;
use crate::child::{GitHub, Home, SECRET, Server, free_port};
use crate::figures::{Rounds, megabytes, percentile};
use crate::github::{self, UNREACHABLE};
use crate::load::{Plan, Shot, fire, payloads, shots};

/// How long a server is warmed up.
const WARM_UP: Duration = Duration::from_secs(2);

/// A way to run a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// GitHub cannot be reached, so deliveries are only accepted.
    Accept,
    /// GitHub is there, so each is also read, judged and marked.
    Dispatch,
    /// Another program.
    Beside,
}

#[derive(Default)]
struct Figures {
    cpu: Rounds,
    median: Rounds,
    p99: Rounds,
    rate: Rounds,
    memory: Rounds,
}

/// Measures, and prints a table.
pub(crate) async fn run(args: &Intake) {
    let payloads = payloads();
    let bytes: usize = payloads.iter().map(|(_, body)| body.len()).sum();
    println!(
        "{} payloads, {} bytes on average; {} connections; {} rounds of {} s",
        payloads.len(),
        bytes / payloads.len(),
        args.connections,
        args.rounds,
        args.seconds
    );
    let shots = shots(&payloads, true);
    let mut ways = vec![
        ("prova, accept", Way::Accept, Figures::default()),
        (
            "prova, accept and dispatch",
            Way::Dispatch,
            Figures::default(),
        ),
    ];
    if args.beside.is_some() {
        ways.push(("beside", Way::Beside, Figures::default()));
    }
    for _ in 0..args.rounds {
        for (_, way, figures) in &mut ways {
            round(args, *way, &shots, figures).await;
        }
    }
    println!(
        "| server | CPU per delivery | latency, median | latency, p99 | deliveries/s | resident after |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, _, figures) in &ways {
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            figures.cpu.show("µs", 1),
            figures.median.show("ms", 2),
            figures.p99.show("ms", 2),
            figures.rate.show("", 0),
            figures.memory.show("MB", 1),
        );
    }
    if let [(_, _, accept), (_, _, dispatch), (_, _, beside)] = ways.as_slice() {
        println!(
            "CPU per delivery next to the other server: accept {:.2}, accept and dispatch {:.2}",
            accept.cpu.median() / beside.cpu.median(),
            dispatch.cpu.median() / beside.cpu.median(),
        );
    }
}

async fn round(args: &Intake, way: Way, shots: &Arc<[Shot]>, figures: &mut Figures) {
    let sim = github::start().await;
    let url = match way {
        Way::Dispatch => sim.api_url(),
        Way::Accept | Way::Beside => UNREACHABLE,
    };
    let home = Home::new(&GitHub {
        url,
        key: sim.private_key_pem(),
    });
    let server = match way {
        Way::Accept | Way::Dispatch => home.serve().await,
        Way::Beside => beside(args, &home).await,
    };
    let connections = u32::try_from(args.connections).unwrap();
    let plan = Plan {
        port: server.port,
        connections: args.connections,
        time: Duration::from_secs(args.seconds),
        pause: (args.rate).map_or(Duration::ZERO, |rate| {
            Duration::from_secs(1) * connections / rate
        }),
    };
    let warm_up = Plan {
        time: WARM_UP,
        ..plan
    };
    fire(warm_up, shots).await;
    if way == Way::Dispatch {
        server.settle().await;
    }
    let before = server.usage();
    let seen = fire(plan, shots).await;
    if way == Way::Dispatch {
        server.settle().await;
    }
    let after = server.usage();
    let accepted = seen.accepted();
    assert_eq!(
        seen.statuses.values().sum::<u64>(),
        accepted,
        "{way:?} refused some: {:?}",
        seen.statuses
    );
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let count = accepted as f64;
    let cpu = after.cpu_since(&before).as_secs_f64();
    figures.cpu.add(cpu * 1e6 / count);
    figures.median.add(percentile(&seen.latencies, 50.0) / 1e3);
    figures.p99.add(percentile(&seen.latencies, 99.0) / 1e3);
    figures.rate.add(count / plan.time.as_secs_f64());
    figures.memory.add(megabytes(after.resident));
}

async fn beside(args: &Intake, home: &Home) -> Server {
    let port = free_port();
    let command = args.beside.as_deref().unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("exec {command}"))
        .env("PORT", port.to_string())
        .env("WEBHOOK_SECRET", SECRET)
        .env("PRIVATE_KEY_PATH", home.path().join("key.pem"));
    Server::start(shell, port, home.path().join("log")).await
}
