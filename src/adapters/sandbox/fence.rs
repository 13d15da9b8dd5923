//! What bounds a run from outside, whatever the backend: control groups, and its share of the disk.

use std::ffi::OsString;
use std::io::{self, PipeWriter, Write as _};
use std::process::Stdio;

use crate::adapters::sandbox::cgroup::{Cgroups, Group};
use crate::adapters::sandbox::disk::Allotment;
use crate::domain::evidence::Ending;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Spec, Talk, Unenforced};

/// Waits for a line, then becomes the command: by then it is in its groups, and so is all that it
/// starts. A server that dies in between leaves the end of the input, and nothing begins. Shells have
/// variables of their own, which are not the command's.
const GATE: &str = "read -r _ && unset PWD OLDPWD SHLVL && exec \"$@\" </dev/null";
/// The same for a command that is talked with. Of a pipe, `read` takes no more than the line.
const OPEN_GATE: &str = "read -r _ && unset PWD OLDPWD SHLVL && exec \"$@\"";

/// What a command has for its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing. It is no pipe either: some programs take one for what they are to read.
    Empty,
    /// What somebody says to it.
    Talk,
}

impl Input {
    /// Returns the input of a run with this conversation.
    pub(super) const fn of(talk: Option<&Talk>) -> Self {
        match talk {
            Some(Talk { input: Some(_), .. }) => Self::Talk,
            Some(Talk { input: None, .. }) | None => Self::Empty,
        }
    }
}

/// Makes fences.
#[derive(Debug)]
pub(super) struct Fences {
    cgroups: Cgroups,
    floor: u64,
}

impl Fences {
    /// Looks what the host lets be enforced; `floor` is how many bytes of a disk no run may take.
    pub(super) fn new(floor: u64) -> Self {
        Self {
            cgroups: Cgroups::find(),
            floor,
        }
    }

    /// Returns the limits that are not enforced here.
    pub(super) fn unenforced(&self) -> Vec<Unenforced> {
        self.cgroups.unenforced().to_vec()
    }

    /// Makes the fence of one run.
    ///
    /// # Errors
    /// When what could be enforced at the start cannot any more.
    pub(super) fn around(&self, spec: &Spec, input: Input) -> Result<Fence, Fault> {
        let group = self.cgroups.group(&spec.limits);
        Ok(Fence {
            input,
            group: group.map_err(|error| Fault::io("limit the sandbox", &error))?,
            disk: Allotment::new(spec, self.floor),
        })
    }
}

/// The fence of one run.
#[derive(Debug)]
pub(super) struct Fence {
    input: Input,
    group: Option<Group>,
    disk: Allotment,
}

impl Fence {
    /// Returns the command that waits to be admitted and becomes `words`.
    pub(super) fn gated(&self, words: Vec<OsString>) -> Vec<OsString> {
        let gate = match self.input {
            Input::Empty => GATE,
            Input::Talk => OPEN_GATE,
        };
        match &self.group {
            None => words,
            Some(_) => ["/bin/sh", "-c", gate, "prova"]
                .map(OsString::from)
                .into_iter()
                .chain(words)
                .collect(),
        }
    }

    /// Returns what the command is started with as its input, and the other end of it, when there is
    /// something to say: that the gate is open, or a conversation.
    pub(super) fn input(&self) -> io::Result<(Stdio, Option<PipeWriter>)> {
        match (self.input, &self.group) {
            (Input::Empty, None) => Ok((Stdio::null(), None)),
            (Input::Talk, _) | (Input::Empty, Some(_)) => {
                let (reader, writer) = io::pipe()?;
                Ok((reader.into(), Some(writer)))
            }
        }
    }

    /// Puts the process that waits at the gate, its input, into its groups and lets it through.
    pub(super) fn admit(&self, process: Option<u32>, gate: Option<&PipeWriter>) -> io::Result<()> {
        if let (Some(group), Some(process), Some(mut gate)) = (&self.group, process, gate) {
            group.admit(process)?;
            match gate.write_all(b"\n") {
                // It died at the gate, which its end will tell.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                other => return other,
            }
        }
        Ok(())
    }

    /// Waits until the run has taken more of the disk than it may.
    pub(super) async fn disk_full(&self) {
        self.disk.used_up().await;
    }

    /// Removes what was made for the run, with every process that is still in it. Returns whether
    /// the run lacked memory.
    pub(super) async fn close(self) -> bool {
        let Some(group) = self.group else {
            return false;
        };
        let lacked = group.ran_out_of_memory();
        group.close().await;
        lacked
    }
}

/// Returns how a run ended that lacked memory: as if nothing had been, when it succeeded all the
/// same; a build system may have done with less what it could not do with more.
pub(super) const fn without_memory(ending: Ending) -> Ending {
    match ending {
        Ending::Exited(0) | Ending::TimedOut | Ending::Cancelled | Ending::DiskFull => ending,
        Ending::Exited(_) | Ending::Signalled(_) | Ending::OutOfMemory => Ending::OutOfMemory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_is_told_where_it_mattered() {
        for kept in [
            Ending::Exited(0),
            Ending::TimedOut,
            Ending::Cancelled,
            Ending::DiskFull,
        ] {
            assert_eq!(without_memory(kept), kept);
        }
        for failed in [Ending::Exited(137), Ending::Exited(1), Ending::Signalled(9)] {
            assert_eq!(without_memory(failed), Ending::OutOfMemory);
        }
    }
}
