//! The directories in which a job and its agent hand things to each other.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::ports::agent::Request;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_INPUT, INSIDE_OUTPUT, Spec, Talk};

const BRIEF: &str = "brief.md";
const JOB: &str = "job.json";
/// The file in the output directory that may hold the agent's claim.
pub(super) const RESULT: &str = "result.json";

/// The directories of one run, below the job's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// Read-only inside.
    pub(super) input: PathBuf,
    /// Writable inside; empty before the run.
    pub(super) output: PathBuf,
}

/// Where things stand, as the agent sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) brief: String,
    pub(super) job: String,
    pub(super) result: String,
}

impl Inside {
    /// Returns the paths, which are the same in every sandbox.
    pub(super) fn paths() -> Self {
        Self {
            brief: format!("{INSIDE_INPUT}/{BRIEF}"),
            job: format!("{INSIDE_INPUT}/{JOB}"),
            result: format!("{INSIDE_OUTPUT}/{RESULT}"),
        }
    }
}

impl Handover {
    /// Writes the input and makes an empty output directory, both for `owner` (the server when none)
    /// and nobody else.
    pub(super) fn prepare(request: &Request<'_>, owner: Option<(u32, u32)>) -> Result<Self, Fault> {
        let fault =
            |what: &Path, error: &io::Error| Fault::io(format!("write {}", what.display()), error);
        let handover = Self {
            input: request.job.join("in"),
            output: request.job.join("out"),
        };
        for dir in [&handover.input, &handover.output] {
            put_aside(dir).map_err(|error| fault(dir, &error))?;
            make(dir, owner).map_err(|error| fault(dir, &error))?;
        }
        for (name, text) in [(BRIEF, request.brief), (JOB, request.job_json)] {
            let file = handover.input.join(name);
            write(&file, text, owner).map_err(|error| fault(&file, &error))?;
        }
        Ok(handover)
    }

    /// Describes the run of `command` with `env`; the job's description and the place of the brief
    /// are added to it.
    pub(super) fn spec(
        &self,
        request: &Request<'_>,
        command: Vec<String>,
        mut env: BTreeMap<String, String>,
    ) -> Spec {
        env.insert("PROVA_BRIEF".to_owned(), Inside::paths().brief);
        env.insert("PROVA_JOB".to_owned(), request.job_json.to_owned());
        Spec {
            command,
            env,
            tree: request.checkout.tree.clone(),
            hide: Vec::new(),
            input: Some(self.input.clone()),
            output: Some(self.output.clone()),
            objects: Some(request.checkout.objects.clone()),
            home: None,
            own: None,
            log: request.job.join("agent.log"),
            limits: request.limits,
            profile: request.profile.clone(),
        }
    }
}

/// A run that nobody talks with: only whether it prints anything is followed.
pub(super) fn unheard(request: &Request<'_>) -> Talk {
    Talk {
        input: None,
        output: None,
        stirred: request.watcher.stirred(),
    }
}

/// Moves what an earlier attempt left at `dir` out of the way. It is not removed here: an agent may
/// have filled it, and removing a job's directory is a matter of its own.
fn put_aside(dir: &Path) -> io::Result<()> {
    if fs::symlink_metadata(dir).is_err() {
        return Ok(());
    }
    for n in 1_u32.. {
        let aside = dir.with_extension(n.to_string());
        if fs::symlink_metadata(&aside).is_err() {
            return fs::rename(dir, aside);
        }
    }
    Ok(())
}

/// Makes a directory for `owner` and nobody else.
pub(super) fn make(dir: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)?;
    own(dir, owner)
}

/// Writes a new file for `owner` and nobody else.
pub(super) fn write(file: &Path, text: &str, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true).mode(0o600);
    new.open(file)?.write_all(text.as_bytes())?;
    own(file, owner)
}

/// Gives a path to `owner`.
pub(super) fn own(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    owner.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
}
