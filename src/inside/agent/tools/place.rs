//! Paths below the working directory.

use std::path::{Component, Path, PathBuf};

/// Returns where `path` leads, which need not exist, when that is below `root`: as it is written and
/// with every link on the way followed. A shell could go elsewhere; the tools that edit do not, so
/// that a link of the repository's own leads no edit astray.
pub(super) fn below(root: &Path, path: &str) -> Result<PathBuf, String> {
    let outside = || format!("{path} is not below the working directory");
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    let relative = Path::new(path);
    let relative = relative.strip_prefix(&root).unwrap_or(relative);
    let mut at = root.clone();
    for part in relative.components() {
        match part {
            Component::CurDir => continue,
            Component::Normal(name) => at.push(name),
            Component::ParentDir => {
                at.pop();
            }
            Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
        if !at.starts_with(&root) {
            return Err(outside());
        }
        if at.symlink_metadata().is_ok() {
            at = at
                .canonicalize()
                .map_err(|error| format!("{path}: {error}"))?;
        }
        if !at.starts_with(&root) {
            return Err(outside());
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_path_and_no_link_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::write(root.join("src/a.rs"), "").unwrap();
        symlink("src", root.join("inner")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let whole = root.join("src/a.rs");
        for (path, expected) in [
            ("src/a.rs", "src/a.rs"),
            ("./src/../src/a.rs", "src/a.rs"),
            ("inner/a.rs", "src/a.rs"),
            ("new/deep/b.rs", "new/deep/b.rs"),
            (whole.to_str().unwrap(), "src/a.rs"),
            ("", ""),
        ] {
            assert_eq!(below(&root, path).unwrap(), root.join(expected), "{path}");
        }
        for path in [
            "../x",
            "/etc/passwd",
            "etc/passwd",
            "src/../../x",
            "dangling",
        ] {
            assert!(below(&root, path).is_err(), "{path}");
        }
    }
}
