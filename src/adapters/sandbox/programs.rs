//! Where programs are searched for.

use std::path::{Path, PathBuf};

/// Where programs of the system are searched for, inside and outside. The server's own `PATH` is
/// part of its environment, which stays out.
pub(super) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the search path inside: the mounts' `bin` directories, then the system's.
pub(super) fn search_path<'a>(mounts: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let mut path = own_bins(mounts);
    path.push(SYSTEM_PATH.to_owned());
    path.join(":")
}

/// Returns the mounts' `bin` directories that can stand in a search path.
pub(super) fn own_bins<P: AsRef<Path>>(mounts: impl IntoIterator<Item = P>) -> Vec<String> {
    let own = mounts.into_iter().map(|mount| mount.as_ref().join("bin"));
    let own = own.filter(|bin| bin.is_dir());
    own.filter_map(|bin| bin.to_str().filter(|b| !b.contains(':')).map(str::to_owned))
        .collect()
}

/// Finds `program` as a shell with [`SYSTEM_PATH`] would.
pub(super) fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_path_buf());
    }
    let mut found = SYSTEM_PATH
        .split(':')
        .map(|dir| Path::new(dir).join(program));
    found.find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_mounts_come_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        let mounts = [dir.path().to_path_buf(), PathBuf::from("/nowhere")];
        let expected = format!("{}/bin:{SYSTEM_PATH}", dir.path().display());
        assert_eq!(search_path(&mounts), expected);
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(find_program(Path::new("sh")).is_some_and(|path| path.is_absolute()));
        assert_eq!(find_program(Path::new("/bin/sh")), Some("/bin/sh".into()));
        assert_eq!(find_program(Path::new("/nowhere/sh")), None);
        assert_eq!(find_program(Path::new("no-such-program-here")), None);
    }
}
