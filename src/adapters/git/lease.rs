//! Leases on what jobs share: while one is held, nobody takes it away. The system lets go of those
//! of a dead process.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

/// The file in a shared directory that leases are taken on; its age is that of the last one.
const FILE: &str = "lease";

/// Makes it possible to take leases on a directory that nobody knows of yet.
pub(crate) fn prepare(dir: &Path) -> io::Result<()> {
    File::create(dir.join(FILE)).map(drop)
}

/// Takes a lease on a directory for as long as the result is held; `None` when it is gone.
pub(crate) fn take(dir: &Path) -> io::Result<Option<OwnedFd>> {
    let path = dir.join(FILE);
    let file = match File::options().write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    rustix::fs::flock(&file, FlockOperation::LockShared)?;
    // Whoever took it away held the lock until now, and somebody may have made it anew since.
    let still = std::fs::metadata(&path).is_ok_and(|now| {
        file.metadata()
            .is_ok_and(|then| (now.dev(), now.ino()) == (then.dev(), then.ino()))
    });
    if !still {
        return Ok(None);
    }
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    rustix::fs::futimens(
        &file,
        &Timestamps {
            last_access: now,
            last_modification: now,
        },
    )?;
    Ok(Some(OwnedFd::from(file)))
}

/// Returns when the last lease on a directory was taken, in seconds since the epoch.
pub(crate) fn last(dir: &Path) -> io::Result<i64> {
    Ok(std::fs::metadata(dir.join(FILE))?.mtime())
}

/// Takes a directory away by renaming it to `gone`; `false` when somebody has a lease on it, or it
/// is not there.
pub(crate) fn end(dir: &Path, gone: &Path) -> io::Result<bool> {
    let file = match File::options().write(true).open(dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(false),
        locked => {
            locked?;
            std::fs::rename(dir, gone)?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_leased_stays() {
        let home = tempfile::tempdir().unwrap();
        let [dir, gone] = ["dir", "gone"].map(|name| home.path().join(name));
        assert!(take(&dir).unwrap().is_none());
        std::fs::create_dir(&dir).unwrap();
        prepare(&dir).unwrap();
        let first = take(&dir).unwrap().unwrap();
        let second = take(&dir).unwrap().unwrap();
        assert!(!end(&dir, &gone).unwrap());
        drop(first);
        assert!(!end(&dir, &gone).unwrap());
        drop(second);
        assert!(end(&dir, &gone).unwrap());
        assert!(!dir.exists() && gone.exists());
        assert!(take(&dir).unwrap().is_none());
        assert!(!end(&dir, &gone).unwrap());
    }
}
