//! One headless run of an agent, to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::time::sleep;

use crate::cage::Cage;

/// How long a run may take, on a machine that does much else.
const LONGEST: Duration = Duration::from_mins(2);

/// What an agent left.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: it was stopped after the time that it was given.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The lines of its output that are JSON objects.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(Value::is_object)
            .collect()
    }

    /// The session's id.
    pub(crate) fn session(&self, pointer: Option<&str>) -> String {
        let Some(pointer) = pointer else {
            return String::new();
        };
        let events = self.events();
        let mut ids = events.iter().filter_map(|event| event.pointer(pointer));
        let id = ids.find_map(Value::as_str);
        id.unwrap_or_else(|| panic!("no {pointer} in: {self:?}"))
            .to_owned()
    }
}

/// Runs a command with nothing on its standard input, to its end or until it is enough.
pub(crate) async fn run_until(
    cage: &Cage,
    command: &[String],
    env: &BTreeMap<String, String>,
    enough: impl Future<Output = ()>,
) -> Ended {
    let mut child = cage.start(command, env);
    drop(child.stdin.take());
    let mut out = child.stdout.take().unwrap();
    let mut err = child.stderr.take().unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let ending = async {
        let both = tokio::join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr));
        both.0.unwrap();
        both.1.unwrap();
        child.wait().await.unwrap()
    };
    let ended = tokio::select! {
        ended = ending => Some(ended),
        () = enough => None,
    };
    Ended {
        code: ended.and_then(|status| status.code()),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Runs a command to its end.
pub(crate) async fn run(cage: &Cage, command: &[String], env: &BTreeMap<String, String>) -> Ended {
    run_until(cage, command, env, sleep(LONGEST)).await
}
