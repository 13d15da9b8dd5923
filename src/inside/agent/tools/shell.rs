//! The tool that runs a shell line.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Command;

use crate::inside::agent::clip::Clip;

/// Seconds that a line may take, when it is not said.
const USUAL: u64 = 120;
/// Seconds that it may take at most.
const LONGEST: u64 = 600;
/// How long to go on reading after the end. What was printed is on its way by then; only a process
/// that left the group can still hold the other end.
const DRAIN: Duration = Duration::from_secs(1);

/// Variables without which programs would wait for a person.
const ENV: [(&str, &str); 4] = [
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("TERM", "dumb"),
];

#[derive(Debug, Deserialize)]
pub(super) struct Arguments {
    command: String,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

impl Arguments {
    pub(super) fn title(&self) -> String {
        self.command.clone()
    }
}

enum Stop {
    Itself(io::Result<ExitStatus>),
    TimedOut,
}

/// Runs the line in `root` and returns what it printed and how it ended. The error says the same of
/// a line that failed. Whatever it left running in its group is killed.
pub(super) async fn run(root: &Path, shell: &Arguments) -> Result<String, String> {
    let seconds = shell.timeout_seconds.unwrap_or(USUAL).clamp(1, LONGEST);
    let limit = Duration::from_secs(seconds);
    let (clip, stop) = watch(root, &shell.command, limit)
        .await
        .map_err(|error| format!("sh: {error}"))?;
    let mut text = clip.text();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    match stop {
        Stop::Itself(Ok(status)) if status.success() => Ok(format!("{text}[exit code 0]")),
        Stop::Itself(Ok(status)) => Err(format!("{text}[{}]", ending(status))),
        Stop::Itself(Err(error)) => Err(format!("{text}[{error}]")),
        Stop::TimedOut => Err(format!("{text}[killed: it took longer than {seconds} s]")),
    }
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

async fn watch(root: &Path, line: &str, limit: Duration) -> io::Result<(Clip, Stop)> {
    // One pipe for both streams keeps what they say in its order.
    let (reader, writer) = io::pipe()?;
    let mut output = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut child = {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(root)
            .envs(ENV)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        command.spawn()?
        // Our own ends of the pipe are closed here: it would never end otherwise.
    };
    let group = Group(child.id());
    let mut clip = Clip::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut limit = pin!(tokio::time::sleep(limit));
    let mut open = true;
    let stop = loop {
        tokio::select! {
            biased;
            ended = child.wait() => break Stop::Itself(ended),
            () = &mut limit => break Stop::TimedOut,
            more = take(&mut output, &mut buffer, &mut clip), if open => open = more,
        }
    };
    drop(group);
    if matches!(stop, Stop::TimedOut) {
        child.wait().await?;
    }
    let rest = async { while open && take(&mut output, &mut buffer, &mut clip).await {} };
    // Cut off: what is still to come is not the line's own.
    let _ = tokio::time::timeout(DRAIN, rest).await;
    Ok((clip, stop))
}

/// Reads once, and returns whether there may be more.
async fn take(output: &mut Receiver, buffer: &mut [u8], clip: &mut Clip) -> bool {
    match output.read(buffer).await {
        Ok(0) | Err(_) => false,
        Ok(read) => {
            clip.push(buffer.get(..read).unwrap_or_default());
            true
        }
    }
}

/// A process group that does not outlive this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            // Gone already when it left nothing behind.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(command: &str, timeout_seconds: Option<u64>) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let arguments = Arguments {
            command: command.to_owned(),
            timeout_seconds,
        };
        run(dir.path(), &arguments).await
    }

    #[tokio::test]
    async fn both_streams_and_the_ending_are_told() {
        let text = sh("echo a; echo b >&2; echo $PAGER; cat", None).await;
        assert_eq!(text.unwrap(), "a\nb\ncat\n[exit code 0]");
        assert_eq!(
            sh("printf x; exit 3", None).await.unwrap_err(),
            "x\n[exit code 3]"
        );
        let killed = sh("kill -9 $$", None).await.unwrap_err();
        assert!(killed.contains("signal: 9"), "{killed}");
        let long = sh("head -c 3000000 /dev/zero | tr '\\0' x", None)
            .await
            .unwrap();
        assert!(
            long.contains("[… 2990000 bytes left out …]"),
            "{}",
            long.len()
        );
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_all_its_children() {
        let text = sh("sleep 600 & echo $!; sleep 600", Some(1))
            .await
            .unwrap_err();
        let (pid, ending) = text.split_once('\n').unwrap();
        assert_eq!(ending, "[killed: it took longer than 1 s]");
        assert_dies(pid).await;
        // Nor is a line waited for that left something behind.
        let text = sh("sleep 600 & echo $!", Some(600)).await.unwrap();
        assert_dies(text.split_once('\n').unwrap().0).await;
    }

    /// A signal that was sent takes its time on a busy machine.
    async fn assert_dies(pid: &str) {
        let mut stat = String::new();
        for _ in 0..500 {
            stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it lives: {stat}");
    }
}
