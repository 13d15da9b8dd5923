//! The clock, the disks, and which machine this is.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::process::Host;
use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::room::Room;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one home of the machine's clock"
        )]
        let now = SystemTime::now();
        let millis = match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            // A clock set before 1970 still orders what happens.
            Err(before) => {
                i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
            }
        };
        Timestamp::from_millis(millis)
    }
}

/// The disks that these directories are on.
#[derive(Clone, Debug, Default)]
pub struct Disks(pub Vec<PathBuf>);

impl Room for Disks {
    fn free(&self) -> Option<u64> {
        let free = self.0.iter().map(|dir| {
            let facts = rustix::fs::statvfs(dir).ok()?;
            Some(facts.f_bavail.saturating_mul(facts.f_frsize))
        });
        free.flatten().min()
    }
}

/// Says which machine this is. Its kernel has a random id from one start to the next, which
/// containers see, too.
#[must_use]
pub fn host() -> Host {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}"));
        text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
    };
    Host {
        name: read("hostname"),
        kernel: read("random/boot_id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_the_same_when_asked_again() {
        let here = host();
        assert_eq!(here, host());
        assert_eq!(here.kernel.len(), 36, "{here:?}");
    }

    #[test]
    fn the_disk_with_least_room_counts_and_one_that_is_not_there_does_not() {
        let here = tempfile::tempdir().unwrap();
        let disks = |dirs: &[&str]| Disks(dirs.iter().map(PathBuf::from).collect()).free();
        let path = here.path().to_str().unwrap();
        let free = disks(&[path]).unwrap();
        assert!(disks(&["/proc", path]).unwrap() <= free);
        assert_eq!(disks(&["/no/such/directory"]), None);
        assert_eq!(disks(&[]), None);
    }

    #[test]
    fn tells_the_same_time_as_the_file_system() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let modified = file.as_file().metadata().unwrap().modified().unwrap();
        let written = modified.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let apart = i128::from(SystemClock.now().as_millis()) - i128::try_from(written).unwrap();
        assert!(apart.abs() < 60_000, "{apart} ms apart");
    }
}
