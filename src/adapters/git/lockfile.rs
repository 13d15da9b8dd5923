//! Which files say what a repository depends on.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::adapters::git::base::{Base, Tracked};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::paths::last;
use crate::adapters::git::trouble::Trouble;

/// Lockfiles that do not end in `.lock`.
const NAMES: &[&str] = &[
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "bun.lockb",
    "deno.lock",
    "go.sum",
    "go.work.sum",
    "gradle.lockfile",
    "packages.lock.json",
    "pubspec.lock",
    "mix.lock",
    "Package.resolved",
    "rebar.lock",
    "stack.yaml.lock",
    "cabal.project.freeze",
    "conda-lock.yml",
    "gems.locked",
    "rust-toolchain",
    "rust-toolchain.toml",
    ".tool-versions",
    ".nvmrc",
    ".node-version",
    ".python-version",
    ".ruby-version",
    "go.mod",
];

/// Returns whether a file of this name says what is depended on, or with which toolchain.
fn is_lockfile(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else {
        return false;
    };
    let path = Path::new(name);
    let ends = |end: &str| path.extension().is_some_and(|extension| extension == end);
    NAMES.contains(&name) || ends("lock") || name.starts_with("requirements") && ends("txt")
}

/// Returns a digest of `recipe` and of all lockfiles of a tree, where and what they are.
pub(crate) async fn digest(
    git_dir: &Path,
    tree: ObjectId,
    recipe: &str,
) -> Result<String, Trouble> {
    let base = Base::list(git_dir, tree).await?;
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update(bytes.len().to_be_bytes());
        digest.update(bytes);
    };
    part(recipe.as_bytes());
    for (path, tracked) in base.iter().filter(|(path, _)| is_lockfile(last(path))) {
        if let Tracked::Blob { id, .. } = tracked {
            part(path);
            part(id.to_string().as_bytes());
        }
    }
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lockfiles_are_known_by_their_names() {
        for name in [
            "Cargo.lock",
            "yarn.lock",
            "poetry.lock",
            "uv.lock",
            "Gemfile.lock",
            "composer.lock",
            "package-lock.json",
            "pnpm-lock.yaml",
            "go.sum",
            "requirements.txt",
            "requirements-dev.txt",
            "some.lock",
        ] {
            assert!(is_lockfile(name.as_bytes()), "{name}");
        }
        for name in [
            "lock",
            "package.json",
            "locksmith.rs",
            "requirements.md",
            "\u{ff}",
        ] {
            assert!(!is_lockfile(name.as_bytes()), "{name}");
        }
    }
}
