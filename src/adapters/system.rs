//! The clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_same_time_as_the_file_system() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let modified = file.as_file().metadata().unwrap().modified().unwrap();
        let written = modified.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let apart = i128::from(SystemClock.now().as_millis()) - i128::try_from(written).unwrap();
        assert!(apart.abs() < 60_000, "{apart} ms apart");
    }
}
