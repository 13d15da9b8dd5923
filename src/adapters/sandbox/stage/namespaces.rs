//! A mount namespace that only one sandbox has, and what stands in it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{getegid, geteuid};

use crate::adapters::sandbox::stage::{Trouble, plan};

/// Enters a mount namespace of its own, from which nothing spreads to the host and which ends with
/// the last process in it, however that ends. Who is not root gets there by a user namespace in
/// which it stays itself: what is started from there has no capability left.
pub(super) fn enter() -> Result<(), Trouble> {
    if geteuid().is_root() {
        unshare(CloneFlags::CLONE_NEWNS)
            .map_err(|cause| Trouble::new("unshare the mounts", cause))?;
    } else {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
            .map_err(|cause| Trouble::new("unshare user and mounts", cause))?;
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{uid} {uid} 1")),
            ("gid_map", format!("{gid} {gid} 1")),
        ] {
            std::fs::write(Path::new("/proc/self").join(file), text)
                .map_err(|cause| Trouble::new(format!("unshare user: write {file}"), cause))?;
        }
    }
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )
    .map_err(|cause| Trouble::new("mount: keep mounts private", cause))
}

/// Binds `dirs`, which may be files, too, below `place`.
pub(super) fn show(place: &Path, dirs: &[PathBuf]) -> Result<(), Trouble> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("prova", place, "tmpfs", flags, c"mode=0711,size=1m")
        .map_err(|cause| Trouble::new(format!("mount: {}", place.display()), cause))?;
    for (index, dir) in dirs.iter().enumerate() {
        bind(dir, &plan::place(index))
            .map_err(|cause| Trouble::new(format!("mount: bind {}", dir.display()), cause))?;
    }
    Ok(())
}

fn bind(from: &Path, at: &Path) -> io::Result<()> {
    if from.metadata()?.is_dir() {
        DirBuilder::new().mode(0o711).create(at)?;
    } else {
        std::fs::File::create_new(at)?;
    }
    Ok(mount_bind_recursive(from, at)?)
}
