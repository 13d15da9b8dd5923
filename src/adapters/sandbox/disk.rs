//! How much a run has written to disk, measured beside it.
//!
//! What is measured is being changed by the enemy meanwhile, so a sum is never exact, and what is
//! deleted and still open is in no directory. The floor catches what the sum does not: a run ends
//! before the file system has no room left for everybody else.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use crate::ports::sandbox::Spec;

/// How long to rest between two looks that take no time.
const PAUSE: Duration = Duration::from_millis(250);
/// How finely is told how long a look takes.
const TICK: Duration = Duration::from_millis(25);
/// How many times as long as it took the rest after a look is.
const SHARE: u32 = 20;
/// What a file takes that has no blocks: its inode.
const INODE_BYTES: u64 = 256;
/// Inodes that a file system keeps free.
const FLOOR_INODES: u64 = 10_000;
/// Bytes of one path that the kernel takes, with room for a name.
const PATH_BYTES: usize = 3_800;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What a run may take of the disk.
#[derive(Clone, Debug)]
pub(super) struct Allotment {
    dirs: Vec<PathBuf>,
    most: u64,
    floor: u64,
}

impl Allotment {
    /// Returns what `spec` says, with `floor` bytes of the file system left to others.
    pub(super) fn new(spec: &Spec, floor: u64) -> Self {
        let dirs = [
            Some(spec.tree.written()),
            spec.output.as_deref(),
            spec.home.as_deref(),
        ];
        Self {
            dirs: dirs.into_iter().flatten().map(Path::to_path_buf).collect(),
            most: spec.limits.disk_bytes,
            floor,
        }
    }

    /// Waits until it is used up; forever when it never is.
    pub(super) async fn used_up(&self) {
        let given_up = Flag::default();
        loop {
            let (allotment, flag) = (self.clone(), Arc::clone(&given_up.0));
            let mut look = tokio::task::spawn_blocking(move || allotment.is_used_up(&flag));
            let mut rest = PAUSE;
            let is_used_up = loop {
                tokio::select! {
                    seen = &mut look => break seen.unwrap_or(false),
                    () = tokio::time::sleep(TICK) => rest += TICK * SHARE,
                }
            };
            if is_used_up {
                return;
            }
            tokio::time::sleep(rest).await;
        }
    }

    /// Looks once. Whoever loses interest sets `given_up`.
    pub(super) fn is_used_up(&self, given_up: &AtomicBool) -> bool {
        let mut left = self.most;
        self.dirs.iter().any(|dir| {
            if is_below(dir, self.floor) {
                return true;
            }
            match taken(dir, left, given_up) {
                Some(taken) => left = left.saturating_sub(taken),
                None => return true,
            }
            false
        })
    }
}

/// Set when it is dropped: a walk need not go on when its run is over.
#[derive(Default)]
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns whether the file system of `dir` has less room than `floor` bytes, or hardly an inode.
/// One that has no fixed number of inodes says that it has none at all.
fn is_below(dir: &Path, floor: u64) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|facts| {
        let free = facts.f_bavail.saturating_mul(facts.f_frsize);
        free < floor || (facts.f_files > 0 && facts.f_favail < FLOOR_INODES.min(facts.f_files / 10))
    })
}

/// Returns how many bytes everything below `top` takes on disk; none when that is more than `most`.
///
/// Follows no link, leaves out other file systems, and needs one descriptor and the names of the
/// directories that are still to be seen, however deep they are.
fn taken(top: &Path, most: u64, given_up: &AtomicBool) -> Option<u64> {
    let Ok(top) = rustix::fs::open(top, DIRECTORY, Mode::empty()) else {
        return Some(0);
    };
    let mut sum = 0_u64;
    let mut path: Vec<CString> = Vec::new();
    let mut pending = vec![(0, None)];
    while let Some((depth, name)) = pending.pop() {
        path.truncate(depth);
        path.extend(name);
        // What cannot be opened has been moved or removed since it was seen.
        let Ok(dir) = open_below(&top, &path) else {
            continue;
        };
        let depth = path.len();
        let Ok(entries) = Dir::read_from(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(facts) = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            sum = sum.saturating_add(size(&facts));
            if sum > most {
                return None;
            }
            if FileType::from_raw_mode(facts.st_mode) == FileType::Directory {
                pending.push((depth, Some(name.to_owned())));
            }
            if given_up.load(Ordering::Relaxed) {
                return Some(sum);
            }
        }
    }
    Some(sum)
}

/// Returns what one entry takes: its share, when the file has several names.
fn size(facts: &Stat) -> u64 {
    let blocks = u64::try_from(facts.st_blocks)
        .unwrap_or(0)
        .saturating_mul(512);
    let names = match FileType::from_raw_mode(facts.st_mode) {
        FileType::Directory => 1_u128,
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => u128::from(facts.st_nlink).max(1),
    };
    let share = u128::from(blocks.max(INODE_BYTES)) / names;
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Opens a directory by the names on the way to it, in as few steps as the kernel takes.
fn open_below(top: &OwnedFd, path: &[CString]) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let open = |from: &OwnedFd, way: &[u8]| {
        rustix::fs::openat2(from, way, DIRECTORY, Mode::empty(), resolve)
    };
    let mut at = open(top, b".")?;
    let mut way: Vec<u8> = Vec::new();
    for name in path {
        if way.len() + name.as_bytes().len() > PATH_BYTES {
            at = open(&at, &way)?;
            way.clear();
        }
        if !way.is_empty() {
            way.push(b'/');
        }
        way.extend_from_slice(name.as_bytes());
    }
    if !way.is_empty() {
        at = open(&at, &way)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, create_dir_all, hard_link, write};
    use std::os::unix::fs::symlink;

    const MANY: u64 = 1 << 40;

    fn sum(dir: &Path, most: u64) -> Option<u64> {
        taken(dir, most, &AtomicBool::new(false))
    }

    #[test]
    fn blocks_are_counted_once_for_each_file() {
        let top = tempfile::tempdir().unwrap();
        create_dir_all(top.path().join("a/b")).unwrap();
        let empty = sum(top.path(), MANY).unwrap();
        write(top.path().join("a/b/data"), vec![1; 1 << 20]).unwrap();
        for n in 0..5 {
            hard_link(
                top.path().join("a/b/data"),
                top.path().join(format!("a/{n}")),
            )
            .unwrap();
        }
        let sparse = std::fs::File::create(top.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let grown = sum(top.path(), MANY).unwrap() - empty;
        assert!(((1 << 20)..(1 << 20) + 65_536).contains(&grown), "{grown}");
        assert_eq!(sum(top.path(), 1 << 20), None, "more than it may");
    }

    #[test]
    fn links_lead_nowhere() {
        let (top, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(other.path().join("large"), vec![1; 1 << 20]).unwrap();
        symlink(other.path(), top.path().join("out")).unwrap();
        symlink(other.path().join("large"), top.path().join("file")).unwrap();
        symlink("..", top.path().join("up")).unwrap();
        assert!(sum(top.path(), MANY).unwrap() < 65_536);
        let link = other.path().join("link");
        symlink(top.path(), &link).unwrap();
        assert_eq!(sum(&link, MANY), Some(0), "not even at the top");
    }

    #[test]
    fn depth_hides_nothing() {
        let top = tempfile::tempdir().unwrap();
        let mut at = rustix::fs::open(top.path(), DIRECTORY, Mode::empty()).unwrap();
        let name = "d".repeat(100);
        for _ in 0..200 {
            rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, name.as_str(), DIRECTORY, Mode::empty()).unwrap();
        }
        let before = sum(top.path(), MANY).unwrap();
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let file = rustix::fs::openat(&at, "data", flags, Mode::RUSR).unwrap();
        rustix::io::write(&file, &vec![1; 1 << 20]).unwrap();
        let grown = sum(top.path(), MANY).unwrap() - before;
        assert!(grown >= 1 << 20, "{grown}");
    }

    #[test]
    fn names_cost_room_too() {
        let top = tempfile::tempdir().unwrap();
        for n in 0..1_000 {
            symlink("x", top.path().join(n.to_string())).unwrap();
        }
        assert!(sum(top.path(), MANY).unwrap() >= 256_000);
    }

    #[test]
    fn the_output_counts_and_the_floor_holds() {
        let top = tempfile::tempdir().unwrap();
        let dirs: Vec<_> = ["tree", "out"].map(|name| top.path().join(name)).into();
        for dir in &dirs {
            create_dir(dir).unwrap();
            write(dir.join("data"), vec![1; 700_000]).unwrap();
        }
        let look = |most, floor| {
            let allotment = Allotment {
                dirs: dirs.clone(),
                most,
                floor,
            };
            allotment.is_used_up(&AtomicBool::new(false))
        };
        assert!(!look(2_000_000, 0));
        assert!(look(1_000_000, 0), "both together");
        assert!(look(u64::MAX, u64::MAX), "no disk has that much room");
    }
}
