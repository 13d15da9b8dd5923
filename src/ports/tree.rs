//! Working trees on the host, as a sandbox gets them.

use std::path::{Path, PathBuf};

/// A working tree. A sandbox shows it whole and writable; what is written lands in [`Tree::written`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A directory that holds every file.
    Plain(PathBuf),
    /// Read-only layers with a writable one on top, to be mounted as an overlay by whoever shows it.
    Layered(Layers),
}

/// The directories of an overlay. None of them is ever shown to an agent by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Read-only and shared, the lowest first; at least one.
    pub lower: Vec<PathBuf>,
    /// What this job writes; belongs to the sandbox's owner.
    pub upper: PathBuf,
    /// The kernel's own scratch directory, empty, on the file system of `upper`.
    pub work: PathBuf,
}

impl Tree {
    /// Returns the directory in which everything lands that is written to the tree.
    #[must_use]
    pub fn written(&self) -> &Path {
        match self {
            Self::Plain(dir) => dir,
            Self::Layered(layers) => &layers.upper,
        }
    }
}
