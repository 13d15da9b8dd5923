//! Opening files below a directory that somebody else wrote, so that no link, mount or trick with
//! `..` leads out of it, and nothing that is opened can block or do anything.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::adapters::git::object::ObjectId;

/// A directory, held open.
#[derive(Debug)]
pub(crate) struct Beneath(OwnedFd);

/// What stands at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A directory.
    Directory,
    /// A regular file with its apparent size; executable when its owner may run it.
    File {
        /// Its apparent size.
        bytes: u64,
        /// Whether its owner may run it, which is what git records.
        executable: bool,
    },
    /// A symbolic link.
    Link,
    /// A device, FIFO or socket.
    Special,
}

impl Standing {
    pub(crate) fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Self::Directory,
            FileType::RegularFile => Self::File {
                bytes: u64::try_from(stat.st_size).unwrap_or(u64::MAX),
                executable: stat.st_mode & 0o100 != 0,
            },
            FileType::Symlink => Self::Link,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Self::Special,
        }
    }
}

/// How often an open is tried again that the kernel gave up because of a rename elsewhere.
const TRIES: u32 = 16;

impl Beneath {
    /// Opens a directory by its path, which must not be a link.
    pub(crate) fn open(dir: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(dir, flags, Mode::empty())?))
    }

    fn open_at(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut tries = TRIES;
        loop {
            match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) if tries > 0 => tries -= 1,
                opened => return opened,
            }
        }
    }

    /// Opens a directory below this one.
    pub(crate) fn directory(&self, path: &[u8]) -> std::io::Result<Self> {
        Ok(Self(
            self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?,
        ))
    }

    /// Returns what stands at a name of this directory itself, without opening it: opening a
    /// device can already do something.
    pub(crate) fn standing(&self, name: &[u8]) -> std::io::Result<Standing> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Standing::of(&stat))
    }

    /// Lists at most `most` names of this directory, sorted; the flag says whether there are more.
    pub(crate) fn names(&self, most: u64) -> std::io::Result<(Vec<Vec<u8>>, bool)> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut names = Vec::new();
        let mut more = false;
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == most {
                more = true;
                break;
            }
            names.push(name);
        }
        names.sort_unstable();
        // A name that is moved about while the directory is read can come twice.
        names.dedup();
        Ok((names, more))
    }

    /// Opens a regular file of exactly `bytes` bytes. `O_NONBLOCK` so that a FIFO that took the
    /// file's place cannot hold the server.
    fn file(&self, path: &[u8], bytes: u64) -> std::io::Result<(std::fs::File, Stat)> {
        let opened = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&opened)?;
        match Standing::of(&stat) {
            Standing::File { bytes: now, .. } if now == bytes => Ok((opened.into(), stat)),
            Standing::File { .. } | Standing::Directory | Standing::Link | Standing::Special => {
                Err(changed())
            }
        }
    }

    /// Reads a regular file of exactly `bytes` bytes; an error when it changed meanwhile.
    pub(crate) fn read(&self, path: &[u8], bytes: u64) -> std::io::Result<Vec<u8>> {
        let (file, before) = self.file(path, bytes)?;
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        (&file)
            .take(bytes.saturating_add(1))
            .read_to_end(&mut content)?;
        if u64::try_from(content.len()) != Ok(bytes) {
            return Err(changed());
        }
        unchanged(&file, &before)?;
        Ok(content)
    }

    /// Returns the blob id of a regular file of exactly `bytes` bytes.
    pub(crate) fn blob_id(&self, path: &[u8], bytes: u64) -> std::io::Result<ObjectId> {
        let (mut file, before) = self.file(path, bytes)?;
        let id = ObjectId::of_stream(&mut file, bytes)?.ok_or_else(changed)?;
        unchanged(&file, &before)?;
        Ok(id)
    }

    /// Returns the target of a link.
    pub(crate) fn link_target(&self, path: &[u8]) -> std::io::Result<Vec<u8>> {
        // An empty path makes readlinkat read the link that the descriptor itself stands for.
        let link = self.open_at(path, OFlags::PATH)?;
        Ok(rustix::fs::readlinkat(&link, "", Vec::new())?.into_bytes())
    }
}

impl AsFd for Beneath {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn changed() -> std::io::Error {
    std::io::Error::other("it changed while it was read")
}

fn unchanged(file: &std::fs::File, before: &Stat) -> std::io::Result<()> {
    let after = rustix::fs::fstat(file)?;
    let stamp = |stat: &Stat| {
        (
            stat.st_size,
            (stat.st_mtime, stat.st_mtime_nsec),
            (stat.st_ctime, stat.st_ctime_nsec),
        )
    };
    if stamp(before) == stamp(&after) {
        Ok(())
    } else {
        Err(changed())
    }
}

/// Turns a path's bytes into a path of the operating system.
pub(crate) fn os_path(bytes: &[u8]) -> std::path::PathBuf {
    std::ffi::OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        std::fs::create_dir_all(inside.join("d")).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        std::fs::write(inside.join("d/f"), "12345").unwrap();
        symlink("../secret", inside.join("out")).unwrap();
        symlink("d", inside.join("via")).unwrap();
        let root = Beneath::open(&inside).unwrap();
        assert_eq!(root.read(b"d/f", 5).unwrap(), b"12345");
        assert!(root.read(b"d/f", 4).is_err(), "another size");
        for path in [
            "out",
            "../secret",
            "via/f",
            "/etc/hostname",
            "d/../../secret",
            "d",
        ] {
            assert!(root.read(path.as_bytes(), 1).is_err(), "{path}");
        }
        assert_eq!(root.link_target(b"out").unwrap(), b"../secret");
        assert!(root.link_target(b"via/f").is_err());
        assert!(root.directory(b"via").is_err());
        assert!(Beneath::open(&inside.join("via")).is_err());
    }

    #[test]
    fn a_fifo_does_not_hold_the_reader() {
        let dir = tempfile::tempdir().unwrap();
        let root = Beneath::open(dir.path()).unwrap();
        rustix::fs::mkfifoat(&root, "pipe", Mode::RUSR).unwrap();
        assert!(root.read(b"pipe", 0).is_err());
        assert_eq!(root.standing(b"pipe").unwrap(), Standing::Special);
    }

    #[test]
    fn a_listing_stops_where_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let root = Beneath::open(dir.path()).unwrap();
        let all = vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
        assert_eq!(root.names(3).unwrap(), (all, false));
        let (some, more) = root.names(2).unwrap();
        assert_eq!((some.len(), more), (2, true));
    }
}
