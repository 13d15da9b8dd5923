//! Model calls through the gateway, in turn with calls that go to the endpoint at once. The gateway
//! is a process of its own, so that its memory can be looked at.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prova::adapters::gateway::{Endpoint, HttpGateway, Settings};
use prova::domain::budget::{Cap, Day, Denied, Scope};
use prova::domain::model::{Api, Model, Prices};
use prova::domain::money::Usd;
use prova::ports::fault::Fault;
use prova::ports::gateway::{Charge, Gateway as _, Hold, Ledger, Pass};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::Gateway;
use crate::figures::{Rounds, megabytes, percentile};
use crate::watch::usage;

const USAGE: &str = r#"{"usage":{"input_tokens":10,"output_tokens":20}}"#;
/// What is written at once: a few hundred events of a stream.
const PIECE: usize = 64 * 1024;

/// Measures, and prints.
pub(crate) async fn run(args: &Gateway) {
    let release = Arc::new(Semaphore::new(0));
    let endpoint = endpoint(args.megabytes * 1_000_000, release.clone()).await;
    let mut gateway = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["gateway-alone", &endpoint.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(gateway.stdout.take().unwrap()).lines();
    let mut next = async || said.next_line().await.unwrap().unwrap();
    let (port, key) = (next().await.parse().unwrap(), next().await);
    let there = Way {
        port: endpoint,
        path: "/v1/messages",
        key: key.clone(),
    };
    let through = Way {
        port,
        path: "/models/main/v1/messages",
        key,
    };
    first_bytes(args, &there, &through).await;
    throughput(args, &there, &through).await;
    let pid = gateway.id().unwrap();
    let before = usage(pid).resident;
    let mut open = Vec::new();
    for _ in 0..args.streams {
        let mut stream = through.ask("hold", "close").await;
        // What it sends first is read, so it is under way.
        stream.read_exact(&mut vec![0; PIECE]).await.unwrap();
        open.push(stream);
    }
    let during = usage(pid);
    release.add_permits(args.streams);
    for mut stream in open {
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }
    println!(
        "{} streams at once: {:.1} MB resident, {:.1} MB before, {:.1} MB at most in its life",
        args.streams,
        megabytes(during.resident),
        megabytes(before),
        megabytes(usage(pid).peak),
    );
    gateway.kill().await.unwrap();
}

async fn first_bytes(args: &Gateway, there: &Way, through: &Way) {
    let mut times = [Vec::new(), Vec::new()];
    let mut ways = [there.connect().await, through.connect().await];
    for _ in 0..args.calls {
        for ((stream, way), times) in ways.iter_mut().zip([there, through]).zip(&mut times) {
            let began = Instant::now();
            stream
                .write_all(&way.request("first", "keep-alive"))
                .await
                .unwrap();
            let mut answer = [0; 4096];
            let mut read = stream.read(&mut answer).await.unwrap();
            times.push(u32::try_from(began.elapsed().as_micros()).unwrap());
            while !answer[..read].ends_with(USAGE.as_bytes()) {
                read += stream.read(&mut answer[read..]).await.unwrap();
            }
        }
    }
    for (times, name) in times.iter_mut().zip(["endpoint", "gateway"]) {
        times.sort_unstable();
        println!(
            "first byte, {name}: {:.0} us median, {:.0} us p99 ({} calls)",
            percentile(times, 50.0),
            percentile(times, 99.0),
            args.calls
        );
    }
    println!(
        "the gateway adds {:.0} us at the median",
        percentile(&times[1], 50.0) - percentile(&times[0], 50.0)
    );
}

async fn throughput(args: &Gateway, there: &Way, through: &Way) {
    let mut rates = [Rounds::default(), Rounds::default()];
    for _ in 0..args.rounds {
        for (way, rates) in [there, through].iter().zip(&mut rates) {
            let began = Instant::now();
            let mut stream = way.ask("bulk", "close").await;
            let (mut buffer, mut sum) = (vec![0; 4 * PIECE], 0_u64);
            loop {
                let read = stream.read(&mut buffer).await.unwrap();
                if read == 0 {
                    break;
                }
                sum += read as u64;
            }
            rates.add(megabytes(sum) / began.elapsed().as_secs_f64());
        }
    }
    println!("one stream, endpoint: {}", rates[0].show("MB/s", 0));
    println!("one stream, gateway: {}", rates[1].show("MB/s", 0));
}

/// Where calls go.
struct Way {
    port: u16,
    path: &'static str,
    key: String,
}

impl Way {
    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn request(&self, model: &str, connection: &str) -> Vec<u8> {
        let body = format!(
            r#"{{"model":"{model}","max_tokens":100,"messages":[{{"role":"user","content":"{}"}}]}}"#,
            "word ".repeat(2_000)
        );
        format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\nconnection: {connection}\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.key,
            body.len()
        )
        .into_bytes()
    }

    async fn ask(&self, model: &str, connection: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream
            .write_all(&self.request(model, connection))
            .await
            .unwrap();
        stream
    }
}

/// An endpoint: a short answer to `first`, a long one to `bulk`, one that waits to `hold`.
async fn endpoint(bulk: usize, release: Arc<Semaphore>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let release = release.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while answer(&mut stream, bulk, &release).await {}
            });
        }
    });
    port
}

/// Answers one request; `false` when there is none, or when it was to be the last.
async fn answer(stream: &mut BufReader<TcpStream>, bulk: usize, release: &Semaphore) -> bool {
    let (mut length, mut goes_on) = (0, true);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = number.trim().parse().unwrap();
        }
        goes_on &= !line.eq_ignore_ascii_case("connection: close\r\n");
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let asks = |model: &str| body.starts_with(format!(r#"{{"model":"{model}""#).as_bytes());
    if asks("first") {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
        let text = format!("{head}{}\r\n\r\n{USAGE}", USAGE.len());
        return stream.write_all(text.as_bytes()).await.is_ok() && goes_on;
    }
    let event = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" some words\"}}\n\n";
    let piece = event.repeat(PIECE / event.len());
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
    for _ in 0..if asks("bulk") { bulk / chunk.len() } else { 2 } {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            return false;
        }
    }
    if asks("hold") {
        release.acquire().await.unwrap().forget();
    }
    let end = format!("{:x}\r\ndata: {USAGE}\n\n\r\n0\r\n\r\n", USAGE.len() + 8);
    stream.write_all(end.as_bytes()).await.is_ok() && goes_on
}

/// Has money for everything, and forgets every charge.
struct Nothing;

#[async_trait::async_trait]
impl Ledger for Nothing {
    async fn set_aside(&self, _: &Hold, _: &[Cap]) -> Result<Result<(), Denied>, Fault> {
        Ok(Ok(()))
    }

    async fn keep(&self, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn free(&self, _: &str, _: &[Scope]) -> Result<(), Fault> {
        Ok(())
    }

    async fn record(&self, _: &Charge) -> Result<(), Fault> {
        Ok(())
    }
}

/// Runs a gateway, says its port and key, and goes on until it is ended.
pub(crate) async fn alone(port: u16) {
    let price = Usd::from_micros(1_000_000);
    let model = Model {
        prices: Prices {
            input: price,
            output: price,
            ..Prices::default()
        },
        max_output_tokens: 100,
        context_tokens: None,
    };
    let endpoint = Endpoint {
        api: Api::Anthropic,
        url: format!("http://127.0.0.1:{port}"),
        key: Some("sk-real".to_owned().into()),
        models: BTreeMap::from([("*".to_owned(), model)]),
    };
    let name: prova::domain::name::Name = "main".parse().unwrap();
    let settings = Settings {
        endpoints: BTreeMap::from([(name.clone(), endpoint)]),
        ..Settings::default()
    };
    let gateway = HttpGateway::new(settings, Arc::new(Nothing)).unwrap();
    let pass = Pass {
        job: "1-2-3.1".parse().unwrap(),
        models: vec![name],
        egress: Vec::new(),
        egress_bytes: 0,
        caps: vec![Cap {
            scope: Scope::Server(Day(1)),
            most: Usd::from_micros(u64::MAX),
            spent: Usd::ZERO,
        }],
    };
    let door = gateway.open(pass).await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    door.serve(listener).unwrap();
    println!("{}", door.env()["PROVA_MODELS_KEY"]);
    tokio::time::sleep(Duration::from_hours(1)).await;
}
