//! The first program inside a sandbox that has a door.

use std::io::IoSlice;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, RawFd};

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use crate::adapters::sandbox::stage::{Trouble, descriptors};
use crate::ports::door::INSIDE_DOOR;

/// Connections that may wait until the door takes them: more than programs open at once.
const BACKLOG: i32 = 1024;

/// Listens in the network of the sandbox, which nothing outside can reach, and hands the listening
/// socket over on `line`. So whatever connects here is served outside, and no program that runs
/// inside has to be trusted with it or copies a byte.
pub(super) fn enter(line: RawFd) -> Result<(), Trouble> {
    let listener = TcpListener::bind(INSIDE_DOOR)
        .map_err(|cause| Trouble::new(format!("listen on {INSIDE_DOOR}"), cause))?;
    rustix::net::listen(&listener, BACKLOG)
        .map_err(|cause| Trouble::new(format!("listen on {INSIDE_DOOR}"), cause))?;
    let handed = [listener.as_raw_fd()];
    sendmsg::<UnixAddr>(
        line,
        &[IoSlice::new(b"door")],
        &[ControlMessage::ScmRights(&handed)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .map_err(|cause| Trouble::new("hand the door over", cause))?;
    drop(listener);
    descriptors::close_all_but(&[])
}
