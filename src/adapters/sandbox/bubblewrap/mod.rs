//! Namespaces made by the `bwrap` program: the default on one machine.
//!
//! Inside there are an empty root with the system's programs read-only, a private `/tmp` and home,
//! the job's directories, and nothing else. The network is a loopback interface of its own, so not
//! even abstract sockets of the host are there; the only way out is a door, when the run has one,
//! which the server serves on a socket that listens inside (see `handover`). Calls of the kernel
//! that namespaces do not confine are refused (see [`seccomp`]). bubblewrap is never started as root
//! (see [`way`]).

mod args;
mod descriptors;
mod launch;
mod layers;
mod probe;
mod remedy;
mod seccomp;
mod status;
mod view;
mod way;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::bubblewrap::launch::Launch;
use crate::adapters::sandbox::bubblewrap::remedy::Obstacle;
use crate::adapters::sandbox::bubblewrap::view::Piece;
use crate::adapters::sandbox::fence::{Fences, Input, without_memory};
use crate::adapters::sandbox::limits;
use crate::adapters::sandbox::probing;
use crate::adapters::sandbox::process::{self, Stop, Watched};
use crate::adapters::sandbox::programs::find_program;
use crate::adapters::sandbox::settings::Settings;
use crate::adapters::sandbox::spec;
use crate::domain::evidence::Ending;
use crate::domain::time::Span;
use crate::ports::clock::Clock;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Outcome, Sandbox, Spec, Talk, Unenforced, Unusable};

const NAME: &str = "bubblewrap";
const START: &str = "start the sandbox";

/// The backend.
pub(super) struct Bubblewrap {
    program: PathBuf,
    system: Vec<Piece>,
    mounts: Vec<PathBuf>,
    scratch_bytes: u64,
    fences: Fences,
    /// User and group id to start bubblewrap as; none: the server's own, which is not root.
    user: Option<u32>,
    /// The program that sets the stage, open: it stays what it was when the server started.
    stage: File,
    /// The seccomp filter.
    filter: Vec<u8>,
    /// Where layers are tried.
    work: PathBuf,
    /// Whether layers can be mounted; set by the probe.
    layers: OnceLock<bool>,
    clock: Arc<dyn Clock>,
}

impl Bubblewrap {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Unusable> {
        let unusable = |reason: String, remedy: &str| Unusable {
            backend: NAME,
            reason,
            remedy: remedy.to_owned(),
        };
        for program in [settings.bwrap.as_path(), Path::new(limits::PRLIMIT)] {
            if find_program(program).is_none() {
                let reason = format!("there is no program {}", program.display());
                return Err(unusable(reason, remedy::INSTALL));
            }
        }
        let profiles = settings.profiles.iter();
        for mount in profiles.flat_map(|one| &one.mounts).chain(&settings.mounts) {
            mountable(mount)?;
        }
        let is_root = rustix::process::geteuid().is_root();
        if is_root && settings.uid == 0 {
            let remedy = "Set it to an unprivileged user's, such as 65534";
            return Err(unusable("`[sandbox] uid` is root's".to_owned(), remedy));
        }
        let stage = File::open(&settings.stage).map_err(|error| {
            let shown = settings.stage.display();
            let remedy = "Let the server's user read the server's own program";
            unusable(format!("{shown} cannot be opened: {error}"), remedy)
        })?;
        let filter = seccomp::filter().map_err(|error| {
            let remedy = "Run the server on x86_64, aarch64 or riscv64";
            unusable(format!("no filter of system calls: {error}"), remedy)
        })?;
        Ok(Self {
            mounts: settings.mounts,
            program: settings.bwrap,
            system: view::system(Path::new("/")),
            scratch_bytes: settings.scratch_bytes,
            fences: Fences::new(settings.floor_bytes),
            user: is_root.then_some(settings.uid),
            stage,
            filter,
            work: settings.work,
            layers: OnceLock::new(),
            clock,
        })
    }

    async fn attempt(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Failed> {
        let spec = &spec::checked(spec, door)?;
        let fence = self.fences.around(spec, Input::of(talk.as_ref()))?;
        let Launch {
            command,
            reports,
            line,
        } = self.launch(spec, &fence, door.is_some())?;
        let reports = tokio::spawn(status::follow(reports));
        let stop = cancel.child_token();
        let open = async {
            let opened = match (door, line) {
                (Some(door), Some(line)) => line.listener().await.and_then(|at| door.serve(at)),
                (_, _) => Ok(()),
            };
            if opened.is_err() {
                stop.cancel();
            }
            opened
        };
        let bounds = (spec, &stop, &fence);
        let watching = process::watch(command, self.owner(), bounds, talk, self.clock.as_ref());
        let (watched, opened) = tokio::join!(watching, open);
        // Also after a fault: nothing inside may outlive this call.
        let exit_code = reports
            .await
            .map_err(|error| Fault::transient("watch the sandbox", error))?
            .map_err(|error| Fault::transient("end the sandbox", error))?;
        let lacked_memory = fence.close().await;
        let watched = watched?;
        let ending = match (watched.stop, exit_code) {
            (Stop::TimedOut, _) => Ending::TimedOut,
            (Stop::Cancelled, _) if cancel.is_cancelled() => Ending::Cancelled,
            (Stop::DiskFull, _) => Ending::DiskFull,
            // bubblewrap is in the group, too.
            (Stop::Itself(_), None) if lacked_memory => Ending::OutOfMemory,
            (Stop::Itself(exit), None) if exit.code().is_none() => {
                let cause = format!("it was killed from outside ({exit})");
                return Err(Failed::Fault(Fault::transient(START, cause)));
            }
            (Stop::Itself(_), None) => return Err(Failed::Refused(last_line(&watched))),
            (Stop::Itself(_), Some(code)) => {
                opened.map_err(|error| refused_door(&error, &watched))?;
                if lacked_memory {
                    without_memory(status::ending(code))
                } else {
                    status::ending(code)
                }
            }
            (Stop::Cancelled, _) => {
                opened.map_err(|error| refused_door(&error, &watched))?;
                Ending::Cancelled
            }
        };
        Ok(watched.outcome(ending))
    }

    /// Runs the probe in directories below `dir` and returns what it printed.
    async fn look_inside(&self, dir: &Path) -> Result<String, Failed> {
        let io = |error: io::Error| Fault::io("prepare the probe", &error);
        let checkout = dir.join("checkout");
        let canary = dir.join("canary");
        std::fs::create_dir(&checkout).map_err(io)?;
        std::fs::write(&canary, "seen").map_err(io)?;
        if let Some((uid, gid)) = self.owner() {
            std::os::unix::fs::chown(&checkout, Some(uid), Some(gid)).map_err(io)?;
        }
        let canary = canary.display().to_string();
        let words = ["sh", "-c", probe::SCRIPT, "sh", &canary];
        let spec = probing::spec(dir, &words, Span::seconds(20));
        let outcome = self
            .attempt(&spec, None, None, &CancellationToken::new())
            .await?;
        Ok(String::from_utf8_lossy(&outcome.tail).into_owned())
    }
}

#[async_trait::async_trait]
impl Sandbox for Bubblewrap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn isolates(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<String, Unusable> {
        let unusable = |reason: String| Unusable {
            backend: NAME,
            remedy: remedy::remedy(&reason, Obstacle::look()).to_owned(),
            reason,
        };
        let dir = tempfile::tempdir().map_err(|error| Unusable {
            backend: NAME,
            reason: format!("no temporary directory can be made: {error}"),
            remedy: "Make room in it, or set TMPDIR to one that can be written".to_owned(),
        })?;
        let seen = match self.look_inside(dir.path()).await {
            Ok(seen) => seen,
            Err(Failed::Fault(fault)) => return Err(unusable(fault.to_string())),
            Err(Failed::Refused(reason)) => return Err(unusable(reason)),
        };
        let mut host = BTreeMap::new();
        for name in probe::NAMESPACES {
            if let Ok(id) = std::fs::read_link(Path::new("/proc/self/ns").join(name)) {
                host.insert(name, id.display().to_string());
            }
        }
        let saw = probe::verify(&seen, &host).map_err(|reason| Unusable {
            backend: NAME,
            reason,
            remedy: "It runs commands and does not isolate them: install the distribution's own \
                bubblewrap, 0.8 or newer"
                .to_owned(),
        })?;
        let layers = self.try_layers().await;
        let _known = self.layers.set(layers.is_ok());
        let layers = match layers {
            Ok(()) => "trees in layers".to_owned(),
            Err(reason) => format!("no trees in layers ({reason})"),
        };
        Ok(match self.user {
            Some(id) => format!("bubblewrap as user {id}: {saw}, {layers}"),
            None => format!("bubblewrap as the server's user: {saw}, {layers}"),
        })
    }

    fn unenforced(&self) -> Vec<Unenforced> {
        self.fences.unenforced()
    }

    fn owner(&self) -> Option<(u32, u32)> {
        self.user.map(|id| (id, id))
    }

    fn layers(&self) -> bool {
        self.layers.get().copied().unwrap_or(false)
    }

    async fn converse(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        self.attempt(spec, door, talk, cancel)
            .await
            .map_err(|failed| match failed {
                Failed::Fault(fault) => fault,
                Failed::Refused(reason) => {
                    let remedy = remedy::remedy(&reason, Obstacle::look());
                    Fault::new(remedy::class(&reason), START, format!("{reason}. {remedy}"))
                }
            })
    }
}

/// Returns whether `mount` can stand inside.
fn mountable(mount: &Path) -> Result<(), Unusable> {
    let unusable = |reason: String, remedy: &str| {
        Err(Unusable {
            backend: NAME,
            reason,
            remedy: remedy.to_owned(),
        })
    };
    let shown = mount.display();
    if !view::is_plain(mount) || view::is_taken(mount) {
        let remedy = "Name an absolute path without `..` below another directory, such as \
            /opt/agents, in `[sandbox] mounts` or the profile";
        let reason = format!("{shown} cannot be mounted over what the sandbox is made of");
        return unusable(reason, remedy);
    }
    if !mount.exists() {
        let remedy = "Make it, or take it out of `[sandbox] mounts` or the profile";
        return unusable(format!("the mount {shown} does not exist"), remedy);
    }
    Ok(())
}

/// Why a run has no outcome.
enum Failed {
    /// Something else than bubblewrap.
    Fault(Fault),
    /// bubblewrap ended without having started the command; what it said.
    Refused(String),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Says why a door could not be opened.
fn refused_door(error: &io::Error, watched: &Watched) -> Fault {
    let cause = format!("{error}; the sandbox said {:?}", last_line(watched));
    Fault::transient("open the sandbox's door", cause)
}

/// Returns the last line of the output: bubblewrap says why it gives up and does so.
fn last_line(watched: &Watched) -> String {
    let said = String::from_utf8_lossy(&watched.output.tail);
    let line = said
        .trim()
        .lines()
        .next_back()
        .unwrap_or("it gave no reason");
    line.chars().take(500).collect()
}
