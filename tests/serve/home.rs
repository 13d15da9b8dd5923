//! A directory with settings and secrets, and the binary run in it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::process::{Pid, Signal, kill_process};
use sha2::Sha256;
use tempfile::TempDir;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(30);

/// Where a server is set up.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
}

/// A GitHub that a server can be pointed at.
pub(crate) struct Account<'a> {
    pub(crate) api_url: &'a str,
    pub(crate) web_url: &'a str,
    pub(crate) app_id: u64,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// An empty directory, and a port that nobody has.
    pub(crate) fn new() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let dir = tempfile::Builder::new()
            .prefix("prova-serve-")
            .tempdir()
            .unwrap();
        Self { dir, port }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file that only we can read.
    pub(crate) fn secret(&self, name: &str, text: &str) {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Writes `prova.toml` as an operator would, with `more` at its end.
    pub(crate) fn settings(&self, github: &Account<'_>, more: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [github]\napi_url = \"{api}\"\nweb_url = \"{web}\"\napp_id = {id}\n\
             private_key_file = \"app.pem\"\nwebhook_secret_file = \"webhook.secret\"\n\
             [store]\nurl = \"sqlite://prova.db\"\n[work]\ndir = \"work\"\njobs = 2\n{more}",
            port = self.port,
            api = github.api_url,
            web = github.web_url,
            id = github.app_id,
        );
        std::fs::write(self.path().join("prova.toml"), text).unwrap();
    }

    /// Gives the settings another store than the file beside them.
    pub(crate) fn store_in(&self, url: &str) {
        let path = self.path().join("prova.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("sqlite://prova.db", url)).unwrap();
    }

    /// Has the server show pages, which are reached by an address.
    pub(crate) fn shows_pages(&self, address: &str) {
        let path = self.path().join("prova.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = format!("[server]\ndashboard = true\npublic_url = \"{address}\"\n");
        std::fs::write(&path, text.replace("[server]\n", &shown)).unwrap();
    }

    /// Returns the binary, to be run here with no variable of ours around.
    pub(crate) fn prova(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prova"));
        command.current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PROVA_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let output = self.prova().args(args).output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(&self.path().display().to_string(), "DIR")
        };
        Said {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs a command that prints JSON and is done.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let said = self.run(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
        serde_json::from_str(&said.out).unwrap()
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn serve(&self) -> Server {
        let mut log = std::fs::File::options();
        let log = log
            .append(true)
            .create(true)
            .open(self.path().join("server.log"))
            .unwrap();
        let child = self
            .prova()
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Server { child };
        wait_for(self, "the server to answer", || {
            assert!(
                server.child.try_wait().unwrap().is_none(),
                "it ended:\n{}",
                self.log()
            );
            (self.get("/readyz").0 == 200).then_some(())
        });
        server
    }

    /// Starts another process in a work directory of its own, on the same settings but for `more`.
    pub(crate) fn start(&self, command: &str, dir: &str, more: &[(&str, &str)]) -> Server {
        let log = std::fs::File::create(self.path().join(format!("{dir}.log"))).unwrap();
        let child = self
            .prova()
            .arg(command)
            .env("PROVA_WORK__DIR", self.path().join(dir))
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Server { child }
    }

    /// What the process with that work directory has logged.
    pub(crate) fn log_of(&self, dir: &str) -> String {
        std::fs::read_to_string(self.path().join(format!("{dir}.log"))).unwrap_or_default()
    }

    /// What the servers so far have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("server.log")).unwrap_or_default()
    }

    /// Returns where webhooks go.
    pub(crate) fn webhook(&self) -> String {
        format!("http://127.0.0.1:{}/webhook", self.port)
    }

    /// Asks the server; status 0 when nobody answers.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), b"")
    }

    /// Sends a webhook signed with `secret`.
    pub(crate) fn deliver(&self, (id, event, secret): (&str, &str, &str), body: &[u8]) -> u16 {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let mut signature = String::new();
        for byte in mac.finalize().into_bytes() {
            write!(signature, "{byte:02x}").unwrap();
        }
        let head = format!(
            "POST /webhook HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             X-GitHub-Event: {event}\r\nX-GitHub-Delivery: {id}\r\n\
             X-Hub-Signature-256: sha256={signature}\r\n",
            body.len()
        );
        self.ask(&head, body).0
    }

    fn ask(&self, head: &str, body: &[u8]) -> (u16, String) {
        let head = format!("{head}Host: prova\r\nConnection: close\r\n\r\n");
        // A server that was killed may reset what came in for it at that moment.
        let Ok(answer) = self.exchange(&[head.as_bytes(), body].concat()) else {
            return (0, String::new());
        };
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (status, body.to_owned())
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// Looks again and again until there is something to see.
pub(crate) fn wait_for<T>(home: &Home, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "waited in vain for {what}; the server's log:\n{}",
            home.log()
        );
        std::thread::sleep(LOOK);
    }
}

/// A running server. It does not outlive the test.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Stops it as an init system does, and returns how it ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Returns how it ended, once it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
