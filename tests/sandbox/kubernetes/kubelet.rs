//! What a node does, with processes of this machine and without isolation: enough to see that files,
//! output, door and endings go the way they should.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A line of a log, and when it came.
pub(crate) type Line = (jiff::Timestamp, Vec<u8>);

/// The pod of one Job.
pub(crate) struct Node {
    pub(crate) dir: PathBuf,
    port: u16,
    run: Mutex<Option<Child>>,
    group: i32,
    /// The log, line by line with their times, and what of the last has come.
    pub(crate) log: Arc<Mutex<Vec<Line>>>,
}

impl Node {
    /// Starts the pod of `job` in a directory of its own.
    pub(crate) fn start(dir: &Path, job: &Value) -> (Self, Streams) {
        let pod = &job["spec"]["template"]["spec"];
        std::fs::create_dir_all(dir).unwrap();
        for volume in pod["volumes"].as_array().unwrap() {
            std::fs::create_dir(dir.join(volume["name"].as_str().unwrap())).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut node = Self {
            dir: dir.to_path_buf(),
            port,
            run: Mutex::new(None),
            group: 0,
            log: Arc::default(),
        };
        let prepare = node.words(&pod["initContainers"][0]["command"]);
        assert!(Self::command(&prepare).status().unwrap().success());
        let container = &pod["containers"][0];
        let words = node.words(&container["command"]);
        let mut command = Self::command(&words);
        for pair in container["env"].as_array().unwrap() {
            let value = node.here(pair["value"].as_str().unwrap());
            command.env(pair["name"].as_str().unwrap(), value);
        }
        let talks = container["stdin"] == true;
        let mut child = command
            .env("KUBERNETES_SERVICE_HOST", "10.0.0.1")
            .current_dir(dir.join("checkout"))
            .stdin(if talks { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let streams = Streams {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        };
        node.group = i32::try_from(child.id()).unwrap();
        node.run = Mutex::new(Some(child));
        (node, streams)
    }

    /// Puts this machine's paths in the place of those inside.
    fn here(&self, text: &str) -> String {
        let dir = self.dir.display().to_string();
        [
            ("$$", "$".to_owned()),
            // What the probe tries must not succeed on this machine.
            ("$dir/prova-probe", "/nowhere/prova-probe".to_owned()),
            (
                "/usr/local/bin/prova",
                env!("CARGO_BIN_EXE_prova").to_owned(),
            ),
            ("/workspace", format!("{dir}/checkout")),
            ("/prova/keep", dir.clone()),
            ("/prova/gate", format!("{dir}/gate")),
            ("/prova/bin", format!("{dir}/program")),
            ("/prova/out", format!("{dir}/output")),
            ("/prova/in", format!("{dir}/input")),
            ("/home/prova", format!("{dir}/home")),
            ("127.0.0.1:8790", format!("127.0.0.1:{}", self.port)),
        ]
        .iter()
        .fold(text.to_owned(), |text, (inside, here)| {
            text.replace(inside, here)
        })
    }

    fn words(&self, words: &Value) -> Vec<String> {
        let words = words.as_array().unwrap().iter();
        words
            .map(|word| self.here(word.as_str().unwrap()))
            .collect()
    }

    fn command(words: &[String]) -> Command {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// What is started in the keeper. Anything else would be started on this machine.
    pub(crate) fn in_keeper(&self, words: &[String], service: &str) -> Command {
        let words: Vec<String> = words.iter().map(|word| self.here(word)).collect();
        let own = words[0] == env!("CARGO_BIN_EXE_prova");
        let reach = words[0] == "sh" && words[2].contains("sandbox-pod reach");
        assert!(own || reach, "{words:?}");
        let (host, port) = service.split_once(':').unwrap();
        let mut command = Self::command(&words);
        command
            .env("KUBERNETES_SERVICE_HOST", host)
            .env("KUBERNETES_SERVICE_PORT", port);
        command
    }

    /// Waits for the end of the command, and returns its exit code.
    pub(crate) fn wait(&self) -> i32 {
        let child = self.run.lock().unwrap().take();
        let status = child.unwrap().wait().unwrap();
        status.code().unwrap_or(128 + status.signal().unwrap_or(0))
    }

    /// Does as `kill -9 -1` inside: all but the first process.
    pub(crate) fn kill_all_but_the_first(&self) {
        for child in children(self.group) {
            kill_tree(child);
        }
    }

    /// Ends everything.
    pub(crate) fn end(&self) {
        for child in children(self.group) {
            kill_tree(child);
        }
        kill(self.group);
    }

    /// Adds to the log what was printed.
    pub(crate) fn print(&self, bytes: &[u8]) {
        let mut log = self.log.lock().unwrap();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match log.last_mut() {
                Some((_, line)) if !line.ends_with(b"\n") => line.write_all(piece).unwrap(),
                _ => log.push((jiff::Timestamp::now(), piece.to_vec())),
            }
        }
    }
}

/// The streams of the command.
pub(crate) struct Streams {
    pub(crate) stdin: Option<std::process::ChildStdin>,
    pub(crate) stdout: Option<std::process::ChildStdout>,
    pub(crate) stderr: Option<std::process::ChildStderr>,
}

fn children(pid: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn kill_tree(pid: i32) {
    let below = children(pid);
    kill(pid);
    below.into_iter().for_each(kill_tree);
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
