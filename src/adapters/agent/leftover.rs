//! Files that an agent may have left, read as from an enemy.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Reads the file `name` in `dir` when it is a regular file of at most `max` bytes. No link is
/// followed, and nothing is waited for.
pub(super) fn read(dir: &Path, name: &str, max: u64) -> io::Result<Vec<u8>> {
    let common = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let dir = openat(CWD, dir, common | OFlags::DIRECTORY, Mode::empty())?;
    // Without blocking: a FIFO would wait for a writer that never comes.
    let file = File::from(openat(
        &dir,
        name,
        common | OFlags::NONBLOCK,
        Mode::empty(),
    )?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("it is larger than {max} bytes")));
    }
    Ok(bytes)
}
