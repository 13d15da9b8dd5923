//! A disk that is full: what is not on it is refused, what was accepted stays, and room is enough
//! to go on.
//!
//! The real program runs on a real file system of a few megabytes, which bubblewrap makes.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use prova::app::headroom::RESERVE;

use crate::harness::{Bot, World};
use crate::intake::signature;

/// Fills most of the disk, starts the server, and at each line on standard input does the next thing.
const SCRIPT: &str = r#"
head -c 6000000 /dev/zero > "$DISK/filler"
"$PROVA" serve --config "$CONFIG" 2> "$LOG" & server=$!
read -r _ && rm "$DISK/filler"
read -r _; "$PROVA" deliveries ls --limit 1000 --json --config "$CONFIG" > "$LISTED"
kill "$server"; wait "$server"
"#;

/// The disk's size in bytes.
const SIZE: &str = "8000000";

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(bot: &Bot) -> Self {
        let dir = bot.dir.path();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        std::fs::create_dir(dir.join("disk")).unwrap();
        let settings = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [github]\napi_url = \"{api}\"\nweb_url = \"{api}\"\napp_id = 12345\n\
             private_key_file = \"key.pem\"\nwebhook_secret_file = \"secret\"\n\
             [store]\nurl = \"sqlite://{disk}/prova.db\"\n[work]\ndir = \"served\"\n",
            api = bot.sim.api_url(),
            disk = dir.join("disk").display(),
        );
        std::fs::write(dir.join("full.toml"), settings).unwrap();
        let child = Command::new("bwrap")
            .args([
                "--bind",
                "/",
                "/",
                "--dev-bind",
                "/dev",
                "/dev",
                "--size",
                SIZE,
                "--tmpfs",
            ])
            .arg(dir.join("disk"))
            .args(["--die-with-parent", "sh", "-c", SCRIPT])
            .env("PROVA", env!("CARGO_BIN_EXE_prova"))
            .env("DISK", dir.join("disk"))
            .env("CONFIG", dir.join("full.toml"))
            .env("LOG", dir.join("log"))
            .env("LISTED", dir.join("listed"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Lets the script go on.
    fn next(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
    }

    /// Sends a request and returns the status; 0 while nobody listens.
    async fn send(&self, request: &[u8]) -> u16 {
        let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await else {
            return 0;
        };
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Sends a delivery of 100 kB that nobody acts on.
    async fn deliver(&self, bot: &Bot, id: usize) -> u16 {
        let body = format!("{{\"zen\": \"{}\"}}", "x".repeat(100_000));
        let request = format!(
            "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
             content-type: application/json\r\nx-github-event: ping\r\nx-github-delivery: ping-{id}\r\n\
             x-hub-signature-256: {}\r\n\r\n{body}",
            body.len(),
            signature(bot, body.as_bytes()),
        );
        self.send(request.as_bytes()).await
    }

    /// Waits until a request is answered with that status.
    async fn until(&self, path: &str, status: u16) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let began = Instant::now();
        while self.send(request.as_bytes()).await != status {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{path} never answered {status}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only when a story fails is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn nothing_accepted_is_lost_and_it_recovers() {
    let bot = World::fixer().start().await;
    let mut server = Server::start(&bot);
    server.until("/readyz", 200).await;
    let mut accepted = Vec::new();
    let mut id = 0;
    // It has room for some.
    let refused = loop {
        match server.deliver(&bot, id).await {
            202 => accepted.push(id),
            status => break status,
        }
        id += 1;
        assert!(id < 200, "the disk is never full");
    };
    assert_eq!(refused, 503);
    assert!(accepted.len() >= 3, "{accepted:?}");
    // It stays up and says so again.
    assert_eq!(server.deliver(&bot, id).await, 503);
    server.until("/healthz", 200).await;
    server.next();
    let began = Instant::now();
    while server.deliver(&bot, id).await != 202 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it does not recover"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    accepted.push(id);
    server.next();
    assert!(server.child.wait().unwrap().success());
    let listed = std::fs::read_to_string(bot.dir.path().join("listed")).unwrap();
    for id in accepted {
        assert!(
            listed.contains(&format!("\"ping-{id}\"")),
            "ping-{id} is lost:\n{listed}"
        );
    }
    let log = std::fs::read_to_string(bot.dir.path().join("log")).unwrap();
    assert!(log.contains("full"), "{log}");
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_stops_new_jobs_before_intake() {
    let mut bot = World::fixer().start().await;
    bot.leave_room(RESERVE - 1);
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    // It was taken, decided and answered; only the work waits.
    assert_eq!(bot.state(issue).await, "queued");
    assert_eq!(bot.answers(issue).len(), 1);
    assert_eq!(bot.jobs(issue).await[0].attempts, 0);
    bot.leave_room(RESERVE);
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
}
