//! Mounting the layers of a tree.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::MountFlags;
use rustix::process::geteuid;

use crate::adapters::sandbox::stage::Trouble;
use crate::adapters::sandbox::stage::plan::{Mounter, Overlay, options};

/// Mounts `overlay` over its own upper directory. Must be called in a mount namespace of its own.
pub(super) fn mount(overlay: &Overlay) -> Result<(), Trouble> {
    let layer = |path: &Path| {
        directory(path)
            .map_err(|cause| Trouble::new(format!("mount: open {}", path.display()), cause))
    };
    let lower = overlay.lower.iter().map(|path| layer(path));
    let lower = lower.collect::<Result<Vec<OwnedFd>, Trouble>>()?;
    let (upper, work) = (layer(&overlay.upper)?, layer(&overlay.work)?);
    forget_last_mount(&overlay.work)
        .map_err(|cause| Trouble::new("mount: prepare the overlay's work directory", cause))?;

    let numbers: Vec<RawFd> = lower.iter().map(OwnedFd::as_raw_fd).collect();
    let mounter = if geteuid().is_root() {
        Mounter::Root
    } else {
        Mounter::User
    };
    let options = options(&numbers, upper.as_raw_fd(), work.as_raw_fd(), mounter);
    let mounted = CString::new(options)
        .map_err(io::Error::from)
        .and_then(|options| {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            let at = overlay.upper.as_path();
            Ok(rustix::mount::mount(
                "prova",
                at,
                "overlay",
                flags,
                options.as_c_str(),
            )?)
        });
    mounted.map_err(|cause| Trouble::new("mount: overlay", cause))
}

/// Opens a directory to name it. Only after the namespace was entered: the kernel takes no layer
/// whose mount is in another one.
fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// Removes the mark by which a volatile overlay refuses to be mounted again, since the host may have
/// crashed in between. A tree lives for one job, and a job that the host's end interrupted starts
/// over with a new one; within the job its commands run one after another on the same tree.
fn forget_last_mount(work: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(work.join("work/incompat")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
