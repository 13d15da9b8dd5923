//! Sandboxes: the isolation around a checkout.
//!
//! Whatever runs here is hostile. A backend gives it the checkout, its input and output and nothing
//! else of the host: no environment, no descriptor, no network, no process to see or to signal. It
//! must never fall back to less isolation than it was asked for: when it cannot isolate it says why.

mod bubblewrap;
mod capture;
mod cgroup;
mod container;
mod cover;
mod disk;
mod fence;
mod handover;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod limits;
mod none;
mod probing;
mod process;
mod programs;
mod server;
pub mod settings;
mod spec;
mod stage;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::adapters::sandbox::bubblewrap::Bubblewrap;
use crate::adapters::sandbox::container::{Container, watchdog};
use crate::adapters::sandbox::none::Unisolated;
use crate::adapters::sandbox::settings::{Backend, Settings};
use crate::ports::clock::Clock;
use crate::ports::sandbox::{Sandbox, Unusable};

/// Makes the backend that `settings` ask for. Checks what needs no process; whether the kernel lets
/// it work is what [`Sandbox::probe`] finds out.
///
/// # Errors
/// When a program is missing or a setting cannot be honoured. `none` is never chosen instead.
pub fn select(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Sandbox>, Unusable> {
    match settings.backend {
        Backend::Auto | Backend::Bubblewrap => {
            Ok(Arc::new(Bubblewrap::new(settings, clock)?) as Arc<dyn Sandbox>)
        }
        Backend::Container => Ok(Arc::new(Container::new(settings, clock)?)),
        Backend::Kubernetes => in_cluster(settings, clock),
        Backend::None => Ok(Arc::new(Unisolated::new(&settings, clock)?)),
    }
}

#[cfg(feature = "kubernetes")]
fn in_cluster(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Sandbox>, Unusable> {
    Ok(Arc::new(kubernetes::Kubernetes::new(settings, clock)?))
}

#[cfg(not(feature = "kubernetes"))]
fn in_cluster(_: Settings, _: Arc<dyn Clock>) -> Result<Arc<dyn Sandbox>, Unusable> {
    Err(Unusable {
        backend: "kubernetes",
        reason: "this program was built without it".to_owned(),
        remedy: "Build it with the feature `kubernetes`".to_owned(),
    })
}

/// Runs one of the programs of which sandboxes are made, hidden among the server's commands, when
/// `args` (the whole command line) ask for it. Must be called while the process has one thread.
#[must_use]
pub fn run_hidden(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    let one = stage::run(args.clone()).or_else(|| watchdog::run(args.clone()));
    one.or_else(|| in_pod(args))
}

#[cfg(feature = "kubernetes")]
fn in_pod(args: Vec<OsString>) -> Option<ExitCode> {
    kubernetes::pod::run(args)
}

#[cfg(not(feature = "kubernetes"))]
fn in_pod(_: Vec<OsString>) -> Option<ExitCode> {
    None
}
