//! What the started programs inherit.
//!
//! The stage closes all that is not named in its plan; see
//! [`Plan::keep`](crate::adapters::sandbox::stage::plan::Plan).

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use command_fds::FdMapping;
use rustix::fs::{MemfdFlags, memfd_create};

/// Returns a descriptor of an anonymous file that holds `bytes`, to be read from its start.
pub(super) fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("prova", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Descriptors that a child gets, each at its own number.
///
/// Numbers stay as they are: a fixed one could be that of the descriptor on which the standard
/// library's child reports that it could not start the program.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<OwnedFd>);

impl Inherited {
    /// Adds one and returns its number.
    pub(super) fn add(&mut self, descriptor: impl Into<OwnedFd>) -> RawFd {
        let descriptor = descriptor.into();
        let number = descriptor.as_raw_fd();
        self.0.push(descriptor);
        number
    }

    /// Returns the numbers of all.
    pub(super) fn numbers(&self) -> Vec<RawFd> {
        self.0.iter().map(OwnedFd::as_raw_fd).collect()
    }

    /// Returns how the child gets them.
    pub(super) fn mappings(self) -> Vec<FdMapping> {
        let mapping = |fd: OwnedFd| FdMapping {
            child_fd: fd.as_raw_fd(),
            parent_fd: fd,
        };
        self.0.into_iter().map(mapping).collect()
    }
}
