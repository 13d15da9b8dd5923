//! A server as a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::watch::{Usage, usage};

/// How long a server may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What webhooks are signed with in every measurement.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// The directory that a `prova serve` works in: settings, secrets, store, log.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    port: u16,
}

/// Where GitHub is for a server.
pub(crate) struct GitHub<'a> {
    pub(crate) url: &'a str,
    pub(crate) key: &'a str,
}

impl Home {
    /// Writes settings for a server that has one agent, which changes one file and ends.
    pub(crate) fn new(github: &GitHub<'_>) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("prova-bench-")
            .tempdir()
            .unwrap();
        let (port, url, at) = (free_port(), github.url, dir.path().display());
        let settings = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [github]\napi_url = \"{url}\"\nweb_url = \"{url}\"\napp_id = 12345\n\
             private_key_file = \"key.pem\"\nwebhook_secret_file = \"secret\"\n\
             rate_limits = \"none\"\n\
             [store]\nurl = \"sqlite://{at}/prova.db\"\n[work]\ndir = \"{at}/work\"\n\
             [agents.quick]\ndriver = \"exec\"\n\
             command = [\"sh\", \"-c\", \"echo done > NOTE.md\"]\n"
        );
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("prova.toml", &settings);
        put("key.pem", github.key);
        put("secret", SECRET);
        Self { dir, port }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts `prova serve` and waits until it answers.
    pub(crate) async fn serve(&self) -> Server {
        let command = self.command("serve");
        Server::start(command, self.port, self.dir.path().join("log")).await
    }

    /// Starts one process of several on the same settings: it listens, works and logs in places of
    /// its own.
    pub(crate) async fn start(&self, role: &str, name: &str, env: &[(&str, &str)]) -> Server {
        let (dir, port) = (self.dir.path().join(name), free_port());
        std::fs::create_dir_all(&dir).unwrap();
        let mut command = self.command(role);
        let listen = format!("127.0.0.1:{port}");
        let key = match role {
            "worker" => "PROVA_WORKER__LISTEN",
            _ => "PROVA_SERVER__LISTEN",
        };
        command
            .env(key, listen)
            .env("PROVA_WORK__DIR", dir.join("work"))
            .envs(env.iter().copied());
        Server::start(command, port, dir.join("log")).await
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prova"));
        command
            .arg(role)
            .arg("--config")
            .arg(self.dir.path().join("prova.toml"));
        command
    }
}

/// A server that runs; ended when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    pub(crate) log: PathBuf,
    /// From the start of the process to the first answer.
    pub(crate) first_answer: Duration,
}

impl Server {
    /// Starts a program that listens on `port` and answers `GET /healthz`.
    pub(crate) async fn start(mut command: Command, port: u16, log: PathBuf) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let began = Instant::now();
        let mut process = command.spawn().unwrap();
        while get(port, "/healthz").await.is_none() {
            assert!(
                process.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE,
                "the server does not answer:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Self {
            process,
            port,
            log,
            first_answer: began.elapsed(),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        usage(self.process.id())
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settle(&self) {
        loop {
            let (_, metrics) = get(self.port, "/metrics").await.unwrap_or_default();
            let waits = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name));
                line.is_none_or(|rest| rest.trim() != "0")
            };
            let left = [
                "prova_deliveries_pending ",
                "prova_jobs_queued ",
                "prova_jobs_running ",
                "prova_effects_pending ",
            ];
            if !left.into_iter().any(waits) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.process);
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
        let began = Instant::now();
        while let Ok(None) = self.process.try_wait() {
            if began.elapsed() > PATIENCE {
                let _ = self.process.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Asks for a page: its status and its text; `None` when nobody answers.
pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
