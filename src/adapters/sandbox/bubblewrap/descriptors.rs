//! What bubblewrap inherits, and that nothing else gets in.
//!
//! bubblewrap passes every descriptor it was started with on to the command. Ours are closed on the
//! way, but those that the server itself was started with (by a shell, a supervisor) may not be:
//! a directory among them would be a way out, a pipe a way to talk. So they are covered.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use command_fds::FdMapping;
use rustix::fs::{MemfdFlags, OFlags, memfd_create};

/// Returns a descriptor of an anonymous file that holds `bytes`, to be read from its start.
pub(super) fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("prova", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Returns what the child gets: `passed`, each at its own number, and something empty at the number
/// of every other descriptor that it would inherit.
///
/// Numbers stay as they are: a fixed one could be that of the descriptor on which the standard
/// library's child reports that it could not start the program.
pub(super) fn only(passed: Vec<OwnedFd>) -> io::Result<Vec<FdMapping>> {
    let mut mappings = Vec::new();
    for stray in strays()? {
        mappings.push(FdMapping {
            parent_fd: File::open("/dev/null")?.into(),
            child_fd: stray,
        });
    }
    mappings.extend(passed.into_iter().map(|fd| FdMapping {
        child_fd: fd.as_raw_fd(),
        parent_fd: fd,
    }));
    Ok(mappings)
}

/// Lists the descriptors of this process, beside the standard ones, that stay open in a child.
fn strays() -> io::Result<Vec<RawFd>> {
    let mut strays = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number| *number > 2) else {
            continue;
        };
        // It may have been closed meanwhile by another thread.
        let Ok(info) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        if stays_open(&info) {
            strays.push(number);
        }
    }
    Ok(strays)
}

/// Reads from a descriptor's `fdinfo` whether it stays open in a child.
fn stays_open(info: &str) -> bool {
    let mut lines = info.lines();
    let flags = lines.find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| flags & OFlags::CLOEXEC.bits() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_on_the_way_is_no_stray() {
        let file = File::open("/dev/null").unwrap();
        assert!(!strays().unwrap().contains(&file.as_raw_fd()));
        assert!(!stays_open("pos:\t0\nflags:\t02100000\nmnt_id:\t15\n"));
        assert!(stays_open("pos:\t0\nflags:\t0100000\nmnt_id:\t15\n"));
        assert!(stays_open(""), "unknown is covered, too");
    }
}
