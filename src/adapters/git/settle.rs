//! Finishing a working copy that the server wrote: whose it is, and how old.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Timespec, Timestamps, UTIME_OMIT, Uid};

use crate::adapters::git::beneath::{Beneath, Standing};
use crate::adapters::git::index;
use crate::adapters::git::paths::join;

/// How much older than they are the files of a checkout are made, in seconds.
const AGE: i64 = 2;

/// A finished working copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// How old its files are made, in seconds since the epoch.
    pub(crate) dated: i64,
    /// About how much room it takes, in bytes.
    pub(crate) bytes: u64,
}

/// What a file takes beside its content, in bytes: its blocks are filled, and it has an inode.
const ROUNDING: u64 = 4096;

/// Gives `dir` and everything in it to `owner`; links themselves, not what they lead to. With an
/// `index`, files and index are dated so that git trusts it.
///
/// Nobody else may write there yet.
pub(crate) fn settle(
    dir: &Path,
    owner: Option<(u32, u32)>,
    index: Option<&Path>,
) -> io::Result<Settled> {
    let root = Beneath::open(dir)?;
    let written = rustix::fs::fstat(&root)?.st_mtime;
    let finish = Finish {
        owner: owner.map(|(user, group)| (Uid::from_raw(user), Gid::from_raw(group))),
        dated: index.map(|_| written - AGE),
    };
    if let Some((user, group)) = finish.owner {
        rustix::fs::fchown(&root, Some(user), Some(group))?;
    }
    let mut settled = Settled {
        dated: written - AGE,
        bytes: 0,
    };
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let opened;
        let here = if path.is_empty() {
            &root
        } else {
            opened = root.directory(&path)?;
            &opened
        };
        for name in here.names(u64::MAX)?.0 {
            settled.bytes += ROUNDING;
            match finish.entry(here, &name)? {
                Standing::Directory => waiting.push(join(&path, &name)),
                Standing::File { bytes, .. } => settled.bytes += bytes,
                Standing::Link | Standing::Special => {}
            }
        }
    }
    if let (Some(index), Some(dated)) = (index, finish.dated)
        && let Ok(dated) = u32::try_from(dated)
    {
        date_index(index, dated)?;
    }
    Ok(settled)
}

/// What is done to every entry.
struct Finish {
    owner: Option<(Uid, Gid)>,
    dated: Option<i64>,
}

impl Finish {
    fn entry(&self, dir: &Beneath, name: &[u8]) -> io::Result<Standing> {
        const ITSELF: AtFlags = AtFlags::SYMLINK_NOFOLLOW;
        let standing = dir.standing(name)?;
        if let Some(seconds) = self.dated
            && standing != Standing::Directory
        {
            let times = Timestamps {
                last_access: Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_OMIT,
                },
                last_modification: Timespec {
                    tv_sec: seconds,
                    tv_nsec: 0,
                },
            };
            rustix::fs::utimensat(dir, name, &times, ITSELF)?;
        }
        if let Some((user, group)) = self.owner {
            rustix::fs::chownat(dir, name, Some(user), Some(group), ITSELF)?;
        }
        Ok(standing)
    }
}

/// Dates an index in place, which also makes the index itself newer than its entries.
fn date_index(path: &Path, seconds: u32) -> io::Result<()> {
    let mut content = std::fs::read(path)?;
    match index::date(&mut content, seconds) {
        Some(()) => std::fs::write(path, content),
        // As git wrote it, it is right as well, only slower to use.
        None => Ok(()),
    }
}
