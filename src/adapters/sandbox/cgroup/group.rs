//! The groups of one run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::adapters::sandbox::cgroup::Place;
use crate::adapters::sandbox::cgroup::find::Controller;
use crate::adapters::sandbox::cgroup::values::{kills, kills_file, values};
use crate::ports::sandbox::Limits;

/// What the names of our groups begin with.
const PREFIX: &str = "prova-run-";

/// How often removal is tried; what was killed needs a moment to be gone.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// How many groups this process has made, for names.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The groups of one run, one for each hierarchy. Dropping removes them as far as they are empty.
#[derive(Debug)]
pub(in crate::adapters::sandbox) struct Group {
    dirs: Vec<PathBuf>,
    /// The file that counts kills for want of memory.
    kills: Option<PathBuf>,
}

impl Group {
    /// Makes them, with `limits` in force.
    pub(super) fn make(places: &[Place], limits: &Limits) -> io::Result<Self> {
        let mut group = Self {
            dirs: Vec::new(),
            kills: None,
        };
        let name = name(std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        for place in places {
            let dir = place.dir.join(&name);
            fs::create_dir(&dir).map_err(|error| named(&dir, &error))?;
            group.dirs.push(dir.clone());
            for controller in &place.controllers {
                for value in values(place.version, *controller, limits) {
                    let file = dir.join(value.file);
                    if !value.is_optional || file.exists() {
                        put(&file, &value.text)?;
                    }
                }
                if *controller == Controller::Memory {
                    group.kills = Some(dir.join(kills_file(place.version)));
                }
            }
        }
        Ok(group)
    }

    /// Puts a process in. What it starts from now on is in, too.
    pub(in crate::adapters::sandbox) fn admit(&self, process: u32) -> io::Result<()> {
        let process = process.to_string();
        let mut dirs = self.dirs.iter();
        dirs.try_for_each(|dir| put(&dir.join("cgroup.procs"), &process))
    }

    /// Returns whether the kernel killed something in here for want of memory.
    pub(in crate::adapters::sandbox) fn ran_out_of_memory(&self) -> bool {
        let text = self.kills.as_ref().map(fs::read_to_string);
        text.is_some_and(|text| text.is_ok_and(|text| kills(&text) > 0))
    }

    /// Kills whatever is still in them and removes them.
    pub(in crate::adapters::sandbox) async fn close(mut self) {
        for _ in 0..TRIES {
            end(&mut self.dirs);
            if self.dirs.is_empty() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!(groups = ?self.dirs, "could not remove the control groups of a run");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        end(&mut self.dirs);
    }
}

/// Tries to remove `dirs`, with the processes in them, and keeps those that are still there.
fn end(dirs: &mut Vec<PathBuf>) {
    dirs.retain(|dir| {
        if fs::remove_dir(dir).is_ok() {
            return false;
        }
        kill(dir);
        let removed = fs::remove_dir(dir);
        removed.is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
    });
}

/// Removes the groups below `dir` whose server is dead.
pub(super) fn sweep(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let left = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && !is_of_a_living_server(name))
    });
    end(&mut left.map(|entry| entry.path()).collect());
}

/// Returns a name that tells which process made the group, and never comes twice: a number of a
/// process is used again, with the time of its start it is not.
fn name(server: u32, number: u64) -> String {
    format!("{PREFIX}{server}-{}-{number}", started(server).unwrap_or(0))
}

fn is_of_a_living_server(name: &str) -> bool {
    let mut parts = name.trim_start_matches(PREFIX).split('-');
    let server = parts.next().and_then(|part| part.parse().ok());
    let start = parts.next().and_then(|part| part.parse::<u64>().ok());
    start.is_some() && server.and_then(started) == start
}

/// Returns when a process was started, in the kernel's ticks since it booted; none: it is not there.
fn started(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in brackets, in which anything may stand.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19)?.parse().ok()
}

/// Kills everything in a group.
fn kill(dir: &Path) {
    let all = dir.join("cgroup.kill");
    if all.exists() && put(&all, "1").is_ok() {
        return;
    }
    let inert = dir.join("pids.max");
    if inert.exists() {
        // Else a fork bomb outruns us. It cannot fail to matter: what is missed is met again.
        let _unless_it_is_gone = put(&inert, "0");
    }
    let held: Vec<_> = members(dir)
        .into_iter()
        .filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
        .collect();
    // Who is still a member now is who the descriptor stands for, whatever became of the numbers.
    let still = members(dir);
    for (pid, process) in held {
        if still.contains(&pid) {
            let _unless_it_is_gone = pidfd_send_signal(process, Signal::KILL);
        }
    }
}

fn members(dir: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// Writes one line into one of the kernel's files.
pub(super) fn put(file: &Path, line: &str) -> io::Result<()> {
    fs::write(file, line).map_err(|error| named(file, &error))
}

fn named(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sandbox::cgroup::find::Version;

    #[test]
    fn only_groups_of_the_dead_are_swept() {
        let top = tempfile::tempdir().unwrap();
        let own = name(std::process::id(), 7);
        let another_of_this_number = format!("{PREFIX}{}-1-7", std::process::id());
        let dead = format!("{PREFIX}4194999-1234-0");
        for dir in [&own, &another_of_this_number, &dead, &"other".to_owned()] {
            fs::create_dir(top.path().join(dir)).unwrap();
        }
        sweep(top.path());
        let left = fs::read_dir(top.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["other", own.as_str()]);
    }

    #[test]
    fn a_group_is_written_and_goes_with_its_run() {
        let top = tempfile::tempdir().unwrap();
        let place = Place {
            version: Version::Two,
            dir: top.path().to_path_buf(),
            controllers: vec![Controller::Memory, Controller::Pids],
        };
        let group = Group::make(
            std::slice::from_ref(&place),
            &crate::adapters::sandbox::cgroup::TRIAL,
        )
        .unwrap();
        let dir = group.dirs[0].clone();
        group.admit(123).unwrap();
        let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("pids.max"), "108");
        assert_eq!(read("cgroup.procs"), "123");
        assert!(!dir.join("memory.swap.max").exists(), "an old kernel");
        assert!(!group.ran_out_of_memory());
        fs::write(dir.join("memory.events"), "oom 1\noom_kill 1\n").unwrap();
        assert!(group.ran_out_of_memory());
    }
}
