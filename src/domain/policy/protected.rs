//! Paths that a change may not touch.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::LazyLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

/// Patterns of paths, read as `.gitignore` users expect: without a slash inside they match at any
/// depth, with one from the root; a directory protects all below it; `*` stays within a name.
///
/// Case does not count. On a file system that ignores case, `.GitHub/workflows` would replace
/// `.github/workflows` in the checkout of whoever reviews it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Protected {
    patterns: Vec<String>,
    set: GlobSet,
    /// For each glob of the set, which pattern it came from.
    origins: Vec<usize>,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// It begins with `!`.
    #[error("it begins with `!`, and patterns cannot take others back; list what to protect")]
    Negated,
    /// It has parts that no path in a repository has.
    #[error(
        "it has a part `.` or `..`, or two slashes in a row; write the path from the repository's root"
    )]
    NotAPath,
    /// The glob does not parse.
    #[error("{0}")]
    Glob(String),
}

/// What runs with secrets once it is merged, or on the machine of whoever checks it out.
const DEFAULT: [&str; 16] = [
    ".github/**",
    "CODEOWNERS",
    ".gitmodules",
    ".gitlab-ci.yml",
    ".circleci/**",
    ".buildkite/**",
    ".travis.yml",
    "azure-pipelines.yml",
    "Jenkinsfile",
    ".husky/**",
    ".vscode/**",
    ".devcontainer/**",
    ".claude/**",
    ".codex/**",
    ".opencode/**",
    ".mcp.json",
];

impl Protected {
    /// Builds the set; the first bad pattern is returned with the reason.
    ///
    /// # Errors
    /// When one of the patterns cannot be read.
    pub fn new(patterns: Vec<String>) -> Result<Self, (String, BadPattern)> {
        let mut set = GlobSetBuilder::new();
        let mut origins = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let globs = globs(pattern).map_err(|why| (pattern.clone(), why))?;
            for glob in globs {
                set.add(glob);
                origins.push(index);
            }
        }
        match set.build() {
            Ok(set) => Ok(Self {
                patterns,
                set,
                origins,
            }),
            Err(error) => Err((
                patterns.join(", "),
                BadPattern::Glob(error.kind().to_string()),
            )),
        }
    }

    /// Tells whether a pattern can be used.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn check(pattern: &str) -> Result<(), BadPattern> {
        globs(pattern).map(|_| ())
    }

    /// Returns the pattern that protects a path, the first in their order. The path is as git has
    /// it: bytes, from the root of the repository, with slashes.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> Option<&str> {
        let path = Path::new(OsStr::from_bytes(path));
        let first = self.set.matches(path).into_iter().min()?;
        let origin = self.origins.get(first)?;
        self.patterns.get(*origin).map(String::as_str)
    }

    /// Returns the patterns as they were written.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

/// Writes a pattern as globs from the root: itself, and everything below it.
fn globs(pattern: &str) -> Result<Vec<globset::Glob>, BadPattern> {
    if pattern.trim().is_empty() || pattern == "/" {
        return Err(BadPattern::Empty);
    }
    if pattern.starts_with('!') {
        return Err(BadPattern::Negated);
    }
    let path = pattern.strip_prefix('/').unwrap_or(pattern);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
        return Err(BadPattern::NotAPath);
    }
    let anchored = pattern.starts_with('/') || path.contains('/');
    let rooted = if anchored {
        path.to_owned()
    } else {
        format!("**/{path}")
    };
    let below = format!("{rooted}/**");
    [rooted, below]
        .into_iter()
        .map(|glob| {
            GlobBuilder::new(&glob)
                .literal_separator(true)
                .case_insensitive(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| BadPattern::Glob(error.kind().to_string()))
        })
        .collect()
}

impl Default for Protected {
    fn default() -> Self {
        // Every policy begins with it, and building it takes longer than all the rest of one.
        static BUILT: LazyLock<Protected> = LazyLock::new(|| {
            let patterns = DEFAULT.map(str::to_owned).to_vec();
            // A constant that a test builds; should it ever fail, an empty set would protect nothing.
            Protected::new(patterns).unwrap_or_else(|_| Protected::everything())
        });
        BUILT.clone()
    }
}

impl Protected {
    /// Returns the set that no path is in.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            patterns: Vec::new(),
            set: GlobSet::empty(),
            origins: Vec::new(),
        }
    }

    fn everything() -> Self {
        Self::new(vec!["**".to_owned()]).unwrap_or_else(|_| Self::none())
    }
}

impl std::fmt::Debug for Protected {
    /// Shows the patterns; the automata behind them fill pages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Protected").field(&self.patterns).finish()
    }
}

impl PartialEq for Protected {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Protected {}

impl TryFrom<Vec<String>> for Protected {
    type Error = String;

    fn try_from(patterns: Vec<String>) -> Result<Self, Self::Error> {
        Self::new(patterns).map_err(|(pattern, why)| format!("bad pattern {pattern:?}: {why}"))
    }
}

impl From<Protected> for Vec<String> {
    fn from(protected: Protected) -> Self {
        protected.patterns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn protects(pattern: &str, path: &str) -> bool {
        let protected = Protected::new(vec![pattern.to_owned()]).unwrap();
        protected.matches(path.as_bytes()) == Some(pattern)
    }

    #[test]
    fn patterns_are_read_as_gitignore_users_expect() {
        for (pattern, path) in [
            (".github/**", ".github/workflows/ci.yml"),
            (".github/**", ".GITHUB/x"),
            (".github", ".github/workflows/ci.yml"),
            (".github/", ".github/x"),
            ("/LICENSE", "LICENSE"),
            ("LICENSE", "vendor/x/LICENSE"),
            ("*.lock", "a/b/Cargo.lock"),
            ("docs/*.md", "docs/a.md"),
            ("docs", "docs/a/b/c.md"),
            ("a/**/z", "a/z"),
            ("a/**/z", "a/b/c/z"),
            ("**", "anything/at/all"),
            ("secrets/", "app/secrets/key"),
            ("{Makefile,*.mk}", "x/rules.mk"),
        ] {
            assert!(protects(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/LICENSE", "vendor/LICENSE"),
            ("docs/*.md", "docs/a/b.md"),
            ("docs/*.md", "x/docs/a.md"),
            ("LICENSE", "LICENSE.md"),
            (".github", ".githubx"),
            ("*.lock", "lock"),
        ] {
            assert!(!protects(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn paths_need_not_be_unicode() {
        let protected = Protected::new(vec!["keys".to_owned(), "a?c".to_owned()]).unwrap();
        assert_eq!(protected.matches(b"keys/\xff\xfe"), Some("keys"));
        assert_eq!(protected.matches(b"\xff/keys"), Some("keys"));
        assert_eq!(protected.matches(b"\xff"), None);
        assert_eq!(protected.matches(b"keys\n/x"), None);
    }

    #[test]
    fn bad_patterns_say_why() {
        let why = |pattern| Protected::check(pattern).unwrap_err().to_string();
        assert_eq!(why(" "), "it is empty");
        assert_eq!(why("/"), "it is empty");
        assert!(why("!a").starts_with("it begins with `!`"));
        assert!(why("../x").starts_with("it has a part `.` or `..`"));
        assert!(why("./x").starts_with("it has a part"));
        assert_eq!(why("a["), "unclosed character class; missing ']'");
    }

    #[test]
    fn the_defaults_guard_what_runs_elsewhere() {
        let protected = Protected::default();
        for path in [
            ".github/workflows/ci.yml",
            ".github/prova.toml",
            "docs/CODEOWNERS",
            ".gitmodules",
            "ci/Jenkinsfile",
            ".mcp.json",
        ] {
            assert!(protected.matches(path.as_bytes()).is_some(), "{path}");
        }
        for path in ["src/main.rs", ".gitignore", "AGENTS.md", "docs/github.md"] {
            assert_eq!(protected.matches(path.as_bytes()), None, "{path}");
        }
        assert_eq!(protected.patterns().len(), DEFAULT.len());
    }

    proptest! {
        // Each case builds automata, which is slow without optimisation.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_pattern_is_read_or_refused(pattern in "[a-z*?\\[\\]{},!/\\\\.^-]{0,20}", path in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(protected) = Protected::new(vec![pattern]) {
                let _ = protected.matches(&path);
            }
        }

        #[test]
        fn case_never_opens_a_way(path in "[a-zA-Z]{1,8}(/[a-zA-Z]{1,8}){0,2}") {
            let rooted = format!("/{path}");
            prop_assert!(protects(&rooted, &path.to_uppercase()));
            prop_assert!(protects(&path.to_lowercase(), &path));
        }
    }
}
