//! Reading what the kernel's overlay leaves in its upper layer: what was deleted, what was replaced,
//! and what shows through from the layers below.
//!
//! An agent cannot write these marks: the overlay refuses to make a device 0/0, and attributes of
//! the kind that it keeps its marks in are out of reach from inside.

use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use crate::adapters::git::beneath::{Beneath, Standing, os_path};
use crate::adapters::git::paths::prefixes;

/// In which attributes an overlay keeps its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// Those that only root of the machine can read and write: root mounted it.
    Trusted,
    /// Those of ordinary users, as an overlay that an ordinary user mounted keeps them.
    User,
}

impl Marks {
    /// Returns the marks of the overlays that this process's sandboxes mount: root of the machine
    /// uses its own. `dir` is a directory of ours to try it in.
    pub(crate) fn of(dir: &Path) -> io::Result<Self> {
        const PROBE: &CStr = c"trusted.prova.probe";
        match rustix::fs::setxattr(dir, PROBE, b"y", rustix::fs::XattrFlags::empty()) {
            Ok(()) => {
                rustix::fs::removexattr(dir, PROBE)?;
                Ok(Self::Trusted)
            }
            Err(Errno::PERM | Errno::NOTSUP) => Ok(Self::User),
            Err(error) => Err(error.into()),
        }
    }

    const fn opaque(self) -> &'static CStr {
        match self {
            Self::Trusted => c"trusted.overlay.opaque",
            Self::User => c"user.overlay.opaque",
        }
    }

    /// Returns whether a directory of a layer hides what the layers below have at its place.
    pub(crate) fn is_opaque(self, dir: &Beneath) -> io::Result<bool> {
        let mut value = [0_u8; 8];
        match rustix::fs::fgetxattr(dir, self.opaque(), &mut value[..]) {
            Ok(length) => Ok(value.get(..length) == Some(b"y")),
            Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns whether the entry says that there is nothing here, whatever the layers below have.
pub(crate) fn is_whiteout(dir: &Beneath, name: &[u8]) -> io::Result<bool> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    Ok(is_device && stat.st_rdev == 0)
}

/// The layers below an upper one.
#[derive(Debug)]
pub(crate) struct Lower {
    /// The highest first.
    layers: Vec<Beneath>,
    /// How directories are marked.
    pub(crate) marks: Marks,
}

/// What one layer has to say about a path.
enum Said {
    /// What stands there, in all layers.
    Found(Standing),
    /// Nothing stands there, in this layer or any below.
    Nothing,
    /// Ask the next layer.
    AskBelow,
}

impl Lower {
    /// Opens layers that are listed from the lowest to the highest.
    pub(crate) fn open(lower: &[PathBuf], marks: Marks) -> io::Result<Self> {
        let layers = lower.iter().rev().map(|layer| Beneath::open(layer));
        Ok(Self {
            layers: layers.collect::<io::Result<_>>()?,
            marks,
        })
    }

    /// Reads a regular file that shows through, when it has at most `most` bytes.
    pub(crate) fn read(&self, path: &[u8], most: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(match self.find(path)? {
            Some((layer, Standing::File { bytes, .. })) if bytes <= most => {
                Some(layer.read(path, bytes)?)
            }
            Some((
                _,
                Standing::File { .. } | Standing::Directory | Standing::Link | Standing::Special,
            ))
            | None => None,
        })
    }

    /// Returns what shows through at the path.
    pub(crate) fn standing(&self, path: &[u8]) -> io::Result<Option<Standing>> {
        Ok(self.find(path)?.map(|(_, standing)| standing))
    }

    /// Returns the target of a link that shows through.
    pub(crate) fn link_target(&self, path: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self.find(path)? {
            Some((layer, Standing::Link)) => layer.link_target(path).map(Some),
            Some((_, Standing::File { .. } | Standing::Directory | Standing::Special)) | None => {
                Ok(None)
            }
        }
    }

    fn find(&self, path: &[u8]) -> io::Result<Option<(&Beneath, Standing)>> {
        for layer in &self.layers {
            match self.ask(layer, path)? {
                Said::Found(standing) => return Ok(Some((layer, standing))),
                Said::Nothing => return Ok(None),
                Said::AskBelow => {}
            }
        }
        Ok(None)
    }

    fn ask(&self, layer: &Beneath, path: &[u8]) -> io::Result<Said> {
        let mut hides = false;
        let mut parent = Vec::new();
        for prefix in prefixes(path) {
            let opened;
            let here = if parent.is_empty() {
                layer
            } else {
                opened = layer.directory(&parent)?;
                hides |= self.marks.is_opaque(&opened)?;
                &opened
            };
            let name = prefix.get(parent.len()..).unwrap_or(prefix);
            let name = name.strip_prefix(b"/").unwrap_or(name);
            match here.standing(name) {
                Ok(Standing::Directory) if prefix.len() < path.len() => {
                    parent = prefix.to_vec();
                }
                Ok(Standing::Special) if is_whiteout(here, name)? => return Ok(Said::Nothing),
                Ok(standing) if prefix.len() == path.len() => return Ok(Said::Found(standing)),
                // A file where the path has a directory.
                Ok(_) => return Ok(Said::Nothing),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(if hides { Said::Nothing } else { Said::AskBelow });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Said::AskBelow)
    }
}

/// Says in a layer that nothing stands at the path, and makes the directories on the way.
pub(crate) fn white_out(layer: &Path, path: &[u8]) -> io::Result<()> {
    let at = layer.join(os_path(path));
    if let Some(dir) = at.parent() {
        std::fs::create_dir_all(dir)?;
    }
    // Everybody may make this one device, since it is none.
    Ok(rustix::fs::mknodat(
        rustix::fs::CWD,
        &at,
        FileType::CharacterDevice,
        rustix::fs::Mode::empty(),
        0,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &Path, path: &str, text: &str) {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_highest_layer_that_says_anything_is_right() {
        let home = tempfile::tempdir().unwrap();
        let [low, high] = ["low", "high"].map(|name| home.path().join(name));
        for (dir, path, text) in [
            (&low, "a/x", "low"),
            (&low, "a/y", "low"),
            (&low, "b/x", "low"),
            (&low, "c", "low"),
            (&low, "d/x", "low"),
            (&low, "e/x", "low"),
            (&high, "a/x", "high"),
            (&high, "c/x", "high"),
            (&high, "d", "high"),
            (&high, "e/y", "high"),
        ] {
            file(dir, path, text);
        }
        white_out(&high, b"b").unwrap();
        let marks = Marks::of(home.path()).unwrap();
        rustix::fs::setxattr(
            high.join("e"),
            marks.opaque(),
            b"y",
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
        let lower = Lower::open(&[low, high.clone()], marks).unwrap();
        let read = |path: &str| {
            let content = lower.read(path.as_bytes(), 10).unwrap();
            content.map(|content| String::from_utf8(content).unwrap())
        };
        for (path, expected) in [
            ("a/x", Some("high")),
            ("a/y", Some("low")),
            ("a", None),
            ("b/x", None),
            ("c", None),
            ("c/x", Some("high")),
            ("d/x", None),
            ("e/x", None),
            ("e/y", Some("high")),
            ("nowhere/x", None),
        ] {
            assert_eq!(read(path).as_deref(), expected, "{path}");
        }
        assert_eq!(lower.standing(b"a").unwrap(), Some(Standing::Directory));
        assert_eq!(lower.standing(b"b").unwrap(), None);
        assert_eq!(lower.read(b"a/x", 3).unwrap(), None, "too large");
    }
}
