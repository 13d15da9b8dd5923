//! What of a checkout is hidden from what runs in it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, Spec};
use crate::ports::tree::Tree;

/// Something empty and read-only over a path inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// A directory.
    Directory(String),
    /// A file.
    File(String),
}

impl Cover {
    /// Returns the path that it covers.
    pub(super) fn at(&self) -> &str {
        match self {
            Self::Directory(at) | Self::File(at) => at,
        }
    }
}

/// Returns what is to be covered in the checkout of `spec`. Where there is nothing, nothing is: a
/// cover needs a place to be put on, which would be in the checkout afterwards.
///
/// Whoever wrote the checkout has ended by now, so what is looked at here is what is covered then.
///
/// # Errors
/// A permanent fault when a name is a link: a cover would be put on what it leads to.
pub(super) fn covers(spec: &Spec) -> Result<Vec<Cover>, Fault> {
    let mut covers = Vec::new();
    for name in &spec.hide {
        let fault = |error| Fault::io(format!("look for {name} in the checkout"), &error);
        let Some(found) = find(&spec.tree, name).map_err(fault)? else {
            continue;
        };
        let at = format!("{INSIDE_CHECKOUT}/{name}");
        covers.push(if found.is_symlink() {
            let cause = format!(
                "{name} is a link, which cannot be hidden from an agent that would run what is in \
                 it; let it be a directory or a file, or choose another agent"
            );
            return Err(Fault::permanent("start the sandbox", cause));
        } else if found.is_dir() {
            Cover::Directory(at)
        } else {
            Cover::File(at)
        });
    }
    Ok(covers)
}

/// Looks for a name at the root of a tree, in its uppermost layer that knows of it.
fn find(tree: &Tree, name: &str) -> io::Result<Option<Metadata>> {
    let layers: Vec<&Path> = match tree {
        Tree::Plain(dir) => vec![dir],
        Tree::Layered(layers) => {
            let lower = layers.lower.iter().rev();
            let all = std::iter::once(&layers.upper).chain(lower);
            all.map(AsRef::as_ref).collect()
        }
    };
    for layer in layers {
        match layer.join(name).symlink_metadata() {
            Ok(found) => return Ok((!is_whiteout(&found)).then_some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns whether this is how an overlay says that something was removed.
fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}
