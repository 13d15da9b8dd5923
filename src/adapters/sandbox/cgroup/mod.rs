//! Control groups: the kernel's limits on memory, processes and processors of everything in a run.
//!
//! They are there when the server is root, or when its groups were given to it (`Delegate=yes` of
//! systemd). Where they are not, nothing fails; [`Cgroups::unenforced`] says what is missing.

mod find;
mod group;
mod values;

use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::sandbox::cgroup::find::{Controller, Hierarchy, Version, hierarchies};
pub(super) use crate::adapters::sandbox::cgroup::group::Group;
use crate::adapters::sandbox::cgroup::group::put;
use crate::domain::time::Span;
use crate::ports::sandbox::{Limits, Unenforced};

/// The group that the server moves to when it stands in the way of its runs' groups: one that has
/// processes cannot pass controllers on.
const OWN_GROUP: &str = "prova-server";

/// Where groups can be made for some controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    version: Version,
    dir: PathBuf,
    controllers: Vec<Controller>,
}

/// What of the host's control groups can be used.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    places: Vec<Place>,
    unenforced: Vec<Unenforced>,
}

impl Cgroups {
    /// Looks at the host, tries what it offers, and removes what a server that was killed left.
    pub(super) fn find() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let all = hierarchies(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        Self::among(all)
    }

    fn among(mut all: Vec<Hierarchy>) -> Self {
        // The new interface first: what it has, the old ones cannot have.
        all.sort_by_key(|one| one.version == Version::One);
        let mut found = Self::default();
        let mut wanted = Controller::ALL.to_vec();
        let mut failures = Vec::new();
        for hierarchy in all {
            let offered = offered(&hierarchy);
            let controllers: Vec<_> = wanted
                .iter()
                .filter(|c| offered.contains(c))
                .copied()
                .collect();
            if controllers.is_empty() {
                continue;
            }
            match place(&hierarchy, &controllers) {
                Ok(place) => {
                    wanted.retain(|controller| !place.controllers.contains(controller));
                    found.places.push(place);
                }
                Err(error) => failures.extend(controllers.iter().map(|c| (*c, error.to_string()))),
            }
        }
        found.unenforced = wanted
            .into_iter()
            .map(|controller| unenforced(controller, &failures))
            .collect();
        found
    }

    /// Makes the groups of one run; none when the host lets none be made.
    ///
    /// # Errors
    /// When that fails although it was possible before.
    pub(super) fn group(&self, limits: &Limits) -> io::Result<Option<Group>> {
        if self.places.is_empty() {
            return Ok(None);
        }
        Group::make(&self.places, limits).map(Some)
    }

    /// Returns the limits that nothing enforces here, and why.
    pub(super) fn unenforced(&self) -> &[Unenforced] {
        &self.unenforced
    }
}

/// Returns the controllers that a hierarchy has for the groups below this process's own.
fn offered(hierarchy: &Hierarchy) -> Vec<Controller> {
    match hierarchy.version {
        Version::One => hierarchy.controllers.clone(),
        Version::Two => listed(&base(&hierarchy.dir).join("cgroup.controllers")),
    }
}

fn listed(file: &Path) -> Vec<Controller> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    find::controllers(text.split_whitespace())
}

/// Returns the group below which runs get theirs: the server's, also after it has moved.
fn base(own: &Path) -> PathBuf {
    match own.parent() {
        Some(parent) if own.ends_with(OWN_GROUP) => parent.to_path_buf(),
        Some(_) | None => own.to_path_buf(),
    }
}

/// Prepares a hierarchy and tries it.
fn place(hierarchy: &Hierarchy, controllers: &[Controller]) -> io::Result<Place> {
    let dir = base(&hierarchy.dir);
    if hierarchy.version == Version::Two {
        pass_on(&dir, controllers)?;
    }
    let place = Place {
        version: hierarchy.version,
        dir,
        controllers: controllers.to_vec(),
    };
    group::sweep(&place.dir);
    Group::make(std::slice::from_ref(&place), &TRIAL)?;
    Ok(place)
}

/// What is tried with; nothing runs in it.
const TRIAL: Limits = Limits {
    wall: Span::ZERO,
    output_bytes: 0,
    file_bytes: 0,
    processes: 100,
    memory_bytes: 64 * 1024 * 1024,
    milli_cpus: Some(1000),
    disk_bytes: 0,
};

/// Passes `controllers` on to the groups below `dir`.
fn pass_on(dir: &Path, controllers: &[Controller]) -> io::Result<()> {
    let passing = dir.join("cgroup.subtree_control");
    let have = listed(&passing);
    let words = controllers.iter().filter(|c| !have.contains(c));
    let words: Vec<_> = words.map(|c| format!("+{}", c.word())).collect();
    if words.is_empty() {
        return Ok(());
    }
    let words = words.join(" ");
    match put(&passing, &words) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let own = dir.join(OWN_GROUP);
            match std::fs::create_dir(&own) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) | Ok(()) => {}
            }
            put(&own.join("cgroup.procs"), &std::process::id().to_string())?;
            put(&passing, &words)
        }
        other => other,
    }
}

fn unenforced(controller: Controller, failures: &[(Controller, String)]) -> Unenforced {
    let failure = failures.iter().find(|(failed, _)| *failed == controller);
    let (reason, remedy) = match failure {
        Some((_, reason)) => (
            reason.clone(),
            "Give the service its control groups with `Delegate=yes` in its systemd unit; on a \
             command line, start it by `systemd-run --scope -p Delegate=yes`",
        ),
        None => (
            format!(
                "no control group with the {} controller is mounted here",
                controller.word()
            ),
            "Boot with that controller enabled (`cgroup_enable=memory` on some kernels); in a \
             container, mount /sys/fs/cgroup writable",
        ),
    };
    Unenforced {
        setting: controller.setting(),
        reason,
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, read_to_string, write};

    fn two(dir: PathBuf) -> Vec<Hierarchy> {
        vec![Hierarchy {
            version: Version::Two,
            dir,
            controllers: Vec::new(),
        }]
    }

    /// A tree of plain files stands for the kernel's: it takes every line and enforces nothing.
    #[test]
    fn controllers_are_passed_on_once_and_what_is_missing_is_said() {
        let top = tempfile::tempdir().unwrap();
        let own = top.path().join("prova.service");
        create_dir_all(&own).unwrap();
        write(own.join("cgroup.controllers"), "cpuset memory pids\n").unwrap();
        write(own.join("cgroup.subtree_control"), "pids\n").unwrap();
        let found = Cgroups::among(two(own.clone()));
        assert_eq!(
            read_to_string(own.join("cgroup.subtree_control")).unwrap(),
            "+memory"
        );
        assert_eq!(
            found.places,
            [Place {
                version: Version::Two,
                dir: own.clone(),
                controllers: vec![Controller::Memory, Controller::Pids],
            }]
        );
        let missing: Vec<_> = found.unenforced().iter().map(|one| one.setting).collect();
        assert_eq!(missing, ["cpus"]);
        let again = Cgroups::among(two(own.join(OWN_GROUP)));
        assert_eq!(again.places, found.places, "after the server has moved");
    }

    #[test]
    fn what_may_not_be_written_is_said_with_its_remedy() {
        let top = tempfile::tempdir().unwrap();
        let own = top.path().join("user.slice");
        create_dir_all(own.join("cgroup.subtree_control")).unwrap();
        write(own.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let found = Cgroups::among(two(own));
        assert!(found.places.is_empty());
        assert!(found.group(&TRIAL).unwrap().is_none());
        let settings: Vec<_> = found.unenforced().iter().map(|one| one.setting).collect();
        assert_eq!(settings, ["memory_mib", "processes", "cpus"]);
        let first = &found.unenforced()[0];
        assert!(first.reason.contains("cgroup.subtree_control"), "{first:?}");
        assert!(first.remedy.contains("Delegate=yes"), "{first:?}");
        let nothing = Cgroups::among(Vec::new());
        assert!(nothing.unenforced()[0].reason.contains("memory controller"));
    }
}
