//! Removing what an agent may have left: directories thousands deep, without permissions, full of
//! links. No link is followed, no mount is crossed, and depth costs neither stack nor descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::adapters::git::beneath::Beneath;

/// Removes a directory and everything in it; fine when it is not there.
pub(crate) fn remove_tree(dir: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(io::Error::other(
            "a directory without a name is not removed",
        ));
    };
    let parent = match Beneath::open(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        parent => parent?,
    };
    let name = name.as_encoded_bytes();
    let Some(stat) = stat(&parent, name)? else {
        return Ok(());
    };
    if is_directory(&stat) {
        let top = open_directory(&parent, name, stat.st_dev)?;
        // What is deeper is moved up into `dir` itself, so that a crash leaves nothing beside it.
        for child in all_names(&top)? {
            remove_entry(&top, &child, stat.st_dev)?;
        }
    }
    unlink(&parent, name, &stat)
}

/// Removes one entry of `parent`: each directory below it is first moved up into `parent`, so that
/// nothing is ever more than one step away.
fn remove_entry(parent: &Beneath, name: &[u8], device: u64) -> io::Result<()> {
    let mut waiting = vec![name.to_vec()];
    let mut serial: u64 = 0;
    while let Some(name) = waiting.pop() {
        let Some(stat) = stat(parent, &name)? else {
            continue;
        };
        if is_directory(&stat) {
            let dir = open_directory(parent, &name, device)?;
            for child in all_names(&dir)? {
                let Some(stat) = self::stat(&dir, &child)? else {
                    continue;
                };
                if is_directory(&stat) {
                    waiting.push(move_up(&dir, &child, parent, &mut serial)?);
                } else {
                    unlink(&dir, &child, &stat)?;
                }
            }
        }
        unlink(parent, &name, &stat)?;
    }
    Ok(())
}

fn all_names(dir: &Beneath) -> io::Result<Vec<Vec<u8>>> {
    Ok(dir.names(u64::MAX)?.0)
}

fn stat(dir: &Beneath, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        stat => Ok(Some(stat?)),
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Opens a directory after making it ours to list and empty, whatever its permissions were.
fn open_directory(parent: &Beneath, name: &[u8], device: u64) -> io::Result<Beneath> {
    let opened = match parent.directory(name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            parent.directory(name)
        }
        opened => opened,
    };
    let dir = match opened {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            return Err(mounted(name));
        }
        dir => dir?,
    };
    let stat = rustix::fs::fstat(&dir)?;
    if stat.st_dev != device {
        return Err(mounted(name));
    }
    if stat.st_mode & 0o700 != 0o700 {
        // Fails for a directory of somebody else's, whose entries only root can remove anyway.
        let _ = rustix::fs::fchmod(&dir, Mode::RWXU);
    }
    Ok(dir)
}

fn mounted(name: &[u8]) -> io::Error {
    io::Error::other(format!(
        "{} is a mount point; unmount it first",
        String::from_utf8_lossy(name).escape_debug()
    ))
}

fn move_up(from: &Beneath, name: &[u8], parent: &Beneath, serial: &mut u64) -> io::Result<Vec<u8>> {
    loop {
        let fresh = format!("removing-{serial}").into_bytes();
        *serial += 1;
        let moved =
            rustix::fs::renameat_with(from, name, parent, fresh.as_slice(), RenameFlags::NOREPLACE);
        match moved {
            Ok(()) => return Ok(fresh),
            Err(Errno::EXIST) => {}
            // Moving a directory rewrites its `..`, which needs write permission on it.
            Err(Errno::ACCESS) if make_ours(from, name).is_ok() => {}
            Err(Errno::XDEV | Errno::BUSY) => return Err(mounted(name)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gives us every permission on a directory; an error when we have them already, so that nobody
/// tries forever.
fn make_ours(dir: &Beneath, name: &[u8]) -> io::Result<()> {
    let open = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let held: OwnedFd = rustix::fs::openat(dir, name, open, Mode::empty())?;
    let mode = rustix::fs::fstat(held.as_fd())?.st_mode;
    if mode & 0o700 == 0o700 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(rustix::fs::chmodat(
        dir,
        name,
        Mode::RWXU,
        AtFlags::empty(),
    )?)
}

fn unlink(dir: &Beneath, name: &[u8], stat: &Stat) -> io::Result<()> {
    let flags = if is_directory(stat) {
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    match rustix::fs::unlinkat(dir, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::BUSY) => Err(mounted(name)),
        removed => Ok(removed?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let kept = home.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let job = home.path().join("job");
        std::fs::create_dir_all(job.join("a/b")).unwrap();
        symlink(&kept, job.join("a/link")).unwrap();
        symlink(&kept, job.join("top")).unwrap();
        std::fs::write(job.join("removing-0"), "in the way").unwrap();
        remove_tree(&job).unwrap();
        assert!(!job.exists());
        assert!(kept.join("file").exists());
        remove_tree(&job).unwrap();

        symlink(&kept, &job).unwrap();
        remove_tree(&job).unwrap();
        assert!(kept.join("file").exists() && !job.is_symlink());
    }

    #[test]
    fn depth_and_missing_permissions_do_not_matter() {
        let home = tempfile::tempdir().unwrap();
        let job = home.path().join("job");
        std::fs::create_dir(&job).unwrap();
        let mut dir = Beneath::open(&job).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&dir, "d", Mode::RWXU).unwrap();
            let below = dir.directory(b"d").unwrap();
            rustix::fs::fchmod(&dir, Mode::empty()).unwrap();
            dir = below;
        }
        std::fs::set_permissions(&job, std::fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(&job).unwrap();
        assert!(!job.exists());
    }
}
