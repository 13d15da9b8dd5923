//! Empty repositories, written by the server itself: no template, hook or setting of the machine
//! gets in, and it costs no process.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Writes an empty bare repository that also reads the objects in `borrows`, an absolute path.
pub(crate) fn bare(dir: &Path, borrows: Option<&Path>) -> io::Result<()> {
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
    write(dir, "refs/heads/main", config)?;
    match borrows {
        Some(objects) => alternate(dir, objects),
        None => Ok(()),
    }
}

/// Writes the throw-away `.git` of a checkout: on `branch`, which points at `commit`, with a name
/// to commit under, borrowing the objects that stand at `borrows` inside the sandbox.
///
/// The server never reads it back.
pub(crate) fn throw_away(dir: &Path, branch: &str, commit: &str, borrows: &Path) -> io::Result<()> {
    throw_away_common(dir, borrows)?;
    throw_away_own(dir, branch, commit)
}

/// Writes what the throw-away `.git` of every checkout has, whatever its branch.
pub(crate) fn throw_away_common(dir: &Path, borrows: &Path) -> io::Result<()> {
    // Ownership, inode and change time differ inside; without them git would read every file again.
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
                  \tlogallrefupdates = true\n\tcheckStat = minimal\n\ttrustctime = false\n\
                  [gc]\n\tauto = 0\n\
                  [user]\n\tname = agent\n\temail = agent@invalid\n";
    write(dir, "refs/heads/main", config)?;
    alternate(dir, borrows)
}

/// Writes what the throw-away `.git` of one checkout has of its own: the branch it is on, and the
/// commit that this points at.
pub(crate) fn throw_away_own(dir: &Path, branch: &str, commit: &str) -> io::Result<()> {
    fs::write(dir.join("HEAD"), format!("ref: refs/heads/{branch}\n"))?;
    // A packed reference needs no directory per part of the branch's name.
    fs::write(
        dir.join("packed-refs"),
        format!("# pack-refs with: peeled fully-peeled sorted \n{commit} refs/heads/{branch}\n"),
    )
}

fn write(dir: &Path, head: &str, config: &str) -> io::Result<()> {
    for part in ["objects/info", "objects/pack", "refs/heads", "info"] {
        fs::create_dir_all(dir.join(part))?;
    }
    fs::write(dir.join("config"), config)?;
    fs::write(dir.join("HEAD"), format!("ref: {head}\n"))
}

fn alternate(dir: &Path, objects: &Path) -> io::Result<()> {
    let line = [objects.as_os_str().as_bytes(), b"\n"].concat();
    fs::write(dir.join("objects/info/alternates"), line)
}
