//! No isolation: for a person who runs agents that they trust, or inside something that isolates.
//!
//! Only by name, and it warns. Wall clock, output and file size are limited as elsewhere and the
//! environment is empty as elsewhere; files, network and processes of the host are all there, and a
//! process that leaves its group outlives the run where there are no control groups. A door is a port
//! of the host's loopback, to which everybody on the host can connect while the run lasts.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io;
use std::net::TcpListener;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::cover::covers;
use crate::adapters::sandbox::fence::{Fence, Fences, Input, without_memory};
use crate::adapters::sandbox::limits::{self, Counted};
use crate::adapters::sandbox::process::{self, Stop};
use crate::adapters::sandbox::programs::{find_program, search_path};
use crate::adapters::sandbox::settings::Settings;
use crate::adapters::sandbox::spec;
use crate::domain::evidence::Ending;
use crate::ports::clock::Clock;
use crate::ports::door::{Door, INSIDE_DOOR};
use crate::ports::fault::Fault;
use crate::ports::sandbox::{
    INSIDE_CHECKOUT, INSIDE_HOME, INSIDE_INPUT, INSIDE_OBJECTS, INSIDE_OUTPUT, INSIDE_PROGRAM,
    Outcome, Sandbox, Spec, Talk, Unenforced, Unusable,
};
use crate::ports::tree::Tree;

const NAME: &str = "none";

/// The backend.
pub(super) struct Unisolated {
    mounts: Vec<PathBuf>,
    fences: Fences,
    clock: Arc<dyn Clock>,
}

impl Unisolated {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Unusable> {
        if find_program(Path::new(limits::PRLIMIT)).is_none() {
            return Err(Unusable {
                backend: NAME,
                reason: format!("there is no program {}", limits::PRLIMIT),
                remedy: "Install util-linux".to_owned(),
            });
        }
        tracing::warn!(
            "sandbox backend none: agents run with all rights of this server's user; they can read \
             its files and secrets and reach its network"
        );
        Ok(Self {
            mounts: settings.mounts.clone(),
            fences: Fences::new(settings.floor_bytes),
            clock,
        })
    }

    fn command(&self, spec: &Spec, fence: &Fence, temporary: &Path) -> io::Result<Command> {
        let places = places(spec)?;
        let path = search_path(spec.profile.mounts.iter().chain(&self.mounts));
        let home = absolute(spec.home.as_deref().unwrap_or(temporary))?;
        let words = limits::limited(&spec.command, &spec.limits, Counted::OfUser);
        let words = words.iter().map(|word| on_host(word, &places)).collect();
        let mut words = fence.gated(words).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .current_dir(spec.tree.written())
            .env_clear()
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("PATH", path)
            .env("TMPDIR", temporary);
        if let Some(objects) = &spec.objects {
            // The checkout borrows them by their path inside, which does not exist here.
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", absolute(objects)?);
        }
        for (name, value) in spec.profile.env.iter().chain(&spec.env) {
            command.env(name, on_host(OsStr::new(value), &places));
        }
        Ok(command)
    }
}

#[async_trait::async_trait]
impl Sandbox for Unisolated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn isolates(&self) -> bool {
        false
    }

    async fn probe(&self) -> Result<String, Unusable> {
        Ok("none: no isolation, agents have all rights of the server's user".to_owned())
    }

    fn unenforced(&self) -> Vec<Unenforced> {
        self.fences.unenforced()
    }

    fn owner(&self) -> Option<(u32, u32)> {
        None
    }

    async fn converse(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        let mut spec = spec::checked(spec, door)?;
        match &spec.tree {
            Tree::Plain(_) => {}
            Tree::Layered(_) => {
                return Err(Fault::permanent(
                    "start the command",
                    "the backend none cannot show a tree in layers",
                ));
            }
        }
        if let Some(cover) = covers(&spec)?.first() {
            let cause = format!(
                "the backend none cannot hide {} from an agent that would run what is in it",
                cover.at()
            );
            return Err(Fault::permanent("start the command", cause));
        }
        if let Some(door) = door {
            let address = open(door).map_err(|error| Fault::io("open the door", &error))?;
            for text in spec.env.values_mut().chain(&mut spec.command) {
                *text = with_door_at(text, &address);
            }
        }
        let spec = &spec;
        let home = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| Fault::io("make a home directory", &error))?;
        let fence = self.fences.around(spec, Input::of(talk.as_ref()))?;
        let command = self
            .command(spec, &fence, home.path())
            .map_err(|error| Fault::io("find the job's directories", &error))?;
        let bounds = (spec, cancel, &fence);
        let watched = process::watch(command, None, bounds, talk, self.clock.as_ref()).await?;
        let ending = match watched.stop {
            Stop::Itself(status) => ending(status),
            Stop::TimedOut => Ending::TimedOut,
            Stop::Cancelled => Ending::Cancelled,
            Stop::DiskFull => Ending::DiskFull,
        };
        let lacked_memory = fence.close().await;
        Ok(watched.outcome(if lacked_memory {
            without_memory(ending)
        } else {
            ending
        }))
    }
}

/// Has the door served at a free port of the host, and returns its address.
fn open(door: &dyn Door) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    door.serve(listener)?;
    Ok(address)
}

/// Puts `address` in the place of the door's address inside.
fn with_door_at(text: &str, address: &str) -> String {
    let mut parts = text.split(INSIDE_DOOR);
    let mut moved = parts.next().unwrap_or_default().to_owned();
    for after in parts {
        let other_port = after.starts_with(|digit: char| digit.is_ascii_digit());
        moved.push_str(if other_port { INSIDE_DOOR } else { address });
        moved.push_str(after);
    }
    moved
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
    }
}

/// Returns the paths inside that stand for something, and what they stand for.
fn places(spec: &Spec) -> io::Result<Vec<(&'static str, PathBuf)>> {
    let all = [
        (INSIDE_CHECKOUT, Some(spec.tree.written())),
        (INSIDE_INPUT, spec.input.as_deref()),
        (INSIDE_OUTPUT, spec.output.as_deref()),
        (INSIDE_OBJECTS, spec.objects.as_deref()),
        (INSIDE_HOME, spec.home.as_deref()),
        (INSIDE_PROGRAM, spec.own.as_deref()),
    ];
    let mut places = Vec::new();
    for (inside, host) in all {
        if let Some(host) = host {
            // The command starts in the checkout, not where the server stands.
            places.push((inside, absolute(host)?));
        }
    }
    Ok(places)
}

/// Puts paths of the host in the place of the paths inside, wherever one stands as a whole path or
/// as the beginning of one. In one pass, so a replacement is never replaced again.
fn on_host(text: &OsStr, places: &[(&str, PathBuf)]) -> OsString {
    let text = text.as_bytes();
    let mut translated = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let place = places.iter().find(|(inside, _)| {
            let rest = text.get(at..).unwrap_or_default();
            let after = rest.strip_prefix(inside.as_bytes());
            after.is_some_and(|after| !after.first().copied().is_some_and(in_name))
                && !before.is_some_and(|byte| *byte == b'/' || in_name(*byte))
        });
        if let Some((inside, host)) = place {
            translated.extend_from_slice(host.as_os_str().as_bytes());
            at += inside.len();
        } else {
            translated.push(*byte);
            at += 1;
        }
    }
    OsString::from_vec(translated)
}

/// Returns whether a path's component usually goes on with this byte.
fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_is_where_it_listens() {
        for (inside, outside) in [
            (
                "http://127.0.0.1:8790/anthropic",
                "http://127.0.0.1:4/anthropic",
            ),
            ("127.0.0.1:8790,127.0.0.1:8790", "127.0.0.1:4,127.0.0.1:4"),
            ("127.0.0.1:87901", "127.0.0.1:87901"),
            ("", ""),
        ] {
            assert_eq!(with_door_at(inside, "127.0.0.1:4"), outside);
        }
    }

    #[test]
    fn paths_inside_become_paths_of_the_host() {
        let places = [
            (INSIDE_CHECKOUT, PathBuf::from("/w/7/checkout")),
            (INSIDE_INPUT, PathBuf::from("/w/7/workspace/prova/in")),
        ];
        for (inside, outside) in [
            ("/workspace", "/w/7/checkout"),
            ("cd /workspace/a && ls", "cd /w/7/checkout/a && ls"),
            (
                "--brief=/prova/in/brief.md",
                "--brief=/w/7/workspace/prova/in/brief.md",
            ),
            (
                "/prova/in:/workspace",
                "/w/7/workspace/prova/in:/w/7/checkout",
            ),
            (
                "/workspaces /workspace-2 /workspace.d",
                "/workspaces /workspace-2 /workspace.d",
            ),
            (
                "/home/ann/workspace x/workspace //workspace",
                "/home/ann/workspace x/workspace //workspace",
            ),
            ("/prova/out", "/prova/out"),
            ("", ""),
        ] {
            assert_eq!(on_host(OsStr::new(inside), &places), outside, "{inside}");
        }
    }
}
