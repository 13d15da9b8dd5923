//! What is to be done before bubblewrap starts, as plain data.

use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf, absolute};

use serde::{Deserialize, Serialize};

use crate::ports::tree::Layers;

/// Where directories are shown to an unprivileged bubblewrap. An empty directory that only root can
/// have made: nobody else can write to `/run`.
pub(in crate::adapters::sandbox) const PLACE: &str = "/run/prova";

/// What the stage does, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::adapters::sandbox) struct Plan {
    /// Descriptors that bubblewrap inherits, beside the standard ones. All others are closed: a
    /// directory that the server itself was started with would be a way out of the sandbox.
    pub(in crate::adapters::sandbox) keep: Vec<RawFd>,
    /// Mounted where only this sandbox sees it.
    pub(in crate::adapters::sandbox) overlay: Option<Overlay>,
    /// Bound at [`PLACE`], each at its index, since the user cannot walk to them.
    pub(in crate::adapters::sandbox) shown: Vec<PathBuf>,
    /// User, and group of the same number, to become for good; none when the server is not root.
    pub(in crate::adapters::sandbox) user: Option<u32>,
}

/// The layers of an overlay, by absolute paths. It is mounted over its own upper directory, in a
/// mount namespace of its own: whoever binds that directory from there binds the whole tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::adapters::sandbox) struct Overlay {
    /// Read-only, the lowest first.
    pub(in crate::adapters::sandbox) lower: Vec<PathBuf>,
    /// Where writes land.
    pub(in crate::adapters::sandbox) upper: PathBuf,
    /// The kernel's scratch directory.
    pub(in crate::adapters::sandbox) work: PathBuf,
}

impl Overlay {
    /// Takes the layers of a tree. The stage stands in the root directory, so paths become absolute.
    pub(in crate::adapters::sandbox) fn of(layers: &Layers) -> io::Result<Self> {
        Ok(Self {
            lower: layers
                .lower
                .iter()
                .map(absolute)
                .collect::<Result<_, _>>()?,
            upper: absolute(&layers.upper)?,
            work: absolute(&layers.work)?,
        })
    }
}

/// Returns where the `index`th of [`Plan::shown`] stands.
pub(in crate::adapters::sandbox) fn place(index: usize) -> PathBuf {
    Path::new(PLACE).join(index.to_string())
}

/// How an overlay is mounted, as its options say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mounter {
    /// The host's root, whose marks (`trusted.overlay.*`) nobody inside can write.
    Root,
    /// An ordinary user in a namespace of its own. Its marks are `user.overlay.*`, which the kernel
    /// keeps from everybody who comes through the overlay.
    User,
}

/// Returns the options of an overlay. Each layer is named by a descriptor below `/proc/self/fd`, the
/// lowest first: so no `:` or `,` of a path is read as an option, and the page that options must
/// fit in holds some two hundred layers.
///
/// What would let a file point elsewhere than at its own content or directory (`metacopy`,
/// `redirect_dir`) is off, so that the upper directory alone tells what was written. `volatile` skips
/// syncs: a tree that a power cut spoils is made anew.
pub(super) fn options(lower: &[RawFd], upper: RawFd, work: RawFd, mounter: Mounter) -> String {
    let lower: Vec<String> = lower.iter().rev().map(|fd| by_descriptor(*fd)).collect();
    let marks = match mounter {
        Mounter::Root => "",
        Mounter::User => ",userxattr",
    };
    format!(
        "lowerdir={},upperdir={},workdir={},metacopy=off,redirect_dir=nofollow,index=off,xino=off,\
         volatile{marks}",
        lower.join(":"),
        by_descriptor(upper),
        by_descriptor(work),
    )
}

fn by_descriptor(fd: RawFd) -> String {
    format!("/proc/self/fd/{fd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = Plan {
            keep: vec![3, 9],
            overlay: Some(Overlay {
                lower: vec!["/bases/a:b,c\\ \"d\"".into(), "/bases/delta\n".into()],
                upper: "/jobs/7/upper".into(),
                work: "/jobs/7/work".into(),
            }),
            shown: vec!["/jobs/7/-- in".into()],
            user: Some(65_534),
        };
        let text = serde_json::to_vec(&plan).unwrap();
        assert_eq!(serde_json::from_slice::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn the_options_are_these_and_no_others() {
        assert_eq!(
            options(&[3, 4, 5], 6, 7, Mounter::Root),
            "lowerdir=/proc/self/fd/5:/proc/self/fd/4:/proc/self/fd/3,upperdir=/proc/self/fd/6,\
             workdir=/proc/self/fd/7,metacopy=off,redirect_dir=nofollow,index=off,xino=off,volatile"
        );
        let user = options(&[3], 4, 5, Mounter::User);
        assert!(user.ends_with(",volatile,userxattr"), "{user}");
    }

    #[test]
    fn layers_are_absolute() {
        let layers = Layers {
            lower: vec!["base".into()],
            upper: "upper".into(),
            work: "/work".into(),
        };
        let overlay = Overlay::of(&layers).unwrap();
        assert_eq!(overlay.lower, [absolute("base").unwrap()]);
        assert!(overlay.upper.is_absolute());
        assert_eq!(overlay.work, Path::new("/work"));
    }
}
