//! Taking away what can be fetched or made again: mirrors, bases and kept setups that nobody has
//! stood on for long, or the oldest of them when they take too much room. Never one in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::git::lease;
use crate::adapters::git::removal;
use crate::domain::time::{Span, Timestamp};
use crate::ports::checkouts::Cache;

/// What was used less than this long ago stays: a job between two of its steps holds no lease yet.
const RECENT: Span = Span::minutes(60);

/// How the name of what is being taken away begins; after a crash the next round goes on with it.
const GONE: &str = ".gone-";

/// Something that can be taken away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shelved {
    /// When it was last used, in seconds since the epoch.
    pub(crate) last: i64,
    /// Whether others lie over it: they go first.
    pub(crate) beneath: bool,
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// About how much room it takes.
    pub(crate) bytes: u64,
}

/// Returns what is to go, in order: everything that is too old, and then the least recently used
/// until the rest fits.
pub(crate) fn doomed(mut shelf: Vec<Shelved>, cache: &Cache, now: Timestamp) -> Vec<PathBuf> {
    shelf.sort();
    let mut left: u64 = shelf.iter().map(|shelved| shelved.bytes).sum();
    let mut doomed = Vec::new();
    for Shelved {
        last, dir, bytes, ..
    } in shelf
    {
        let idle = now.since(Timestamp::from_millis(last.saturating_mul(1000)));
        if idle > RECENT && (idle > cache.idle || left > cache.bytes) {
            left -= bytes;
            doomed.push(dir);
        }
    }
    doomed
}

/// Takes a directory away unless somebody has a lease on it; returns whether it is gone.
pub(crate) fn take_away(dir: &Path) -> io::Result<bool> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let gone = dir.with_file_name(format!("{GONE}{name}"));
    removal::remove_tree(&gone)?;
    let ended = lease::end(dir, &gone)?;
    removal::remove_tree(&gone)?;
    Ok(ended)
}

/// Lists the directories in `dir` that others may know of, after finishing what a crash left of
/// taking some away; none when `dir` is not there.
pub(crate) fn shelf(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(GONE) {
            removal::remove_tree(&entry.path())?;
        } else if !name.starts_with('.') && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Returns about how much room a directory takes, links not followed.
pub(crate) fn measure(dir: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            bytes += meta.blocks() * 512;
            if meta.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn shelved(name: &str, hours_ago: i64, bytes: u64) -> Shelved {
        Shelved {
            last: 1_000 * HOUR - hours_ago * HOUR,
            beneath: name == "beneath",
            dir: name.into(),
            bytes,
        }
    }

    fn gone(shelf: Vec<Shelved>, bytes: u64, hours: u64) -> Vec<PathBuf> {
        let cache = Cache {
            bytes,
            idle: Span::minutes(60 * hours),
        };
        doomed(shelf, &cache, Timestamp::from_millis(1_000 * HOUR * 1_000))
    }

    #[test]
    fn the_old_go_and_then_the_least_used_until_the_rest_fits() {
        let shelf = || {
            vec![
                shelved("new", 2, 10),
                shelved("old", 9, 10),
                shelved("mid", 5, 10),
            ]
        };
        assert_eq!(gone(shelf(), 30, 10), [] as [PathBuf; 0]);
        assert_eq!(gone(shelf(), 30, 8), ["old"].map(PathBuf::from));
        assert_eq!(gone(shelf(), 15, 10), ["old", "mid"].map(PathBuf::from));
        assert_eq!(gone(shelf(), 0, 10).len(), 3);
    }

    #[test]
    fn what_was_just_used_stays_and_what_lies_over_another_goes_first() {
        let shelf = vec![
            shelved("beneath", 5, 1),
            shelved("over", 5, 1),
            shelved("now", 0, 9),
        ];
        assert_eq!(gone(shelf, 0, 10), ["over", "beneath"].map(PathBuf::from));
    }

    #[test]
    fn a_crash_while_taking_away_is_made_good() {
        let home = tempfile::tempdir().unwrap();
        for name in [".gone-x", ".making", "kept"] {
            fs::create_dir_all(home.path().join(name).join("d")).unwrap();
            fs::write(home.path().join(name).join("f"), "12345").unwrap();
        }
        let kept = home.path().join("kept");
        assert_eq!(shelf(home.path()).unwrap(), std::slice::from_ref(&kept));
        assert!(!home.path().join(".gone-x").exists());
        assert!(measure(&kept).unwrap() > 0);
        assert!(!take_away(&kept).unwrap(), "no lease can be had on it");
        lease::prepare(&kept).unwrap();
        assert!(take_away(&kept).unwrap() && !kept.exists());
        assert_eq!(
            shelf(&home.path().join("nowhere")).unwrap(),
            [] as [PathBuf; 0]
        );
    }
}
