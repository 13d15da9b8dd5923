//! Paths of a repository as bytes: parts between slashes, from the root down.

/// Joins a directory's path, empty for the root, and a name in it.
pub(crate) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() {
        name.to_vec()
    } else {
        [dir, b"/", name].concat()
    }
}

/// Returns the last part of a path.
pub(crate) fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// Yields a path's directories, outermost first, and the path itself.
pub(crate) fn prefixes(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'/')
        .filter_map(|(at, _)| path.get(..at))
        .chain(std::iter::once(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_and_put_together() {
        assert_eq!(join(b"", b"a"), b"a");
        assert_eq!(join(b"a/b", b"c"), b"a/b/c");
        assert_eq!(last(b"a/b"), b"b");
        assert_eq!(last(b"a"), b"a");
        let found: Vec<&[u8]> = prefixes(b"a/b/c").collect();
        assert_eq!(found, [&b"a"[..], b"a/b", b"a/b/c"]);
    }
}
