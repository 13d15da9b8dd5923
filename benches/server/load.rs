//! Webhooks over many keep-alive connections, as cheaply as can be: requests are built before,
//! and only the delivery's id is new in each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use prova::adapters::github::Webhooks;
use prova::domain::event::Event;
use prova::domain::time::Timestamp;
use prova::domain::trigger::{Identity, Meaning, meaning};
use prova::ports::github::Translate as _;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::child::SECRET;

/// A request whose delivery id is filled in later.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    bytes: Vec<u8>,
    id_at: usize,
}

const ID: &str = "00000000-cc78-11f0-81ab-4c9367dc0958";

impl Shot {
    /// Builds one with a right signature, or a wrong one.
    pub(crate) fn new(event: &str, body: &[u8], signed: bool) -> Self {
        let secret = if signed { SECRET } else { "somebody else's" };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let head = format!(
            "POST /webhook HTTP/1.1\r\nHost: localhost\r\nUser-Agent: GitHub-Hookshot/bench\r\n\
             Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             X-GitHub-Event: {event}\r\nX-GitHub-Hook-ID: 1\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nX-GitHub-Delivery: {ID}\r\n\r\n",
            body.len()
        );
        Self {
            id_at: head.len() - ID.len() - 4,
            bytes: [head.as_bytes(), body].concat(),
        }
    }

    /// Gives the request an id that no other has. GitHub's are UUIDs of version 1, which begin with
    /// the low bits of the time in units of 100 ns: as if one came every 0.1 ms.
    fn identify(&mut self) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let time = NEXT.fetch_add(1_000, Ordering::Relaxed);
        let text = format!("{time:08x}");
        self.bytes[self.id_at..self.id_at + text.len()].copy_from_slice(text.as_bytes());
    }
}

/// The recorded payloads that start no work, as (event, body): nothing that they mean makes a
/// server ask GitHub.
pub(crate) fn payloads() -> Vec<(String, Vec<u8>)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/webhooks");
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    found.sort();
    let named = found.into_iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let event = name.split("__").next().unwrap().to_owned();
        (event, std::fs::read(path).unwrap())
    });
    named
        .filter(|(event, body)| is_quiet(event, body))
        .collect()
}

fn is_quiet(event: &str, body: &[u8]) -> bool {
    match Webhooks.translate(event, body, Timestamp::EPOCH) {
        Ok(Event::Thread(event)) => {
            matches!(
                meaning(&event, &Identity::new("prova")),
                Meaning::Nothing(_) | Meaning::Ended(_)
            )
        }
        Ok(Event::NotOurs(_) | Event::Pushed(_)) => true,
        Ok(
            Event::Checked(_)
            | Event::Pressed(_)
            | Event::Retargeted(_)
            | Event::InstallationLost(_)
            | Event::RepositoriesLost(_)
            | Event::RepositoryRenamed { .. },
        )
        | Err(_) => false,
    }
}

/// Builds a request for each payload.
pub(crate) fn shots(payloads: &[(String, Vec<u8>)], signed: bool) -> Arc<[Shot]> {
    payloads
        .iter()
        .map(|(event, body)| Shot::new(event, body, signed))
        .collect()
}

/// What the sender saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How many answers there were of each status; 0 for a connection that was lost.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// From the first byte sent to the last one received, in microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

impl Seen {
    pub(crate) fn accepted(&self) -> u64 {
        let good = self.statuses.range(200..300);
        good.map(|(_, count)| count).sum()
    }
}

/// How to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) port: u16,
    /// Each waits for the answer before it sends again.
    pub(crate) connections: usize,
    pub(crate) time: Duration,
    /// How long each connection waits at least from one request to the next.
    pub(crate) pause: Duration,
}

/// Sends as planned.
pub(crate) async fn fire(plan: Plan, shots: &Arc<[Shot]>) -> Seen {
    let until = Instant::now() + plan.time;
    let senders: Vec<_> = (0..plan.connections)
        .map(|n| tokio::spawn(send_until(plan, Arc::clone(shots), n, until)))
        .collect();
    let mut all = Seen::default();
    for sender in senders {
        let seen = sender.await.unwrap();
        for (status, count) in seen.statuses {
            *all.statuses.entry(status).or_default() += count;
        }
        all.latencies.extend(seen.latencies);
    }
    all.latencies.sort_unstable();
    all
}

async fn send_until(plan: Plan, shots: Arc<[Shot]>, first: usize, until: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut shots = shots.to_vec();
    let mut connection = None;
    let mut n = first;
    // Connections take turns within a pause, not all at once.
    let share = u32::try_from(first).unwrap_or(0);
    let mut next = Instant::now() + plan.pause * share / u32::try_from(plan.connections).unwrap();
    while Instant::now() < until {
        if !plan.pause.is_zero() {
            tokio::time::sleep_until(next.into()).await;
            next += plan.pause;
        }
        let kept = connection.take();
        let Some(stream) = (match kept {
            Some(stream) => Some(stream),
            None => TcpStream::connect(("127.0.0.1", plan.port)).await.ok(),
        }) else {
            *seen.statuses.entry(0).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let at = n % shots.len();
        let shot = &mut shots[at];
        shot.identify();
        n += 1;
        let began = Instant::now();
        let (status, kept) = exchange(stream, &shot.bytes).await;
        let took = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        seen.latencies.push(took);
        *seen.statuses.entry(status).or_default() += 1;
        connection = kept;
    }
    seen
}

/// Sends one request and reads its answer; returns the connection when it can be used again.
async fn exchange(mut stream: TcpStream, request: &[u8]) -> (u16, Option<TcpStream>) {
    // A server that refuses before it has read everything may close: its answer still counts.
    let sent = stream.write_all(request).await.is_ok();
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return (0, None),
            Ok(read) => filled += read,
        }
        if let Some((status, length, closes)) = whole(&buffer[..filled]) {
            let reusable = sent && !closes && length == filled;
            return (status, reusable.then_some(stream));
        }
        if filled == buffer.len() {
            return (0, None);
        }
    }
}

/// Reads an answer that is there whole: its status, its length, and whether the connection ends.
fn whole(bytes: &[u8]) -> Option<(u16, usize, bool)> {
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head])
        .ok()?
        .to_ascii_lowercase();
    let status = text.get(9..12)?.parse().ok()?;
    let header = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    let body: usize = header("content-length:").map_or(Some(0), |n| n.parse().ok())?;
    let closes = header("connection:") == Some("close");
    (bytes.len() >= head + body).then_some((status, head + body, closes))
}
