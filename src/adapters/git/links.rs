//! Where a symbolic link may lead: only to places inside the repository, on every system.

use crate::adapters::git::collisions;
use crate::adapters::git::names;

/// Returns whether a new link at `path` stays inside whatever happens to the rest of the tree.
///
/// `..` is taken at the front only. There it climbs from the link's own directory, which is a real
/// one; after another part it would climb from wherever that part leads. `through` tells which
/// paths are links that were there before: they may lead anywhere, so nothing leads through them.
pub(crate) fn stays_inside(path: &[u8], target: &[u8], through: impl Fn(&[u8]) -> bool) -> bool {
    let mut at: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    at.pop();
    let mut descended = false;
    // Windows takes a backslash for a separator as well.
    let parts: Vec<&[u8]> = target.split(|byte| b"/\\".contains(byte)).collect();
    let last = parts.len().saturating_sub(1);
    for (position, &part) in parts.iter().enumerate() {
        match part {
            // Empty at the front means absolute; at the end or doubled it means nothing.
            b"" if position == 0 => return false,
            b"" | b"." => {}
            b".." => {
                if descended || at.pop().is_none() {
                    return false;
                }
            }
            name => {
                if names::is_git(name) || name.ends_with(b":") {
                    return false;
                }
                descended = true;
                at.push(name);
                if position < last && through(&at.join(&b'/')) {
                    return false;
                }
            }
        }
    }
    true
}

/// Writes a path so that all names are alike that some system takes for one.
pub(crate) fn spelling(path: &[u8]) -> String {
    let parts: Vec<Vec<u8>> = path.split(|&byte| byte == b'/').map(names::plain).collect();
    collisions::fold(&parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_spelling() {
        for other in ["Old/x", "old./x", "old /X", "o\u{200c}ld/x", "old::$DATA/x"] {
            assert_eq!(spelling(other.as_bytes()), "old/x", "{other:?}");
        }
        assert_ne!(spelling(b"old/xy"), spelling(b"old/x"));
    }

    #[test]
    fn a_link_may_only_lead_inside() {
        let old_link = |path: &[u8]| path == b"old";
        for (path, target, inside) in [
            ("a", "b", true),
            ("a", "./b/", true),
            ("d/a", "../b", true),
            ("d/e/a", "../../b/c", true),
            ("a", "nowhere", true),
            ("a", "old", true),
            ("d/a", "..", true),
            ("a", "/etc/passwd", false),
            ("a", "../b", false),
            ("d/a", "../../b", false),
            ("a", "b/../../c", false),
            ("d/e/a", "up/../../x", false),
            ("a", ".git/config", false),
            ("d/a", "../.GIT", false),
            ("a", "git~1/hooks", false),
            ("a", "old/passwd", false),
            ("d/a", "../old/passwd", false),
            ("a", "\\windows", false),
            ("a", "C:\\windows", false),
            ("a", "..\\x", false),
            ("a", "", false),
        ] {
            assert_eq!(
                stays_inside(path.as_bytes(), target.as_bytes(), old_link),
                inside,
                "{path} -> {target}"
            );
        }
    }
}
