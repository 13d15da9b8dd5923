//! Starts one command and watches it to its end.

use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::pin::{Pin, pin};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::fs::{Gid, Uid};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncRead;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::capture::{Capture, Captured};
use crate::adapters::sandbox::fence::Fence;
use crate::domain::evidence::Ending;
use crate::domain::time::Span;
use crate::ports::clock::Clock;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Outcome, Spec, Talk};

/// How long to go on reading after the end. What was printed is in the pipe by then; only a process
/// that got away (possible without isolation) holds it open longer, and it must not hang the job.
const DRAIN: Duration = Duration::from_millis(500);

/// Why watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The process that was started ended by itself.
    Itself(ExitStatus),
    /// It was killed at the end of its wall clock.
    TimedOut,
    /// It was killed because the job was stopped.
    Cancelled,
    /// It was killed because it took more of the disk than it may.
    DiskFull,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stop: Stop,
    pub(super) took: Span,
    pub(super) output: Captured,
}

impl Watched {
    /// Reports what was seen as an outcome that ended in `ending`.
    pub(super) fn outcome(self, ending: Ending) -> Outcome {
        Outcome {
            ending,
            took: self.took,
            tail: self.output.tail,
            output_bytes: self.output.total,
            log_digest: self.output.digest,
        }
    }
}

/// Runs `command`, which `fence` has gated, with both outputs into `spec.log`, until its end, the end
/// of its wall clock or of its share of the disk, or `cancel`; then kills its process group. Without
/// somebody to `talk` with, its input is empty and its outputs are one pipe. `owner` is who it runs
/// as, when that is not the server.
///
/// Must be called from a thread that lives as long as the runtime, which its workers do and its
/// blocking threads do not: `bwrap --die-with-parent` means the *thread* that started it.
///
/// # Errors
/// When it cannot be started, or its output cannot be written; it is dead then, too.
pub(super) async fn watch(
    mut command: Command,
    owner: Option<(u32, u32)>,
    (spec, cancel, fence): (&Spec, &CancellationToken, &Fence),
    talk: Option<Talk>,
    clock: &dyn Clock,
) -> Result<Watched, Fault> {
    let start = || format!("start {}", command_name(spec));
    let broken = |error: io::Error| Fault::io(start(), &error);

    let mut capture = Capture::open(&spec.log, spec.limits.output_bytes)
        .map_err(|e| Fault::io(log_name(spec), &e))?;
    let (mut pipe, errors) = pipe_of(owner).map_err(broken)?;
    let mut said = None;
    let output = if talk.as_ref().is_some_and(|talk| talk.output.is_some()) {
        let (ours, theirs) = pipe_of(owner).map_err(broken)?;
        said = Some(ours);
        theirs
    } else {
        errors.try_clone().map_err(broken)?
    };
    let (input, answers) = fence.input().map_err(broken)?;
    command
        .stdin(input)
        .stdout(output)
        .stderr(errors)
        .process_group(0);

    let began = clock.now();
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(broken)?;
    drop(command); // holds the pipe's writing end, and with it the end of the output
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));

    let stop = {
        let admitted = fence.admit(child.id(), answers.as_ref());
        let reading = async {
            let (mut input, mut output) = (None, None);
            if let Some(talk) = talk {
                capture.stir(talk.stirred);
                (input, output) = (talk.input, talk.output);
            }
            let listening = async {
                match (&mut said, output) {
                    (Some(said), Some(listener)) => capture.follow(&mut pipe, said, listener).await,
                    (_, _) => capture.drain(&mut pipe).await,
                }
            };
            match (input, answers) {
                (Some(input), Some(answers)) => talked(listening, input, answers).await,
                (_, answers) => {
                    drop(answers);
                    listening.await
                }
            }
        };
        let mut reading = Reading {
            future: pin!(reading),
            open: true,
        };
        let stop = match admitted {
            Ok(()) => until_stop(&mut child, &mut reading, (spec, cancel, fence)).await,
            Err(error) => Err(Fault::io("limit the sandbox", &error)),
        };
        // Also after its own end: what it left behind in its group is part of the run. The group,
        // not the process: bubblewrap killed while it starts would leave its other half behind.
        if let Some(group) = group {
            // No such process: nothing was left behind.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        let stop = stop?;
        if !matches!(stop, Stop::Itself(_)) {
            child.wait().await.map_err(broken)?;
        }
        reading.rest(spec).await?;
        stop
    };
    Ok(Watched {
        stop,
        took: clock.now().since(began),
        output: capture.finish(),
    })
}

/// Makes a pipe for output.
fn pipe_of(owner: Option<(u32, u32)>) -> io::Result<(Receiver, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    if let Some((uid, gid)) = owner {
        // A pipe belongs to who made it, and `/dev/stderr`, which scripts like to name, opens it
        // anew: as another user that would be refused.
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::fchown(&writer, Some(uid), Some(gid))?;
    }
    Ok((Receiver::from_owned_fd(OwnedFd::from(reader))?, writer))
}

/// Passes on what is said to a program for as long as somebody listens to it.
async fn talked(
    listening: impl Future<Output = io::Result<()>>,
    mut input: Box<dyn AsyncRead + Send + Unpin>,
    answers: PipeWriter,
) -> io::Result<()> {
    let mut answers = Sender::from_owned_fd(OwnedFd::from(answers))?;
    let speaking = async move {
        // A program that does not read its input any more has not failed by that.
        let _unheard = tokio::io::copy(&mut input, &mut answers).await;
        drop(answers);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = listening => ended,
        () = speaking => Ok(()),
    }
}

/// Reading the output to its end, which may come before or after that of the process.
struct Reading<'a, F> {
    future: Pin<&'a mut F>,
    open: bool,
}

impl<F: Future<Output = io::Result<()>>> Reading<'_, F> {
    /// Reads what is left after the process.
    async fn rest(&mut self, spec: &Spec) -> Result<(), Fault> {
        if !self.open {
            return Ok(());
        }
        match tokio::time::timeout(DRAIN, self.future.as_mut()).await {
            Ok(read) => read.map_err(|error| Fault::io(log_name(spec), &error)),
            Err(_elapsed) => {
                tracing::debug!(
                    log = %spec.log.display(),
                    "a process still holds the output; what it prints from now on is not read"
                );
                Ok(())
            }
        }
    }
}

/// Reads the output until one of the reasons to stop is there.
async fn until_stop<F: Future<Output = io::Result<()>>>(
    child: &mut Child,
    reading: &mut Reading<'_, F>,
    (spec, cancel, fence): (&Spec, &CancellationToken, &Fence),
) -> Result<Stop, Fault> {
    let mut wall = pin!(tokio::time::sleep(spec.limits.wall.to_std()));
    let mut disk_full = pin!(fence.disk_full());
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Stop::Cancelled),
            () = &mut wall => return Ok(Stop::TimedOut),
            () = &mut disk_full => return Ok(Stop::DiskFull),
            status = child.wait() => {
                let status = status.map_err(|error| Fault::io("wait for the sandbox", &error))?;
                return Ok(Stop::Itself(status));
            }
            read = &mut reading.future, if reading.open => match read {
                Ok(()) => reading.open = false,
                Err(error) => return Err(Fault::io(log_name(spec), &error)),
            },
        }
    }
}

fn log_name(spec: &Spec) -> String {
    format!("write the log {}", spec.log.display())
}

/// Names the program without its arguments, which may carry a person's text.
fn command_name(spec: &Spec) -> &str {
    spec.command
        .first()
        .map_or("an empty command", String::as_str)
}
