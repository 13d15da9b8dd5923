//! The command that starts one sandbox, with the descriptors that it inherits.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use command_fds::CommandFdExt as _;
use tokio::net::unix::pipe::Receiver;

use crate::adapters::sandbox::bubblewrap::args::{self, Access, Bind, Descriptors, Layout};
use crate::adapters::sandbox::bubblewrap::descriptors::{in_memory, only};
use crate::adapters::sandbox::bubblewrap::{Bubblewrap, START, stage, view};
use crate::adapters::sandbox::fence::Fence;
use crate::adapters::sandbox::limits::{self, Counted};
use crate::adapters::sandbox::programs::SYSTEM_PATH;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, INSIDE_INPUT, INSIDE_OBJECTS, INSIDE_OUTPUT, Spec};
use crate::ports::tree::Tree;

impl Bubblewrap {
    /// Builds the command that starts `spec`, and the pipe on which bubblewrap reports.
    pub(super) fn command(&self, spec: &Spec, fence: &Fence) -> Result<(Command, Receiver), Fault> {
        let io = |error: io::Error| Fault::io(START, &error);
        let Way { before, binds } = self.way(self.binds(spec)?)?;
        let (reports, reporter) = io::pipe().map_err(io)?;
        let reports = Receiver::from_owned_fd(OwnedFd::from(reports)).map_err(io)?;

        let mut inherited = vec![OwnedFd::from(reporter)];
        for file in view::SYNTHETIC {
            inherited.push(in_memory(file.text.as_bytes()).map_err(io)?);
        }
        let mut numbers = inherited.iter().map(std::os::fd::AsRawFd::as_raw_fd);
        let descriptors = Descriptors {
            status: numbers.next().unwrap_or(-1),
            synthetic: numbers.collect(),
        };
        let options = args::options(&Layout {
            system: &self.system,
            binds: &binds,
            env: &self.environment(spec),
            scratch_bytes: self.scratch_bytes,
            descriptors: &descriptors,
        });
        // By descriptor and not by argument: every user of the host can read arguments, and inside
        // /proc/1/cmdline would tell where things are on the host.
        let options = in_memory(&nul_separated(&options)).map_err(io)?;

        let direct = before.is_empty();
        let mut words = before;
        words.push(self.program.clone().into_os_string());
        words.push("--args".into());
        words.push(options.as_raw_fd().to_string().into());
        words.push("--".into());
        words.extend(limits::limited(
            &spec.command,
            &spec.limits,
            Counted::InNamespace,
        ));
        inherited.push(options);

        let mut words = fence.gated(words).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .current_dir("/")
            .fd_mappings(only(inherited).map_err(io)?)
            .map_err(|error| Fault::permanent(START, error))?;
        if let (Some(id), true) = (self.user, direct) {
            command.uid(id).gid(id); // also drops the supplementary groups
        }
        Ok((command, reports))
    }

    /// Returns what of the host belongs to this run, mounts first.
    fn binds(&self, spec: &Spec) -> Result<Vec<Bind>, Fault> {
        let own = [
            (Some(plain(&spec.tree)?), INSIDE_CHECKOUT, Access::Writable),
            (spec.input.as_deref(), INSIDE_INPUT, Access::ReadOnly),
            (spec.output.as_deref(), INSIDE_OUTPUT, Access::Writable),
            (spec.objects.as_deref(), INSIDE_OBJECTS, Access::ReadOnly),
        ];
        let mut binds = self.mounts.clone();
        for (from, at, access) in own {
            let Some(from) = from else { continue };
            // bubblewrap starts in the root directory.
            let from = std::path::absolute(from).map_err(|error| Fault::io(START, &error))?;
            if let Some(mount) = self
                .mounts
                .iter()
                .find(|mount| from.starts_with(&mount.from))
            {
                let cause = format!(
                    "the mount {} would show every job to every other; take it out of `[sandbox] \
                     mounts` or move `[work] dir`",
                    mount.from.display()
                );
                return Err(Fault::permanent(START, cause));
            }
            binds.push(Bind {
                from,
                at: at.into(),
                access,
            });
        }
        Ok(binds)
    }

    /// Finds out how bubblewrap gets at `binds`.
    fn way(&self, binds: Vec<Bind>) -> Result<Way, Fault> {
        if let Some(id) = self.user {
            for bind in &binds {
                let reachable = stage::is_reachable(&bind.from, id).map_err(|error| {
                    Fault::io(format!("{START}: find {}", bind.from.display()), &error)
                })?;
                if !reachable {
                    stage::make().map_err(|error| Fault::io(START, &error))?;
                    let (before, binds) = stage::staged(&binds, id);
                    return Ok(Way { before, binds });
                }
            }
        }
        Ok(Way {
            before: Vec::new(),
            binds,
        })
    }

    fn environment<'a>(&'a self, spec: &'a Spec) -> BTreeMap<&'a str, &'a str> {
        let mut env = BTreeMap::from([
            ("HOME", view::HOME),
            ("LANG", "C.UTF-8"),
            ("PATH", self.path.as_str()),
            ("TMPDIR", "/tmp"),
        ]);
        env.extend(
            spec.env
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        env
    }
}

fn plain(tree: &Tree) -> Result<&Path, Fault> {
    match tree {
        Tree::Plain(dir) => Ok(dir),
        Tree::Layered(_) => Err(Fault::permanent(START, "it cannot mount layers")),
    }
}

/// How bubblewrap gets at what it binds.
struct Way {
    /// What stands before its own command; it then also becomes the unprivileged user.
    before: Vec<OsString>,
    /// The binds, as bubblewrap finds them.
    binds: Vec<Bind>,
}

/// Joins options as `bwrap --args` splits them. None has a NUL in it: see `spec::check`.
fn nul_separated(options: &[OsString]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in options {
        bytes.extend_from_slice(option.as_bytes());
        bytes.push(0);
    }
    bytes
}
