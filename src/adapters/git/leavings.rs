//! What setup commands left in the upper layer that they wrote, made fit to lie over other commits.

use std::io;
use std::path::Path;

use rustix::fs::AtFlags;

use crate::adapters::git::beneath::{Beneath, Standing};
use crate::adapters::git::overlay::{Lower, is_whiteout};
use crate::adapters::git::paths::{join, prefixes};

/// Paths that setup made and nothing below has, each with everything at and below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roots(pub(crate) Vec<Vec<u8>>);

impl Roots {
    /// Takes out of the upper layer what is the same as below, so that only what setup made anew is
    /// left; `None` when it changed or removed something of the commit: that would hide what another
    /// commit has there.
    pub(crate) fn strip(upper: &Path, lower: &Lower) -> io::Result<Option<Self>> {
        let root = Beneath::open(upper)?;
        let mut roots = Self::default();
        let mut emptied = Vec::new();
        let mut waiting = vec![Vec::new()];
        while let Some(path) = waiting.pop() {
            let opened;
            let here = if path.is_empty() {
                &root
            } else {
                opened = root.directory(&path)?;
                &opened
            };
            if lower.marks.is_opaque(here)? {
                return Ok(None);
            }
            for name in here.names(u64::MAX)?.0 {
                let below = join(&path, &name);
                let standing = here.standing(&name)?;
                if standing == Standing::Special && is_whiteout(here, &name)? {
                    return Ok(None);
                }
                match (standing, lower.standing(&below)?) {
                    (_, None) => roots.0.push(below),
                    (Standing::Directory, Some(Standing::Directory)) => waiting.push(below),
                    (now, Some(then)) if now == then && is_same(&root, lower, &below, now)? => {
                        rustix::fs::unlinkat(here, name.as_slice(), AtFlags::empty())?;
                    }
                    (_, Some(_)) => return Ok(None),
                }
            }
            if !path.is_empty() {
                emptied.push(path);
            }
        }
        // The deepest first; those that hold something stay.
        for path in emptied.iter().rev() {
            match rustix::fs::unlinkat(&root, path.as_slice(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        roots.0.sort_unstable();
        Ok(Some(roots))
    }

    /// Returns whether nothing stands where these would be laid over.
    pub(crate) fn fit(&self, lower: &Lower) -> io::Result<bool> {
        for root in &self.0 {
            for prefix in prefixes(root) {
                let fits = match lower.standing(prefix)? {
                    Some(Standing::Directory) => prefix.len() < root.len(),
                    Some(Standing::File { .. } | Standing::Link | Standing::Special) => false,
                    None => true,
                };
                if !fits {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Writes them, a line each.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<_> = (self.0.iter())
            .map(|root| format!("root {}\n", hex::encode(root)))
            .collect();
        lines.concat()
    }
}

fn is_same(upper: &Beneath, lower: &Lower, path: &[u8], standing: Standing) -> io::Result<bool> {
    match standing {
        Standing::File { bytes, .. } => {
            Ok(lower.read(path, bytes)?.as_deref() == Some(&*upper.read(path, bytes)?))
        }
        Standing::Link => Ok(lower.link_target(path)? == Some(upper.link_target(path)?)),
        Standing::Directory | Standing::Special => Ok(false),
    }
}
