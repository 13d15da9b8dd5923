//! The command that starts one sandbox, with the descriptors that it inherits.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, absolute};
use std::process::Command;

use command_fds::CommandFdExt as _;
use tokio::net::unix::pipe::Receiver;

use crate::adapters::sandbox::bubblewrap::args::{self, Access, Bind, Descriptors, Layout};
use crate::adapters::sandbox::bubblewrap::descriptors::{Inherited, in_memory};
use crate::adapters::sandbox::bubblewrap::{Bubblewrap, START, view, way};
use crate::adapters::sandbox::cover::{Cover, covers};
use crate::adapters::sandbox::fence::Fence;
use crate::adapters::sandbox::handover::Line;
use crate::adapters::sandbox::limits::{self, Counted};
use crate::adapters::sandbox::programs::{SYSTEM_PATH, search_path};
use crate::adapters::sandbox::stage::plan::{Overlay, Plan};
use crate::adapters::sandbox::stage::{ENTER, STAGE};
use crate::ports::fault::Fault;
use crate::ports::sandbox::{
    INSIDE_CHECKOUT, INSIDE_HOME, INSIDE_INPUT, INSIDE_OBJECTS, INSIDE_OUTPUT, INSIDE_PROGRAM, Spec,
};
use crate::ports::tree::Tree;

/// A sandbox that is ready to be started.
pub(super) struct Launch {
    pub(super) command: Command,
    /// On which bubblewrap reports.
    pub(super) reports: Receiver,
    /// On which the door's listener comes, when there is a door.
    pub(super) line: Option<Line>,
}

impl Bubblewrap {
    /// Builds the command that starts `spec`: the stage, which becomes bubblewrap, which starts the
    /// command inside; with a door, the program that opens it comes before that.
    pub(super) fn launch(&self, spec: &Spec, fence: &Fence, door: bool) -> Result<Launch, Fault> {
        let io = |error: io::Error| Fault::io(START, &error);
        let covers = covers(spec)?;
        let (mut plan, binds) = self.plan(spec)?;
        let (reports, reporter) = io::pipe().map_err(io)?;
        let reports = Receiver::from_owned_fd(OwnedFd::from(reports)).map_err(io)?;

        let mut inherited = Inherited::default();
        let mut descriptors = Descriptors {
            status: inherited.add(reporter),
            filter: inherited.add(in_memory(&self.filter).map_err(io)?),
            synthetic: Vec::new(),
            empty: Vec::new(),
        };
        for file in view::SYNTHETIC {
            let text = in_memory(file.text.as_bytes()).map_err(io)?;
            descriptors.synthetic.push(inherited.add(text));
        }
        for _file in covers.iter().filter(|one| matches!(one, Cover::File(_))) {
            let nothing = in_memory(b"").map_err(io)?;
            descriptors.empty.push(inherited.add(nothing));
        }
        let options = args::options(&Layout {
            system: &self.system,
            binds: &binds,
            covers: &covers,
            env: &self.environment(spec),
            scratch_bytes: self.scratch_bytes,
            descriptors: &descriptors,
        });
        // By descriptor and not by argument: every user of the host can read arguments, and inside
        // /proc/1/cmdline would tell where things are on the host.
        let options = inherited.add(in_memory(&nul_separated(&options)).map_err(io)?);
        // By descriptor, too: the user that bubblewrap runs as may not walk to the program, there is
        // none of the host's paths inside, and an update may have replaced it.
        let own_number = inherited.add(self.stage.try_clone().map_err(io)?);
        let own = format!("/proc/self/fd/{own_number}");

        let mut words: Vec<OsString> = vec![self.program.clone().into()];
        words.extend(["--args", &options.to_string(), "--"].map(OsString::from));
        let mut line = None;
        if door {
            let (ours, theirs) = Line::open().map_err(io)?;
            let theirs = inherited.add(theirs).to_string();
            words.extend([own.as_str(), ENTER, &theirs, "--"].map(OsString::from));
            line = Some(ours);
        }
        words.extend(limits::limited(
            &spec.command,
            &spec.limits,
            Counted::InNamespace,
        ));

        plan.keep = inherited.numbers();
        if line.is_none() {
            plan.keep.retain(|number| *number != own_number);
        }
        let plan = serde_json::to_vec(&plan).map_err(|e| Fault::permanent(START, e))?;
        let plan = inherited.add(in_memory(&plan).map_err(io)?).to_string();
        let stage = [own.as_str(), STAGE, &plan, "--"].map(OsString::from);
        let words = stage.into_iter().chain(words).collect();
        let mut words = fence.gated(words).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .current_dir("/")
            .fd_mappings(inherited.mappings())
            .map_err(|error| Fault::permanent(START, error))?;
        Ok(Launch {
            command,
            reports,
            line,
        })
    }

    /// Returns what the stage does for this run (but for [`Plan::keep`]), and the binds from where
    /// they stand then.
    fn plan(&self, spec: &Spec) -> Result<(Plan, Vec<Bind>), Fault> {
        let io = |error: io::Error| Fault::io(START, &error);
        let mut plan = Plan {
            user: self.user,
            ..Plan::default()
        };
        match &spec.tree {
            Tree::Plain(_) => {}
            Tree::Layered(layers) => plan.overlay = Some(Overlay::of(layers).map_err(io)?),
        }
        let mut binds = self.binds(spec)?;
        if let Some(id) = self.user
            && !are_reachable(&binds, id)?
        {
            way::make_place().map_err(io)?;
            binds = way::show(&mut plan, binds);
        }
        Ok((plan, binds))
    }

    /// Returns what of the host belongs to this run, mounts first. A tree of layers is mounted over
    /// what is written to it.
    fn binds(&self, spec: &Spec) -> Result<Vec<Bind>, Fault> {
        let own = [
            (Some(spec.tree.written()), INSIDE_CHECKOUT, Access::Writable),
            (spec.input.as_deref(), INSIDE_INPUT, Access::ReadOnly),
            (spec.output.as_deref(), INSIDE_OUTPUT, Access::Writable),
            (spec.objects.as_deref(), INSIDE_OBJECTS, Access::ReadOnly),
            (spec.home.as_deref(), INSIDE_HOME, Access::Writable),
        ];
        let mounts = self.mounts.iter().chain(&spec.profile.mounts);
        let mut binds: Vec<Bind> = mounts
            .map(|mount| Bind {
                from: mount.clone(),
                at: mount.clone(),
                access: Access::ReadOnly,
            })
            .collect();
        let mounts = binds.clone();
        for (from, at, access) in own {
            let Some(from) = from else { continue };
            // bubblewrap starts in the root directory.
            let from = absolute(from).map_err(|error| Fault::io(START, &error))?;
            if let Some(mount) = mounts.iter().find(|mount| from.starts_with(&mount.from)) {
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
        // It is no job's, so it may lie below a mount.
        binds.extend(spec.own.iter().map(|own| Bind {
            from: own.clone(),
            at: INSIDE_PROGRAM.into(),
            access: Access::ReadOnly,
        }));
        Ok(binds)
    }

    fn environment(&self, spec: &Spec) -> BTreeMap<String, String> {
        let path = search_path(spec.profile.mounts.iter().chain(&self.mounts));
        let mut env = BTreeMap::from(
            [
                ("HOME", INSIDE_HOME),
                ("LANG", "C.UTF-8"),
                ("PATH", path.as_str()),
                ("TMPDIR", "/tmp"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        env.extend(spec.profile.env.clone());
        env.extend(spec.env.clone());
        env
    }
}

/// Returns whether user `id` can walk to all sources.
fn are_reachable(binds: &[Bind], id: u32) -> Result<bool, Fault> {
    for bind in binds {
        if !is_reachable(&bind.from, id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_reachable(from: &Path, id: u32) -> Result<bool, Fault> {
    way::is_reachable(from, id)
        .map_err(|error| Fault::io(format!("{START}: find {}", from.display()), &error))
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
