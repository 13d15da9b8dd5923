//! What the next program inherits.

use std::io;
use std::os::fd::RawFd;

use crate::adapters::sandbox::stage::Trouble;

/// Closes every descriptor but the standard ones and those in `keep`.
///
/// By number, which is sound here alone: nothing in this process holds one as its own.
pub(super) fn close_all_but(keep: &[RawFd]) -> Result<(), Trouble> {
    let open = open().map_err(|cause| Trouble::new("list the descriptors", cause))?;
    for number in open {
        if number > 2 && !keep.contains(&number) {
            // Closed already: the one by which they were listed.
            let _closed = nix::unistd::close(number);
        }
    }
    Ok(())
}

fn open() -> io::Result<Vec<RawFd>> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(open)
}
