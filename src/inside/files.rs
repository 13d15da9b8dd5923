//! The files of the working directory that a recipe may change.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::domain::policy::protected::Protected;

/// The largest file that is looked at, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// What other programs write, and directories of other people's code.
const MADE: [&str; 5] = [
    "go.sum",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "packages.lock.json",
];
const MADE_ENDINGS: [&str; 12] = [
    ".crt", ".csr", ".ipynb", ".key", ".lock", ".lockb", ".map", ".min.css", ".min.js", ".pem",
    ".po", ".svg",
];
const FOREIGN: [&str; 3] = ["node_modules", "third_party", "vendor"];

/// A file that cannot be read or written, or a directory that cannot be walked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {cause}")]
pub(super) struct Unreadable {
    what: &'static str,
    path: String,
    cause: io::Error,
}

impl Unreadable {
    fn new(what: &'static str, path: &Path, cause: io::Error) -> Self {
        let path = path.display().to_string();
        Self { what, path, cause }
    }
}

/// Finds the files below `root` that git has or would take, ordered by path and named from `root`,
/// but for hidden ones, what programs make, and what is protected. Links are not followed, and the
/// rules of directories above are not asked.
pub(super) fn find(root: &Path, protected: &Protected) -> Result<Vec<PathBuf>, Unreadable> {
    let walk = WalkBuilder::new(root)
        .ignore(false)
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .filter_entry(|entry| {
            let name = entry.file_name().to_str().unwrap_or_default();
            entry.depth() == 0 || !FOREIGN.contains(&name)
        })
        .build();
    let mut found = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| {
            let cause = io::Error::other(error);
            Unreadable::new("walk", root, cause)
        })?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if is_file && !is_made(path) && protected.matches(path.as_os_str().as_bytes()).is_none() {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

fn is_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    MADE.contains(&name.as_str()) || MADE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Reads a file as text; `None` when it is none, too large, or a link.
pub(super) fn read(path: &Path) -> Result<Option<String>, Unreadable> {
    let failed = |error| Unreadable::new("read", path, error);
    let about = path.symlink_metadata().map_err(failed)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).ok();
    Ok(text.filter(|text| !text.contains('\0')))
}

/// Writes a file that was read; its mode stays.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Unreadable> {
    std::fs::write(path, text).map_err(|error| Unreadable::new("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write as put};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_git_would_take_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root.join(".gitignore"), "built/\n*.log\n").unwrap();
        for path in [
            "README.md",
            "src/a.rs",
            "src/Cargo.lock",
            "built/a.rs",
            "a.log",
            "vendor/b.rs",
            "web/node_modules/c.js",
            "web/app.min.js",
            ".github/workflows/ci.yml",
            ".git/config",
            "LICENSE",
        ] {
            create_dir_all(root.join(path).parent().unwrap()).unwrap();
            put(root.join(path), "text").unwrap();
        }
        symlink("/etc", root.join("etc")).unwrap();
        symlink("README.md", root.join("link.md")).unwrap();
        let protected = Protected::new(vec!["LICENSE".to_owned()]).unwrap();
        let found = find(root, &protected).unwrap();
        assert_eq!(found, [Path::new("README.md"), Path::new("src/a.rs")]);
    }

    #[test]
    fn only_text_of_bounded_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let large = "a".repeat(usize::try_from(MAX_BYTES).unwrap() + 1);
        for (name, bytes, expected) in [
            ("text", "grüße\r\n".as_bytes(), Some("grüße\r\n")),
            ("nul", b"a\0b", None),
            ("latin", b"gr\xfc\xdfe", None),
            ("large", large.as_bytes(), None),
        ] {
            let path = dir.path().join(name);
            put(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), expected, "{name}");
        }
        symlink(dir.path().join("text"), dir.path().join("link")).unwrap();
        assert_eq!(read(&dir.path().join("link")).unwrap(), None);
        read(&dir.path().join("missing")).unwrap_err();
    }
}
