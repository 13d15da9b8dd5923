//! Running git: bounded in time and output, and dead when nobody waits for it.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::adapters::git::call::{Call, Overflow};
use crate::adapters::git::trouble::{Kind, Trouble};

/// How much of the end of git's error stream is read for the reason of a failure.
const STDERR_TAIL: usize = 16 * 1024;

/// What a call that ran to its end left.
struct Ended {
    status: std::process::ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs the call and returns what it printed.
pub(crate) async fn run(call: &Call<'_>) -> Result<Vec<u8>, Trouble> {
    let ended = complete(call).await?;
    if ended.status.success() {
        Ok(ended.stdout)
    } else {
        Err(failure(call, &ended))
    }
}

/// Runs a call that answers a question: `Ok(None)` when git says no by exiting with 1 and nothing
/// else is wrong.
pub(crate) async fn ask(call: &Call<'_>) -> Result<Option<Vec<u8>>, Trouble> {
    let ended = complete(call).await?;
    match ended.status.code() {
        Some(0) => Ok(Some(ended.stdout)),
        Some(1) if ended.stderr.is_empty() => Ok(None),
        _ => Err(failure(call, &ended)),
    }
}

/// Runs the call and returns the beginning of what it prints, as much as it may, and whether that is all.
/// A git that would print more is ended.
pub(crate) async fn beginning(call: &Call<'_>) -> Result<(Vec<u8>, bool), Trouble> {
    let mut longer = call.clone();
    longer.overflows = Overflow::Cut;
    let mut ended = complete(&longer).await?;
    if ended.stdout.len() > call.most {
        ended.stdout.truncate(call.most);
        return Ok((ended.stdout, false));
    }
    if ended.status.success() {
        Ok((ended.stdout, true))
    } else {
        Err(failure(call, &ended))
    }
}

fn failure(call: &Call<'_>, ended: &Ended) -> Trouble {
    if ended.status.code().is_none() && ended.stderr.is_empty() {
        return Trouble::new(Kind::Passing, format!("git was killed: {}", ended.status));
    }
    Trouble::read(&ended.stderr, &call.secrets())
}

/// Kills a process group when dropped: git's own children (`git-remote-https`, `index-pack`)
/// would outlive a git that was killed alone.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let raw = child.id().and_then(|id| i32::try_from(id).ok());
        Self(raw.and_then(Pid::from_raw))
    }

    /// Lets go of the group: its leader has been waited for, so its number may be someone else's.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails when the group is gone already, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn complete(call: &Call<'_>) -> Result<Ended, Trouble> {
    let line = call.command_line();
    let stdin = match call.input {
        Some(file) => std::fs::File::open(file)?.into(),
        None => Stdio::piped(),
    };
    let mut child = Command::new("git")
        .args(line.args)
        .env_clear()
        .envs(line.env)
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                let said = "git is not installed on this machine; install the package git";
                return Trouble::new(Kind::Lasting, said);
            }
            Trouble::from(error)
        })?;
    let group = Group::of(&child);
    let ended = tokio::time::timeout(call.limit, talk(call, &mut child))
        .await
        .map_err(|_| {
            let said = format!("git did not end within {} s", call.limit.as_secs());
            Trouble::new(Kind::Passing, said)
        })??;
    group.release();
    Ok(ended)
}

async fn talk(call: &Call<'_>, child: &mut Child) -> Result<Ended, Trouble> {
    let broken = |error: std::io::Error| {
        Trouble::new(
            Kind::Passing,
            format!("lost the connection to git: {error}"),
        )
    };
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut input) = input {
            // A git that ends before it has read everything says why on its error stream.
            let _ = input.write_all(&call.stdin).await;
        }
        Ok(())
    };
    let collect = async {
        let mut stdout = Vec::new();
        if let Some(output) = output {
            let most = u64::try_from(call.most).unwrap_or(u64::MAX);
            let mut output = output.take(most.saturating_add(1));
            output.read_to_end(&mut stdout).await.map_err(broken)?;
        }
        if stdout.len() > call.most && call.overflows == Overflow::Fails {
            let said = format!("git printed more than {} bytes", call.most);
            return Err(Trouble::new(Kind::Lasting, said));
        }
        Ok(stdout)
    };
    let listen = async {
        match errors {
            Some(errors) => tail(errors).await.map_err(broken),
            None => Ok(Vec::new()),
        }
    };
    let ((), stdout, stderr) = tokio::try_join!(feed, collect, listen)?;
    let status = child.wait().await.map_err(broken)?;
    Ok(Ended {
        status,
        stdout,
        stderr,
    })
}

/// Reads a stream to its end and keeps the end.
async fn tail(mut stream: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    loop {
        if stream.read_buf(&mut kept).await? == 0 {
            return Ok(kept);
        }
        if kept.len() > 2 * STDERR_TAIL {
            kept.drain(..kept.len() - STDERR_TAIL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_call_that_takes_too_long_is_ended_with_all_its_children() {
        let dir = tempfile::tempdir().unwrap();
        crate::adapters::git::skeleton::bare(dir.path(), None).unwrap();
        let survived = dir.path().join("survived");
        let alias = format!("alias.wait=!sleep 1; touch {}", survived.display());
        let mut call = Call::new(dir.path(), ["-c", &alias, "wait"]);
        call.limit = Duration::from_millis(200);
        let trouble = run(&call).await.unwrap_err();
        assert_eq!(trouble.kind, Kind::Passing);
        assert!(trouble.said.contains("did not end"), "{trouble}");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(!survived.exists(), "a child outlived its git");
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        crate::adapters::git::skeleton::bare(dir.path(), None).unwrap();
        let mut call = Call::new(dir.path(), ["help", "-a"]);
        call.most = 100;
        let trouble = run(&call).await.unwrap_err();
        assert!(trouble.said.contains("more than 100 bytes"), "{trouble}");
    }

    #[tokio::test]
    async fn the_beginning_of_long_output_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        crate::adapters::git::skeleton::bare(dir.path(), None).unwrap();
        let mut call = Call::new(dir.path(), ["help", "-a"]);
        call.most = 100;
        let (printed, whole) = beginning(&call).await.unwrap();
        assert_eq!((printed.len(), whole), (100, false));
        call.most = 1024 * 1024;
        let (printed, whole) = beginning(&call).await.unwrap();
        assert!(printed.len() > 100 && whole);
        let nothing = Call::new(dir.path(), ["diff", "nothing", "at-all", "--"]);
        assert!(beginning(&nothing).await.is_err());
    }

    #[tokio::test]
    async fn a_question_can_be_answered_with_no() {
        let dir = tempfile::tempdir().unwrap();
        crate::adapters::git::skeleton::bare(dir.path(), None).unwrap();
        let absent = ["cat-file", "-e", "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"];
        assert!(ask(&Call::new(dir.path(), absent)).await.unwrap().is_none());
        let nowhere = Call::new(Path::new("/nonexistent"), ["rev-parse"]);
        assert_eq!(ask(&nowhere).await.unwrap_err().kind, Kind::Damaged);
    }
}
