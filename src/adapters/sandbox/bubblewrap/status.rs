//! What bubblewrap reports about the sandbox, apart from what runs in it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;

use crate::domain::evidence::Ending;

/// Far more than bubblewrap ever reports.
const MAX_BYTES: u64 = 64 * 1024;

/// How long the kernel may take to bury what was killed. Only a process that is stuck in the kernel
/// (a dead network file system) takes longer.
const BURIAL: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Reads the reports to their end and waits until every process inside is dead: the kernel reports
/// the first process of a PID namespace as dead only after all others in it. Returns the command's
/// exit code; none when it was never started, or bubblewrap was killed.
pub(super) async fn follow(pipe: Receiver) -> io::Result<Option<i32>> {
    let mut lines = BufReader::new(pipe.take(MAX_BYTES)).lines();
    let mut exit_code = None;
    let mut first = None;
    while let Some(line) = lines.next_line().await? {
        let report = Report::parse(&line);
        if let Some(pid) = report.child_pid {
            // At once, while it cannot be another process of the same number.
            first = watch(pid)?;
        }
        exit_code = report.exit_code.or(exit_code);
    }
    if let Some(first) = first {
        tokio::task::spawn_blocking(move || buried(&first)).await??;
    }
    Ok(exit_code)
}

/// Opens a descriptor that becomes readable at the death of the process; none when it is dead.
fn watch(pid: Pid) -> io::Result<Option<OwnedFd>> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::SRCH) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Waits for the death of the process that `pidfd` stands for; most often it is there already.
fn buried(pidfd: &OwnedFd) -> io::Result<()> {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let ready = retry_on_intr(|| poll(&mut fds, Some(&BURIAL)))?;
    if ready == 0 {
        return Err(io::Error::other(
            "its processes were killed and are still there after 10 seconds",
        ));
    }
    Ok(())
}

/// One line of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Report {
    child_pid: Option<Pid>,
    exit_code: Option<i32>,
}

impl Report {
    /// Parses a line. It is one JSON document; keys that are not ours are many and differ by version.
    fn parse(line: &str) -> Self {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else {
            return Self::default();
        };
        let number = |key| {
            let number = value.get(key).and_then(serde_json::Value::as_i64);
            number.and_then(|number| i32::try_from(number).ok())
        };
        Self {
            child_pid: number("child-pid").and_then(Pid::from_raw),
            exit_code: number("exit-code"),
        }
    }
}

/// Reads an exit code as bubblewrap reports it: like shells, death by signal *n* as 128 + *n*. So a
/// command that says `exit 143` is read as ended by signal 15, which is what it wanted to say.
pub(super) fn ending(exit_code: i32) -> Ending {
    match exit_code {
        129..=159 => Ending::Signalled(exit_code - 128),
        other => Ending::Exited(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_parsed_and_everything_else_is_nothing() {
        let pid = r#"{ "child-pid": 21947, "ipc-namespace": 4026532180 }"#;
        assert_eq!(
            Report::parse(pid),
            Report {
                child_pid: Pid::from_raw(21947),
                exit_code: None
            }
        );
        let end = r#"{ "exit-code": 7 }"#;
        assert_eq!(
            Report::parse(end),
            Report {
                child_pid: None,
                exit_code: Some(7)
            }
        );
        for other in [
            "",
            "{",
            "[]",
            r#"{"exit-code":"7"}"#,
            r#"{"child-pid":99999999999}"#,
        ] {
            assert_eq!(Report::parse(other), Report::default(), "{other}");
        }
    }

    #[test]
    fn codes_over_128_are_signals_while_there_is_such_a_signal() {
        let endings = [0, 1, 128, 129, 137, 159, 160, 255].map(ending);
        let expected = [
            Ending::Exited(0),
            Ending::Exited(1),
            Ending::Exited(128),
            Ending::Signalled(1),
            Ending::Signalled(9),
            Ending::Signalled(31),
            Ending::Exited(160),
            Ending::Exited(255),
        ];
        assert_eq!(endings, expected);
    }
}
