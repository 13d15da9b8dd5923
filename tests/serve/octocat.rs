//! The GitHub in Python: started, told what its people do, and asked what it has seen.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/github.py");

/// The other GitHub.
pub(crate) struct Octocat {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where it is reached.
    pub(crate) facts: Value,
}

impl Octocat {
    /// Starts it in `dir`, where it leaves the App's key and the webhook's secret.
    pub(crate) fn start(dir: &Path) -> Self {
        let mut command = Command::new("python3");
        command.arg("-B").arg(PROGRAM).arg(dir);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3: {error}; `scripts/setup test` installs it"));
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let facts = read(&mut answers);
        Self {
            child,
            orders,
            answers,
            facts,
        }
    }

    /// Gives an order and returns the answer.
    pub(crate) fn tell(&mut self, order: &Value) -> Value {
        writeln!(self.orders, "{order}").unwrap();
        self.orders.flush().unwrap();
        read(&mut self.answers)
    }

    /// Returns everything that a person would see, and every request so far.
    pub(crate) fn state(&mut self) -> Value {
        self.tell(&json!({ "do": "state" }))
    }
}

fn read(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("github.py ended: {error}"))
}

impl Drop for Octocat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
