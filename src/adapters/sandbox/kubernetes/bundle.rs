//! Directories as one stream of bytes, between a server and a pod that share no file system.
//!
//! A stream names directories, files and links, and ends with their number. What comes out of a pod
//! was made by an enemy: it is unpacked only beneath a directory of ours, every name by itself, no
//! link is followed, and there is no word for a device, an owner or another mode than who may run it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

const DIRECTORY: u8 = b'd';
const FILE: u8 = b'f';
const LINK: u8 = b'l';
const END: u8 = b'.';

/// Bytes of a path or of what a link says.
const PATH_BYTES: usize = 4096;
/// Entries of one stream; the harvest takes far fewer.
const MOST_ENTRIES: u64 = 2_000_000;

/// What a stream may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of all files.
    pub(super) bytes: u64,
}

/// Why a stream was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It has more than it may.
    #[error("it holds more than {0} bytes")]
    TooLarge(u64),
    /// It says what no stream may say.
    #[error("{0}")]
    Hostile(String),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes what is in `dirs`, each by its place in the list, leaving out the names at the root of the
/// first for which `skip` says so. Nobody else writes there: no two sandboxes share a directory, and
/// what ran in this one has ended.
pub(super) fn pack(
    dirs: &[&Path],
    skip: &dyn Fn(&[u8]) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut count = 0;
    for (root, dir) in (0_u8..).zip(dirs) {
        let mut waiting = vec![(dir.to_path_buf(), Vec::new())];
        while let Some((dir, at)) = waiting.pop() {
            for entry in std::fs::read_dir(&dir)? {
                let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
                let mut at = at.clone();
                if !at.is_empty() {
                    at.push(b'/');
                } else if root == 0 && skip(name.as_bytes()) {
                    continue;
                }
                at.extend_from_slice(name.as_bytes());
                let found = path.symlink_metadata()?;
                if at.len() >= PATH_BYTES {
                    return Err(io::Error::other("a path is too long"));
                }
                let kind = found.file_type();
                if kind.is_dir() {
                    readable(&path, found.mode(), 0o700)?;
                    head(out, DIRECTORY, (root, found.mode()), &at)?;
                    waiting.push((path, at));
                } else if kind.is_file() {
                    readable(&path, found.mode(), 0o400)?;
                    head(out, FILE, (root, found.mode()), &at)?;
                    content(&path, found.len(), out)?;
                } else if kind.is_symlink() {
                    head(out, LINK, (root, 0), &at)?;
                    let to = std::fs::read_link(&path)?;
                    text(out, to.as_os_str().as_bytes())?;
                } else {
                    // A pipe, a socket or a device is nothing that can be handed on.
                    continue;
                }
                count += 1;
            }
        }
    }
    out.write_all(&[END])?;
    out.write_all(&u64::to_be_bytes(count))?;
    out.flush()
}

/// Lets the owner read what they closed to themselves; the harvest reads it as well.
fn readable(path: &Path, mode: u32, needed: u32) -> io::Result<()> {
    if mode & needed == needed {
        return Ok(());
    }
    let mode = std::fs::Permissions::from_mode((mode | needed) & 0o777);
    std::fs::set_permissions(path, mode)
}

fn head(out: &mut dyn Write, kind: u8, (root, mode): (u8, u32), at: &[u8]) -> io::Result<()> {
    let runs = u8::from(mode & 0o100 != 0);
    out.write_all(&[kind, root, runs])?;
    text(out, at)
}

fn text(out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    let length = u16::try_from(text.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(text)
}

/// Writes as many bytes as the file had when it was looked at.
fn content(path: &Path, length: u64, out: &mut dyn Write) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    out.write_all(&length.to_be_bytes())?;
    let copied = io::copy(&mut file.take(length), out)?;
    if copied < length {
        return Err(io::Error::other("a file became shorter while it was read"));
    }
    Ok(())
}

/// Makes in `dirs` what a stream brings. What is there already stays; nothing is replaced.
///
/// # Errors
/// When the stream is not whole, says what it may not, or brings more than `bounds`.
pub(super) fn unpack(dirs: &[&Path], bounds: Bounds, from: &mut dyn Read) -> Result<(), Refused> {
    let open = |dir: &&Path| rustix::fs::open(*dir, BENEATH, Mode::empty());
    let roots: Vec<OwnedFd> = dirs
        .iter()
        .map(open)
        .collect::<Result<_, _>>()
        .map_err(io::Error::from)?;
    let (mut count, mut left) = (0_u64, bounds.bytes);
    loop {
        let kind = byte(from)?;
        if kind == END {
            let mut said = [0; 8];
            from.read_exact(&mut said)?;
            return if u64::from_be_bytes(said) == count {
                Ok(())
            } else {
                Err(Refused::Hostile("it ends with a wrong number".to_owned()))
            };
        }
        count += 1;
        if count > MOST_ENTRIES {
            return Err(Refused::Hostile(format!(
                "it has more than {MOST_ENTRIES} entries"
            )));
        }
        let (root, runs) = (byte(from)?, byte(from)? != 0);
        let root = roots.get(usize::from(root));
        let root = root.ok_or_else(|| Refused::Hostile("it names another directory".to_owned()))?;
        let at = words(from)?;
        let (parent, name) = place(root, &at)?;
        let refuse = |error: rustix::io::Errno| {
            Refused::Hostile(format!(
                "{} cannot be made: {error}",
                String::from_utf8_lossy(&at)
            ))
        };
        match kind {
            DIRECTORY => match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
                Ok(()) => {}
                // Something is mounted there, or another entry was below it.
                Err(rustix::io::Errno::EXIST) => {
                    open_beneath(&parent, name).map_err(refuse)?;
                }
                Err(error) => return Err(refuse(error)),
            },
            FILE => {
                let mut length = [0; 8];
                from.read_exact(&mut length)?;
                let length = u64::from_be_bytes(length);
                left = left
                    .checked_sub(length)
                    .ok_or(Refused::TooLarge(bounds.bytes))?;
                let mode = Mode::from_raw_mode(if runs { 0o700 } else { 0o600 });
                let file = rustix::fs::openat(&parent, name, NEW, mode).map_err(refuse)?;
                let copied = io::copy(&mut (&mut *from).take(length), &mut File::from(file))?;
                if copied < length {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
            LINK => {
                let to = words(from)?;
                rustix::fs::symlinkat(to.as_slice(), &parent, name).map_err(refuse)?;
            }
            other => return Err(Refused::Hostile(format!("it has an entry of kind {other}"))),
        }
    }
}

const BENEATH: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const NEW: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory in which `at` stands, without following a link on the way.
fn place<'a>(root: &OwnedFd, at: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Refused> {
    let sound =
        |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    if !at.split(|byte| *byte == b'/').all(sound) {
        let shown = String::from_utf8_lossy(at).into_owned();
        return Err(Refused::Hostile(format!("it names {shown:?}")));
    }
    let cut = at.iter().rposition(|byte| *byte == b'/');
    let (dir, name) = match cut {
        Some(cut) => (
            at.get(..cut).unwrap_or_default(),
            at.get(cut + 1..).unwrap_or_default(),
        ),
        None => (b".".as_slice(), at),
    };
    let opened = open_beneath(root, dir).map_err(|error| {
        Refused::Hostile(format!(
            "{} is no directory of its own: {error}",
            String::from_utf8_lossy(dir)
        ))
    })?;
    Ok((opened, name))
}

fn open_beneath(root: &OwnedFd, dir: &[u8]) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, dir, BENEATH, Mode::empty(), resolve)
}

fn byte(from: &mut dyn Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    let [byte] = byte;
    Ok(byte)
}

fn words(from: &mut dyn Read) -> Result<Vec<u8>, Refused> {
    let mut length = [0; 2];
    from.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length >= PATH_BYTES {
        return Err(Refused::Hostile(
            "it has a path that is too long".to_owned(),
        ));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const MUCH: Bounds = Bounds { bytes: 1 << 20 };

    fn entry(kind: u8, root: u8, at: &str, rest: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        head(&mut bytes, kind, (root, 0o700), at.as_bytes()).unwrap();
        bytes.extend_from_slice(rest);
        bytes
    }

    fn file(at: &str, content: &str) -> Vec<u8> {
        let mut rest = u64::to_be_bytes(content.len() as u64).to_vec();
        rest.extend_from_slice(content.as_bytes());
        entry(FILE, 0, at, &rest)
    }

    fn link(at: &str, to: &str) -> Vec<u8> {
        let mut rest = Vec::new();
        text(&mut rest, to.as_bytes()).unwrap();
        entry(LINK, 0, at, &rest)
    }

    fn stream(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = entries.concat();
        bytes.push(END);
        bytes.extend_from_slice(&(entries.len() as u64).to_be_bytes());
        bytes
    }

    #[test]
    fn directories_come_out_as_they_went_in() {
        let (from, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(from.path().join("src/deep")).unwrap();
        std::fs::write(from.path().join("src/deep/x"), "x").unwrap();
        std::fs::write(from.path().join("closed"), "c").unwrap();
        std::fs::create_dir(from.path().join("hidden")).unwrap();
        std::fs::write(from.path().join("hidden/h"), "h").unwrap();
        let mode = std::fs::Permissions::from_mode;
        std::fs::set_permissions(from.path().join("src/deep/x"), mode(0o755)).unwrap();
        std::fs::set_permissions(from.path().join("closed"), mode(0)).unwrap();
        symlink("../../etc", from.path().join("src/link")).unwrap();
        std::fs::write(beside.path().join("o"), "out").unwrap();
        let mut bytes = Vec::new();
        pack(
            &[from.path(), beside.path()],
            &|name| name == b"hidden",
            &mut bytes,
        )
        .unwrap();

        let (to, too) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        unpack(&[to.path(), too.path()], MUCH, &mut bytes.as_slice()).unwrap();
        let x = to.path().join("src/deep/x");
        assert_eq!(std::fs::read(&x).unwrap(), b"x");
        assert_eq!(x.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read(to.path().join("closed")).unwrap(), b"c");
        assert_eq!(
            std::fs::read_link(to.path().join("src/link")).unwrap(),
            Path::new("../../etc")
        );
        assert_eq!(std::fs::read(too.path().join("o")).unwrap(), b"out");
        assert!(!to.path().join("hidden").exists());
    }

    #[test]
    fn what_an_enemy_says_is_refused() {
        for (entries, expected) in [
            (vec![file("../x", "")], "names"),
            (vec![file("/etc/x", "")], "names"),
            (vec![file("a/./x", "")], "names"),
            (vec![file("a//x", "")], "names"),
            (vec![file("", "")], "names"),
            (vec![file("a\0b", "")], "names"),
            (vec![file("missing/x", "")], "no directory"),
            (vec![link("out", "/"), file("out/x", "")], "no directory"),
            (
                vec![link("out", "."), entry(DIRECTORY, 0, "out", &[])],
                "cannot be made",
            ),
            (
                vec![link("out", "/etc/passwd"), file("out", "x")],
                "cannot be made",
            ),
            (vec![file("x", "1"), file("x", "2")], "cannot be made"),
            (vec![entry(DIRECTORY, 1, "x", &[])], "another directory"),
            (vec![entry(b'b', 0, "x", &[])], "kind 98"),
            (
                vec![file("x", &"x".repeat(2 << 20))],
                "more than 1048576 bytes",
            ),
            (vec![file(&"x".repeat(5000), "")], "too long"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("root");
            std::fs::create_dir(&root).unwrap();
            let bytes = stream(&entries);
            let refused = unpack(&[&root], MUCH, &mut bytes.as_slice()).unwrap_err();
            assert!(refused.to_string().contains(expected), "{refused}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_stream_that_is_cut_is_no_stream() {
        let whole = stream(&[file("a", "content"), link("b", "a")]);
        for cut in 0..whole.len() {
            let dir = tempfile::tempdir().unwrap();
            let mut bytes = whole.get(..cut).unwrap();
            assert!(unpack(&[dir.path()], MUCH, &mut bytes).is_err(), "{cut}");
        }
        let dir = tempfile::tempdir().unwrap();
        let mut wrong = whole;
        *wrong.last_mut().unwrap() = 9;
        let refused = unpack(&[dir.path()], MUCH, &mut wrong.as_slice()).unwrap_err();
        assert!(refused.to_string().contains("wrong number"), "{refused}");
    }
}
