//! Branch names, as `git check-ref-format --branch` allows them.

/// Returns whether git takes `name` for a branch. Everything else could be read as a revision
/// expression or an option, or would break the line of a file of references.
pub(crate) fn is_branch(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 1_000
        && !name.starts_with('-')
        && !name.ends_with('.')
        && name != "HEAD"
        && !name.contains("..")
        && !name.contains("@{")
        && !name
            .chars()
            .any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c))
        && name.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_calls_a_branch_passes() {
        for good in [
            "main",
            "prova/12-fix-it",
            "feature/ü",
            "a@b",
            "release-1.0",
            "@",
        ] {
            assert!(is_branch(good), "{good}");
        }
        for bad in [
            "", "-x", "a b", "a\nb", "a..b", "a@{1}", "a^", "a~1", "a:b", "a?", "a*", "a[", "a\\b",
            "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "HEAD",
        ] {
            assert!(!is_branch(bad), "{bad:?}");
        }
    }
}
