//! The clock, and the disks.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

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

#[cfg(test)]
mod tests {
    use super::*;

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
