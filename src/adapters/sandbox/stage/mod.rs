//! Two small programs of our own between the server and what runs in a sandbox, hidden among the
//! server's commands.
//!
//! [`STAGE`] makes what bubblewrap cannot make by itself (an overlay, directories that only root can
//! walk to), gives up root for good and becomes bubblewrap. [`ENTER`] is the first program inside:
//! it opens the sandbox's door from there and becomes the command. Both have one thread, which is
//! what makes entering namespaces and closing descriptors by number sound, and hold nothing but
//! system calls, so that they cost about a millisecond.

mod become_user;
mod descriptors;
mod enter;
mod namespaces;
mod overlay;
pub(super) mod plan;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::adapters::sandbox::stage::plan::Plan;

/// The first argument of the program outside.
pub(super) const STAGE: &str = "sandbox-stage";
/// The first argument of the program inside.
pub(super) const ENTER: &str = "sandbox-enter";

/// The exit code when the next program was never started.
const FAILED: u8 = 125;

/// What kept the next program from being started.
#[derive(Debug, thiserror::Error)]
#[error("prova: {what}: {cause}")]
pub(super) struct Trouble {
    what: String,
    cause: io::Error,
}

impl Trouble {
    fn new(what: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        Self {
            what: what.into(),
            cause: cause.into(),
        }
    }
}

/// Runs one of the two programs when `args`, the whole command line, asks for it, and returns only
/// when it failed. Must be called while the process has one thread.
#[must_use]
pub(super) fn run(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let program: fn(RawFd) -> Result<(), Trouble> = match args.next()?.to_str()? {
        STAGE => set,
        ENTER => enter::enter,
        _ => return None,
    };
    let trouble = match arguments(&mut args) {
        Ok((descriptor, mut next)) => match program(descriptor) {
            Ok(()) => Trouble::new(
                format!("start {}", next.get_program().display()),
                next.exec(),
            ),
            Err(trouble) => trouble,
        },
        Err(trouble) => trouble,
    };
    // Nobody else listens: what stands in the output is what the server says.
    let _ = writeln!(io::stderr(), "{trouble}");
    Some(ExitCode::from(FAILED))
}

/// Reads what both programs are started with: a descriptor, `--`, and the next program.
fn arguments(args: &mut dyn Iterator<Item = OsString>) -> Result<(RawFd, Command), Trouble> {
    let number = args.next();
    let number = number.as_deref().and_then(OsStr::to_str);
    let number = number.and_then(|number| number.parse().ok());
    let dashes = args.next().is_some_and(|word| word == "--");
    match (number, dashes, args.next()) {
        (Some(number), true, Some(program)) => {
            let mut next = Command::new(program);
            next.args(args);
            Ok((number, next))
        }
        (_, _, _) => Err(Trouble::new(
            "read the arguments",
            io::Error::other("the server starts this, not a person"),
        )),
    }
}

/// Does what the plan on `descriptor` says.
fn set(descriptor: RawFd) -> Result<(), Trouble> {
    let plan = std::fs::read(format!("/proc/self/fd/{descriptor}"))
        .and_then(|text| serde_json::from_slice::<Plan>(&text).map_err(io::Error::from))
        .map_err(|cause| Trouble::new("read the plan", cause))?;
    descriptors::close_all_but(&plan.keep)?;
    if plan.overlay.is_some() || !plan.shown.is_empty() {
        namespaces::enter()?;
    }
    if let Some(overlay) = &plan.overlay {
        overlay::mount(overlay)?;
    }
    if !plan.shown.is_empty() {
        namespaces::show(Path::new(plan::PLACE), &plan.shown)?;
    }
    become_user::give_up(plan.user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<(RawFd, Command), Trouble> {
        arguments(&mut words.iter().map(OsString::from))
    }

    #[test]
    fn only_its_own_names_are_answered() {
        for words in [&["prova"][..], &["prova", "serve"], &["prova", "stage"]] {
            assert!(run(words.iter().map(OsString::from)).is_none(), "{words:?}");
        }
    }

    #[test]
    fn arguments_are_a_descriptor_and_the_next_program() {
        let (descriptor, next) = read(&["7", "--", "bwrap", "--", "x"]).unwrap();
        assert_eq!(descriptor, 7);
        assert_eq!(next.get_program(), "bwrap");
        assert_eq!(next.get_args().collect::<Vec<_>>(), ["--", "x"]);
        for wrong in [&[][..], &["7", "--"], &["x", "--", "y"], &["7", "y"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
