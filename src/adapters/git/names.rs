//! Which names of files and directories a change may bring.
//!
//! A name that is harmless here can be `.git` on a Mac or on Windows, where HFS+ skips some
//! invisible characters and NTFS knows short names, streams and trailing dots. Whoever clones the
//! result on such a machine must be safe as well.

use std::borrow::Cow;

use crate::domain::change::RefusalReason;

/// Longer paths cannot be checked out on all systems even in a short directory.
const MAX_PATH_BYTES: usize = 2_048;

/// Returns why a new path, of which `name` is the last part, is refused; `None` when it is fine.
pub(crate) fn refuse(path: &[u8], name: &[u8]) -> Option<RefusalReason> {
    let Ok(text) = std::str::from_utf8(name) else {
        return Some(RefusalReason::NotUtf8);
    };
    let hostile = path.len() > MAX_PATH_BYTES
        || name.is_empty()
        // A leading dash makes a name an option of whatever is run on `*`.
        || name.starts_with(b"-")
        || text.chars().any(|c| c.is_control() || reorders_text(c))
        // Windows takes the part after a backslash for a name of its own.
        || (name.contains(&b'\\') && name.split(|&byte| byte == b'\\').any(leads_away))
        || looks_special(name);
    hostile.then_some(RefusalReason::HostileName)
}

/// Returns whether some system takes the name for `.git`.
pub(crate) fn is_git(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'\\').any(|part| {
        let plain = plain(part);
        plain == b".git" || is_short_name(&plain, b"git~")
    })
}

/// The names that git itself reads from a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// `.gitmodules`.
    Modules,
    /// `.gitattributes`.
    Attributes,
    /// `.gitignore` and `.mailmap`, which git reads and never through a link.
    Other,
}

/// Returns what git reads from a file of this name.
pub(crate) fn special(name: &[u8]) -> Option<Special> {
    match name {
        b".gitmodules" => Some(Special::Modules),
        b".gitattributes" => Some(Special::Attributes),
        b".gitignore" | b".mailmap" => Some(Special::Other),
        _ => None,
    }
}

/// Returns whether the name is another spelling of one that git reads.
fn looks_special(name: &[u8]) -> bool {
    let plain = plain(name);
    let spelled = special(&plain).is_some() && special(name).is_none();
    // NTFS makes a short name of the first six characters, or of two and a hash.
    let short = [
        "gitmod~", "gitatt~", "gitign~", "mailma~", "gi7eba~", "gi7d29~", "gi250a~",
    ];
    spelled
        || short
            .iter()
            .any(|stem| is_short_name(&plain, stem.as_bytes()))
}

fn is_short_name(plain: &[u8], stem: &[u8]) -> bool {
    plain
        .strip_prefix(stem)
        .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
}

/// Returns the name as HFS+ and NTFS compare it: without invisible characters, stream and trailing
/// dots or spaces, in lower case.
pub(crate) fn plain(name: &[u8]) -> Vec<u8> {
    let visible: Cow<'_, [u8]> = match std::str::from_utf8(name) {
        Ok(text) if !text.is_ascii() => visible(text).into_bytes().into(),
        Ok(_) | Err(_) => name.into(),
    };
    let before_stream = visible.split(|&byte| byte == b':').next().unwrap_or(&[]);
    let mut plain = before_stream.to_ascii_lowercase();
    while plain.last().is_some_and(|last| b". ".contains(last)) {
        plain.pop();
    }
    plain
}

/// Leaves out the characters that HFS+ ignores when it compares names.
pub(crate) fn visible(text: &str) -> String {
    text.chars().filter(|&c| !is_ignored_by_hfs(c)).collect()
}

const fn is_ignored_by_hfs(c: char) -> bool {
    matches!(
        c,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
    )
}

/// Characters that make a reviewer read another name than the one that is there.
const fn reorders_text(c: char) -> bool {
    matches!(
        c,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn leads_away(part: &[u8]) -> bool {
    part.is_empty() || part == b"." || part == b".." || part.ends_with(b":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_git_is_seen() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            ".git.",
            ".git ",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            "git~1",
            "GIT~1",
            "GIT~1.",
            "git~2",
            ".g\u{200c}it",
            ".git\u{200d}",
            "\u{feff}.git",
            ".gi\u{206f}t",
            ".git\\config",
            "a\\.git",
            "x\\GIT~1\\hooks",
        ] {
            assert!(is_git(name.as_bytes()), "{name:?}");
        }
        for name in [
            "git",
            ".gitignore",
            ".github",
            "git~",
            "git~x",
            "a.git",
            ".git-blame-ignore-revs",
            "...git",
            ".gi",
            "",
        ] {
            assert!(!is_git(name.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn names_that_harm_somewhere_are_refused() {
        use RefusalReason::{HostileName, NotUtf8};
        for (name, reason) in [
            (&b"a\nb"[..], Some(HostileName)),
            (b"a\tb", Some(HostileName)),
            (b"\x1b[2J", Some(HostileName)),
            (b"\x7f", Some(HostileName)),
            (b"-rf", Some(HostileName)),
            (b"a\\..\\b", Some(HostileName)),
            (b"\\x", Some(HostileName)),
            (b"C:\\x", Some(HostileName)),
            ("evil\u{202e}txt.exe".as_bytes(), Some(HostileName)),
            (b".GITMODULES", Some(HostileName)),
            (b"gitmod~1", Some(HostileName)),
            (b"GI7EBA~1", Some(HostileName)),
            (b".gitattributes ", Some(HostileName)),
            (b"\xff", Some(NotUtf8)),
            (b".gitmodules", None),
            (b"it's \"quoted\"", None),
            ("\u{fc}ber.txt".as_bytes(), None),
            (b"dev-disk-by\\x2dlabel.swap", None),
            (b"a b", None),
            (b"...", None),
        ] {
            assert_eq!(
                refuse(name, name),
                reason,
                "{}",
                String::from_utf8_lossy(name)
            );
        }
        let long = vec![b'a'; MAX_PATH_BYTES + 1];
        assert_eq!(refuse(&long, b"a"), Some(HostileName));
    }
}
