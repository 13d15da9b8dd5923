//! The door of a container: a listener in its network, made from outside.
//!
//! The container has no network but its own loopback, and nothing of ours runs in it. A process of
//! ours enters its network namespace, listens there, hands the socket over and ends.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};

use crate::adapters::sandbox::container::START;
use crate::adapters::sandbox::handover::Line;
use crate::adapters::sandbox::programs::SYSTEM_PATH;
use crate::adapters::sandbox::stage::ENTER;
use crate::ports::door::Door;
use crate::ports::fault::Fault;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The descriptors of the process: the line to the server, and the program that it becomes, which may
/// lie where whoever enters a namespace cannot walk.
const LINE: i32 = 3;
const PROGRAM: i32 = 4;

/// Opens `door` in the network of process `pid`; `program` is this program.
///
/// # Errors
/// When the namespace cannot be entered, or the door not be served.
pub(super) async fn open(pid: i64, program: &Path, door: &dyn Door) -> Result<(), Fault> {
    let failed = |error: io::Error| Fault::io(format!("{START}: open its door"), &error);
    let namespaces = PathBuf::from(format!("/proc/{pid}/ns"));
    let own_user = std::fs::read_link("/proc/self/ns/user").map_err(failed)?;
    let its_user = std::fs::read_link(namespaces.join("user")).map_err(failed)?;

    let (line, theirs) = Line::open().map_err(failed)?;
    let program = File::open(program).map_err(failed)?;
    let mut command = Command::new("nsenter");
    command
        .args(arguments(&namespaces, own_user != its_user))
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .fd_mappings(vec![
            FdMapping {
                parent_fd: theirs,
                child_fd: LINE,
            },
            FdMapping {
                parent_fd: program.into(),
                child_fd: PROGRAM,
            },
        ])
        .map_err(|error| Fault::permanent(START, error))?;
    let mut command = tokio::process::Command::from(command);
    let child = command.kill_on_drop(true).spawn().map_err(failed)?;
    drop(command); // holds the line's other end, and with it the end of the wait

    let entered = async {
        let listener = line.listener().await;
        (listener, child.wait_with_output().await)
    };
    let entered = tokio::time::timeout(PATIENCE, entered).await;
    let (listener, ended) = entered.map_err(|_late| failed(io::ErrorKind::TimedOut.into()))?;
    let listener = listener.map_err(|error| {
        let said = ended.map(|ended| ended.stderr).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        Fault::io(format!("{START}: open its door ({})", said.trim()), &error)
    })?;
    door.serve(listener).map_err(failed)
}

/// Returns the arguments of `nsenter`. Who is not root gets at the network of its own container by
/// the user namespace that this belongs to.
fn arguments(namespaces: &Path, other_user: bool) -> Vec<OsString> {
    let namespace = |name: &str| {
        let mut option = OsString::from(format!("--{name}="));
        option.push(namespaces.join(name));
        option
    };
    let mut words = Vec::new();
    if other_user {
        words.extend([namespace("user"), "--preserve-credentials".into()]);
    }
    words.push(namespace("net"));
    words.push("--".into());
    words.push(format!("/proc/self/fd/{PROGRAM}").into());
    let own = [ENTER, &LINE.to_string(), "--", "/bin/true"].map(OsString::from);
    words.extend(own);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_network_is_entered() {
        let ns = Path::new("/proc/7/ns");
        let own = [
            "--",
            "/proc/self/fd/4",
            "sandbox-enter",
            "3",
            "--",
            "/bin/true",
        ];
        let root = arguments(ns, false);
        assert_eq!(root[0], "--net=/proc/7/ns/net");
        assert_eq!(root[1..], own.map(OsString::from));
        let user = arguments(ns, true);
        assert_eq!(
            user[..3],
            [
                "--user=/proc/7/ns/user",
                "--preserve-credentials",
                "--net=/proc/7/ns/net"
            ]
            .map(OsString::from)
        );
        assert_eq!(user[3..], own.map(OsString::from));
    }
}
