//! One run: from the container's making to its removal.

use std::path::{Path, PathBuf, absolute};
use std::pin::{Pin, pin};
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::models::ContainerState;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::capture::Capture;
use crate::adapters::sandbox::container::engine::Engine;
use crate::adapters::sandbox::container::options::{Layout, options};
use crate::adapters::sandbox::container::watchdog::Watchdog;
use crate::adapters::sandbox::container::{Container, START, door, remedy, seccomp};
use crate::adapters::sandbox::cover::covers;
use crate::adapters::sandbox::disk::Allotment;
use crate::adapters::sandbox::fence::{Input, without_memory};
use crate::adapters::sandbox::programs::own_bins;
use crate::adapters::sandbox::spec;
use crate::domain::evidence::Ending;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Outcome, Spec, Talk};
use crate::ports::tree::Tree;

/// How long to go on reading after the end. What was printed is on its way by then.
const DRAIN: Duration = Duration::from_secs(2);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
type Said = Option<Box<dyn AsyncRead + Send + Unpin>>;
type Written = Pin<Box<dyn AsyncWrite + Send>>;
type Listener = Option<Box<dyn AsyncWrite + Send + Unpin>>;

impl Container {
    /// Runs `spec` in a container of its own, which is gone afterwards, whatever happens.
    pub(super) async fn run_one(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        let spec = &spec::checked(spec, door)?;
        let checkout = plain(&spec.tree)?;
        let engine = self.engine().await?;
        let image = spec.profile.image.as_ref().unwrap_or(&self.image);
        let image = engine.image(image).await?;
        let mounts: Vec<_> = spec.profile.mounts.iter().chain(&self.mounts).collect();
        let seccomp = seccomp::option(engine.facts().kind)
            .map_err(|error| Fault::io("write the filter of system calls", &error))?;
        let body = options(&Layout {
            spec: &whole_paths(spec)?,
            input: Input::of(talk.as_ref()),
            checkout: &checkout,
            covers: &covers(spec)?,
            image: &image,
            engine: engine.facts(),
            user: self.user,
            mounts: &mounts,
            bins: &own_bins(&mounts),
            scratch_bytes: self.scratch_bytes,
            seccomp: seccomp.value(),
            server: &self.server.word(),
        });
        let name = self.fresh_name();
        // First: from here on nothing is left behind even when this process is killed, or this
        // future dropped.
        let watchdog = Watchdog::start(&self.stage, engine.socket(), &name)
            .map_err(|error| Fault::io(format!("{START}: start its watchdog"), &error))?;
        let ran = match engine.create(&name, body).await {
            Ok(()) => {
                self.follow((engine, &name), (spec, cancel), (door, talk))
                    .await
            }
            Err(fault) => Err(fault),
        };
        // Also after a fault: nothing inside may outlive this call.
        engine.remove(&name).await?;
        watchdog.dismiss().await;
        ran.map_err(|fault| Fault {
            cause: format!(
                "{}. {}",
                fault.cause,
                remedy::remedy(&fault.cause, &image.name)
            ),
            ..fault
        })
    }

    /// Starts a container and watches it to its end, the end of its wall clock, or `cancel`. It may
    /// still run when this returns.
    async fn follow(
        &self,
        (engine, name): (&Engine, &str),
        (spec, cancel): (&Spec, &CancellationToken),
        (door, talk): (Option<&dyn Door>, Option<Talk>),
    ) -> Result<Outcome, Fault> {
        let log = |error: std::io::Error| {
            Fault::io(format!("write the log {}", spec.log.display()), &error)
        };
        let disk = Allotment::new(spec, self.floor_bytes);
        let mut capture = Capture::open(&spec.log, spec.limits.output_bytes).map_err(log)?;
        let AttachContainerResults { mut output, input } = engine.attach(name).await?;
        engine.start(name).await?;
        if let Some(door) = door {
            let pid = engine.state(name).await?.pid.unwrap_or_default();
            door::open(pid, &self.stage, door).await?;
        }
        let began = self.clock.now();
        let (mut said, mut listener): (Said, Listener) = (None, None);
        if let Some(talk) = talk {
            capture.stir(talk.stirred);
            (said, listener) = (talk.input, talk.output);
        }
        let mut speaking = pin!(speak(go(input).await?, said));
        let mut speaks = true;
        let ending = {
            let mut wall = pin!(tokio::time::sleep(spec.limits.wall.to_std()));
            let mut disk_full = pin!(disk.used_up());
            let mut end = pin!(engine.wait(name, spec.limits.wall));
            let mut open = true;
            loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break Ending::Cancelled,
                    () = &mut wall => break Ending::TimedOut,
                    () = &mut disk_full => break Ending::DiskFull,
                    ended = &mut end => {
                        ended?;
                        break ending(&engine.state(name).await?);
                    }
                    () = &mut speaking, if speaks => speaks = false,
                    read = output.next(), if open => match read {
                        Some(read) => take(&mut capture, &mut listener, read).await.map_err(log)?,
                        None => open = false,
                    },
                }
            }
        };
        let took = self.clock.now().since(began);
        match ending {
            Ending::Cancelled | Ending::TimedOut | Ending::DiskFull => engine.remove(name).await?,
            Ending::Exited(_) | Ending::Signalled(_) | Ending::OutOfMemory => {}
        }
        let rest =
            tokio::time::timeout(DRAIN, drain(&mut output, &mut capture, &mut listener)).await;
        if let Ok(rest) = rest {
            rest.map_err(log)?;
        }
        let captured = capture.finish();
        Ok(Outcome {
            ending,
            took,
            tail: captured.tail,
            output_bytes: captured.total,
            log_digest: captured.digest,
        })
    }
}

/// Lets the command start.
async fn go(mut input: Written) -> Result<Written, Fault> {
    let told = async {
        input.write_all(b"go\n").await?;
        input.flush().await
    };
    told.await.map_err(|error| Fault::transient(START, error))?;
    Ok(input)
}

/// Passes on what is said to the command, and closes its input.
async fn speak(mut input: Written, said: Said) {
    if let Some(mut said) = said {
        // A command that does not read its input any more has not failed by that.
        let _unheard = tokio::io::copy(&mut said, &mut input).await;
    }
    let _closed = input.shutdown().await;
}

async fn drain(
    output: &mut Output,
    capture: &mut Capture,
    listener: &mut Listener,
) -> std::io::Result<()> {
    while let Some(read) = output.next().await {
        take(capture, listener, read).await?;
    }
    Ok(())
}

/// Takes what was printed. An engine that hangs up has nothing more to say; how the container ended
/// is asked of it otherwise.
async fn take(
    capture: &mut Capture,
    listener: &mut Listener,
    read: Result<LogOutput, Error>,
) -> std::io::Result<()> {
    match read {
        Ok(LogOutput::StdOut { message }) => {
            capture.take(&message)?;
            if let Some(open) = listener
                && open.write_all(&message).await.is_err()
            {
                *listener = None;
            }
            Ok(())
        }
        Ok(read) => capture.take(&read.into_bytes()),
        Err(error) => {
            tracing::debug!(%error, "the output of a container broke off");
            Ok(())
        }
    }
}

/// Reads how a container ended. Like shells, its init tells death by signal *n* as 128 + *n*.
fn ending(state: &ContainerState) -> Ending {
    let code = i32::try_from(state.exit_code.unwrap_or_default()).unwrap_or(i32::MAX);
    let ending = match code {
        129..=159 => Ending::Signalled(code - 128),
        other => Ending::Exited(other),
    };
    if state.oom_killed == Some(true) {
        without_memory(ending)
    } else {
        ending
    }
}

/// Returns the directory of a plain tree. An engine mounts an overlay only as a volume of its own,
/// and only as root; so it says that it shows no layers.
fn plain(tree: &Tree) -> Result<PathBuf, Fault> {
    match tree {
        Tree::Plain(dir) => whole(dir),
        Tree::Layered(_) => Err(Fault::permanent(START, "a container cannot mount layers")),
    }
}

/// Engines take only whole paths: they stand elsewhere.
fn whole_paths(spec: &Spec) -> Result<Spec, Fault> {
    let each = |path: &Option<PathBuf>| path.as_deref().map(whole).transpose();
    Ok(Spec {
        input: each(&spec.input)?,
        output: each(&spec.output)?,
        objects: each(&spec.objects)?,
        home: each(&spec.home)?,
        own: each(&spec.own)?,
        ..spec.clone()
    })
}

fn whole(path: &Path) -> Result<PathBuf, Fault> {
    absolute(path).map_err(|error| Fault::io(START, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_read_from_the_state() {
        let state = |exit_code, oom_killed| ContainerState {
            exit_code: Some(exit_code),
            oom_killed: Some(oom_killed),
            ..ContainerState::default()
        };
        for (state, expected) in [
            (state(0, false), Ending::Exited(0)),
            (state(7, false), Ending::Exited(7)),
            (state(137, false), Ending::Signalled(9)),
            (state(137, true), Ending::OutOfMemory),
            (state(1, true), Ending::OutOfMemory),
            // Something was killed, and the command did without it.
            (state(0, true), Ending::Exited(0)),
        ] {
            assert_eq!(ending(&state), expected, "{state:?}");
        }
    }
}
