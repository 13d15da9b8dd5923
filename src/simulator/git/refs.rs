//! Refs as loose files: nothing ever packs them, so a file is the whole truth.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::simulator::git::objects::{Objects, is_sha};

/// Tells whether git would accept the full name of a ref (`git check-ref-format`).
pub(crate) fn is_valid_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let part_is_valid = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && Path::new(part)
                .extension()
                .is_none_or(|extension| extension != "lock")
    };
    parts.len() >= 3
        && name.starts_with("refs/")
        && parts.iter().all(part_is_valid)
        && !name.contains("..")
        && !name.contains("@{")
        && !name
            .chars()
            .any(|c| c.is_control() || " ~^:?*[\\".contains(c))
}

impl Objects {
    /// Points a ref at an object.
    pub(crate) fn write_ref(&self, name: &str, sha: &str) -> io::Result<()> {
        let file = self.dir().join(name);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(file, format!("{sha}\n"))
    }

    /// Removes a ref, and the directories it leaves empty, which would block `refs/heads/a` after
    /// `refs/heads/a/b`.
    pub(crate) fn remove_ref(&self, name: &str) -> io::Result<()> {
        let file = self.dir().join(name);
        fs::remove_file(&file)?;
        let mut above = file.parent();
        while let Some(dir) = above {
            let kept = ["heads", "tags", "refs"]
                .iter()
                .any(|name| dir.ends_with(name));
            if kept || fs::remove_dir(dir).is_err() {
                break;
            }
            above = dir.parent();
        }
        Ok(())
    }

    /// Reads the branches and tags from disk, as a push left them.
    pub(crate) fn read_refs(&self) -> io::Result<BTreeMap<String, String>> {
        let mut refs = BTreeMap::new();
        for kind in ["refs/heads", "refs/tags"] {
            collect(&self.dir().join(kind), kind, &mut refs)?;
        }
        Ok(refs)
    }
}

fn collect(dir: &Path, above: &str, refs: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{above}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, refs)?;
        } else {
            let sha = fs::read_to_string(entry.path())?.trim().to_owned();
            if is_sha(&sha) {
                refs.insert(name, sha);
            }
        }
    }
    Ok(())
}
